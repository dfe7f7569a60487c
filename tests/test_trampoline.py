"""The trampoline's scheduler by itself: tasks, waits and times, without a server around them."""

from __future__ import annotations

import socket
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from servers.protocols.echo import Echo
from servers.protocols.session import Limits
from servers.runtime.lifecycle import Lifecycle
from servers.runtime.opening import open_listener
from servers.runtime.pollers import Epoll, Poll, Select
from servers.runtime.service import Service
from servers.runtime.settings import Settings
from servers.runtime.tally import Tally
from servers.runtime.tasks import Deadlines, Door
from servers.trampoline import Scheduler
from tests.serving import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from servers.runtime.pollers import Poller

Pair = tuple[socket.socket, socket.socket]


class Attentive:
    """A poller that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.waits = 0
        self._poller = Epoll()

    def watch(self, descriptor: int, events: int) -> None:
        """Begin to watch."""
        self.asked.append("watch")
        self._poller.watch(descriptor, events)

    def change(self, descriptor: int, events: int) -> None:
        """Watch for other events."""
        self.asked.append("change")
        self._poller.change(descriptor, events)

    def forget(self, descriptor: int) -> None:
        """Watch no more."""
        self.asked.append("forget")
        self._poller.forget(descriptor)

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """Return who is ready."""
        self.waits += 1
        return self._poller.wait(min(seconds, PATIENCE))


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two connected sockets."""
    one, other = socket.socketpair()
    with one, other:
        yield one, other


@pytest.mark.parametrize("make_poller", [Epoll, Poll, Select])
def test_a_task_goes_on_while_another_waits(make_poller: Callable[[], Poller], pair: Pair) -> None:
    """The reader waits for what the writer has yet to send; neither knows of the other."""
    scheduler, said = Scheduler(make_poller()), []
    one, other = pair

    async def read() -> None:
        said.append("waits")
        await scheduler.wait_readable(one.fileno())
        said.append(one.recv(10).decode())

    async def write() -> None:
        await scheduler.wait_writable(other.fileno())
        said.append("writes")
        other.send(b"read")

    scheduler.start_soon(read)
    scheduler.start_soon(write)
    scheduler.run()
    assert said == ["waits", "writes", "read"]


def test_sleepers_wake_in_the_order_of_their_times() -> None:
    """Whatever the order in which they went to sleep; equal times in that order."""
    scheduler, woken = Scheduler(Epoll()), []

    async def sleep(seconds: float, name: str) -> None:
        await scheduler.sleep(seconds)
        woken.append(name)

    for seconds, name in ((0.06, "third"), (0.03, "second"), (0.0, "first")):
        scheduler.start_soon(sleep, seconds, name)
    scheduler.run()
    assert woken == ["first", "second", "third"]


def test_a_sleep_of_no_time_lets_those_who_are_ready_go_first(pair: Pair) -> None:
    """A task that never waits for anything else cannot keep another from its socket."""
    scheduler, turns = Scheduler(Epoll()), []
    one, other = pair
    other.send(b"ready")

    async def busy() -> None:
        while "reader" not in turns:
            turns.append("busy")
            assert len(turns) < 10
            await scheduler.sleep(0.0)

    async def read() -> None:
        await scheduler.wait_readable(one.fileno())
        turns.append("reader")

    scheduler.start_soon(busy)
    scheduler.start_soon(read)
    scheduler.run()
    assert turns[-1] == "reader"


def test_the_end_does_not_wait_for_tasks_that_run_beside() -> None:
    """They end with the last of the others."""
    scheduler, ended = Scheduler(Epoll()), []

    async def sleep(seconds: float) -> None:
        await scheduler.sleep(seconds)
        ended.append(seconds)

    scheduler.start_beside(sleep, 1000.0)
    scheduler.start_soon(sleep, 0.01)
    scheduler.run()
    assert ended == [0.01]


def test_an_error_of_a_task_ends_the_run() -> None:
    """It bounces up to whoever runs the scheduler, with its traceback: nothing is swallowed."""
    scheduler = Scheduler(Epoll())

    async def fail() -> None:
        await scheduler.sleep(0.0)
        raise RuntimeError("a bug")

    scheduler.start_soon(fail)
    with pytest.raises(RuntimeError, match="a bug"):
        scheduler.run()


