"""What the server did: connections, requests, bytes and errors by kind, counted across processes.

The counts lie in anonymous memory that forked children share. Each process that counts has a row of its own, so that
none ever waits for another; rows are only added to, and the total is their sum. A conversation is
counted when it is over.
"""

from __future__ import annotations

from _thread import allocate_lock  # importing threading costs a third of a millisecond in every fork
from mmap import mmap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ERROR_KINDS = (
    "bad-request",  # no request of the protocol
    "not-utf-8",
    "line-too-long",
    "reset",  # the client vanished with a request begun or an answer owed
    "idle-timeout",
    "request-timeout",  # a request begun was not whole in time
    "write-timeout",  # an answer was not taken in time
    "cut-off",  # still in flight when the grace period was over
    "killed",  # its process was killed; what it had done by then is not known
    "handler",  # a bug of ours: the session raised
)
COUNTS = ("connections", "requests", "bytes_in", "bytes_out")
WIDTH = 16  # 64-bit counts in a row: those above, and room for more kinds
ERROR_COLUMN = {kind: len(COUNTS) + number for number, kind in enumerate(ERROR_KINDS)}


class Tally:
    """Counts of one server, safe for the threads of one process and for processes with a row each."""

    def __init__(self, rows: int = 1) -> None:
        # Never touched, a page of this costs nothing: ten thousand rows are free until there are as many children.
        self._counts = memoryview(mmap(-1, rows * WIDTH * 8)).cast("q")
        self._lock = allocate_lock()
        self._start = 0

    def use_row(self, row: int) -> None:
        """Count in `row` from now on: for a forked child, which must share its row with no other process."""
        self._start = row * WIDTH

    def conversed(self, requests: int, bytes_in: int, bytes_out: int, error: str) -> None:
        """Count a connection and what it came to, when it is over; `error` is its kind, empty where there was none."""
        counts, start = self._counts, self._start
        with self._lock:
            counts[start] += 1
            counts[start + 1] += requests
            counts[start + 2] += bytes_in
            counts[start + 3] += bytes_out
            if error:
                counts[start + ERROR_COLUMN[error]] += 1

    def totals(self) -> dict[str, Any]:
        """Return connections, requests, bytes_in, bytes_out, and errors as {kind: count} of those that occurred."""
        columns = [sum(self._counts[column::WIDTH]) for column in range(WIDTH)]
        errors = {kind: columns[column] for kind, column in ERROR_COLUMN.items() if columns[column]}
        return {**dict(zip(COUNTS, columns, strict=False)), "errors": errors}
