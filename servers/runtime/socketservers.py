"""What the standard library's servers are given to serve here: our listener, our conversation, our signal to stop.

Only that: how they accept, start what serves a client, and fail is their own.
"""

from __future__ import annotations

from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector
from socket import AF_UNIX, socket
from socketserver import BaseRequestHandler, TCPServer

from servers.runtime.blocking import converse
from servers.runtime.listener import set_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from servers.runtime.listener import Listener
    from servers.runtime.service import Service


class Stopped(Exception):
    """The word to stop has come: raised where `serve_forever` looks after other things between two clients."""


class Handler(BaseRequestHandler):
    """One client, for the whole of its conversation, which `socketserver` calls a request."""

    server: OnListener

    def setup(self) -> None:
        """Set what a connection does not inherit from a Unix socket that listens."""
        if self.request.family == AF_UNIX:
            set_options(self.request)

    def handle(self) -> None:
        """Serve it."""
        converse(self.request, self.server.service)


class AnyOf:
    """Several listening sockets, with those calls of a single one that a TCPServer makes."""

    def __init__(self, sockets: list[socket]) -> None:
        self._sockets = sockets
        self._selector = DefaultSelector()
        for listening in sockets:
            self._selector.register(listening, EVENT_READ)

    def fileno(self) -> int:
        """Return a descriptor that is readable when any of them is."""
        return self._selector.fileno()

    def accept(self) -> tuple[socket, Any]:
        """Accept from one that is ready. Raise BlockingIOError where none is."""
        for key, _ in self._selector.select(0):
            assert isinstance(key.fileobj, socket)
            return key.fileobj.accept()
        raise BlockingIOError

    def close(self) -> None:
        """Close them all."""
        self._selector.close()
        for listening in self._sockets:
            listening.close()


class OnListener(TCPServer):
    """A TCPServer on sockets that are bound and listen already. It goes before the mixins: it extends what they do."""

    def __init__(self, listener: Listener, service: Service) -> None:
        self.service = service
        self._listener = listener
        super().__init__(("", 0), Handler)

    def server_bind(self) -> None:
        """Take our sockets in place of the one that it has made."""
        self.socket.close()
        sockets = self._listener.sockets
        self.socket = sockets[0] if len(sockets) == 1 else AnyOf(sockets)  # type: ignore[assignment]

    def server_activate(self) -> None:
        """Do nothing: they listen."""

    def serve_until_stopped(self) -> None:
        """Serve until the word to stop comes, and wait for those who are being served then."""
        with suppress(Stopped):
            self.serve_forever()
        self.server_close()

    def service_actions(self) -> None:
        """Look whether to stop, after every client and every half second: its `shutdown` is for another thread."""
        super().service_actions()
        if self.service.lifecycle.stopping:
            raise Stopped
