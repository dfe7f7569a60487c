"""How clients come in and go on one of asyncio's loops: accepted from our listener, looked at when they may be late.

asyncio's own `create_server` accepts without a limit, writes a line to the log for each accept that lacks a descriptor,
and resets those who wait in the queue of a server that stops. So the loop only tells us that somebody waits, and gets
the connection once it is accepted.
"""

from __future__ import annotations

from math import inf
from time import monotonic

from servers.runtime.asyncio_loop import run
from servers.runtime.scarcity import PAUSE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle
    from collections.abc import Callable
    from socket import socket

    from servers.runtime.asyncio_conversation import Conversation
    from servers.runtime.listener import Listener
    from servers.runtime.service import Service

SOON = 0.01  # seconds between two looks at the deadlines, at the least


class Reception:
    """Lets clients in, as many as may be served at once, and ends who is late.

    Attributes:
        loop: what the conversations run on.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        listener: Listener,
        service: Service,
        begin: Callable[[socket, Service, Reception], Conversation],
    ) -> None:
        self.loop = loop
        self._listener = listener
        self._service = service
        self._begin = begin
        self._conversations: set[Conversation] = set()
        self._over = loop.create_future()
        self._accepting = False
        self._pausing = False  # for want of descriptors
        self._look_at = inf  # when the deadlines must be looked at
        self._timer: TimerHandle | None = None

    def run(self) -> None:
        """Serve until the server stops, or this worker retires, and no client is left. Raise EndNow."""
        self._service.leave_drain_to_loop()
        for listening in self._listener.sockets:
            listening.setblocking(False)
        self._resume_accepting()
        run(self.loop, self._over, self._service.lifecycle, self._look_at_lifecycle)

    def welcome(self, connection: socket) -> None:
        """Begin the conversation with a client that was accepted."""
        connection.setblocking(False)
        conversation = self._begin(connection, self._service, self)
        self._conversations.add(conversation)
        conversation.task = self.loop.create_task(self._connect(connection, conversation))

    # What conversations ask for.

    def expect(self, deadline: float) -> None:
        """Look at the deadlines by then, in monotonic time."""
        if deadline < self._look_at:
            self._look_at = deadline
            if self._timer:
                self._timer.cancel()
            self._timer = self.loop.call_later(max(0.0, deadline - monotonic()), self._look_at_deadlines)

    def left(self, conversation: Conversation) -> None:
        """Forget a conversation that is over, whose place another client may take."""
        self._conversations.discard(conversation)
        if not self._pausing and not self._over.done():
            self._resume_accepting()
            self._end_with_the_last()

    # Accepting.

    async def _connect(self, connection: socket, conversation: Conversation) -> None:
        try:
            await self.loop.connect_accepted_socket(conversation.protocol, connection)
        except OSError:
            conversation.close("")  # it vanished as soon as it came
            connection.close()

    def _is_full(self) -> bool:
        return len(self._conversations) >= self._service.most_connections

    def _accept(self, listening: socket) -> None:
        """Accept as long as somebody waits and there is room; once the server stops, an empty queue is the end."""
        while not self._is_full():
            try:
                connection = self._listener.accept_now(listening)
            except OSError as error:
                self._suffer(error)
                return
            if not connection:
                if self._service.lifecycle.stopping:
                    self._stop_listening(listening)
                return
            self.welcome(connection)
            if self._listener.shared and not self._service.lifecycle.stopping:
                return  # one at a time: others, who may have less to do, are told of the next one too
        self._stop_accepting()

    def _suffer(self, error: OSError) -> None:
        """Accept nobody for a while, for want of something; what is no such want ends the server."""
        self._stop_accepting()
        try:
            self._listener.scarcity.suffer(error)
        except OSError:
            # Raised here, it would be a line in asyncio's log, again and again.
            if not self._over.done():
                self._over.set_exception(error)
            return
        self._pausing = True
        self.loop.call_later(PAUSE, self._try_again)

    def _try_again(self) -> None:
        self._pausing = False
        self._resume_accepting()

    def _stop_accepting(self) -> None:
        if self._accepting:
            self._accepting = False
            for listening in self._listener.sockets:
                self.loop.remove_reader(listening.fileno())

    def _resume_accepting(self) -> None:
        if self._accepting or self._is_full():
            return
        self._accepting = True
        for listening in self._listener.sockets:
            self.loop.add_reader(listening.fileno(), self._accept, listening)
        if self._service.lifecycle.stopping:
            self._accept_the_rest()

    def _accept_the_rest(self) -> None:
        """Accept who is left in the queues, if anybody is: an empty queue would never become ready."""
        for listening in list(self._listener.sockets):
            self._accept(listening)

    def _stop_listening(self, listening: socket) -> None:
        if self._accepting:
            self.loop.remove_reader(listening.fileno())
        self._listener.sockets.remove(listening)
        listening.close()
        self._end_with_the_last()

    def _end_with_the_last(self) -> None:
        if not self._conversations and not self._listener.sockets and not self._over.done():
            self._over.set_result(None)

    # Time and signals.

    def _look_at_deadlines(self) -> None:
        """End who is late. A look at every client, but only when the first of them may be late, not for every event."""
        self._look_at, now = inf, monotonic()
        for conversation in list(self._conversations):
            conversation.expire(now)
        first = min((each.since + each.patience for each in self._conversations), default=inf)
        self.expect(max(first, now + SOON))

    def _look_at_lifecycle(self) -> None:
        lifecycle = self._service.lifecycle
        if lifecycle.ending:
            self._end_at_once()
        elif lifecycle.stopping:
            self._service.drain()
            self._accept_the_rest()  # after that: who comes from the queue now has some time for a request
        elif lifecycle.retiring:
            for listening in list(self._listener.sockets):
                self._stop_listening(listening)

    def _end_at_once(self) -> None:
        if not self._over.done():
            self._over.set_result(None)
        for conversation in list(self._conversations):
            conversation.close("cut-off")
