"""A Unix socket whose backlog is full says so at once, where TCP would wait; the clients wait all the same."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from clients.client import Client
from clients.connections import Connections
from clients.failures import UnreachableError
from clients.plan import LoadPlan
from clients.records import Outcome
from clients.scripts import Script
from clients.spec import divide
from tests.known_servers import KnownServer, echo, lines, listening
from tests.load_runs import load, opened, outcomes, retried

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clients.addresses import Address


@contextmanager
def full_backlog(path: Path) -> Iterator[tuple[socket.socket, Address]]:
    """Listen, accept nobody, and have no room."""
    with ExitStack() as stack:
        listener, address = stack.enter_context(listening(path=str(path), backlog=0))
        while True:
            filler = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
            if filler.connect_ex(str(path)):
                break
        yield listener, address


@contextmanager
def room_after(seconds: float, listener: socket.socket, address: Address) -> Iterator[None]:
    """Begin to accept, and to echo, so many seconds from now."""
    servers: list[KnownServer] = []

    def begin() -> None:
        servers.append(KnownServer(echo, listener, address, concurrent=True, reader=lines, greeting=b"", tls=None))

    timer = threading.Timer(seconds, begin)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        for server in servers:
            server.end()


def first_connect(address: Address, timeout: float) -> float:
    """Connect the first client of a load process; return the seconds that it took. May raise UnreachableError."""
    [spec] = divide(LoadPlan(address, connections=1, timeout=timeout), address.resolve())
    connections, client = Connections(spec), Client(0, Script(spec))
    with connections.epoll:
        connections.open_first(client)
        took_ns = client.connected_ns - client.began_ns
        connections.close(client, client.connected_ns, Outcome.ANSWERED)
    return took_ns / 1e9


@pytest.mark.parametrize("churn", [False, True])
@retried
def test_every_request_that_knocks_to_the_end_has_a_row(tmp_path: Path, churn: bool) -> None:
    """Nobody ever accepts. Who knocks after a timeout has no time left for another: what it asks is in flight."""
    with listening(path=str(tmp_path / "socket"), backlog=1) as (_, address):
        result = opened(address, churn=churn, rate=100, duration=0.5, timeout=1.0)
    assert result.completed == 0
    assert outcomes(result) == {"timeout": 2, "in-flight": 48}
    assert not result.ok


def test_the_first_connect_waits_for_room(tmp_path: Path) -> None:
    """It knocks until somebody accepts, and stands then."""
    with full_backlog(tmp_path / "socket") as (listener, address), room_after(0.3, listener, address):
        first_connect(address, 20.0)


def test_the_first_connect_gives_a_full_backlog_up_at_the_timeout(tmp_path: Path) -> None:
    """Nobody accepts: the load cannot be carried out."""
    with full_backlog(tmp_path / "socket") as (_, address), pytest.raises(UnreachableError):
        first_connect(address, 0.2)


@pytest.mark.parametrize("churn", [False, True])
def test_a_run_against_a_full_backlog_goes_well_once_there_is_room(tmp_path: Path, churn: bool) -> None:
    """As over TCP, where the kernel would have waited."""
    with full_backlog(tmp_path / "socket") as (listener, address), room_after(0.6, listener, address):
        result = load(address, churn=churn, requests=20, timeout=20.0)
    assert result.ok
    assert result.completed == 20
