"""What the conversations on asyncio's loops have in common, those of `servers.callbacks` and `servers.coroutines`.

Their states and deadlines are those of `stepwise`; the reception looks who is late.

Bytes are counted as sent when asyncio's transport has them, which passes them to the kernel at once; what a client
does not take at once is kept there, one effect at the most. Where such a client is lost, the count may be too high by
so much.
"""

from __future__ import annotations

from abc import abstractmethod
from time import monotonic

from servers.runtime.stepwise import CLOSED, CONNECTING, HANDSHAKING, Stepwise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import BaseProtocol, Protocol, Task, Transport
    from socket import socket

    from servers.runtime.asyncio_reception import Reception
    from servers.runtime.service import Service


class Conversation(Stepwise):
    """One client's conversation over a transport, `_transport`, which is there as soon as it is past CONNECTING.

    Attributes:
        task: what connects it; held here, because the loop itself does not hold its tasks.
    """

    __slots__ = ("_reception", "_transport", "task")

    def __init__(self, connection: socket, service: Service, reception: Reception) -> None:
        super().__init__(connection, service)
        self._transport: Transport
        self._reception = reception
        self.task: Task[None] | None = None

    def protocol(self) -> BaseProtocol:
        """Return what the connection's transport talks to: the driver's own protocol, or TLS in front of it."""
        if not self._service.tls:
            return self.plain_protocol()
        from servers.runtime.asyncio_tls import Tls  # noqa: PLC0415  only a server that speaks it pays for it

        return Tls(self._service.tls, self)

    @abstractmethod
    def plain_protocol(self) -> Protocol:
        """Return the driver's protocol, to which all is plain text."""

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
        self._begin_to_read()

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

    def _now(self) -> float:
        return monotonic()

    def _expect(self, deadline: float) -> None:
        self._reception.expect(deadline)

    def _end_sending(self) -> None:
        self._transport.write_eof()
