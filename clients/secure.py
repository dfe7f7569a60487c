"""TLS over a connected socket, with the words of a socket: `recv` and `send`, which never wait.

    bytes to say --send--> [ TLS ] --ciphertext--> socket          `send` and `recv` raise BlockingIOError where a plain
    bytes heard  <--recv-- [ TLS ] <--ciphertext-- socket          socket would, whatever TLS wants at that moment

The `ssl` module's own sockets raise SSLWantReadError and SSLWantWriteError, which are no BlockingIOError; forget TLS
when one half is shut down; and may lose what arrives in that moment. So TLS runs in memory here, and the socket stays
ours. Two things differ from a plain socket, and both matter to whoever polls:

- `recv` must be called until it raises BlockingIOError: what has been decrypted makes the socket ready no more;
- after `send` or `shutdown` raised BlockingIOError, the same call with the same bytes must follow once there is room.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Self

from clients.failures import TlsError
from clients.records import Outcome

CHUNK_BYTES = 64 * 1024

_NO_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG"}


class SecureStream:
    """One TLS connection; `unsent` while ciphertext waits for room, `truncated` where it ended without a goodbye."""

    def __init__(
        self, endpoint: socket.socket, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO
    ) -> None:
        self._endpoint, self._tls = endpoint, tls
        self._incoming, self._outgoing = incoming, outgoing
        self._ciphertext = bytearray()
        self._early = bytearray()
        self._sealed = 0  # bytes given to `send` that are in the ciphertext, and not told as sent
        self._stands = self._goodbye = False
        self.truncated = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._endpoint.fileno()

    @property
    def unsent(self) -> bool:
        """Whether ciphertext waits for room in the socket."""
        return bool(self._ciphertext)

    @property
    def pending(self) -> bool:
        """Whether bytes have arrived that polling the socket will tell nothing of."""
        return bool(self._early or self._incoming.pending or self._tls.pending())

    @property
    def version(self) -> str:
        """What is spoken, as TLSv1.3, once the handshake is done."""
        return self._tls.version() or ""

    def handshake(self) -> None:
        """Carry the handshake on; BlockingIOError while it is not done, TlsError where it fails."""
        while True:
            done = self._shake()
            self._flush()
            if done:
                self._stands = True
                return
            try:
                self._fill()
            except BlockingIOError:
                raise
            except OSError as error:
                detail = f"the connection broke in the handshake: {error.strerror}"
                raise TlsError(Outcome.TLS_HANDSHAKE, detail) from error

    def _shake(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            with contextlib.suppress(OSError):  # the alert that says why; whether it arrives is not our affair
                self._flush()
            raise handshake_error(error) from error
        return True

    def recv(self, limit: int) -> bytes:
        """Return what has come, at most `limit` bytes; none at the end. BlockingIOError where nothing has.

        Until the handshake is done there is nothing.
        """
        if not self._stands:
            raise BlockingIOError
        if self._early:
            data = bytes(self._early[:limit])
            del self._early[:limit]
            return data
        while True:
            if self._incoming.pending or self._tls.pending() or self._incoming.eof:
                with contextlib.suppress(ssl.SSLWantReadError):
                    return self._decrypt(limit)
                with contextlib.suppress(BlockingIOError):  # what TLS answers; the rest goes with what is sent
                    self._flush()
            self._fill()

    def _decrypt(self, limit: int) -> bytes:
        try:
            return self._tls.read(limit)
        except ssl.SSLWantReadError:
            raise
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLEOFError:
            self.truncated = True
            return b""
        except ssl.SSLError as error:
            raise TlsError(Outcome.TLS_BROKEN, words(error)) from error

    def send(self, data: bytes | memoryview) -> int:
        """Send all of `data` and return its length; BlockingIOError: call again, with the same."""
        if not self._sealed:
            self._seal(memoryview(data))
        self._flush()
        sent, self._sealed = self._sealed, 0
        return sent

    def _seal(self, rest: memoryview) -> None:
        size = len(rest)
        while rest:
            try:
                rest = rest[self._tls.write(rest) :]
            except ssl.SSLError as error:
                raise TlsError(Outcome.TLS_BROKEN, words(error)) from error
        self._sealed = size

    def shutdown(self, _how: int = socket.SHUT_WR) -> None:
        """Tell the server that no more will come; it may go on. BlockingIOError: call again."""
        if not self._goodbye:
            self._goodbye = True
            self._read_early()
            try:
                self._tls.unwrap()
            except ssl.SSLWantReadError:
                pass  # said; what the server says in turn is for `recv`
            except ssl.SSLError as error:
                raise TlsError(Outcome.TLS_BROKEN, words(error)) from error
        self._flush()

    def _read_early(self) -> None:
        """Decrypt what has come for a later `recv`: OpenSSL drops what it meets while it says goodbye."""
        with contextlib.suppress(ssl.SSLWantReadError):
            while self._incoming.pending or self._tls.pending():
                if not (data := self._decrypt(CHUNK_BYTES)):
                    return
                self._early += data

    def close(self) -> None:
        """Say goodbye, as far as that goes without waiting, and close the socket."""
        with contextlib.suppress(OSError):  # who is gone hears no goodbye
            self.shutdown()
        self._endpoint.close()

    def _fill(self) -> None:
        data = self._endpoint.recv(CHUNK_BYTES)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._ciphertext += self._outgoing.read()
        while self._ciphertext:
            del self._ciphertext[: self._endpoint.send(self._ciphertext)]


def handshake_error(error: ssl.SSLError) -> TlsError:
    """What `error` means to whoever wanted to connect."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message.rstrip(".")
        advice = "" if "mismatch" in reason else " (--ca FILE says whom to trust)"
        return TlsError(Outcome.TLS_CERTIFICATE, f"the certificate is not trusted: {reason}{advice}")
    if isinstance(error, ssl.SSLEOFError):
        return TlsError(Outcome.TLS_HANDSHAKE, "the server hung up in the TLS handshake")
    if error.reason in _NO_TLS:
        return TlsError(Outcome.TLS_HANDSHAKE, f"what is spoken there is not TLS ({words(error)})")
    return TlsError(Outcome.TLS_HANDSHAKE, f"the TLS handshake failed: {words(error)}")


def words(error: ssl.SSLError) -> str:
    """OpenSSL's reason, in lower case and without its underscores."""
    return (error.reason or str(error)).replace("_", " ").lower()
