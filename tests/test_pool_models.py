"""What is particular to the pools of threads and to the event MPM."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from servers.protocols.echo import Echo
from servers.protocols.session import Limits
from servers.registry import MODELS, MORE_CLIENTS_THAN_WORKERS
from servers.runtime import threads
from servers.runtime.errors import CannotServe
from servers.runtime.lifecycle import Lifecycle
from servers.runtime.service import Service
from servers.runtime.settings import Settings
from servers.runtime.tally import Tally
from servers.runtime.threads import Threads, serve_in_threads
from tests.models import models_that
from tests.serving import Server, is_silent, read_all, read_exactly, serving, wait_until

if TYPE_CHECKING:
    from servers.runtime.listener import Listener

pytestmark = pytest.mark.usefixtures("prestarted")

in_threads = models_that(lambda entry: "thread_stack" in entry.options and "workers" not in entry.options)
pools = models_that(lambda entry: "threads" in entry.options and "workers" not in entry.options)


def count_of(server: Server, what: str) -> int:
    """Return how many threads ("task") or descriptors ("fd") a server has."""
    return len(list(Path(f"/proc/{server.pid}/{what}").iterdir()))


def descriptors_at_rest(server: Server, *, threads: int) -> int:
    """Return how many descriptors a server has that has begun to serve, and opens no modules any more."""
    wait_until(lambda: count_of(server, "task") == 1 + threads)
    return count_of(server, "fd")


@pools
def test_each_thread_of_a_pool_tells_how_many_clients_it_had(model: str) -> None:
    """A number for each, in the order of their start; none where clients are no thread's own."""
    with serving(model, "--threads", "3") as server:
        for _ in range(20):
            assert server.ask(b"hello\n") == b"hello\n"
        per_worker = server.stop()["connections_per_worker"]
    each_has_its_own = MORE_CLIENTS_THAN_WORKERS in MODELS[model].cannot
    assert (len(per_worker), sum(per_worker)) == ((3, 20) if each_has_its_own else (0, 0))


@models_that(lambda entry: {"workers", "threads"} <= set(entry.options))
def test_the_threads_of_a_worker_count_as_one(model: str) -> None:
    """In a hybrid it is the processes that are told apart."""
    with serving(model, "--workers", "2", "--threads", "3") as server:
        wait_until(lambda: len(server.children()) == 2)
        wait_until(lambda: all(len(list(Path(f"/proc/{pid}/task").iterdir())) == 4 for pid in server.children()))
        for _ in range(20):
            assert server.ask(b"hello\n") == b"hello\n"
        per_worker = server.stop()["connections_per_worker"]
    assert len(per_worker) == 2
    assert sum(per_worker) == 20


@pools
def test_there_are_no_more_threads_than_clients_may_be_served(model: str) -> None:
    """A thread past that would never have anything to do."""
    with serving(model, "--threads", "8", "--max-connections", "2") as server:
        wait_until(lambda: count_of(server, "task") == 3)
        assert server.ask(b"hello\n") == b"hello\n"
        assert count_of(server, "task") == 3


@in_threads
def test_several_listening_sockets_are_served_by_all_threads(model: str) -> None:
    """A host with addresses of two families: threads that wait for both at once do not get into each other's way."""
    with serving(model, "--host", "") as server:
        for host in ("127.0.0.1", "::1") * 5:
            with socket.create_connection((host, server.listening["port"]), timeout=10) as client:
                client.sendall(b"hello\n")
                assert read_exactly(client, 6) == b"hello\n"
        assert server.stop()["connections"] == 10


def test_the_queue_of_a_pool_is_bounded() -> None:
    """One is served, one waits in the queue, and nobody else is accepted; all are served in the end."""
    with serving("pooled", "--threads", "1") as server, ExitStack() as all_:
        at_rest = descriptors_at_rest(server, threads=1)
        clients = [all_.enter_context(server.connect()) for _ in range(5)]
        wait_until(lambda: count_of(server, "fd") == at_rest + 2)
        assert is_silent(clients[0])
        assert count_of(server, "fd") == at_rest + 2
        for client in clients:
            client.sendall(b"hello\n")
            assert read_exactly(client, 6) == b"hello\n"
            client.close()
        assert server.stop()["connections"] == 5


