"""The books of a process tree that is looked at now and then: what was seen is not lost in a death.

The CPU of a child that was waited for moves into its parent's `reaped` time, so the sum over the living stays
right without having seen the child at all. What does not move (the child was not waited for, or its parent
was outside the tree) was at least used as far as it was seen: it is kept, and the books are marked
incomplete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.accounting.processes import TICK, Key, Process
from tools.accounting.readings import NOTHING, Times

if TYPE_CHECKING:
    from collections.abc import Mapping

TOLERANCE = 3 * TICK
"""Seconds that may seem missing from a parent's reaped time: user and system are each cut to whole ticks."""

IGNORED = "a process ignores SIGCHLD, so its children's CPU is lost when they end"
NOT_WAITED_FOR = "children ended that their parent did not wait for"
REPARENTED = "a process ended whose parent is not in the tree, after the last look at it"


class Ledger:
    """CPU of a tree, from a series of looks at it; `reasons` is why some of it can be missing."""

    def __init__(self) -> None:
        self.reasons: dict[str, None] = {}  # in the order of their discovery
        self._living: Mapping[Key, Process] = {}
        self._kept = NOTHING  # used by the dead that nobody in the tree can have waited for
        self._due: dict[Key, Times] = {}  # what dead children of the living had used when last seen
        self._reaped_at_first: dict[Key, Times] = {}
        self._short: set[Key] = set()

    @property
    def total(self) -> Times:
        """CPU of the living, of their reaped children, and of the lost as far as they were seen."""
        total = self._kept
        for key, process in self._living.items():
            total = total.plus(process.times).plus(self._shortfall(key))
        return total

    def update(self, now: Mapping[Key, Process]) -> None:
        """Take in what the tree looks like now."""
        gone = [process for key, process in self._living.items() if key not in now]
        estates = {process.key.pid: process.times.plus(self._shortfall(process.key)) for process in gone}
        self._living = now
        for process in now.values():
            self._reaped_at_first.setdefault(process.key, process.reaped)
            if process.sigchld_ignored:
                self.reasons[IGNORED] = None
        for process in youngest_first(gone):
            self._bequeath(process, estates)
        self._note_shortfalls()

    def _bequeath(self, process: Process, estates: dict[int, Times]) -> None:
        """Pass what a dead process had used to its parent, which has it in its reaped time if it waited."""
        estate = estates.pop(process.key.pid)
        heir = next((key for key in self._living if key.pid == process.parent), None)
        if heir is not None:
            self._due[heir] = self._due.get(heir, NOTHING).plus(estate)
        elif process.parent in estates:
            estates[process.parent] = estates[process.parent].plus(estate)
        else:
            self._kept = self._kept.plus(estate)
            if not process.zombie:
                self.reasons[REPARENTED] = None

    def _shortfall(self, key: Key) -> Times:
        """What the dead children of a process had used and its reaped time does not show."""
        due = self._due.get(key, NOTHING)
        seen = self._living[key].reaped.minus(self._reaped_at_first[key])
        missing = due.total - seen.total
        return due.scaled_to(missing) if missing > TOLERANCE else NOTHING

    def _note_shortfalls(self) -> None:
        """Believe a shortfall that two looks show: a child can be reaped in the middle of one."""
        short = {key for key in self._living if self._shortfall(key).total}
        if short & self._short:
            self.reasons[NOT_WAITED_FOR] = None
        self._short = short


def youngest_first(processes: list[Process]) -> list[Process]:
    """Return children before their parents: a child is never the elder, but can be born in the same tick."""
    return sorted(processes, key=lambda process: (process.key.started_ticks, process.key.pid), reverse=True)
