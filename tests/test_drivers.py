"""The drivers on one connection: what no client can bring about, and effects in their order."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING

import pytest

from servers.callbacks import Channel
from servers.coroutines import Dialogue
from servers.event_mpm import Rest
from servers.protocols.effects import Close, Compute, Sleep
from servers.protocols.session import Limits
from servers.runtime import asyncio_reception
from servers.runtime.blocking import converse
from servers.runtime.lifecycle import Lifecycle
from servers.runtime.listener import Listener
from servers.runtime.pollers import open_poller
from servers.runtime.resting import RestingConversation
from servers.runtime.service import Service
from servers.runtime.settings import Settings
from servers.runtime.tally import Tally
from servers.runtime.tasks import Door
from servers.runtime.threads import Threads
from servers.selector import Loop
from servers.trampoline import Scheduler
from tests.serving import PATIENCE, read_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from servers.protocols.effects import Effect, Effects

Serve = "Callable[[socket.socket, Service], None]"


class Scripted:
    """A session that answers the first bytes with a script of effects, and says what it was told."""

    def __init__(self, script: Callable[[], Effects], told: list[str]) -> None:
        self.requests = 0
        self.pending = False
        self._script = script
        self._told = told

    def started(self) -> Effects:
        """Greet."""
        self._told.append("started")
        return (b"*",)

    def received(self, data: bytes) -> Effects:
        """Perform the script."""
        self._told.append(f"received {data!r}")
        return self._script()

    def ended(self) -> Effects:
        """Say goodbye."""
        self._told.append("ended")
        return (b"bye",)


def serve_blocking(connection: socket.socket, service: Service) -> None:
    """Serve one connection with the blocking driver."""
    converse(connection, service)


def serve_in_a_loop(connection: socket.socket, service: Service) -> None:
    """Serve one connection with the non-blocking driver, in a loop that ends with it."""
    loop = Loop(Listener([], service.settings, service.lifecycle), service)
    loop._welcome(connection)
    loop.run()


def serve_in_a_task(connection: socket.socket, service: Service) -> None:
    """Serve one connection with the awaiting driver, on a scheduler that ends with it."""
    scheduler = Scheduler(open_poller(service.settings.poller))
    Door(Listener([], service.settings, service.lifecycle), service, scheduler)._welcome(connection)
    scheduler.run()


def serve_at_rest(connection: socket.socket, service: Service) -> None:
    """Serve one connection with the driver of conversations that rest, by a pool of threads that ends with it."""
    rest = Rest(service)
    with Threads(rest.work, [service] * 2) as threads:
        rest.welcome(RestingConversation(connection, service))
        while service.conversations:
            for descriptor, _ in rest.poller.poll(0.01):
                rest.wake(descriptor)
        rest.end(len(threads))


def serve_with_callbacks(connection: socket.socket, service: Service) -> None:
    """Serve one connection with asyncio's transports and protocols, on a loop that ends with it."""
    serve_on_asyncio(Channel, connection, service)


def serve_with_coroutines(connection: socket.socket, service: Service) -> None:
    """Serve one connection with asyncio's streams, on a loop that ends with it."""
    serve_on_asyncio(Dialogue, connection, service)


def serve_on_asyncio(begin: type[Channel | Dialogue], connection: socket.socket, service: Service) -> None:
    """Serve one connection on asyncio's loop."""
    listener = Listener([], service.settings, service.lifecycle)
    reception = asyncio_reception.Reception(asyncio.new_event_loop(), listener, service, begin)
    reception.welcome(connection)
    reception.run()


drivers = pytest.mark.parametrize(
    "serve",
    [
        serve_blocking,
        serve_in_a_loop,
        serve_in_a_task,
        serve_at_rest,
        serve_with_callbacks,
        serve_with_coroutines,
    ],
)


def hold(
    serve: Callable[[socket.socket, Service], None], script: Callable[[], Effects]
) -> tuple[bytes, list[str], dict[str, object]]:
    """Converse once with a scripted session: what the client got, what the session was told, what was counted."""
    told: list[str] = []
    settings, lifecycle, tally = Settings(), Lifecycle(1), Tally()
    service = Service(lambda _: Scripted(script, told), Limits(), settings, tally, lifecycle)
    client, connection = socket.socketpair()
    with client:
        client.settimeout(PATIENCE)
        client.sendall(b"go")
        client.shutdown(socket.SHUT_WR)
        serve(connection, service)
        return read_all(client), told, tally.totals()


@drivers
def test_effects_are_carried_out_in_order_and_the_end_is_told(
    serve: Callable[[socket.socket, Service], None],
) -> None:
    """Greeting, bytes around a sleep and a computation, and what is owed at the half-close."""
    got, told, totals = hold(serve, lambda: (b"one", Sleep(0.01), b"two", Compute(0.001), b"three"))
    assert got == b"*onetwothreebye"
    assert told == ["started", "received b'go'", "ended"]
    assert (totals["connections"], totals["bytes_in"], totals["bytes_out"]) == (1, 2, 15)


@drivers
def test_close_ends_the_conversation_and_counts_its_error(serve: Callable[[socket.socket, Service], None]) -> None:
    """Nothing after it is performed, and the session is told no more."""
    got, told, totals = hold(serve, lambda: (b"error: no\n", Close("bad-request"), b"never"))
    assert got == b"*error: no\n"
    assert told == ["started", "received b'go'"]
    assert totals["errors"] == {"bad-request": 1}


@drivers
def test_a_session_that_raises_ends_its_own_conversation_and_is_reported(
    serve: Callable[[socket.socket, Service], None], caplog: pytest.LogCaptureFixture
) -> None:
    """At once, or in the middle of its effects: counted, and told with its traceback, for it is a bug of ours."""

    def at_once() -> Effects:
        raise RuntimeError("a bug")

    def midway() -> Iterator[Effect]:
        yield b"half"
        yield Sleep(0.01)
        raise RuntimeError("a bug")

    for script, answer in ((at_once, b"*"), (midway, b"*half")):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            got, _, totals = hold(serve, script)
        assert got == answer
        assert totals["errors"] == {"handler": 1}
        assert "RuntimeError: a bug" in caplog.text