def test_who_waits_in_the_queue_of_a_pool_when_it_is_ended_is_counted_as_cut_off() -> None:
    """They were accepted, and got nothing."""
    with serving("pooled", "--threads", "1", "--protocol", "work", "--grace", "0.2") as server, ExitStack() as all_:
        at_rest = descriptors_at_rest(server, threads=1)
        for _ in range(2):
            all_.enter_context(server.connect()).sendall(b"1 sleep=30\n")
        wait_until(lambda: count_of(server, "fd") == at_rest + 2)
        server.signal(signal.SIGTERM)
        stopped = server.stopped()
    assert (stopped["connections"], stopped["errors"]) == (2, {"cut-off": 2})


def echo_service() -> Service:
    """Return what a pool of one thread serves, in this process."""
    return Service(Echo, Limits(), Settings(threads=1), Tally(10), Lifecycle(1))


def test_a_pool_that_the_system_has_no_threads_for_cannot_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one clear line; and signals come through as before."""

    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads, "start_new_thread", refuse)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with pytest.raises(CannotServe, match="0 threads for us, not 1"):
        Threads(lambda _: None, [echo_service()])
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask


def test_a_bug_that_ends_a_thread_stops_the_server_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that goes on with fewer and fewer threads would be worse."""
    told: list[tuple[int, int]] = []

    def fail(_listener: Listener, _service: Service) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("os.kill", lambda pid, number: told.append((pid, number)))
    service = echo_service()
    with pytest.raises(KeyError, match="a bug"):
        serve_in_threads(fail, listener=None, service=service)  # type: ignore[arg-type]  # it is not looked at
    assert told == [(os.getpid(), signal.SIGTERM)]


# The event MPM.


def test_a_few_threads_serve_many_clients_that_are_mostly_silent() -> None:
    """A hundred with two threads, half of them in the middle of a line; no thread is started for any of them."""
    with serving("event_mpm", "--threads", "2") as server, ExitStack() as all_:
        clients = [all_.enter_context(server.connect()) for _ in range(100)]
        for client in clients[::2]:
            client.sendall(b"half a li")
        for _ in range(2):
            for client in clients[1::2]:
                client.sendall(b"whole\n")
            assert [read_exactly(client, 6) for client in clients[1::2]] == [b"whole\n"] * 50
        assert count_of(server, "task") == 3
        for client in clients[::2]:
            client.sendall(b"ne\n")
        assert [read_exactly(client, 12) for client in clients[::2]] == [b"half a line\n"] * 50
        for client in clients:
            client.close()
        stopped = server.stop()
    assert (stopped["connections"], stopped["requests"], stopped["errors"]) == (100, 150, {})
    assert stopped["connections_per_worker"] == []  # a client is no thread's


def test_a_client_that_does_not_hang_up_holds_no_thread() -> None:
    """After an error the server waits two seconds for its end; eight such clients, one after another, would be 16."""
    with serving("event_mpm", "--threads", "1", "--protocol", "work") as server, ExitStack() as all_:
        rude = [all_.enter_context(server.connect()) for _ in range(8)]
        for client in rude:
            client.sendall(b"nonsense\n")
            assert read_all(client).startswith(b"error: ")
        late = all_.enter_context(server.connect())
        late.settimeout(8)
        late.sendall(b"3\n")
        assert read_exactly(late, 3) == b"xxx"
        late.close()
        assert server.stop()["errors"] == {"bad-request": 8}


def test_clients_that_linger_over_a_handshake_hold_no_thread(tmp_path: Path) -> None:
    """Silent ones, and one that has said half of its hello; each has the time that a handshake may take."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert")
    issued.private_key_pem.write_to_path(tmp_path / "key")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    tls = ("--tls", str(tmp_path / "cert"), str(tmp_path / "key"))
    with serving("event_mpm", "--threads", "1", "--handshake-timeout", "2", *tls) as server, ExitStack() as all_:
        slow = [all_.enter_context(server.connect()) for _ in range(4)]
        slow[0].sendall(b"\x16\x03\x01\x02\x00\x01")
        plain = all_.enter_context(server.connect())
        with trusting.wrap_socket(plain, server_hostname="localhost") as client:
            client.sendall(b"hello\n")
            assert client.recv(100) == b"hello\n"
            assert [is_silent(each, seconds=0) for each in slow] == [True] * 4
        assert [read_all(each) for each in slow] == [b""] * 4
        assert server.stop()["errors"] == {"handshake-timeout": 4}
