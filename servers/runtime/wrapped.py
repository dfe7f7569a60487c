"""What the blocking driver asks of a connection that is no plain socket; only type checkers read this."""

from __future__ import annotations

from typing import Protocol


class Wrapped(Protocol):
    """A connection whose calls wait in a way of their own: `BlockingTls`, and the greenlets' `Cooperative`."""

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Wait for something to come, at most as long as `wait_at_most` said. Raise BlockingIOError then."""

    def send(self, data: bytes | memoryview, /) -> int:
        """Wait until something is taken, at most SEND_WAIT. Raise BlockingIOError then."""

    def wait_at_most(self, seconds: float) -> None:
        """Have `recv` wait no longer than that; ACCEPT_WAIT before the first call."""

    def shutdown(self, how: int, /) -> None:
        """End a direction of the connection."""

    def setsockopt(self, level: int, option: int, value: int | bytes, /) -> None:
        """Set an option of the connection."""

    def close(self) -> None:
        """Close the connection."""
