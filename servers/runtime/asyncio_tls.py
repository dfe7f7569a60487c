"""TLS between a conversation and its connection: protocol to the one transport, transport to the one protocol.

    socket <--> asyncio's transport <--ciphertext--> [ Tls ] <--plain text--> the driver's protocol

asyncio has such a layer of its own, behind `ssl=`. It knows no half-close: an answer that is still owed when the client
has ended its side is dropped. And it says goodbye and closes in one step: where the client is still sending, the end of
the last answer is lost in a reset. Here TLS runs in memory, and the connection stays ours to close in our order.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from servers.runtime.asyncio_conversation import Conversation

RECORD = 16384  # bytes; no record of TLS has more plain text


class Tls(asyncio.Protocol, asyncio.Transport):
    """One connection secured. What it is told by the connection comes first, what the driver asks of it second."""

    def __init__(self, context: ssl.SSLContext, conversation: Conversation) -> None:
        super().__init__()
        self._conversation = conversation
        self._driver = conversation.plain_protocol()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._records = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._shaken = False  # the handshake is done
        self._silent = False  # we have said goodbye: what comes is only taken off the wire
        self._paused = False
        self._ended = False  # the client will send no more
        self._told = False  # and the driver knows

    # A protocol, to the transport of the connection.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # streams have no other
        """Await the handshake, which has a deadline of its own."""
        self._wire = transport
        self._conversation.connected(transport)
        self._conversation.shake_hands(self)

    def data_received(self, data: bytes) -> None:
        """Decrypt what has come, or go on with the handshake."""
        if self._ended or self._silent:
            return
        self._incoming.write(data)
        self._go_on()

    def eof_received(self) -> bool:
        """Take it for the client's end, with its goodbye or without; the connection is still needed for ours."""
        if self._silent:
            self._driver.eof_received()
        elif not self._ended:
            self._incoming.write_eof()
            self._go_on()
        return not self._wire.is_closing()

    def pause_writing(self) -> None:
        """Hand on that the client does not take its answer."""
        if self._shaken:
            self._driver.pause_writing()

    def resume_writing(self) -> None:
        """Hand on that it does again."""
        if self._shaken:
            self._driver.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """Hand on that the connection is gone."""
        if self._shaken:
            self._driver.connection_lost(error)
        else:
            self._conversation.close("handshake")

    # A transport, to the protocol of the driver.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt `data` and send it."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._records.write(rest) :]
        except ssl.SSLError:
            self._wire.abort()
            return
        self._flush()

    def write_eof(self) -> None:
        """Say goodbye, and end the direction in which we send."""
        self._say_goodbye()
        self._wire.write_eof()

    def abort(self) -> None:
        """Close the connection, after a goodbye where the client has taken all that was to come before it."""
        if not self._wire.get_write_buffer_size():
            self._say_goodbye()
        self._wire.abort()

    def close(self) -> None:
        """Close the connection; the drivers have waited by then until all was sent."""
        self.abort()

    def pause_reading(self) -> None:
        """Tell the driver nothing for now, not even that the client has ended."""
        self._paused = True
        self._wire.pause_reading()

    def resume_reading(self) -> None:
        """Tell it again."""
        self._paused = False
        self._wire.resume_reading()
        if self._ended:
            asyncio.get_running_loop().call_soon(self._tell_end)

    def is_closing(self) -> bool:
        """Tell whether the connection is lost or closed."""
        return self._wire.is_closing()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes of ciphertext the client has not taken yet."""
        return self._wire.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the connection's transport knows."""
        return self._wire.get_extra_info(name, default)

    # What lies between.

    def _go_on(self) -> None:
        if self._shaken or self._shake_hands():
            self._hear()

    def _shake_hands(self) -> bool:
        """Go on with the handshake, as far as it goes with what has come; True where it is done."""
        try:
            self._records.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except ssl.SSLError:
            self._flush()  # the alert that says why
            self._conversation.close("handshake")
            return False
        self._shaken = True
        self._flush()
        self._driver.connection_made(self)
        return True

    def _hear(self) -> None:
        """Decrypt all that has come and tell the driver, of the client's end too."""
        parts = []
        try:
            while part := self._records.read(RECORD):
                parts.append(part)
            self._ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLEOFError:  # without a goodbye, which does no harm where requests have an end of their own
            self._ended = True
        except ssl.SSLError:
            self._wire.abort()
        self._flush()  # TLS may have something to say of itself
        if parts:
            self._driver.data_received(b"".join(parts))
        if self._ended:
            self._tell_end()

    def _tell_end(self) -> None:
        if not self._paused and not self._told:
            self._told = True
            self._driver.eof_received()

    def _say_goodbye(self) -> None:
        """Send TLS's close_notify, without which the client could not tell our end from an attacker's."""
        if self._shaken and not self._silent:
            self._silent = True
            with suppress(ssl.SSLError):  # the client's own is not waited for
                self._records.unwrap()
            self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._wire.write(self._outgoing.read())
