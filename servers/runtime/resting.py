"""The blocking driver for conversations that rest: between two exchanges no thread waits for the client.

Whoever serves them keeps them in a poller meanwhile, and has a thread take the next step once something has come. A
step takes what is there and answers it, blocking only in what the session asks for (a sleep, an answer that the client
is slow to take). Handshakes, requests that have come in part, and goodbyes rest as well.

    GREETING  --(TLS: again when more has come)-->  LISTENING  --Close-->  LINGERING --EOF--> over
                                      any of these  --`expire`-->  LATE  --> over
"""

from __future__ import annotations

from contextlib import suppress
from math import inf
from socket import MSG_DONTWAIT, SHUT_RD, SHUT_WR
from time import monotonic

from servers.runtime.blocking import Conversation
from servers.runtime.errors import HungUp
from servers.runtime.limits import DRAIN_PATIENCE, LINGER
from servers.runtime.pollers import READ

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket
    from ssl import SSLContext

    from servers.runtime.service import Service
    from servers.runtime.tls import BlockingTls


GREETING, LISTENING, LINGERING, LATE = range(4)


class RestingConversation(Conversation):
    """One client's conversation in steps; it belongs to one thread at a time.

    Attributes:
        descriptor: the descriptor of its connection.
        awaits: what its poller is to wait for, READ or WRITE.
        watched: has its poller been told of it?
        until: monotonic time at which `expire` is to be called if it still rests then.
    """

    __slots__ = ("_fate", "_state", "awaits", "descriptor", "until", "watched")

    _connection: socket | BlockingTls

    def __init__(self, connection: socket, service: Service) -> None:
        super().__init__(connection, service)
        self.descriptor = connection.fileno()
        self.awaits = READ
        self.watched = False
        self.until = inf
        self._state = GREETING
        self._fate = ""  # the kind of error of one that is late
        service.conversations.add(self)  # it takes a place from now on, though no thread has come to it yet

    def exchange(self) -> bool:
        """Take the step that the client has made possible; false where the conversation is over by then."""
        return self._step(self._listen_and_answer if self._state == LISTENING else self._take_another_step)

    def expire(self) -> None:
        """Have it end: it becomes readable, so that a thread comes to it and finds that its time is up.

        Not closed here and now, because the thread that has put it to rest may not be done with that.
        """
        self._fate = self._kind_of_lateness()
        self._state = LATE
        self.until = inf
        with suppress(OSError):  # the client has reset the connection, which makes it readable too
            self._connection.shutdown(SHUT_RD)

    def drain(self) -> None:
        """Let it end when nothing is in flight."""
        if self._state == LISTENING:
            super().drain()

    def _kind_of_lateness(self) -> str:
        if self._state == LINGERING:
            return self.error
        if self._state == GREETING:
            return "handshake-timeout"
        if self._session.pending:
            return "request-timeout"
        return "" if self._service.lifecycle.stopping else "idle-timeout"

    def _take_another_step(self) -> bool:
        """Take a step in any state but LISTENING."""
        if self._state == LATE:
            raise HungUp(self._fate)
        if self._state == LINGERING:
            return self._take_no_notice()
        return self._greet() and (self._state != LISTENING or self._listen_and_answer())

    def _greet(self) -> bool:
        try:
            going_on = super()._greet()
        except BlockingIOError:
            return True  # the handshake goes on when the client does
        if self._state == GREETING:
            self._state = LISTENING
            patience = DRAIN_PATIENCE if self._service.lifecycle.stopping else self._service.settings.idle_timeout
            self.until = monotonic() + patience
        return going_on

    def _shake_hands(self, context: SSLContext) -> None:
        """Take one step of the handshake. Raise BlockingIOError where the next one is the client's."""
        from servers.runtime.tls import BlockingTls  # noqa: PLC0415  only a server that speaks it pays for it

        try:
            if not isinstance(self._connection, BlockingTls):
                self.until = monotonic() + self._service.settings.handshake_timeout
                self._connection = BlockingTls(self._connection, context)
            awaited = self._connection.shake_hands()
        except OSError:
            raise HungUp("handshake") from None
        self.awaits = awaited or READ
        if awaited:
            raise BlockingIOError

    def _listen_and_answer(self) -> bool:
        try:
            going_on = super()._listen_and_answer()
        except BlockingIOError:
            return True  # a false alarm, or part of a record of TLS: its time goes on
        if self._state == LISTENING:
            self.until = self._deadline or monotonic() + self._service.settings.idle_timeout
        return going_on

    def _receive(self) -> bytes:
        return self._connection.recv(self._service.settings.receive_size, MSG_DONTWAIT)

    def _wait_at_most(self, seconds: float) -> None:
        """Do nothing: nobody waits in `recv`, and `until` holds the deadline."""

    def _linger(self) -> bool:
        """Hang up, and take what the client still sends until it has hung up too."""
        with suppress(OSError):
            self._connection.shutdown(SHUT_WR)
        self._state = LINGERING
        self.until = monotonic() + LINGER
        return True

    def _take_no_notice(self) -> bool:
        try:
            return bool(self._connection.recv(65536, MSG_DONTWAIT))
        except BlockingIOError:
            return True
        except OSError:
            return False  # it is over, one way or the other; what it is counted as was known before
