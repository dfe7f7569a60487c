"""What a load process writes down: the columns of its records, and how a request or a connection can end.

Times are nanoseconds of the monotonic clock of the machine that ran the load, as signed 64-bit integers; 0 stands for
what never happened. Rows are packed as `ROW` and `CONNECTION_ROW` say; numpy reads them with the same columns.
"""

from __future__ import annotations

import struct
from enum import IntEnum

# due: when the schedule wanted the request (closed loop: when the client was free to begin it, its time to think
# over; in churn both begin with the connect); ready: when the loop came to it, so ready - due is the client's own
# lateness; sent: when the request went out, which is later than ready where no connection was free; bytes: of the
# answer, as far as it came; sequence: the how manieth of its connection, from 0, known once all rows are together;
# part: which part of the mix asked.
REQUEST_COLUMNS = (
    "due_ns",
    "ready_ns",
    "sent_ns",
    "first_byte_ns",
    "done_ns",
    "connection",
    "sequence",
    "bytes",
    "outcome",
    "part",
)
REQUEST_FORMATS = ("i8", "i8", "i8", "i8", "i8", "i4", "i4", "i4", "i2", "i2")
# client: which of the N that talk at a time; first_answer: the first byte of the first answer, which tells
# admission, because the kernel completes a handshake before the server accepts; secured: the end of the TLS
# handshake; greeted: the greeting of a protocol that has one, which tells admission without a request.
CONNECTION_COLUMNS = (
    "connection",
    "client",
    "began_ns",
    "connected_ns",
    "first_answer_ns",
    "ended_ns",
    "outcome",
    "secured_ns",
    "greeted_ns",
)

ROW = struct.Struct("=5q3i2h")  # as REQUEST_FORMATS says: half of what ten 64-bit integers would take
NO_CONNECTION = NO_PART = -1  # of a request that never had one, or whose part was not drawn yet
CONNECTION_ROW = struct.Struct(f"{len(CONNECTION_COLUMNS)}q")
_ROWS_IN_CHUNK = 1 << 15


class Outcome(IntEnum):
    """How a request ended, or a connection (whose ordinary end is ANSWERED).

    DOUBLED: the answer before came a second time. SKIPPED: the answer to a later request came in its place.
    ABANDONED: asked behind another on a connection that failed with that one. SHED: due, and never asked, because too
    many waited already.
    """

    ANSWERED = 0
    IN_FLIGHT = 1
    TIMEOUT = 2
    REFUSED = 3
    CONNECT_TIMEOUT = 4
    UNREACHABLE = 5
    NO_PORT = 6
    RESET = 7
    CLOSED = 8
    WRONG_BYTES = 9
    EXTRA_BYTES = 10
    TLS_HANDSHAKE = 11
    TLS_CERTIFICATE = 12
    TLS_BROKEN = 13
    HTTP_STATUS = 14
    HTTP_MALFORMED = 15
    LOST = 16
    DOUBLED = 17
    SKIPPED = 18
    ABANDONED = 19
    SHED = 20

    @property
    def kind(self) -> str:
        """The name under which errors of this kind are counted."""
        return self.name.lower().replace("_", "-")


class Rows:
    """Rows in memory that is made chunk by chunk, so that growing copies nothing.

    The load loop packs into `buffer` at `offset` itself where a call would cost too much; it must ask for
    room first.
    """

    __slots__ = ("_full", "_row", "buffer", "offset")

    def __init__(self, row: struct.Struct = ROW) -> None:
        self._row = row
        self._full: list[bytearray] = []
        self.buffer = bytearray(row.size * _ROWS_IN_CHUNK)
        self.offset = 0

    def __len__(self) -> int:
        return (sum(map(len, self._full)) + self.offset) // self._row.size

    def make_room(self, rows: int) -> None:
        """See to it that `rows` more rows fit into the buffer."""
        if self.offset + rows * self._row.size > len(self.buffer):
            self._full.append(self.buffer[: self.offset])
            self.buffer = bytearray(self._row.size * max(rows, _ROWS_IN_CHUNK))
            self.offset = 0

    def add(self, *columns: int) -> None:
        """Append one row."""
        self.make_room(1)
        self._row.pack_into(self.buffer, self.offset, *columns)
        self.offset += self._row.size

    def last(self, count: int, most: int) -> list[tuple[int, ...]]:
        """Up to `most` of the last `count` rows, evenly taken, as far as they are in the newest chunk."""
        size = self._row.size
        count = min(count, self.offset // size)
        step = max(1, -(-count // most)) * size
        return [self._row.unpack_from(self.buffer, at) for at in range(self.offset - count * size, self.offset, step)]

    def chunks(self) -> list[memoryview]:
        """All rows in order, as bytes."""
        return [memoryview(chunk) for chunk in self._full] + [memoryview(self.buffer)[: self.offset]]
