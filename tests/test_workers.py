"""Workers forked beforehand, on every model that has them: kept, added, taken away, replaced, never left behind."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from tests.models import models_that
from tests.serving import PATIENCE, ROOT, Server, is_silent, read_exactly, serving, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("prestarted")

with_workers = models_that(lambda entry: "workers" in entry.options)
with_a_fixed_number = models_that(lambda entry: "workers" in entry.options and "max_spare" not in entry.options)
with_workers_that_serve = models_that(lambda entry: "workers" in entry.options and entry.name != "offloading")


def workers_of(server: Server, count: int) -> list[int]:
    """Wait until there are so many workers, and return their pids."""
    wait_until(lambda: len(server.children()) == count)
    return server.children()


def is_there(pid: int) -> bool:
    """Tell whether a process lives, or waits to be reaped."""
    return Path(f"/proc/{pid}").exists()


@with_a_fixed_number
def test_there_are_as_many_workers_as_asked_for_and_each_is_replaced_when_it_dies(model: str) -> None:
    """By the CPUs if nothing is asked for; a death is told on stderr, counted, and mended."""
    with serving(model) as server:
        cpus = len(os.sched_getaffinity(0))
        assert len(workers_of(server, cpus)) == cpus
    with serving(model, "--workers", "3") as server:
        workers = workers_of(server, 3)
        assert server.ask(b"hello\n") == b"hello\n"
        os.kill(workers[0], signal.SIGKILL)
        wait_until(lambda: len(server.children()) == 3 and workers[0] not in server.children())
        assert server.ask(b"hello\n") == b"hello\n"
        server.signal(signal.SIGTERM)
        assert server.stopped()["errors"] == {"killed": 1}
        assert f"worker {workers[0]} has ended by signal 9" in server.stderr()


@with_a_fixed_number
def test_sigttin_adds_a_worker_and_sigttou_takes_one_away_but_never_the_last(model: str) -> None:
    """As gunicorn and nginx's ancestors do it."""
    with serving(model, "--workers", "2") as server:
        workers_of(server, 2)
        server.signal(signal.SIGTTIN)
        workers_of(server, 3)
        for left in (2, 1):
            server.signal(signal.SIGTTOU)
            workers_of(server, left)
        server.signal(signal.SIGTTOU)
        assert server.ask(b"hello\n") == b"hello\n"
        assert len(server.children()) == 1
        server.stop()


@with_a_fixed_number
def test_sighup_replaces_every_worker(model: str) -> None:
    """And the server is the same process on the same port."""
    with serving(model, "--workers", "3") as server:
        before = workers_of(server, 3)
        server.signal(signal.SIGHUP)
        wait_until(lambda: len(server.children()) == 3 and not set(before) & set(server.children()))
        assert server.ask(b"hello\n") == b"hello\n"
        server.stop()


@with_workers_that_serve
def test_a_worker_that_retires_serves_its_clients_until_they_leave(model: str) -> None:
    """A connection survives the reload, and a request that follows on it is answered; then its worker goes."""
    with serving(model, "--workers", "2", "--min-spare", "1") as server, server.connect() as client:
        client.sendall(b"before\n")
        assert read_exactly(client, 7) == b"before\n"
        old = server.children()
        server.signal(signal.SIGHUP)
        wait_until(lambda: len(set(old) & set(server.children())) == 1)  # the one that serves us
        client.sendall(b"after\n")
        assert read_exactly(client, 6) == b"after\n"
        client.close()
        wait_until(lambda: not set(old) & set(server.children()))
        assert server.stop()["errors"] == {}


@with_workers
def test_a_parent_that_is_killed_leaves_no_worker_behind(model: str) -> None:
    """Not even one that is serving a client."""
    with serving(model, "--workers", "3", "--protocol", "work") as server, server.connect() as client:
        client.sendall(b"1\n1 sleep=30\n")
        assert read_exactly(client, 1) == b"x"
        wait_until(lambda: len(server.children()) >= 3)
        workers = server.children()
        server.process.kill()
        server.process.wait()
        wait_until(lambda: not any(map(is_there, workers)))


