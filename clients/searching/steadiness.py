"""Whether what is in flight grew over a window: the sign of a server that falls behind, before its percentiles tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LOOKS = 50  # in each third of the window
# Of the requests between the first third and the last, how many more must be in flight at the end. Of a steady
# queue near its capacity thirds differ by far more than their counts' square root, for a queue drains slowly; but a
# server that falls one percent behind leaves one percent of what was asked.
_SHARE_LEFT = 0.005
_SHARE_MORE = 0.5
_DEVIATIONS = 3.0


def in_flight(due_ns: NDArray[np.int64], done_ns: NDArray[np.int64], at_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many requests were due and not done (0: never done) at each of the times, those that waited included."""
    due = np.sort(due_ns)
    done = np.sort(done_ns[done_ns > 0])
    return np.searchsorted(due, at_ns, side="right") - np.searchsorted(done, at_ns, side="right")


def in_flight_grew(due_ns: NDArray[np.int64], done_ns: NDArray[np.int64], opened_ns: int, closed_ns: int) -> bool:
    """Whether clearly more was in flight in the last third of the window than in the first, by their medians.

    Clearly: more than half as much again, more than three times the square root (one at least), and more than half a
    percent of the requests in between. The second third must lie between the others. A median does not see a burst
    that is made up for.
    """
    if closed_ns <= opened_ns or not len(due_ns):
        return False
    looks = np.linspace(opened_ns, closed_ns, 3 * _LOOKS).astype(np.int64)
    first, second, last = np.median(in_flight(due_ns, done_ns, looks).reshape(3, _LOOKS), axis=1)
    wanted = np.count_nonzero((due_ns >= opened_ns) & (due_ns <= closed_ns))
    clearly = max(_DEVIATIONS * max(first, 1.0) ** 0.5, _SHARE_MORE * first, _SHARE_LEFT * wanted * 2 / 3)
    return bool(first <= second <= last and last - first > clearly)
