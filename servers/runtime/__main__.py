"""The server process itself: ``python -m servers.runtime SETTINGS``, with the settings as a JSON object.

`python -m servers` reads the command line and replaces itself with this. The command-line parser would stay in memory
for as long as the server runs, and a fork copies the page tables of all that its parent has in memory.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from resource import RLIMIT_NOFILE, RUSAGE_CHILDREN, RUSAGE_SELF, getrlimit, getrusage, setrlimit
from signal import SIG_BLOCK, pthread_sigmask
from time import monotonic, time

from servers.protocols import load
from servers.protocols.session import Limits
from servers.runtime.errors import CannotServe, EndNow
from servers.runtime.lifecycle import WORKER_SIGNALS, Lifecycle
from servers.runtime.listener import Listener, somaxconn
from servers.runtime.messages import announce, warn
from servers.runtime.opening import open_listener, open_sockets, passed_descriptors
from servers.runtime.service import Service
from servers.runtime.settings import Settings
from servers.runtime.tally import Tally

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from servers.runtime.datagrams import Receiver

MOST_WORKERS = 4096  # that are told apart in one server's life
INTERRUPTED = 130  # the shell's status for a process that SIGINT ended


def main() -> int:
    """Serve until a signal stops it; return the exit status."""
    settings = Settings(**json.loads(sys.argv[1]))
    lifecycle = Lifecycle(settings.grace)
    try:
        lifecycle.install()
        if settings.keeps_workers:  # whoever reads that we listen may send these before there are workers
            pthread_sigmask(SIG_BLOCK, WORKER_SIGNALS)
        model = import_module(f"servers.{settings.model}")  # before anybody waits for us: it may take its time
        service = make_service(settings, lifecycle)
        endpoint = open_endpoint(settings, lifecycle)
    except CannotServe as error:
        return refuse(error)
    except EndNow:
        return INTERRUPTED  # before there was a server: a host name can take its time to resolve
    allow_descriptors(settings.max_connections)
    say_listening(settings, endpoint)
    return run(model.serve_datagrams if settings.udp else model.serve, endpoint, service)


def make_service(settings: Settings, lifecycle: Lifecycle) -> Service:
    """Put together what the model is asked to serve. Raise CannotServe where a certificate is none."""
    limits = Limits(settings.max_line, settings.max_size, settings.max_sleep, settings.max_cpu, now=time)
    # A row for us, and one for each child of a forking model; workers come and go, and have new ones.
    tally = Tally(rows=settings.max_connections + MOST_WORKERS + 1)
    service = Service(load(settings.protocol), limits, settings, tally, lifecycle)
    if settings.tls:
        from servers.runtime.tls import make_context  # noqa: PLC0415  only a server that speaks it pays for it

        service.tls = make_context(settings.tls)
    return service


def open_endpoint(settings: Settings, lifecycle: Lifecycle) -> Listener | Receiver:
    """Open what the model serves: listening sockets, or sockets for datagrams. Raise CannotServe."""
    first, count = passed_descriptors()
    if count and settings.fd < 0:
        settings.fd, settings.fds = first, count
    if settings.udp:
        from servers.runtime.datagrams import Receiver  # noqa: PLC0415  a server of streams needs none

        return Receiver(open_sockets(settings), lifecycle)
    return open_listener(settings, lifecycle)


def run(serve: Callable[[Any, Service], None], endpoint: Listener | Receiver, service: Service) -> int:
    """Run the model to its end and say what it did."""
    began, status, settings = monotonic(), 0, service.settings
    server = os.getpid()
    try:
        serve(endpoint, service)
        service.lifecycle.hear_no_more()
    except EndNow:
        service.cut_off()
    except CannotServe as error:
        service.lifecycle.reason = str(error)
        status = refuse(error)
    finally:
        service.lifecycle.clean_up()
        endpoint.close()
    if os.getpid() != server:
        return status  # a child that was ended before it could begin
    facts = {"model": settings.model, "protocol": settings.protocol, "pid": server}
    reason, lasted = service.lifecycle.reason, monotonic() - began
    announce("stopped", **facts, reason=reason, duration=lasted, **service.tally.totals(), **usage(), gil=has_gil())
    return INTERRUPTED if reason == "SIGINT twice" else status


def refuse(error: CannotServe) -> int:
    """Say in one line why there is no server, or no longer; return the exit status."""
    print(f"serverlab serve: {error}", file=sys.stderr)
    return 1


def allow_descriptors(connections: int) -> None:
    """Raise our limit on descriptors towards what that many connections need, as far as we may."""
    soft, hard = getrlimit(RLIMIT_NOFILE)
    wanted = min(connections + 64, hard)
    if soft < wanted:
        setrlimit(RLIMIT_NOFILE, (wanted, hard))


def say_listening(settings: Settings, endpoint: Listener | Receiver) -> None:
    """Tell where we listen, and with how long a queue."""
    facts = {"model": settings.model, "protocol": settings.protocol, "pid": os.getpid(), "tls": bool(settings.tls)}
    if isinstance(endpoint, Listener):
        facts |= backlogs(settings, endpoint)
    announce("listening", **facts, **endpoint.addresses())


def backlogs(settings: Settings, listener: Listener) -> dict[str, int]:
    """Return the length of the accept queue, as it was asked for and as it is; warn where these differ."""
    most = somaxconn()
    asked = settings.backlog if settings.fd < 0 else listener.backlog() or settings.backlog
    effective = asked if most is None else min(asked, most)
    if effective < asked:
        warn("backlog %d is cut to %d by net.core.somaxconn", asked, effective)
    return {"backlog": asked, "backlog_effective": effective}


def usage() -> dict[str, Any]:
    """Return what we and the children that we have reaped have used: CPU in seconds, context switches, faults."""
    own, children = getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)
    return {
        "cpu": {
            "self": {"user": own.ru_utime, "system": own.ru_stime},
            "children": {"user": children.ru_utime, "system": children.ru_stime},
        },
        "context_switches": {
            "voluntary": own.ru_nvcsw + children.ru_nvcsw,
            "involuntary": own.ru_nivcsw + children.ru_nivcsw,
        },
        "minor_faults": own.ru_minflt + children.ru_minflt,
    }


def has_gil() -> bool:
    """Tell whether this interpreter's lock is on. An extension can have turned it on, in a free-threaded build too."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


if __name__ == "__main__":
    status = main()
    os._exit(status)  # threads that were cut off must not hold up the end
