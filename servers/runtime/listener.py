"""Where clients arrive: the listening sockets, opened and accepted from in the same way by every model."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import sys
import time
from contextlib import suppress

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


ON_ITS_WAY = 0.1  # seconds for which the last segment of a handshake may be held up on a busy machine


def nothing() -> None:
    """Do nothing while nobody calls."""


def queue_length(listening: socket.socket) -> int:
    """Return how many connections wait to be accepted; the most there can be where the kernel does not tell."""
    if listening.family == socket.AF_UNIX or sys.platform != "linux":
        return somaxconn() or 4096
    tcp_info = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)
    return int.from_bytes(tcp_info[24:28], sys.byteorder)  # tcpi_unacked, which is the queue's length for a listener


def backlog_length(listening: socket.socket) -> int:
    """Return how many connections may wait to be accepted."""
    tcp_info = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
    return int.from_bytes(tcp_info[28:32], sys.byteorder)  # tcpi_sacked, which is the backlog of a listener


def somaxconn() -> int | None:
    """Return the kernel's limit on any backlog, None where it does not say."""
    try:
        with open("/proc/sys/net/core/somaxconn") as limit:
            return int(limit.read())
    except (OSError, ValueError):
        return None


def identity(path: str) -> tuple[int, int] | None:
    """Return what tells a file from another that has taken its path: device and inode; None where there is none."""
    with suppress(OSError):
        found = os.stat(path)
        return found.st_dev, found.st_ino
    return None


def set_options(either: socket.socket) -> None:
    """Set what every connection has: on the listener where connections inherit it, which costs them nothing."""
    if either.family != socket.AF_UNIX:
        either.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    either.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval(SEND_WAIT))
    either.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval(ACCEPT_WAIT))


def timeval(seconds: float) -> bytes:
    """Pack seconds as the kernel's struct timeval, for SO_RCVTIMEO and SO_SNDTIMEO; never 0, which means forever."""
    microseconds = max(1, round(seconds * 1e6))
    return struct.pack("ll", microseconds // 1_000_000, microseconds % 1_000_000)


class Listener:
    """One listening socket or several (a host name may have many addresses) that serve as one.

    `accept` is for models that block; a model with an event loop sets the sockets non-blocking and asks `accept_now`.

    Attributes:
        sockets: those that listen.
        shared: processes accept from the same sockets, so that none may make them non-blocking for all.
        scarcity: the episodes in which accept fails for want of something.
    """

    def __init__(
        self, sockets: list[socket.socket], settings: Settings, lifecycle: Lifecycle, *, owns_path: bool = True
    ) -> None:
        self.sockets = sockets
        self.shared = False
        self._lifecycle = lifecycle
        self._unix_path = unix_path = settings.unix if owns_path else ""
        # Do connections inherit the listener's options?
        self._inherited = sys.platform == "linux" and all(each.family != socket.AF_UNIX for each in sockets)
        self._opened_by = os.getpid()
        self._unix_identity = identity(unix_path) if unix_path else None
        self._promised = 0  # once the server stops: how many waited in the accept queues then
        self._stopped_at, self._counted_again = 0.0, False
        self.scarcity = Scarcity("accept")
        for listening in sockets:
            # Of several that are polled, one that another process has emptied meanwhile must not hold us.
            listening.setblocking(len(sockets) == 1)
        lifecycle.when_stopping(self.stop_waiting)
        if lifecycle.stopping:  # the word was there before us: a worker's own listener is made in the worker
            self.stop_waiting()

    def accept(self, meanwhile: Callable[[], None] = nothing) -> socket.socket | None:
        """Wait for a client and return its connection; None once the server stops and has taken all who waited then.

        None too in a worker that retires. `meanwhile` is called whenever nobody has come for a quarter of a second.
        """
        while not self._lifecycle.retiring:
            try:
                if connection := self.accept_now(self._next_ready()):
                    return connection
                if self._lifecycle.stopping:
                    return None
            except OSError as error:
                self.scarcity.suffer(error)
                time.sleep(PAUSE)
            meanwhile()
        return None

    def accept_now(self, listening: socket.socket) -> socket.socket | None:
        """Accept from one socket; None where no client waits. Raise OSError where the system lacks something.

        Once the server stops, those are accepted who waited then: they were promised service by the handshake. Whoever
        comes later was not, or a busy server would never stop.
        """
        stopping = self._lifecycle.stopping  # before the call: who is taken while the signal comes is not of the queue
        if stopping and not self._counted_again:
            self._count_again()
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
        """Count who waits, and let `accept` no longer wait: a blocked call, restarted after the signal, ends.

        That of a shared listener ends by itself within ACCEPT_WAIT.
        """
        self._stopped_at = time.monotonic()
        self._promised = sum(map(queue_length, self.sockets))
        if not self.shared:
            for listening in self.sockets:
                listening.setblocking(False)

    def _count_again(self) -> None:
        """Count once more who waits, at the first look after the word to stop, if that comes soon.

        A client's connect returns as soon as our half of the handshake is there: its last segment may be on its way
        while the word comes, and then it is not in the queue yet.
        """
        self._counted_again = True
        if time.monotonic() - self._stopped_at < ON_ITS_WAY:
            self._promised = max(self._promised, sum(map(queue_length, self.sockets)))

    def close(self) -> None:
        """Close the sockets, and remove the Unix socket's path; in a forked child the parent keeps that."""
        while self.sockets:
            self.sockets.pop().close()
        # It may be one that another server has put there since.
        if os.getpid() == self._opened_by and self._unix_identity and identity(self._unix_path) == self._unix_identity:
            os.unlink(self._unix_path)

    def addresses(self) -> dict[str, Any]:
        """Return what the listening line says of where we listen: host, port and all addresses, or a path."""
        if self.sockets[0].family == socket.AF_UNIX:
            return {"transport": "unix", "path": self.sockets[0].getsockname()}
        all_addresses = [list(listening.getsockname()[:2]) for listening in self.sockets]
        host, port = all_addresses[0]
        return {"transport": "tcp", "host": host, "port": port, "addresses": all_addresses}

    def backlog(self) -> int | None:
        """Return how many connections the kernel holds for us, None where it does not tell."""
        if self.sockets[0].family == socket.AF_UNIX or sys.platform != "linux":
            return None
        return min(backlog_length(listening) for listening in self.sockets)

    def _next_ready(self) -> socket.socket:
        if len(self.sockets) == 1:
            return self.sockets[0]
        poll = select.poll()  # for this call alone: several threads may wait here, and one object serves but one
        for listening in self.sockets:
            poll.register(listening, select.POLLIN)
        ready = poll.poll(0 if self._lifecycle.stopping else ACCEPT_WAIT * 1000)
        by_number = {listening.fileno(): listening for listening in self.sockets}
        return by_number[ready[0][0]] if ready else self.sockets[0]