@with_workers_that_serve
def test_the_stopped_line_tells_the_connections_of_each_worker(model: str) -> None:
    """A number for each worker that ever lived, and their sum is all that were served."""
    with serving(model, "--workers", "3") as server:
        for _ in range(12):
            assert server.ask(b"hello\n") == b"hello\n"
        stopped = server.stop()
    assert len(stopped["connections_per_worker"]) >= 3
    assert sum(stopped["connections_per_worker"]) == stopped["connections"] == 12


def test_first_free_skews_and_least_loaded_spreads() -> None:
    """Stevens' Figure 30.2: one client at a time always finds the first worker free."""
    served = {}
    for model in ("passing", "passing_first_free"):
        with serving(model, "--workers", "4") as server:
            for _ in range(40):
                assert server.ask(b"hello\n") == b"hello\n"
            served[model] = server.stop()["connections_per_worker"]
    assert max(served["passing"]) <= 11
    assert max(served["passing_first_free"]) >= 16
    assert sum(served["passing_first_free"]) == sum(served["passing"]) == 40


def run_failing_workers(how: str) -> tuple[int, str, dict[str, object]]:
    """Run a server whose workers end at once; return its exit status, its stderr and its stopped line."""
    script = f"""
import json, os, signal, sys
from servers import iterative
from servers.runtime import __main__ as runtime

def serve(listener, service):
    {how}

iterative.serve = serve
sys.argv = ["serve", json.dumps({{"model": "preforked", "workers": 2}})]
sys.exit(runtime.main())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE * 2, cwd=ROOT, check=False
    )
    return done.returncode, done.stderr, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("how", "told"), [("raise RuntimeError('broken')", "status 1"), ("os.kill(os.getpid(), 9)", "signal 9")]
)
def test_workers_that_die_at_boot_are_tried_again_more_and_more_slowly_and_then_given_up(how: str, told: str) -> None:
    """The last line is the reason, the status says that it failed, and the stopped line comes all the same."""
    status, stderr, stopped = run_failing_workers(how)
    assert status == 1
    last = stderr.splitlines()[-1]
    assert last.startswith("serverlab serve: workers end as soon as they start")
    assert told in last
    assert stopped["event"] == "stopped"
    assert "as soon as they start" in str(stopped["reason"])
    duration = stopped["duration"]
    assert isinstance(duration, float)
    assert 1.0 < duration < 15


class Asking:
    """Clients that ask again and again over connections of their own or over one, and note what went wrong.

    They end with the with statement, if not before: whatever a test comes to, its server outlives them.
    """

    def __init__(self, server: Server, clients: int, requests: int) -> None:
        self.answered = 0
        self.failures: list[str] = []
        self._server = server
        self._each = requests // clients
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number % 2 == 0,)) for number in range(clients)]

    def __enter__(self) -> Self:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ask no more."""
        self._enough.set()
        for thread in self._threads:
            thread.join(2 * PATIENCE)

    def _ask(self, churn: bool) -> None:
        connection = None
        for number in range(self._each):
            if self._enough.is_set():
                break
            try:
                if churn and connection:
                    connection.close()
                    connection = None
                connection = connection or self._server.connect()
                connection.sendall(b"%d\n" % number)
                if read_exactly(connection, len(b"%d\n" % number)) != b"%d\n" % number:
                    raise ConnectionError("no answer")
                self.answered += 1
            except OSError as error:
                self.failures.append(repr(error))
                if connection:
                    connection.close()
                connection = None
        if connection:
            connection.close()

    def going_on(self) -> bool:
        """Tell whether any of them still asks."""
        return any(thread.is_alive() for thread in self._threads)


