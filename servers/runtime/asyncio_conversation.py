"""What the conversations on asyncio's loops have in common: one client's state, and until when it may stay in it.

`servers.callbacks` and `servers.coroutines` differ in how they wait. What a client is
granted while they do is the same, and here. No wait has a timer of its own: a conversation notes since when it is in
its state and how long it may be, and the reception looks when the first of them may be late.

Bytes are counted as sent when asyncio's transport has them, which passes them to the kernel at once; what a client
does not take at once is kept there, one effect at the most. Where such a client is lost, the count may be too high by
so much.
"""

from __future__ import annotations

from contextlib import suppress
from math import inf
from socket import SHUT_RD, SO_LINGER, SOL_SOCKET
from time import monotonic

from servers.runtime.limits import DISCARDS, DRAIN_PATIENCE, LINGER, RESET_ON_CLOSE
from servers.runtime.messages import report_bug

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import BaseProtocol, Protocol, Task, Transport
    from socket import socket

    from servers.runtime.asyncio_reception import Reception
    from servers.runtime.service import Service

CONNECTING, HANDSHAKING, READING, WRITING, SLEEPING, LINGERING, CLOSED = range(7)


class Conversation:
    """One client's conversation over a transport.

    It may stay in its state until `since` plus `patience`, in monotonic time.

    `_transport` is there as soon as it is past CONNECTING.

    Attributes:
        task: what connects it; held here, because the loop itself does not hold its tasks.
    """

    __slots__ = (
        "_begun",
        "_client_ended",
        "_connection",
        "_reception",
        "_requests_sent",
        "_requests_then",
        "_service",
        "_session",
        "_state",
        "_transport",
        "_write_began",
        "bytes_in",
        "bytes_out",
        "error",
        "patience",
        "since",
        "task",
    )

    def __init__(self, connection: socket, service: Service, reception: Reception) -> None:
        self._connection = connection
        self._transport: Transport
        self._service = service
        self._session = service.session()
        self._reception = reception
        self._state = CONNECTING
        self._client_ended = False
        self._begun = 0.0  # when the request began that has not arrived whole; 0 where there is none
        self._requests_then = 0  # how many were answered by then
        self._write_began = 0.0  # when the client first did not take an answer at once; 0 where it did
        self._requests_sent = 0  # how many had been answered by then
        self.bytes_in = 0
        self.bytes_out = 0
        self.error = ""
        self.since, self.patience = 0.0, inf
        self.task: Task[None] | None = None
        service.conversations.add(self)

    @property
    def requests(self) -> int:
        """How many requests have been answered."""
        return self._session.requests

    def protocol(self) -> BaseProtocol:
        """Return what the connection's transport talks to: the driver's own protocol, or TLS in front of it."""
        if not self._service.tls:
            return self.plain_protocol()
        from servers.runtime.asyncio_tls import Tls  # noqa: PLC0415  only a server that speaks it pays for it

        return Tls(self._service.tls, self)

    def plain_protocol(self) -> Protocol:
        """Return the driver's protocol, to which all is plain text."""
        raise NotImplementedError

    def connected(self, transport: Transport) -> None:
        """Set what every connection has; to be called first, with what the loop has made of it."""
        self._transport = transport
        transport.set_write_buffer_limits(high=0)  # one effect at the most is kept for a client that does not read
        # Past malloc's threshold, as asyncio's own 256 KiB are, a read costs system calls and pages for its buffer,
        # until malloc has learnt better. No documentation tells of the attribute; uvloop's transports have neither.
        if hasattr(transport, "max_size"):
            transport.max_size = self._service.settings.receive_size

    def shake_hands(self, transport: Transport) -> None:
        """Wait for the handshake of TLS."""
        self._transport = transport
        self._enter(HANDSHAKING, self._service.settings.handshake_timeout)

    def begin(self, transport: Transport) -> None:
        """Be ready for the client's first words."""
        if not self._service.tls:
            self.connected(transport)
        if self._service.lifecycle.stopping:
            self._enter(READING, DRAIN_PATIENCE)
            self._begun, self._requests_then = self.since, -1  # so that it is drained after its first request
        else:
            self._enter(READING, self._service.settings.idle_timeout)

    def drain(self) -> None:
        """Let the conversation end when nothing is in flight: what has arrived is answered, nothing more is awaited."""
        if self._state == READING and not self._session.pending:
            with suppress(OSError):  # the client may have reset the connection
                self._connection.shutdown(SHUT_RD)

    def expire(self, now: float) -> None:
        """End a conversation that is past its deadline; do nothing for another."""
        if self.since + self.patience > now:
            return
        if self._state == WRITING:
            self._connection.setsockopt(SOL_SOCKET, SO_LINGER, RESET_ON_CLOSE)
            self.close("write-timeout")
        elif self._state == HANDSHAKING:
            self.close("handshake-timeout")
        elif self._state == READING and self._session.pending:
            self._give_up("request-timeout")
        elif self._state == READING and not self._service.lifecycle.stopping:
            self._give_up("idle-timeout")
        else:
            self.close(self.error)

    def close(self, error: str) -> None:
        """End the conversation here and now, and count it with `error` as its kind, empty where all was well."""
        if self._state == CLOSED:
            return
        was, self._state = self._state, CLOSED
        self.error = error
        if was > CONNECTING:
            self.bytes_out -= self._transport.get_write_buffer_size()
            self._transport.abort()
        self._service.finish(self)
        self._reception.left(self)

    def _give_up(self, error: str) -> None:
        """Close after reading what the client has sent meanwhile: with unread input it would be a reset."""
        with suppress(OSError):
            self._transport.write_eof()
            for _ in range(DISCARDS):
                if not self._connection.recv(65536):
                    break
        self.close(error)

    def _enter(self, state: int, patience: float) -> None:
        self._state = state
        self._stay(patience)

    def _stay(self, patience: float) -> None:
        self.since = monotonic()
        self.patience = patience
        self._reception.expect(self.since + patience)

    def _wait_for_room(self) -> None:
        """Give the client its time to take what is kept for it, the same for a whole answer."""
        if not self._write_began or self.requests != self._requests_sent:
            self._write_began = monotonic()
            self._requests_sent = self.requests
        self._enter(WRITING, self._service.settings.request_timeout)
        self.since = self._write_began

    def _hang_up(self, error: str) -> None:
        """Close so that the last answer arrives whole: closing with unread input would reset the connection."""
        if self._client_ended:
            self.close(error)
            return
        self.error = error
        self._transport.write_eof()
        self._enter(LINGERING, LINGER)

    def _watch_deadline(self) -> None:
        """Give a request that is not whole yet its own time from its first byte, however many pieces it comes in."""
        if self._state != READING:
            return
        if not self._session.pending:
            self._begun = 0.0
            self._stay(self._service.settings.idle_timeout)
            if self._service.lifecycle.stopping:
                self.drain()
            return
        if not self._begun or self.requests != self._requests_then:
            self._begun = monotonic()
            self._requests_then = self.requests
            self._stay(self._service.settings.request_timeout)
        self.since = self._begun

    def _lose(self, *, owed: bool) -> None:
        """End a conversation whose client vanished: ordinary, and an error only if something was owed or begun."""
        self.close(self.error or ("reset" if owed or self._session.pending else ""))

    def _fail(self) -> None:
        report_bug()
        self.close("handler")
