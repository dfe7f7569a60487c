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
    "handshake",  # no TLS of ours was spoken
    "handshake-timeout",
    "cut-off",  # still in flight when the grace period was over
    "killed",  # its process was killed; what it had done by then is not known
    "handler",  # a bug of ours: the session raised
)
COUNTS = ("connections", "requests", "bytes_in", "bytes_out")
WIDTH = 16  # 64-bit counts in a row: those above
ERROR_COLUMN = {kind: len(COUNTS) + number for number, kind in enumerate(ERROR_KINDS)}


class Tally:
    """Counts of one server, safe for the threads of one process and for processes with a row each.

    Row 0 is the server's own; `worker` gives the others.
    """

    def __init__(self, rows: int = 1) -> None:
        # Never touched, a page of this costs nothing: ten thousand rows are free until there are as many children.
        self._counts = memoryview(mmap(-1, rows * WIDTH * 8)).cast("q")
        self._lock = allocate_lock()
        self._start = 0
        self._workers = 0
        self.rows = rows

    def use_row(self, row: int) -> None:
        """Count in `row` from now on: for a forked child, which must share its row with no other process."""
        self._start = row * WIDTH

    def worker(self, row: int) -> Tally:
        """Return a tally of the same counts that counts in `row`, whose connections are told apart from now on."""
        self._workers = max(self._workers, row)
        made = object.__new__(Tally)
        made._counts, made.rows = self._counts, self.rows
        made._lock, made._workers = allocate_lock(), 0
        made._start = row * WIDTH
        return made

    @property
    def row(self) -> int:
        """The row that it counts in: 0 for the server itself, and a worker's own, with which its threads count."""
        return self._start // WIDTH

    def conversed(self, requests: int, bytes_in: int, bytes_out: int, error: str, connections: int = 1) -> None:
        """Count a connection and what it came to, when it is over; `error` is its kind, empty where there was none."""
        counts, start = self._counts, self._start
        with self._lock:
            counts[start] += connections
            counts[start + 1] += requests
            counts[start + 2] += bytes_in
            counts[start + 3] += bytes_out
            if error:
                counts[start + ERROR_COLUMN[error]] += 1

    def connections(self, row: int) -> int:
        """Return the connections counted in a row."""
        return self._counts[row * WIDTH]

    def totals(self) -> dict[str, Any]:
        """Return connections, requests, bytes_in, bytes_out, and errors as {kind: count} of those that occurred.

        And connections_per_worker, a number for each worker in the order of their start.
        """
        columns = [sum(self._counts[column::WIDTH]) for column in range(WIDTH)]
        errors = {kind: columns[column] for kind, column in ERROR_COLUMN.items() if columns[column]}
        per_worker = [self.connections(row) for row in range(1, self._workers + 1)]
        return {**dict(zip(COUNTS, columns, strict=False)), "errors": errors, "connections_per_worker": per_worker}
