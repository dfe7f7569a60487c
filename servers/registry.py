"""The models by name. Nothing of a model is imported until it is chosen: an entry is words alone.

To add a model: write `servers/NAME.py` with a head docstring and `serve(listener, service)`, and add its entry here.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Entry(NamedTuple):
    """One model.

    Attributes:
        name: what the command line calls it; its module is `servers.NAME`.
        summary: its mechanism in one line.
        term: the field's own term for it.
        used_by: where it is found in production.
        teaches: what it is here to show.
        figure_row: its row in UNP's Figure 30.1, None where it has none.
        options: the settings that it looks at beyond those that all models look at.
        settings: what it needs set otherwise than the others.
        requires: the package that it is built on, empty where the standard library is enough.
        datagrams: does it serve UDP too? Its module then has `serve_datagrams(receiver, service)` besides.
        tls: does it serve TLS too?
        cannot: behaviours that it cannot have, each with the reason; tests then expect the opposite.
    """

    name: str
    summary: str
    term: str
    used_by: str
    teaches: str
    figure_row: int | None = None
    options: tuple[str, ...] = ()
    settings: Mapping[str, bool] = {}
    requires: str = ""
    datagrams: bool = False
    tls: bool = False
    cannot: Mapping[str, str] = {}

    @property
    def module(self) -> str:
        """The module that holds the whole model."""
        return f"servers.{self.name}"

    @property
    def missing(self) -> str:
        """Why it cannot run here and what mends that; empty where it can."""
        if not self.requires or find_spec(self.requires):
            return ""
        return f"{self.name} is built on {self.requires}, which is not installed: pip install {self.requires}"


# Behaviours that not every model can have.
CONCURRENCY = "serve clients at the same time"
UNIX_SOCKETS = "listen on a Unix socket"
INHERITED_SOCKETS = "serve a listener that it has inherited"
MORE_CLIENTS_THAN_WORKERS = "serve more clients at the same time than it has workers"
ONE_LIMIT_FOR_ALL = "let a client in wherever there is room"
LIMIT_ON_CLIENTS = "keep the next client waiting where as many as may be are served"
CALM_IN_SCARCITY = "wait for a descriptor without spinning"
QUEUE_AT_THE_END = "serve those who wait in the accept queue when the word to stop comes"
PORT_OF_THE_KILLED = "leave its port free when it is killed"

EACH_SERVES_ONE = "each of its workers serves one client to the end before it accepts another"
# What socketserver's servers have in common.
ITS_ACCEPT_FAILS_IN_SILENCE = "its loop takes no notice of an accept that fails, and tries again at once"
IT_CLOSES_AND_LEAVES = "its loop ends with the client that it is at, and the listener is closed on those behind"

MODELS = {
    entry.name: entry
    for entry in (
        Entry(
            name="iterative",
            summary="accept, serve to the end, accept the next",
            term="iterative (sequential)",
            used_by="TLPI's is_seqnum_sv, daytime services",
            teaches="the baseline to subtract; head-of-line blocking",
            figure_row=0,
            datagrams=True,
            cannot={CONCURRENCY: "it has one thread, which serves one client to the end before it accepts another"},
        ),
        Entry(
            name="forking",
            summary="fork a process for each connection",
            term="process per connection (MP)",
            used_by="inetd, OpenSSH, PostgreSQL, ForkingMixIn",
            teaches="isolation, reaping, closing descriptors, and what a fork costs",
            figure_row=1,
            tls=True,
        ),
        Entry(
            name="threaded",
            summary="start a thread for each connection",
            term="thread per connection (MT)",
            used_by="ThreadingMixIn, MySQL",
            teaches="shared memory, the GIL, stacks",
            figure_row=6,
            options=("thread_stack",),
            datagrams=True,
            tls=True,
        ),
        Entry(
            name="selector",
            summary="one loop asks which clients are ready, and never waits for one",
            term="single-process event-driven (SPED), Reactor",
            used_by="Redis, a worker of nginx",
            teaches="partial writes, interest sets, back-pressure",
            options=("poller",),
            datagrams=True,
            tls=True,
        ),
        Entry(
            name="preforked",
            summary="N processes made beforehand all block in accept",
            term="preforked, shared accept",
            used_by="Apache prefork, gunicorn sync",
            teaches="a pool amortises the fork; the kernel wakes who has waited longest",
            figure_row=2,
            options=("workers",),
            tls=True,
            cannot={MORE_CLIENTS_THAN_WORKERS: EACH_SERVES_ONE},
        ),
        Entry(
            name="preforked_file_lock",
            summary="N processes, of which the one that holds a file lock accepts",
            term="preforked, file lock around accept (fcntl)",
            used_by="Apache's AcceptMutex",
            teaches="the thundering herd and its cure; a lock that the kernel releases for a dead holder",
            figure_row=3,
            options=("workers",),
            tls=True,
            cannot={MORE_CLIENTS_THAN_WORKERS: EACH_SERVES_ONE},
        ),
        Entry(
            name="preforked_semaphore",
            summary="N processes, of which the one that holds a shared semaphore accepts",
            term="preforked, semaphore around accept",
            used_by="Apache's AcceptMutex, uWSGI's thunder lock",
            teaches="a lock in shared memory, and what becomes of it when its holder is killed",
            figure_row=4,
            options=("workers",),
            tls=True,
            cannot={MORE_CLIENTS_THAN_WORKERS: EACH_SERVES_ONE},
        ),
        Entry(
            name="passing",
            summary="the parent accepts, and passes each connection to the least loaded process",
            term="preforked, descriptor passing (SCM_RIGHTS), least loaded",
            used_by="Node's cluster",
            teaches="scheduling in user space, and what it costs",
            figure_row=5,
            options=("workers",),
            tls=True,
            cannot={MORE_CLIENTS_THAN_WORKERS: EACH_SERVES_ONE},
        ),
        Entry(
            name="passing_first_free",
            summary="the parent accepts, and passes each connection to the first free process",
            term="preforked, descriptor passing (SCM_RIGHTS), first free",
            used_by="Stevens' own server",
            teaches="how a scheduler skews the load: Figure 30.2",
            figure_row=5,
            options=("workers",),
            tls=True,
            cannot={MORE_CLIENTS_THAN_WORKERS: EACH_SERVES_ONE},
        ),
        Entry(
            name="dynamic",
            summary="preforked, growing and shrinking by how many processes are free",
            term="dynamic pool (minimum and maximum spare)",
            used_by="Apache prefork, PHP-FPM",
            teaches="hysteresis; reaction time against bursts",
            options=("workers", "min_spare", "max_spare"),
            tls=True,
        ),
        Entry(
            name="pooled",
            summary="the main thread accepts, N threads take clients from a bounded queue",
            term="half-sync/half-async, thread pool",
            used_by="a process of Apache worker or gunicorn gthread, waitress, cheroot",
            teaches="queueing; pool starvation",
            figure_row=8,
            options=("threads", "thread_stack"),
            tls=True,
            cannot={MORE_CLIENTS_THAN_WORKERS: EACH_SERVES_ONE},
        ),
        Entry(
            name="prethreaded",
            summary="N threads made beforehand all block in accept",
            term="prethreaded, shared accept (leader/followers)",
            used_by="leader/followers servers (ACE, TAO)",
            teaches="the kernel wakes who has waited longest, without a lock",
            figure_row=7,
            options=("threads", "thread_stack"),
            tls=True,
            cannot={MORE_CLIENTS_THAN_WORKERS: EACH_SERVES_ONE},
        ),
        Entry(
            name="prethreaded_mutex",
            summary="N threads, of which the one that holds a mutex accepts",
            term="prethreaded, mutex around accept",
            used_by="Stevens' own server, uWSGI's threads",
            teaches="that a lock around accept no longer makes a difference",
            figure_row=7,
            options=("threads", "thread_stack"),
            tls=True,
            cannot={MORE_CLIENTS_THAN_WORKERS: EACH_SERVES_ONE},
        ),
        Entry(
            name="hybrid",
            summary="N processes made beforehand, each with M threads that block in accept",
            term="processes of threads (worker MPM)",
            used_by="uWSGI; Apache worker and gunicorn gthread, where one thread accepts for the rest",
            teaches="isolation against memory",
            options=("workers", "threads", "thread_stack"),
            tls=True,
            cannot={MORE_CLIENTS_THAN_WORKERS: EACH_SERVES_ONE},
        ),
        Entry(
            name="event_mpm",
            summary="threads for the clients that have said something, a poller for those that are silent",
            term="event MPM (threads for active connections, a poller for idle ones)",
            used_by="Apache event, gunicorn gthread with keep-alive",
            teaches="the keep-alive problem",
            options=("threads", "thread_stack"),
            tls=True,
        ),
        Entry(
            name="symped",
            summary="N processes, each with an event loop, accept from one socket",
            term="symmetric multi-process event-driven (SYMPED), N event loops",
            used_by="nginx",
            teaches="an event loop on every CPU; accept imbalance",
            options=("workers", "poller"),
            tls=True,
        ),
        Entry(
            name="reuseport",
            summary="N processes, each with an event loop and a listening socket of its own",
            term="SO_REUSEPORT, a listener per worker",
            used_by="nginx reuseport, Envoy, granian",
            teaches="balance by hash against tail latency; a stuck worker strands its queue",
            options=("workers", "poller"),
            settings={"reuse_port": True},
            datagrams=True,
            tls=True,
            cannot={
                UNIX_SOCKETS: "the kernel spreads no clients over several Unix sockets",
                INHERITED_SOCKETS: "whoever opened it has not allowed others on its port (SO_REUSEPORT)",
                ONE_LIMIT_FOR_ALL: "the kernel deals clients out by hash: one may wait while another worker has room",
            },
        ),
        Entry(
            name="offloading",
            summary="one loop, which hands computations to a pool of processes",
            term="asymmetric multi-process event-driven (AMPED)",
            used_by="libuv's and nginx's thread pools, run_in_executor",
            teaches="the cure for a blocked loop; why it takes processes under the GIL",
            options=("workers", "poller"),
            tls=True,
        ),
        Entry(
            name="trampoline",
            summary="one loop steps coroutines by hand: each yields what it waits for",
            term="coroutines on a trampoline (generator scheduler)",
            used_by="the heart of asyncio, trio and curio",
            teaches="how async works underneath",
            options=("poller",),
            tls=True,
        ),
        Entry(
            name="coroutines",
            summary="a task for each client on asyncio's loop, written with its streams",
            term="coroutines (async/await) on a reactor",
            used_by="aiohttp's handlers, Starlette",
            teaches="linear code, cancellation, drain",
            datagrams=True,
            tls=True,
        ),
        Entry(
            name="callbacks",
            summary="asyncio's loop calls a protocol for each event of a client",
            term="callbacks on transports (asyncio Protocol), Proactor",
            used_by="uvicorn's protocols, aiohttp's server, Twisted's style",
            teaches="callbacks against coroutines; back-pressure by hand",
            tls=True,
        ),
        Entry(
            name="uvloop",
            summary="the same callbacks on libuv's loop",
            term="callbacks on a loop in C (libuv)",
            used_by="uvicorn's standard extra, Sanic",
            teaches="what a loop in C buys",
            requires="uvloop",
            tls=True,
        ),
        Entry(
            name="greenlets",
            summary="a greenlet for each client: blocking code, all of it on one thread",
            term="greenlets (coroutines with stacks)",
            used_by="gunicorn's gevent worker, Locust",
            teaches="implicit switch points",
            requires="gevent",
        ),
        Entry(
            name="trio",
            summary="a task for each client, in a nursery that ends with the last of them",
            term="structured concurrency",
            used_by="Hypercorn's trio worker",
            teaches="drain and cancel as a scope",
            requires="trio",
            tls=True,
        ),
        Entry(
            name="socketserver_threading",
            summary="socketserver's ThreadingMixIn: a thread for each connection",
            term="thread per connection (MT), ready-made",
            used_by="http.server's threading server, Werkzeug's development server",
            teaches="what you would pick instead: convenience, and what is missing when it matters",
            options=("thread_stack",),
            tls=True,
            cannot={
                LIMIT_ON_CLIENTS: "it starts a thread for whoever comes",
                CALM_IN_SCARCITY: ITS_ACCEPT_FAILS_IN_SILENCE,
                QUEUE_AT_THE_END: IT_CLOSES_AND_LEAVES,
            },
        ),
        Entry(
            name="socketserver_forking",
            summary="the standard library's ForkingMixIn: fork a process for each connection",
            term="process per connection (MP), ready-made",
            used_by="http.server and xmlrpc.server with the mixin",
            teaches="what you would pick instead, with a process for each client",
            tls=True,
            cannot={
                CALM_IN_SCARCITY: ITS_ACCEPT_FAILS_IN_SILENCE,
                QUEUE_AT_THE_END: IT_CLOSES_AND_LEAVES,
                PORT_OF_THE_KILLED: "its children keep the listener open",
            },
        ),
    )
}