@with_workers_that_serve
def test_no_request_fails_while_workers_are_added_taken_and_replaced(model: str) -> None:
    """But those that a killed worker held: at most one for each client."""
    with (
        serving(model, "--workers", "8", "--threads", "8") as server,
        Asking(server, clients=6, requests=3000) as asking,
    ):
        steps: list[Callable[[], None]] = [
            lambda: server.signal(signal.SIGHUP),
            lambda: server.signal(signal.SIGTTIN),
            lambda: server.signal(signal.SIGTTOU),
            lambda: server.signal(signal.SIGTTOU),
            lambda: server.signal(signal.SIGHUP),
        ]
        for step in steps * 3:
            then = asking.answered
            step()
            wait_until(lambda then=then: asking.answered >= then + 100 or not asking.going_on())  # type: ignore[misc]
        assert asking.failures == []
        server.kill_a_child()
        wait_until(lambda: not asking.going_on())
        assert len(asking.failures) <= 6
        server.signal(signal.SIGTERM)
        stopped = server.stopped()
    assert stopped["errors"]["killed"] == 1
    assert set(stopped["errors"]) <= {"killed", "reset"}


@pytest.mark.parametrize("model", ["preforked", "preforked_file_lock", "preforked_semaphore"])
def test_a_holder_of_the_accept_lock_that_is_killed_does_not_lock_the_others_out(model: str) -> None:
    """All but one are killed, the one that waits in accept among them; clients are served all the same."""
    with serving(model, "--workers", "3") as server:
        for _ in range(3):
            assert server.ask(b"hello\n") == b"hello\n"
            victims = workers_of(server, 3)[:2]
            for pid in victims:
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda victims=victims: not set(victims) & set(server.children()))  # type: ignore[misc]
            assert server.ask(b"hello\n") == b"hello\n"
            is_silent_for_a_boot()
        server.signal(signal.SIGTERM)
        server.stopped()


def is_silent_for_a_boot() -> None:
    """Let the new workers live long enough not to be taken for such as die at boot."""
    left, right = socket.socketpair()
    with left, right:
        is_silent(left, seconds=1.1)


def test_a_dynamic_pool_grows_with_its_clients_and_shrinks_after_them() -> None:
    """Between minimum and maximum spare nothing happens."""
    with serving("dynamic", "--workers", "2", "--min-spare", "2", "--max-spare", "6") as server:
        clients = [server.connect() for _ in range(10)]
        for client in clients:
            client.sendall(b"in\n")
            assert read_exactly(client, 3) == b"in\n"
        wait_until(lambda: len(server.children()) >= 12)
        for client in clients:
            client.close()
        wait_until(lambda: len(server.children()) == 6)
        assert server.stop()["connections"] == 10


@models_that(lambda entry: "workers" in entry.options and entry.name != "offloading")
def test_the_queue_is_served_though_the_word_to_stop_comes_while_workers_start(model: str) -> None:
    """As soon as the server says that it listens, it may have promised service."""
    with serving(model, "--workers", "2", "--min-spare", "1", "--grace", "15") as server:
        clients = [server.connect() for _ in range(16)]
        for client in clients:
            client.sendall(b"hello\n")
        server.signal(signal.SIGTERM)
        assert [read_or_reset(client) for client in clients] == [b"hello\n"] * 16
        server.stopped()
        for client in clients:
            client.close()


def read_or_reset(client: socket.socket) -> bytes:
    """Read an answer; empty where the connection is reset."""
    try:
        return read_exactly(client, 6)
    except ConnectionError:
        return b""


