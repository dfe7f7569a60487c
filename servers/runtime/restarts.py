"""When a worker may be started in the place of one that has ended: at once, unless that would be in vain."""

from __future__ import annotations

from math import inf
from time import monotonic

from servers.runtime.errors import CannotServe
from servers.runtime.scarcity import PAUSE, Scarcity

BOOT = 1.0  # seconds; a worker that ends sooner, and has served nobody, has failed to start
FIRST_PAUSE = 0.1  # seconds before a worker that failed to start is tried again; twice as long each time
MOST_FAILURES = 6  # in a row: after 3 seconds of pauses something is wrong that waiting does not mend


class Restarts:
    """The pauses of one pool of workers: after a failed fork, and longer and longer where they fail to start."""

    def __init__(self) -> None:
        self._failures = 0
        self._scarcity = Scarcity("start a worker")
        self._again_at = -inf

    def seconds_to_wait(self) -> float:
        """Return how long none may be started; 0 where one may be now."""
        return max(0.0, self._again_at - monotonic())

    def suffer(self, error: OSError) -> None:
        """Take note that the system lacks something; raise what is no scarcity."""
        self._scarcity.suffer(error)
        self._again_at = monotonic() + PAUSE

    def note_end(self, started: float, how: str, *, has_served: bool) -> None:
        """Take note of a worker that has ended unasked. Raise CannotServe where they end as soon as they start."""
        if monotonic() - started >= BOOT or has_served:
            self._failures = 0
            return
        if self.seconds_to_wait():
            return  # of the same round as the one before
        self._failures += 1
        if self._failures >= MOST_FAILURES:
            raise CannotServe(f"workers end as soon as they start, {self._failures} in a row, the last {how}")
        self._again_at = monotonic() + FIRST_PAUSE * 2 ** (self._failures - 1)
