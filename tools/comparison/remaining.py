"""How long what is left of a comparison will take: as it was planned, and then as its steps took."""

from __future__ import annotations

import math
import time
from collections import Counter
from typing import TYPE_CHECKING

from tools.comparison.planning import CAPACITY, CAPACITY_SECONDS, CELL, MEMORY, MEMORY_SECONDS
from tools.saved.cells import Cell, MemoryProbe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tools.comparison.comparing import Done
    from tools.comparison.planning import Plan, Step

Kind = tuple[str, str]
"""CELL, MEMORY or CAPACITY, and of a search its workload: on one workload all models' searches take about as long."""


class Remaining:
    """The steps that are left, each kind at its own pace: a search takes thirty times as long as a cell.

    A pace is the mean of what was `done` in this comparison, before it was broken off or since. A search on a workload
    where none has ended takes as long as those on others did; and where nothing of a kind was done, the plan tells.
    """

    def __init__(self, plan: Plan, steps: Iterable[Step], done: Iterable[Done] = ()) -> None:
        self._left = Counter(map(_kind_of, steps))
        self._planned = {CELL: plan.cell_seconds, MEMORY: MEMORY_SECONDS, CAPACITY: CAPACITY_SECONDS}
        self._took: dict[Kind, list[float]] = {}
        # Windows become shorter where all would take longer than that, whatever the first ones took.
        self._ends_at = time.monotonic() + plan.timing.limit if plan.timing.limit is not None else math.inf
        self._running: Step | None = None
        self._since = 0.0
        self._ended: set[tuple[str, str, str, int]] = set()
        self.total = self._left.total()
        for each in done:
            self._note(each)

    @property
    def done(self) -> int:
        """How many of the steps have ended."""
        return len(self._ended)

    def of(self, kind: str) -> int:
        """How many steps of a kind are left."""
        return sum(count for each, count in self._left.items() if each[0] == kind)

    def more(self, cells: int) -> None:
        """Count so many cells more."""
        self._left[CELL, ""] += cells
        self.total += cells

    def began(self, step: Step) -> None:
        """Note when a step began."""
        self._running, self._since = step, time.monotonic()

    def ended(self, done: Done) -> None:
        """Note what the step took that began last; a cell that is run again is no step more."""
        self._note(done)
        step, self._running = self._running, None
        if step is not None and step.key not in self._ended:
            self._ended.add(step.key)
            self._left[_kind_of(step)] -= 1

    def seconds(self) -> float:
        """How long all that is left will about take from now on."""
        searches = sum(count * self._pace(kind) for kind, count in self._left.items() if kind[0] == CAPACITY)
        others = sum(count * self._pace(kind) for kind, count in self._left.items() if kind[0] != CAPACITY)
        whole = searches + min(others, max(0.0, self._ends_at - time.monotonic()))
        if self._running is None or self._running.key in self._ended:
            return whole
        return max(0.0, whole - min(time.monotonic() - self._since, self._pace(_kind_of(self._running))))

    def _note(self, done: Done) -> None:
        if done.error and not isinstance(done, Cell):
            return  # it was over before it had begun, and the next may not be
        took = self._took.setdefault(_kind_of_done(done), [])
        if took and isinstance(done, Cell) and done.attempt > 1:
            took[-1] += done.took
        else:
            took.append(done.took)

    def _pace(self, kind: Kind) -> float:
        alike = (took for each, took in self._took.items() if each[0] == kind[0])
        took = self._took.get(kind) or [seconds for each in alike for seconds in each]
        return sum(took) / len(took) if took else self._planned[kind[0]]


def _kind_of(step: Step) -> Kind:
    return step.kind, step.workload.name if step.kind == CAPACITY and step.workload else ""


def _kind_of_done(done: Done) -> Kind:
    if isinstance(done, Cell):
        return CELL, ""
    return (MEMORY, "") if isinstance(done, MemoryProbe) else (CAPACITY, done.workload)
