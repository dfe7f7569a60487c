"""Cutting a stream into lines, whatever the segments: a short read is not the end of a message.

Rules of this file: a line ends with its newline and is handed on with it; a line longer than the limit, whole or
not, is told once; what has not yet become a line waits in `pending`, and is never scanned twice.
"""

from __future__ import annotations

from servers.protocols.effects import Close

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.protocols.effects import Effects


class LineTooLong(Exception):
    """A line has passed the limit, with or without its newline."""


class LineReader:
    """What a session that reads lines is made of. `pending` is the beginning of the next line."""

    __slots__ = ("max_line", "pending", "requests")

    def __init__(self, max_line: int) -> None:
        self.max_line = max_line
        self.pending: bytes | bytearray = b""  # a bytearray once it grows; most clients never send part of a line
        self.requests = 0

    def lines(self, data: bytes) -> Iterator[bytes]:
        """Yield each line that `data` completes, newline included; raise LineTooLong where one passes the limit."""
        start = 0
        while end := data.find(b"\n", start) + 1:
            line = data[start:end]
            if self.pending:
                line = bytes(self.pending) + line
                self.pending = b""
            if len(line) > self.max_line:
                raise LineTooLong
            yield line
            start = end
        if start < len(data):
            self.pending = self.pending or bytearray()
            self.pending += data[start:]
        # A line of exactly the limit has its newline within it, so without one the limit is already lost.
        if len(self.pending) >= self.max_line:
            raise LineTooLong

    def rest(self) -> bytes:
        """Take what is left when the stream has ended: a line without its newline, or nothing."""
        rest = bytes(self.pending)
        self.pending = b""
        return rest


def refusal(text: str, kind: str) -> Effects:
    """One error line for the client, then a close that is counted under `kind`."""
    return (f"error: {text}\n".encode(), Close(kind))


def too_long(max_line: int) -> Effects:
    """Refuse a line that has passed the limit."""
    return refusal(f"line longer than {max_line} bytes", "line-too-long")
