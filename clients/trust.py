"""Whom a client believes when TLS is spoken; `secure` is what is spoken then."""

from __future__ import annotations

import select
import ssl
import time
from typing import TYPE_CHECKING

from clients.failures import TlsError
from clients.records import Outcome
from clients.secure import SecureStream

if TYPE_CHECKING:
    import socket


class Trust:
    """Whom we believe: the system's authorities, or those of the file `ca`; anybody where `insecure`.

    `name` is what the certificate must name. Raises ValueError, one line for the user, where the file cannot be used.
    """

    def __init__(self, name: str, *, ca: str = "", insecure: bool = False) -> None:
        self._name = name
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and name, TLS 1.2 or later
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.options |= ssl.OP_NO_RENEGOTIATION
        if insecure:
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE
        elif ca:
            self._load(ca)
        else:
            self._context.load_default_certs()

    def _load(self, ca: str) -> None:
        try:
            self._context.load_verify_locations(ca)
            self._context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the server's own certificate will do
        except ssl.SSLError as error:
            raise ValueError(f"no certificates in {ca}: it must be a file in PEM format") from error
        except OSError as error:
            raise ValueError(f"cannot read the certificates in {ca}: {error.strerror}") from error

    def begin(self, endpoint: socket.socket) -> SecureStream:
        """Return a stream over a connected, non-blocking socket; its handshake is still to come. Raises TlsError."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            tls = self._context.wrap_bio(incoming, outgoing, server_hostname=self._name)
        except ValueError as error:  # UnicodeError among them: no certificate could name it
            raise TlsError(Outcome.TLS_CERTIFICATE, f"no certificate can name {self._name!r}: {error}") from error
        return SecureStream(endpoint, tls, incoming, outgoing)

    def connect(self, endpoint: socket.socket, deadline: float) -> SecureStream:
        """Begin, and wait for the whole handshake, until `deadline` by the monotonic clock. Raises OSError."""
        endpoint.setblocking(False)
        stream = self.begin(endpoint)
        poller = select.poll()
        while True:
            try:
                stream.handshake()
            except BlockingIOError:
                poller.register(stream, select.POLLOUT if stream.unsent else select.POLLIN)
                left = deadline - time.monotonic()
                if left <= 0 or not poller.poll(left * 1000):
                    raise TlsError(Outcome.CONNECT_TIMEOUT, "no TLS handshake in time: is TLS spoken there?") from None
            else:
                return stream
