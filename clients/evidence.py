"""What a run cost a load process: evidence of whether it was the limit itself.

A client that has no time left, or waits for a CPU, reads and asks late; that shows in its CPU time, in the kernel's
count of how long it was ready and did not run (schedstat), and in how late its loop looks at the clock.
"""

from __future__ import annotations

import os
import random
import time
from array import array

_SCHEDSTAT = "/proc/self/schedstat"
_MOST_SAMPLES = 4096


class Evidence:
    """The evidence of one load process, in the window between `begin` and `end`; `open` in between.

    `cpu_seconds` is user and system. `runnable_wait_seconds` is None where the kernel does not tell.
    `mean_in_flight` is how many requests were in flight in the mean of the window; the loop keeps the sum behind it,
    requests by nanoseconds. `late_seconds` is the time by which the loop was late, all in all: time in which it did not
    see what happened.
    """

    def __init__(self) -> None:
        self.begun = self.open = False
        self.cpu_seconds = 0.0
        self.runnable_wait_seconds: float | None = None
        self.mean_in_flight: float | None = None
        self._late_ns, self._all_late_ns = array("q"), 0
        self._random = random.Random(0)
        self._looks = self._began_ns = self._area_began_ns = 0

    def begin(self, now: int, area_ns: int) -> None:
        """The window opens."""
        self.begun = self.open = True
        self._began_ns, self._area_began_ns = now, area_ns
        self.cpu_seconds = -time.process_time()
        self.runnable_wait_seconds = -wait if (wait := runnable_wait()) is not None else None

    def note(self, late_ns: int) -> None:
        """The loop looked at the clock `late_ns` later than it meant to."""
        self._looks += 1
        late_ns = max(0, late_ns)
        self._all_late_ns += late_ns
        if len(self._late_ns) < _MOST_SAMPLES:
            self._late_ns.append(late_ns)
        elif (place := self._random.randrange(self._looks)) < _MOST_SAMPLES:  # every look is as likely to be kept
            self._late_ns[place] = late_ns

    def end(self, now: int, area_ns: int) -> None:
        """The window closes."""
        if not self.open:
            return
        self.open = False
        if now > self._began_ns:
            self.mean_in_flight = (area_ns - self._area_began_ns) / (now - self._began_ns)
        self.cpu_seconds += time.process_time()
        if self.runnable_wait_seconds is not None and (wait := runnable_wait()) is not None:
            self.runnable_wait_seconds += wait

    def to_json(self) -> dict[str, object]:
        """What the parent is told; `late_ns` samples how late the loop was, at most 4096 times."""
        return {
            "cpu_seconds": self.cpu_seconds,
            "runnable_wait_seconds": self.runnable_wait_seconds,
            "late_ns": self._late_ns.tolist(),
            "late_seconds": self._all_late_ns / 1e9,
            "mean_in_flight": self.mean_in_flight,
        }


def runnable_wait() -> float | None:
    """Seconds for which this process was ready to run and did not; None where the kernel does not tell."""
    try:
        descriptor = os.open(_SCHEDSTAT, os.O_RDONLY)
    except OSError:
        return None
    try:
        return int(os.read(descriptor, 100).split()[1]) / 1e9
    finally:
        os.close(descriptor)