def test_more_workers_do_not_make_more_clients_than_may_be_served() -> None:
    """The limit is shared out anew; and a server may come to have more workers than it was to have clients."""
    with serving("symped", "--workers", "2", "--max-connections", "4") as server, ExitStack() as all_:
        for count in (3, 4):
            server.signal(signal.SIGTTIN)
            workers_of(server, count)
        for _ in range(4):
            server.signal(signal.SIGTTIN)  # no more workers than clients
        clients = [all_.enter_context(server.connect()) for _ in range(8)]
        for client in clients:
            client.sendall(b"hello\n")
        wait_until(lambda: len(served(clients)) == 4)
        assert is_silent(next(client for client in clients if client not in served(clients)))
        assert len(served(clients)) == 4
        for _ in range(3):
            before = set(server.children())
            server.signal(signal.SIGHUP)
            wait_until(lambda before=before: len(set(server.children()) - before) == 4)  # type: ignore[misc]
        server.signal(signal.SIGTERM)
        server.stopped()
        assert server.stderr() == ""


def served(clients: list[socket.socket]) -> list[socket.socket]:
    """Return those who have been answered."""
    return [client for client in clients if not is_silent(client, seconds=0)]


def test_a_dynamic_pool_keeps_to_a_small_limit() -> None:
    """Round after round, with new processes each time."""
    limits = ("--max-connections", "8", "--min-spare", "1", "--max-spare", "1")
    with serving("dynamic", "--workers", "8", *limits) as server:
        for _ in range(3):
            with ExitStack() as all_:
                clients = [all_.enter_context(server.connect()) for _ in range(8)]
                for client in clients:
                    client.sendall(b"hello\n")
                    assert read_exactly(client, 6) == b"hello\n"
            wait_until(lambda: len(server.children()) <= 2)
        assert server.stop()["connections"] == 24


def test_a_computation_survives_the_reload_and_the_death_of_its_process() -> None:
    """It is done once where its process retires, again where that is killed, and in a drain as well."""
    with serving("offloading", "--workers", "1", "--protocol", "work", "--grace", "15") as server:
        with server.connect() as client:
            client.sendall(b"1 cpu=0.6\n")
            is_silent(client, seconds=0.2)
            server.signal(signal.SIGHUP)
            assert read_exactly(client, 1) == b"x"
            client.sendall(b"2 cpu=0.4\n")
            is_silent(client, seconds=0.2)
            server.signal(signal.SIGTERM)
            is_silent(client, seconds=0.1)
            os.kill(workers_of(server, 1)[0], signal.SIGKILL)
            assert read_exactly(client, 2) == b"xx"
        stopped = server.stopped()
    assert stopped["reason"] == "SIGTERM"
    spent = stopped["cpu"]["children"]
    assert spent["user"] + spent["system"] < 0.6 + 2 * 0.4 + 0.4


@pytest.mark.parametrize("model", ["offloading", "passing", "reuseport"])
def test_a_parent_that_cannot_start_a_worker_for_want_of_descriptors_goes_on(model: str) -> None:
    """It says so once, and starts one when it can."""
    with serving(model, "--workers", "2") as server:
        workers = workers_of(server, 2)
        assert server.ask(b"hello\n") == b"hello\n"
        _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (4, hard))
        server.signal(signal.SIGTTIN)
        is_silent_for_a_boot()
        assert server.children() == workers
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (hard, hard))
        workers_of(server, 3)
        assert server.ask(b"hello\n") == b"hello\n"
        server.signal(signal.SIGTERM)
        server.stopped()
        assert server.stderr().count("start a worker") == 1


def test_sockets_of_workers_that_were_taken_away_are_used_again() -> None:
    """Or the hash would deal out more and more of the clients to the worker that has them all."""
    with serving("reuseport", "--workers", "2") as server:
        workers_of(server, 2)
        before = len(list(Path(f"/proc/{server.pid}/fd").iterdir()))
        for _ in range(6):
            server.signal(signal.SIGTTIN)
            workers_of(server, 3)
            server.signal(signal.SIGTTOU)
            workers_of(server, 2)
        assert len(list(Path(f"/proc/{server.pid}/fd").iterdir())) <= before + 1
        assert server.ask(b"hello\n") == b"hello\n"
        server.stop()
