"""TLS over an accepted connection, with the calls of a socket that the drivers make.

OpenSSL turns one read into several system calls and keeps what it has decrypted; Python's SSLSocket tells of waiting
with errors of its own, and forgets its keys at a ``shutdown``. `Tls` hides that from a non-blocking driver and
`BlockingTls` from a blocking one: ``recv`` and ``send`` raise BlockingIOError where a socket would.
"""

from __future__ import annotations

import select
import socket
import ssl
from contextlib import suppress
from time import monotonic

from servers.runtime.errors import CannotServe
from servers.runtime.limits import ACCEPT_WAIT, SEND_WAIT
from servers.runtime.pollers import NOTHING, READ, WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def make_context(paths: Sequence[str]) -> ssl.SSLContext | None:
    """Return what secures connections with a certificate chain and its key; None where no paths are given.

    TLS 1.2 or later. Raise CannotServe where the files are not what they should be.
    """
    if not paths:
        return None
    certificate, key = paths
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A client may hang up without TLS's goodbye, and our drain ends what it has to say: to OpenSSL either is an attack,
    # which it answers with an alert. Our protocols tell themselves where a request ends.
    context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
    try:
        # A key with a passphrase would be asked for on the terminal: we refuse it instead.
        context.load_cert_chain(certificate, key, password=b"")
    except ssl.SSLError as error:
        reason = error.reason or "they hold no certificate and its key in PEM"
        raise CannotServe(f"cannot use {certificate} and {key} for TLS: {reason}") from None
    except OSError as error:
        raise CannotServe(f"cannot read {certificate} and {key} for TLS: {error.strerror}") from None
    return context


class Tls:
    """A connection secured, that never waits."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        connection.setblocking(False)
        self._secured = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._speaking = False  # between the handshake and our goodbye

    def shake_hands(self) -> int:
        """Go on with the handshake; return the event to wait for, NOTHING once it is done. OSError if it fails."""
        try:
            self._secured.do_handshake()
        except ssl.SSLWantReadError:
            return READ
        except ssl.SSLWantWriteError:
            return WRITE
        self._speaking = True
        return NOTHING

    def fileno(self) -> int:
        """Return the descriptor of the connection."""
        return self._secured.fileno()

    def recv(self, size: int, _flags: int = 0) -> bytes:
        """Return what has come, `size` bytes or what else was decrypted with them; empty at the client's end."""
        if not self._speaking:  # we have said goodbye: what comes is only taken off the wire
            return socket.socket.recv(self._secured, size)
        try:
            data = self._secured.recv(size)
            while waiting := self._secured.pending():  # no descriptor becomes readable for what was decrypted already
                data += self._secured.recv(waiting)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None
        return data

    def send(self, data: bytes | memoryview) -> int:
        """Send as much as the kernel takes now. What BlockingIOError refused must be offered again as it was."""
        try:
            return self._secured.send(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None

    def shutdown(self, how: int) -> None:
        """End a direction of the connection; before the one in which we send, tell the client that it is the end."""
        if how != socket.SHUT_RD:
            self._say_goodbye()
        socket.socket.shutdown(self._secured, how)  # SSLSocket's own would forget the keys

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        """Set an option of the connection."""
        self._secured.setsockopt(level, option, value)

    def close(self) -> None:
        """Close the connection, after a goodbye if there was none."""
        self._say_goodbye()
        self._secured.close()

    def _say_goodbye(self) -> None:
        """Send TLS's close_notify, without which the client could not tell our end from an attacker's."""
        if self._speaking:
            self._speaking = False
            with suppress(OSError, ValueError):  # whether the client still takes it is its own affair
                self._secured.unwrap()


class BlockingTls(Tls):
    """A connection secured, whose calls wait for the client: no longer than a socket's with the listener's times."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        super().__init__(connection, context)
        self._patience = ACCEPT_WAIT
        self._poll = select.poll()

    def handshake(self, seconds: float) -> str:
        """Shake hands within so many seconds; return the kind of error that ended it, empty where none did."""
        deadline = monotonic() + seconds
        try:
            while awaited := self.shake_hands():
                self._wait(awaited, deadline - monotonic())
        except BlockingIOError:
            return "handshake-timeout"
        except OSError:
            return "handshake"
        return ""

    def wait_at_most(self, seconds: float) -> None:
        """Have `recv` raise BlockingIOError when nothing has come for so long."""
        self._patience = seconds

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Wait for something to come; part of a record is nothing yet."""
        deadline = monotonic() + self._patience
        while True:
            try:
                return super().recv(size)
            except BlockingIOError:
                if flags & socket.MSG_DONTWAIT:
                    raise
            self._wait(READ, deadline - monotonic())

    def send(self, data: bytes | memoryview) -> int:
        """Wait until the kernel takes something."""
        with suppress(BlockingIOError):
            return super().send(data)
        self._wait(WRITE, SEND_WAIT)
        return super().send(data)

    def _wait(self, event: int, seconds: float) -> None:
        """Wait for the connection to be ready. Raise BlockingIOError where it is not in time."""
        self._poll.register(self.fileno(), event)
        if seconds <= 0 or not self._poll.poll(seconds * 1000):
            raise BlockingIOError
