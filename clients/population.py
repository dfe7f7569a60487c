"""Of which requests the figures of a run are, and how to count and time them without a copy of all rows.

Rows are looked at block by block: a million of them are 56 MB, and a temporary array for each condition would be as
much again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clients.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Requests = NDArray[np.void]
    Mask = NDArray[np.bool_]
    Seconds = np.ndarray[tuple[int], np.dtype[np.float64]]
    Which = Callable[[Requests], Mask]

_BLOCK_ROWS = 1 << 14
NO_FAILURES = (Outcome.ANSWERED, Outcome.LOST, Outcome.IN_FLIGHT)


@dataclass(frozen=True, slots=True)
class Population:
    """Request rows (see `clients.records`) and the window from `opened_ns` to `closed_ns`.

    In an open loop (`by_due`) what was due in the window counts, and in a closed one what ended in it. What was still
    under way at `ended_ns` was given up then. `timeout` in seconds is the least that a failed request counts with.
    """

    requests: Requests
    opened_ns: int
    closed_ns: int
    ended_ns: int
    timeout: float
    by_due: bool

    def blocks(self) -> Iterator[Requests]:
        """All rows, in their order."""
        return blocks_of(self.requests)

    def count(self, *conditions: Which) -> int:
        """How many rows meet all `conditions`."""
        return sum(int(np.count_nonzero(_all(conditions, rows))) for rows in self.blocks())

    def seconds(self, begin: str, *conditions: Which) -> Seconds:
        """Seconds from `begin` to the end of the rows that meet all `conditions`, sorted.

        Without those that never came to `begin`. What failed or was lost counts with at least the timeout; what was
        given up, with its age by then.
        """
        return self._sorted(lambda rows: self._seconds(begin, rows), lambda rows: rows[begin] > 0, *conditions)

    def lateness(self, *conditions: Which) -> Seconds:
        """Seconds from due to ready of the rows that meet all `conditions`, sorted."""
        return self._sorted(
            lambda rows: (rows["ready_ns"] - rows["due_ns"]) / 1e9, lambda rows: rows["ready_ns"] > 0, *conditions
        )

    def _sorted(self, figure: Callable[[Requests], Seconds], *conditions: Which) -> Seconds:
        found: Seconds = np.empty(len(self.requests))  # pages that are not written to take no memory
        end = 0
        for rows in self.blocks():
            some = figure(rows[_all(conditions, rows)])
            found[end : end + len(some)] = some
            end += len(some)
        found = found[:end]
        found.sort()
        return found

    def _seconds(self, begin: str, rows: Requests) -> Seconds:
        done, outcome = rows["done_ns"], rows["outcome"]
        seconds: Seconds = (np.where(done > 0, done, self.ended_ns) - rows[begin]) / 1e9
        failed = ~np.isin(outcome, (Outcome.ANSWERED, Outcome.IN_FLIGHT))
        seconds[failed] = np.maximum(seconds[failed], self.timeout)
        return seconds

    # Conditions

    def counts(self, rows: Requests) -> Mask:
        """Those that the figures are of."""
        return (self.due_in_window(rows) & asked(rows)) if self.by_due else self.done_in_window(rows)

    def due_in_window(self, rows: Requests) -> Mask:
        """Those that were due in the window."""
        return within("due_ns", self.opened_ns, self.closed_ns + 1)(rows)

    def done_in_window(self, rows: Requests) -> Mask:
        """Those that ended in the window."""
        return within("done_ns", self.opened_ns, self.closed_ns + 1)(rows)

    def in_flight(self, rows: Requests) -> Mask:
        """Those that were due or begun when the window closed, had not ended and were not shed."""
        done = rows["done_ns"]
        mine: Mask = (rows["due_ns"] <= self.closed_ns) & ((done == 0) | (done > self.closed_ns))
        return mine & asked(rows)

    def unsent(self, rows: Requests) -> Mask:
        """Those that had not been sent when the window closed."""
        sent = rows["sent_ns"]
        late: Mask = (sent == 0) | (sent > self.closed_ns)
        return late


def blocks_of(requests: Requests) -> Iterator[Requests]:
    """Rows in their order, few at a time."""
    for begin in range(0, len(requests), _BLOCK_ROWS):
        yield requests[begin : begin + _BLOCK_ROWS]


def _all(conditions: tuple[Which, ...], rows: Requests) -> Mask:
    mask = conditions[0](rows)
    for condition in conditions[1:]:
        mask = mask & condition(rows)
    return mask


def within(column: str, begin_ns: int, end_ns: int) -> Which:
    """The condition that a time is from `begin_ns` on and before `end_ns`."""

    def is_within(rows: Requests) -> Mask:
        mine: Mask = (rows[column] >= begin_ns) & (rows[column] < end_ns)
        return mine

    return is_within


def ended_with(*outcomes: Outcome) -> Which:
    """The condition that a request ended in one of these ways."""
    return lambda rows: np.isin(rows["outcome"], outcomes)


def failed(rows: Requests) -> Mask:
    """Those that ended in any other way than by a right answer or a loss."""
    mine: Mask = ~np.isin(rows["outcome"], NO_FAILURES)
    return mine


def asked(rows: Requests) -> Mask:
    """Those that were not shed."""
    mine: Mask = rows["outcome"] != Outcome.SHED
    return mine


def was_sent(rows: Requests) -> Mask:
    """Those that went out."""
    mine: Mask = rows["sent_ns"] > 0
    return mine


def of_part(number: int) -> Which:
    """The condition that a request is of that part of a mix."""

    def is_of_part(rows: Requests) -> Mask:
        mine: Mask = rows["part"] == number
        return mine

    return is_of_part
