"""Carry out a comparison, step by step; how one cell is measured is told in `tools.comparison.measuring`.

plan       every model on every workload, in rounds:  A B C D  D C B A  B D A C  C A D B ...
steps      one after the other, each written to the results folder when it has ended
repeats    a cell from which the machine took CPU is kept, flagged, and run once more, within limits
interrupt  the step that is under way is given up, its server stopped, and what was measured stays
resume     what the folder holds is not measured again; the rest is, in the order of the same plan
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from clients.ceiling import Ceiling
from tools.analysis.narrowing import too_wide
from tools.comparison.measuring import cell_of, measured
from tools.comparison.planning import CAPACITY, CELL, FEWEST_REPEATS, MEMORY, OVERHEAD, REPEATS, without
from tools.comparison.probing import PROTOCOL, probed, searched
from tools.saved.cells import Capacity, Cell, MemoryProbe
from tools.saved.results import Results

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.comparison.interruption import Interruption
    from tools.comparison.measuring import Bench
    from tools.comparison.planning import Plan, Step
    from tools.machine import Division
    from tools.saved.header import Header
    from tools.saved.results import Writer

Done = Cell | MemoryProbe | Capacity
MOST_ATTEMPTS = 2  # at one cell: a machine that is disturbed for long is flagged, and not waited for


class Observer(Protocol):
    """What is told of a comparison while it runs."""

    def began(self, plan: Plan, division: Division, steps: Sequence[Step], done: Sequence[Done]) -> None:
        """Hear that it begins, with the steps that are certain, and what was done before it was broken off."""

    def next(self, step: Step, attempt: int) -> None:
        """Hear that a step begins."""

    def tries(self, rate: float, seconds: float) -> None:
        """Hear that the search that is under way tries a rate, in a window of so many seconds."""

    def ended(self, done: Done) -> None:
        """Hear that a step has ended, and how."""

    def goes_on(self, steps: Sequence[Step], wide: Sequence[str]) -> None:
        """Hear that these steps are needed, too, because intervals are too wide on these workloads."""


@dataclass(slots=True)
class Comparison:
    """The steps of one comparison while they are carried out; `attempts` and `others` are those that are done."""

    plan: Plan
    header: Header
    bench: Bench
    writer: Writer
    observer: Observer
    interruption: Interruption
    attempts: list[Cell] = field(default_factory=list)
    others: list[MemoryProbe | Capacity] = field(default_factory=list)
    _overheads: list[float] = field(default_factory=lambda: [OVERHEAD])
    _began: float = field(default_factory=time.monotonic)

    def take_over(self, results: Results) -> None:
        """Go on from what was measured before; the time that it took counts."""
        self.attempts, self.others = list(results.attempts), [*results.memory, *results.capacities]
        self._began -= sum(done.took for done in (*self.attempts, *self.others))

    def carry_out(self) -> None:
        """Go through the plan; it ends early where a signal came."""
        certain = without(self.plan.steps(), self._keys())
        self.observer.began(self.plan, self.bench.division, certain, (*self.attempts, *self.others))
        self._run([step for step in certain if step.kind != CAPACITY])
        if self.plan.until_width is not None:
            self._run_until_narrow(self.plan.until_width)
        self._run([step for step in certain if step.kind == CAPACITY])

    def _run_until_narrow(self, width: float) -> None:
        """Add rounds as long as intervals are too wide, of those workloads alone on which they are."""
        for number, steps in enumerate(self.plan.rounds(), start=1):
            if number <= self.plan.timing.rounds:
                continue
            earlier = tuple(cell for cell in self.attempts if cell.round < number)
            wide = too_wide(Results(self.writer.folder, self.header, earlier, ()), width)
            if number > self.plan.max_rounds or not wide or self.interruption.signal:
                return
            wanted = [step for step in without(steps, self._keys()) if step.workload and step.workload.name in wide]
            if wanted:
                self.observer.goes_on(wanted, wide)
                self._run(wanted)

    def _run(self, steps: Sequence[Step]) -> None:
        for number, step in enumerate(steps):
            if self.interruption.signal:
                return
            window = self._window(step, steps[number:]) if step.kind == CELL else 0.0
            done = self._carried_out(step, window, attempt=1 + self._attempts_at(step))
            while isinstance(done, Cell) and self._is_to_be_repeated(done) and not self.interruption.signal:
                done = self._carried_out(step, window, attempt=done.attempt + 1)

    def _window(self, step: Step, left: Sequence[Step]) -> float:
        """The seconds of a step's window, chosen when its turn has come."""
        overhead = sum(self._overheads) / len(self._overheads)
        weight = step.workload.weight if step.workload else 1.0
        return self.plan.timing.window(weight, time.monotonic() - self._began, overhead, self.plan.left(left))

    def _is_to_be_repeated(self, cell: Cell) -> bool:
        """Whether the machine took CPU from a cell, and another attempt at it is within limits."""
        repeats = sum(attempt.attempt > 1 for attempt in self.attempts)
        most = max(FEWEST_REPEATS, REPEATS * self.header.planned)
        return bool(cell.disturbed) and cell.attempt < MOST_ATTEMPTS and repeats < most

    def _carried_out(self, step: Step, window: float, attempt: int) -> Done | None:
        """Carry out a step and write what it found; None where it was broken off."""
        self.observer.next(step, attempt)
        started, began = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
        try:
            done = self._measured(step, window, attempt)
        except KeyboardInterrupt:
            return None
        took = time.monotonic() - began
        done = replace(done, position=self._position, started=started, took=took)
        if isinstance(done, Cell):
            self.attempts.append(done)
            self._overheads.append(took - self.plan.timing.warm_up - window)
        else:
            self.others.append(done)
        self.writer.add(done)
        self.observer.ended(done)
        return done

    def _measured(self, step: Step, window: float, attempt: int) -> Done:
        if step.kind == CELL:
            return self._cell(step, window, attempt)
        if step.kind == MEMORY:
            return probed(self.bench, step, self._protocol(step), self.plan.held)
        return searched(
            self.bench,
            step,
            self.plan.objective,
            self.plan.seed,
            closed_rate=self._closed_rate(step),
            on_try=self.observer.tries,
        )

    def _cell(self, step: Step, window: float, attempt: int) -> Cell:
        workload = step.workload
        assert workload is not None
        findings = measured(
            self.bench,
            workload,
            step.model,
            warm_up=self.plan.timing.warm_up,
            duration=window,
            seed=self.plan.seed + step.round,
            ceiling=self._ceiling(workload.name),
        )
        name = f"{self._position:04}-{step.name}"  # a workload's name may end as a model's begins
        cell = cell_of(findings, self.bench, workload, step.model)
        samples = self.writer.add_samples(name, findings.latencies_ns()) if findings.load else ""
        return replace(cell, round=step.round, attempt=attempt, samples=samples)

    def _ceiling(self, workload: str) -> Ceiling | None:
        """The most that these clients did: against a server that does nothing, once, or in a cell by now."""
        known = self.header.ceilings.get(workload)
        if known is None:
            return None
        loads = [cell.load for cell in self.attempts if cell.workload == workload and not cell.error]
        reached = (load.requests / load.window for load in loads if load and load.window > 0)
        return Ceiling(max((known, *reached)), 0.0, limited_by_client=True, measured_at="")

    @property
    def _position(self) -> int:
        """Which step the one is that is under way, of all that were carried out."""
        return len(self.attempts) + len(self.others) + 1

    def _protocol(self, step: Step) -> str:
        """What a memory probe speaks: a user's command may speak the comparison's protocols alone."""
        return self.plan.workloads[0].protocol if step.model.command else PROTOCOL

    def _closed_rate(self, step: Step) -> float:
        """What the model did in a closed loop, in requests a second; 0 where that is not known."""
        key = (step.workload.name if step.workload else "", step.model.name)
        loads = [cell.load for cell in self.attempts if (cell.workload, cell.model) == key and not cell.error]
        rates = [load.requests / load.window for load in loads if load and load.window > 0]
        return statistics.median(rates) if rates else 0.0

    def _attempts_at(self, step: Step) -> int:
        """How often a cell was measured: it may have been broken off before it was repeated."""
        return sum((CELL, cell.workload, cell.model, cell.round) == step.key for cell in self.attempts)

    def _keys(self) -> set[tuple[str, str, str, int]]:
        """What is done, as steps are known by; a cell that was to be repeated when all was broken off is not."""
        last = {(CELL, cell.workload, cell.model, cell.round): cell for cell in self.attempts}
        keys = {key for key, cell in last.items() if not self._is_to_be_repeated(cell)}
        for other in self.others:
            if isinstance(other, MemoryProbe):
                keys.add((MEMORY, "", other.model, other.round))
            else:
                keys.add((CAPACITY, other.workload, other.model, 1))
        return keys
