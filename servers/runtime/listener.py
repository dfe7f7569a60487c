"""Where clients arrive: the listening sockets, opened and accepted from in the same way by every model."""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
import struct
import sys
import time
from contextlib import suppress

from servers.runtime.errors import CannotServe
from servers.runtime.limits import ACCEPT_WAIT, SEND_WAIT
from servers.runtime.scarcity import PAUSE, Scarcity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from servers.runtime.lifecycle import Lifecycle
    from servers.runtime.settings import Settings

# Linux hands accept(2) the network errors that were pending on the new socket: that client is lost, not the server.
PENDING_NETWORK_ERRORS = frozenset(
    (
        errno.ENETDOWN,
        errno.EPROTO,
        errno.ENOPROTOOPT,
        errno.EHOSTDOWN,
        errno.ENONET,
        errno.EHOSTUNREACH,
        errno.EOPNOTSUPP,
        errno.ENETUNREACH,
        errno.EPERM,  # a firewall rule forbade it
    )
)


def nothing() -> None:
    """Do nothing while nobody calls."""


def queue_length(listening: socket.socket) -> int:
    """Return how many connections wait to be accepted; the most there can be where the kernel does not tell."""
    if listening.family == socket.AF_UNIX or sys.platform != "linux":
        return somaxconn() or 4096
    tcp_info = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)
    return int.from_bytes(tcp_info[24:28], sys.byteorder)  # tcpi_unacked, which is the queue's length for a listener


def timeval(seconds: float) -> bytes:
    """Pack seconds as the kernel's struct timeval, for SO_RCVTIMEO and SO_SNDTIMEO; never 0, which means forever."""
    microseconds = max(1, round(seconds * 1e6))
    return struct.pack("ll", microseconds // 1_000_000, microseconds % 1_000_000)


class Listener:
    """One listening socket or several (a host name may have many addresses) that serve as one.

    `accept` is for models that block; a model with an event loop sets the sockets non-blocking and asks `accept_now`.
    """

    def __init__(self, sockets: list[socket.socket], settings: Settings, lifecycle: Lifecycle) -> None:
        self.sockets = sockets
        self._lifecycle = lifecycle
        self._unix_path = unix_path = settings.unix
        self._inherited = sys.platform == "linux" and not unix_path  # do connections inherit the listener's options?
        self._unix_identity = _identity(unix_path) if unix_path else None
        self._promised = 0  # once the server stops: how many waited in the accept queues then
        self.scarcity = Scarcity("accept")
        self._poll = select.poll()
        for listening in sockets:
            self._poll.register(listening, select.POLLIN)
        lifecycle.when_stopping(self.stop_waiting)

    def accept(self, meanwhile: Callable[[], None] = nothing) -> socket.socket | None:
        """Wait for a client and return its connection; None once the server stops and has taken all who waited then.

        `meanwhile` is called whenever nobody has come for a quarter of a second.
        """
        while True:
            try:
                if connection := self.accept_now(self._next_ready()):
                    return connection
                if self._lifecycle.stopping:
                    return None
            except OSError as error:
                self.scarcity.suffer(error)
                time.sleep(PAUSE)
            meanwhile()

    def accept_now(self, listening: socket.socket) -> socket.socket | None:
        """Accept from one socket; None where no client waits. Raise OSError where the system lacks something.

        Once the server stops, those are accepted who waited then: they were promised service by the handshake. Whoever
        comes later was not, or a busy server would never stop.
        """
        stopping = self._lifecycle.stopping  # before the call: who is taken while the signal comes is not of the queue
        if stopping and self._promised <= 0:
            return None
        try:
            connection, _ = listening.accept()
        except (BlockingIOError, ConnectionAbortedError, InterruptedError):
            return None  # nobody came, or gave up before we came to it (Stevens' reset client)
        except OSError as error:
            if error.errno in PENDING_NETWORK_ERRORS:
                return None
            raise
        if stopping:
            self._promised -= 1
        if not self._inherited:
            set_options(connection)
        return connection

    def stop_waiting(self) -> None:
        """Count who waits, and let `accept` no longer wait: a blocked call, restarted after the signal, ends."""
        self._promised = sum(map(queue_length, self.sockets))
        for listening in self.sockets:
            listening.setblocking(False)

    def close(self) -> None:
        """Close the sockets; the Unix path stays, because a forked child closes its copy first of all."""
        while self.sockets:
            self.sockets.pop().close()

    def remove_path(self) -> None:
        """Remove the Unix socket's path, if it still is ours and not one that another server has put there."""
        if self._unix_identity and _identity(self._unix_path) == self._unix_identity:
            os.unlink(self._unix_path)

    def addresses(self) -> dict[str, Any]:
        """Return what the listening line says of where we listen: host, port and all addresses, or a path."""
        if self._unix_path:
            return {"path": self._unix_path}
        all_addresses = [list(listening.getsockname()[:2]) for listening in self.sockets]
        host, port = all_addresses[0]
        return {"host": host, "port": port, "addresses": all_addresses}

    def _next_ready(self) -> socket.socket:
        if len(self.sockets) == 1:
            return self.sockets[0]
        ready = self._poll.poll(0 if self._lifecycle.stopping else ACCEPT_WAIT * 1000)
        by_number = {listening.fileno(): listening for listening in self.sockets}
        return by_number[ready[0][0]] if ready else self.sockets[0]


def open_listener(settings: Settings, lifecycle: Lifecycle) -> Listener:
    """Listen where `settings` says. Raise CannotServe, with the one line for the user, where that cannot be."""
    try:
        sockets = [_open_unix(settings)] if settings.unix else _open_inet(settings)
    except OSError as error:
        where = settings.unix or f"{settings.host or '*'} port {settings.port}"
        raise CannotServe(f"cannot listen on {where}: {error.strerror or error}") from None
    return Listener(sockets, settings, lifecycle)


def set_options(either: socket.socket) -> None:
    """Set what every connection has: on the listener where connections inherit it, which costs them nothing."""
    if either.family != socket.AF_UNIX:
        either.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    either.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval(SEND_WAIT))
    either.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval(ACCEPT_WAIT))


