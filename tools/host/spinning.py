"""Whether a loop gets each CPU at this moment: the canary just before a cell and just after it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from tools.host.judging import LITTLE_SPIN
from tools.machine import CAN_PIN

if TYPE_CHECKING:
    from collections.abc import Sequence

FRESH = 0.05  # seconds in which what was found after a cell holds before the next
SECONDS = 0.01  # on each CPU: in half of it, a loop that came last was now and then let run to its end
MOST_CPUS = 16  # so that a spin takes 0.2 s at most
ROUNDS = 500  # of an empty loop between two looks at the clock: some 10 us


class Spins:
    """The canary before each cell and after it; between two that follow at once it sings once for both."""

    def __init__(self, cpus: Sequence[int]) -> None:
        self._cpus = cpus
        self._last: float | None = None
        self._until = 0.0

    def before(self) -> float | None:
        """The share that a loop gets (see `spin`): what was found just now, if it was enough, or else what is found."""
        fresh = time.monotonic() < self._until
        return self._last if fresh and self._last is not None and self._last >= LITTLE_SPIN else self.after()

    def after(self) -> float | None:
        """The share that a loop gets at this moment."""
        self._last = spin(self._cpus)
        self._until = time.monotonic() + FRESH
        return self._last


def spin(cpus: Sequence[int], seconds: float = SECONDS) -> float | None:
    """Compute on each of these CPUs in turn for so long; return the least share of the time that was CPU time.

    Where it is less than `LITTLE_SPIN`, the CPUs are tried once more, and the better try counts: what passes in a
    moment, as the end of a process does, is no disturbance.

    Only this thread moves, and it may run in the end where it might before. None where it cannot be pinned. A canary
    takes 1 % of the 10 ms if it sings in them. Beyond 16 CPUs, the first 16 stand for all.
    """
    if not CAN_PIN or not cpus:
        return None
    before = os.sched_getaffinity(0)
    try:
        least = min(_share(cpu, seconds) for cpu in cpus[:MOST_CPUS])
        return least if least >= LITTLE_SPIN else max(least, min(_share(cpu, seconds) for cpu in cpus[:MOST_CPUS]))
    except OSError:  # a CPU that was taken offline, or out of our cpuset
        return None
    finally:
        os.sched_setaffinity(0, before)


def _share(cpu: int, seconds: float) -> float:
    os.sched_setaffinity(0, {cpu})
    began, used = time.monotonic(), time.thread_time()
    while (passed := time.monotonic() - began) < seconds:
        for _ in range(ROUNDS):
            pass
    return min((time.thread_time() - used) / passed, 1.0)
