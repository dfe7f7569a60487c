"""How long what is left of a comparison will take: as it was planned, and then as its steps took."""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter
from typing import TYPE_CHECKING

from tools.comparison.planning import CAPACITY, CAPACITY_SECONDS, CELL, MEMORY, MEMORY_SECONDS
from tools.saved.cells import Cell, MemoryProbe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tools.comparison.comparing import Done
    from tools.comparison.planning import Plan, Step

Kind = tuple[str, str]
"""CELL, MEMORY or CAPACITY, and the workload: on one workload all models' cells, or searches, take about as long."""


class Remaining:
    """The steps that are left, each kind at its own pace: a search takes thirty times as long as a cell.

    A step takes as long as was planned, times by how much those that were `done` took longer, before the comparison was
    broken off or since: the windows of workloads are of different lengths. A search takes as long as those on its own
    workload did, of which the plan knows little.
    """

    def __init__(self, plan: Plan, steps: Iterable[Step], done: Iterable[Done] = ()) -> None:
        self._left = Counter(map(_kind_of, steps))
        self._of_cells = {workload.name: plan.seconds_of(workload.weight) for workload in plan.workloads}
        self._took: dict[Kind, list[float]] = {}
        # Windows become shorter where all would take longer than that, whatever the first ones took, and end at the
        # shortest. What was done before a comparison was broken off is part of its time.
        done = tuple(done)
        limit = math.inf if plan.timing.limit is None else plan.timing.limit
        self._ends_at = time.monotonic() + limit - sum(each.took for each in done)
        self._shortest = plan.seconds_of(0.0)
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

    def more(self, steps: Sequence[Step]) -> None:
        """Count these steps, too."""
        self._left.update(map(_kind_of, steps))
        self.total += len(steps)

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
        shortest = self._shortest * self.of(CELL)
        whole = searches + min(others, max(shortest, self._ends_at - time.monotonic()))
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
        if kind[0] == CAPACITY and (own := self._took.get(kind)):
            return statistics.mean(own)
        alike = {each: took for each, took in self._took.items() if each[0] == kind[0]}
        planned = sum(self._planned(each) * len(took) for each, took in alike.items())
        return self._planned(kind) * (sum(map(sum, alike.values())) / planned if planned else 1.0)

    def _planned(self, kind: Kind) -> float:
        what, workload = kind
        return self._of_cells[workload] if what == CELL else {MEMORY: MEMORY_SECONDS, CAPACITY: CAPACITY_SECONDS}[what]


def _kind_of(step: Step) -> Kind:
    return step.kind, step.workload.name if step.workload else ""


def _kind_of_done(done: Done) -> Kind:
    if isinstance(done, MemoryProbe):
        return MEMORY, ""
    return CELL if isinstance(done, Cell) else CAPACITY, done.workload