def _listen(listening: socket.socket, settings: Settings) -> None:
    set_options(listening)
    listening.listen(settings.backlog)


def _open_inet(settings: Settings) -> list[socket.socket]:
    for attempt in range(10):
        sockets: list[socket.socket] = []
        try:
            return _bind_all(_resolve(settings.host), settings, sockets)
        except OSError as error:
            for listening in sockets:
                listening.close()
            # Port 0: what the kernel chose on the first address may be taken on the second.
            if settings.port or error.errno != errno.EADDRINUSE or attempt == 9:
                raise
    raise AssertionError("the last attempt raised")


def _resolve(host: str) -> list[tuple[int, Any]]:
    """Return (family, socket address) for each address of `host`, without repeats, in getaddrinfo's order."""
    # Given text, getaddrinfo encodes it with the idna codec, whose tables are a megabyte for a fork to copy.
    name = host.encode() if host.isascii() else host
    try:
        found = socket.getaddrinfo(name or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else "not a host name"
        raise CannotServe(f"cannot resolve host {host!r}: {reason}") from None
    return list({(family, address): None for family, _, _, _, address in found})


def _bind_all(
    addresses: list[tuple[int, Any]], settings: Settings, sockets: list[socket.socket]
) -> list[socket.socket]:
    port, unusable = settings.port, None
    for family, address in addresses:
        try:
            listening = _bind(family, (address[0], port, *address[2:]))
        except OSError as error:
            # A name may have an address of a family that this machine has switched off, beside one that it has.
            if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                raise
            unusable = error
            continue
        sockets.append(listening)
        _listen(listening, settings)
        port = listening.getsockname()[1]
    if not sockets and unusable:
        raise unusable
    return sockets


def _bind(family: int, address: Any) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
    except OSError:
        listening.close()
        raise
    return listening


def _open_unix(settings: Settings) -> socket.socket:
    _replace_dead_socket(settings.unix)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(settings.unix)
        _listen(listening, settings)
    except OSError:
        listening.close()
        raise
    return listening


def _replace_dead_socket(path: str) -> None:
    """Remove a socket that nobody listens on any more; refuse anything else that stands at `path`."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise CannotServe(f"cannot listen on {path}: it exists and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass  # its backlog is full: somebody is there
    raise CannotServe(f"cannot listen on {path}: another server listens there")


def _identity(path: str) -> tuple[int, int] | None:
    with suppress(OSError):
        found = os.stat(path)
        return found.st_dev, found.st_ino
    return None


def somaxconn() -> int | None:
    """Return the kernel's limit on any backlog, None where it does not say."""
    try:
        with open("/proc/sys/net/core/somaxconn") as limit:
            return int(limit.read())
    except (OSError, ValueError):
        return None