def test_who_waits_for_a_descriptor_that_is_let_go_waits_no_longer(pair: Pair) -> None:
    """And the next one with that number is watched anew."""
    poller = Attentive()
    scheduler, woken = Scheduler(poller), []
    one, other = pair

    async def wait() -> None:
        await scheduler.wait_readable(one.fileno())
        woken.append("let go")
        other.send(b"data")
        await scheduler.wait_readable(one.fileno())
        woken.append("ready")

    async def let_go() -> None:
        await scheduler.sleep(0.01)
        scheduler.let_go(one.fileno())

    scheduler.start_soon(wait)
    scheduler.start_soon(let_go)
    scheduler.run()
    assert woken == ["let go", "ready"]
    assert poller.asked == ["watch", "forget", "watch"]


def test_a_task_that_waits_for_the_same_again_costs_no_further_call(pair: Pair) -> None:
    """The kernel is told once, however many requests a client makes."""
    poller = Attentive()
    scheduler = Scheduler(poller)
    one, other = pair

    async def serve() -> None:
        for _ in range(100):
            await scheduler.wait_readable(one.fileno())
            one.recv(1)

    async def ask() -> None:
        for _ in range(100):
            other.send(b"x")
            await scheduler.sleep(0.0)

    scheduler.start_soon(serve)
    scheduler.start_soon(ask)
    scheduler.run()
    assert poller.asked == ["watch"]


def test_a_descriptor_that_is_ready_while_nobody_waits_for_it_is_not_told_again_and_again(pair: Pair) -> None:
    """A client that sends or resets during a long answer must not keep the loop spinning."""
    poller = Attentive()
    scheduler = Scheduler(poller)
    one, other = pair

    async def serve() -> None:
        await scheduler.wait_readable(one.fileno())
        await scheduler.sleep(0.1)  # with what arrived unread
        await scheduler.wait_readable(one.fileno())
        assert one.recv(10) == b"data"

    other.send(b"data")
    scheduler.start_soon(serve)
    scheduler.run()
    assert poller.asked == ["watch", "forget", "watch"]
    assert poller.waits < 20


def test_deadlines_are_looked_at_by_the_first_of_them_alone() -> None:
    """A look that an earlier one has taken the place of does nothing; a later one is no news."""
    scheduler = Scheduler(Epoll())

    class Nobody:
        looks = 0

        @property
        def conversations(self) -> set[object]:
            self.looks += 1
            return set()

    service = Nobody()
    deadlines = Deadlines(service, scheduler)  # type: ignore[arg-type]  # all that it asks of a service

    async def expect() -> None:
        now = monotonic()
        deadlines.expect(now + 0.05)
        deadlines.expect(now + 0.01)
        await scheduler.sleep(0.1)

    scheduler.start_soon(expect)
    scheduler.run()
    assert service.looks == 1


def test_a_worker_that_retires_accepts_nobody_and_serves_those_it_has() -> None:
    """It gives up its listener, which others have too, and ends when its last client leaves."""
    settings, lifecycle = Settings(), Lifecycle(1)
    service = Service(Echo, Limits(), settings, Tally(), lifecycle)
    listener = open_listener(settings, lifecycle)
    listener.shared = True
    scheduler = Scheduler(Epoll())
    door = Door(listener, service, scheduler)
    address = listener.sockets[0].getsockname()

    async def ask(client: socket.socket) -> bytes:
        client.sendall(b"hello\n")
        await scheduler.wait_readable(client.fileno())
        return client.recv(10)

    async def be_client() -> None:
        with socket.create_connection(address, timeout=PATIENCE) as client:
            assert await ask(client) == b"hello\n"
            lifecycle.retiring = True
            door.look_at_lifecycle()
            await scheduler.sleep(0.0)
            assert listener.sockets == []
            assert await ask(client) == b"hello\n"
            scheduler.let_go(client.fileno())

    door.open()
    scheduler.start_soon(be_client)
    scheduler.run()
    assert service.tally.totals()["requests"] == 2
