"""A server of tasks: what accepts clients, hears signals and ends who is late, on any scheduler of coroutines.

one task for each listening socket: accept, start a task for the client
one task for each client:           its conversation (`servers.runtime.awaiting`)
beside them, ended with the last:   one that hears signals, one that looks at the deadlines
"""

from __future__ import annotations

from math import inf
from time import monotonic

from servers.runtime.awaiting import Conversation
from servers.runtime.bell import Bell
from servers.runtime.scarcity import PAUSE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from socket import socket
    from typing import Any, Protocol

    from servers.runtime.listener import Listener
    from servers.runtime.service import Service

    class Scheduler(Protocol):
        """What goes on with another task while one of them waits. No two may wait for one descriptor."""

        def wait_readable(self, descriptor: int) -> Awaitable[None]:
            """Wait until there is something to read; it may be a false alarm."""

        def wait_writable(self, descriptor: int) -> Awaitable[None]:
            """Wait until something can be written; it may be a false alarm."""

        def sleep(self, seconds: float) -> Awaitable[None]:
            """Wait so many seconds; with 0 the others get their turn."""

        def let_go(self, descriptor: int) -> None:
            """Have the task that waits for it wait no longer, and forget it: it may be closed then."""

        def start_soon(self, work: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
            """Start a task; the server runs until all of these have ended."""

        def start_beside(self, work: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
            """Start a task that ends with the server."""


SOON = 0.01  # seconds between two looks at the deadlines, at the least


class Deadlines:
    """One timer for all clients: it goes off when the first of them may be late, and then each is looked at.

    Attributes:
        look_at: when that is, in monotonic time.
    """

    def __init__(self, service: Service, scheduler: Scheduler) -> None:
        self.look_at = inf
        self._service = service
        self._scheduler = scheduler

    def expect(self, deadline: float) -> None:
        """Look by then; only a deadline before `look_at` is news."""
        self.look_at = deadline
        self._scheduler.start_beside(self._look, deadline)

    async def _look(self, when: float) -> None:
        """Look then, unless a later call of `expect` was for an earlier time: that one looks in our place."""
        await self._scheduler.sleep(max(0.0, when - monotonic()))
        if when != self.look_at:
            return
        now, first = monotonic(), inf
        for conversation in list(self._service.conversations):
            assert isinstance(conversation, Conversation)
            if conversation.late_at <= now:
                conversation.expire()
            else:
                first = min(first, conversation.late_at)
        self.look_at = inf
        if first < inf:
            self.expect(max(first, now + SOON))


class Door:
    """Lets clients in, as many at once as may be served, and starts the task of each."""

    def __init__(self, listener: Listener, service: Service, scheduler: Scheduler) -> None:
        self._listener = listener
        self._service = service
        self._lifecycle = service.lifecycle
        self._scheduler = scheduler
        self._deadlines = Deadlines(service, scheduler)
        self._inside = 0
        self._unattended: list[socket] = []  # sockets at which nobody accepts, for want of room
        service.leave_drain_to_loop()

    def open(self) -> None:
        """Start the tasks that accept; they end once the server stops and has taken all who waited then."""
        for listening in self._listener.sockets:
            listening.setblocking(False)
        self._unattended += self._listener.sockets
        self._attend_all()

    async def hear_signals(self) -> None:
        """Do what signals ask for; return when the server is to end at once."""
        bell = Bell()
        while not self._lifecycle.ending:
            self.look_at_lifecycle()  # first: the word may have come before there was a bell to hear
            await self._scheduler.wait_readable(bell.fileno())
            bell.read()

    def look_at_lifecycle(self) -> None:
        """Have the server drain, or this worker retire, where the word has come."""
        if self._lifecycle.stopping:
            self._service.drain()
        if self._lifecycle.stopping or self._lifecycle.retiring:
            self._attend_all()
            for listening in self._listener.sockets:
                self._scheduler.let_go(listening.fileno())

    def _attend_all(self) -> None:
        while self._unattended:
            self._scheduler.start_soon(self._attend, self._unattended.pop())

    async def _attend(self, listening: socket) -> None:
        """Accept at one socket as long as there is room; once nobody is to be accepted any more, close it."""
        while not self._lifecycle.retiring:
            if self._inside >= self._service.most_connections:
                self._unattended.append(listening)  # whoever leaves sends somebody
                return
            try:
                connection = self._listener.accept_now(listening)
            except OSError as error:
                self._listener.scarcity.suffer(error)
                await self._scheduler.sleep(PAUSE)
                continue
            if connection:
                self._welcome(connection)
            elif self._lifecycle.stopping:
                break
            # One at a time where others accept too, who may have less to do.
            if not connection or (self._listener.shared and not self._lifecycle.stopping):
                await self._scheduler.wait_readable(listening.fileno())
        self._scheduler.let_go(listening.fileno())
        self._listener.sockets.remove(listening)
        listening.close()

    def _welcome(self, connection: socket) -> None:
        connection.setblocking(False)
        self._inside += 1
        self._scheduler.start_soon(self._serve, connection)

    async def _serve(self, connection: socket) -> None:
        await Conversation(connection, self._service, self._scheduler, self._deadlines).run()
        self._inside -= 1
        self._attend_all()
