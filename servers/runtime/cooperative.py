"""A connection over which the blocking driver waits in a greenlet: to wait is to switch to another one.

The calls are those of a blocking socket with the listener's times: ``recv`` and ``send`` raise BlockingIOError when
nothing has come or nothing was taken for so long. A timer for each wait would cost more than the wait, so a connection
has one, which is set anew only for an earlier time: when it goes off, it looks whether anybody is late by then.
"""

from __future__ import annotations

from contextlib import suppress
from math import inf
from time import monotonic

from gevent.hub import get_hub

from servers.runtime.limits import ACCEPT_WAIT, SEND_WAIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket
    from typing import Any

READ, WRITE = 1, 2  # libev's own numbers


class Cooperative:
    """A connection for one greenlet, whose calls let the others run while they wait."""

    def __init__(self, connection: socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._hub = get_hub()
        self._readable = self._watcher(READ)
        self._writable: Any = None  # most clients take every answer at once
        self._timer: Any = None
        self._timer_at = inf
        self._late_at = inf
        self._patience = ACCEPT_WAIT

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Wait for something to come; with MSG_DONTWAIT take what is there."""
        if not flags:
            # Not tried first: a client that always has something to say would never let the others run.
            self._wait(self._readable, self._patience)
        return self._connection.recv(size)

    def send(self, data: bytes | memoryview) -> int:
        """Wait until the kernel takes something."""
        with suppress(BlockingIOError):
            return self._connection.send(data)
        if not self._writable:
            self._writable = self._watcher(WRITE)
        self._wait(self._writable, SEND_WAIT)
        return self._connection.send(data)

    def wait_at_most(self, seconds: float) -> None:
        """Have `recv` raise BlockingIOError when nothing has come for so long."""
        self._patience = seconds

    def shutdown(self, how: int) -> None:
        """End a direction of the connection."""
        self._connection.shutdown(how)

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        """Set an option of the connection."""
        self._connection.setsockopt(level, option, value)

    def close(self) -> None:
        """Close the connection."""
        for watcher in (self._readable, self._writable, self._timer):
            if watcher:
                watcher.close()
        self._connection.close()

    def _watcher(self, event: int) -> Any:
        return self._hub.loop.io(self._connection.fileno(), event)

    def _wait(self, watcher: Any, seconds: float) -> None:
        """Let others run until the connection is ready. Raise BlockingIOError where it is not in time."""
        self._late_at = late_at = monotonic() + seconds
        if late_at < self._timer_at:
            self._set_timer(seconds)
        while True:
            try:
                self._hub.wait(watcher)
            except BlockingIOError:
                if monotonic() >= late_at:
                    raise
            else:
                return

    def _set_timer(self, seconds: float) -> None:
        if self._timer:
            self._timer.close()
        self._timer_at = monotonic() + seconds
        self._timer = self._hub.loop.timer(seconds)
        self._timer.start(self._look, update=True)

    def _look(self) -> None:
        """End the wait whose time is up; look again later where another has begun since."""
        self._timer_at = inf
        for watcher in (self._readable, self._writable):
            if watcher and watcher.active:
                left = self._late_at - monotonic()
                if left > 0:
                    self._set_timer(left)
                else:
                    self._hub.cancel_wait(watcher, BlockingIOError("not in time"))
