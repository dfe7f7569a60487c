"""Plan a comparison and carry it out, cell by cell; how one cell is measured is told in `tools.measuring`.

plan      every model on every workload, in rounds:  A B C D  D C B A  A B C D  D C B A
cells     one after the other, each written to the results folder when it has ended
interrupt the cell that is under way is given up, its server stopped, and what was measured stays
"""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from tools.machine import Division, divided, this_interpreter, this_machine, usable_cpus
from tools.measuring import OVERHEAD, measured
from tools.results import Cell, Header, writing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import FrameType

    from tools.results import ModelNote, Writer
    from tools.workloads import Workload


@dataclass(frozen=True, slots=True)
class Timing:
    """How many rounds a comparison has, and the seconds of each cell's warm-up and window.

    With `limit`, windows become shorter where the machine is so slow that all cells would take longer than
    that.
    """

    rounds: int
    warm_up: float
    duration: float
    limit: float | None = None

    def window(self, elapsed: float, overhead: float, cells_left: int) -> float:
        """The next window's seconds, `elapsed` after the first cell began; each cell has such an overhead."""
        if self.limit is None:
            return self.duration
        affordable = (self.limit - elapsed) / cells_left - overhead - self.warm_up
        return min(self.duration, max(SHORTEST, affordable))


HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the last: its terminal was closed
SHORTEST = 0.1  # seconds of a window, however late it is: less is not worth a server's start

# Sixteen cells a round on two CPUs. Four rounds are two whole turns of A B C D D C B A: a server's start is
# what is repeated, so rounds tell more about the noise than longer windows would. The warm-up has room for
# fifty forks.
FULL = Timing(rounds=4, warm_up=0.25, duration=0.65, limit=85)
QUICK = Timing(rounds=2, warm_up=0.12, duration=0.2, limit=21)  # one turn; what 25 s allow with imports and report
FIXED_COST = 2.0  # seconds for what is not cells: imports, and drawing the report


@dataclass(frozen=True, slots=True)
class Step:
    """One cell to be measured; `round` and `position` count from 1."""

    workload: Workload
    model: str
    round: int
    position: int

    @property
    def name(self) -> str:
        """A name for its files."""
        return f"{self.workload.name}-{self.model}-{self.round}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be compared, in which order: equal plans give equal orders."""

    models: tuple[ModelNote, ...]
    workloads: tuple[Workload, ...]
    timing: Timing
    seed: int

    @property
    def seconds(self) -> float:
        """How long the comparison will about take."""
        each = OVERHEAD + self.timing.warm_up + self.timing.duration
        cells = each * len(self.models) * len(self.workloads) * self.timing.rounds
        return FIXED_COST + min(cells, self.timing.limit or cells)

    def steps(self) -> tuple[Step, ...]:
        """Every cell in the order of its running.

        In each workload the order of the models is shuffled by the seed, anew for every other round; the
        round after it repeats the whole round backwards, so that every cell has the same mean place in time.
        """
        shuffling = random.Random(self.seed)
        ordered: list[tuple[Workload, str, int]] = []
        forwards: list[tuple[Workload, str]] = []
        for number in range(1, self.timing.rounds + 1):
            forwards = self._shuffled(shuffling) if number % 2 else forwards[::-1]
            ordered += [(workload, model, number) for workload, model in forwards]
        return tuple(Step(*each, position) for position, each in enumerate(ordered, start=1))

    def _shuffled(self, shuffling: random.Random) -> list[tuple[Workload, str]]:
        names = [model.name for model in self.models]
        return [(workload, model) for workload in self.workloads for model in shuffling.sample(names, len(names))]


class Observer(Protocol):
    """What is told of a comparison while it runs."""

    def began(self, plan: Plan, division: Division) -> None:
        """Hear that it begins."""

    def next(self, step: Step) -> None:
        """Hear that a cell begins."""

    def ended(self, cell: Cell) -> None:
        """Hear that a cell has ended, and how."""


class Interruption:
    """Signals to end, heard at any time, and acted on only where that leaves nothing behind.

    `signal` is the first signal heard, 0 before. Starting and stopping a server must run to their ends, which
    are near; the load between them is broken off at once.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._may_raise = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear the signals in this block, and leave them as they were."""
        before = {number: signal.signal(number, self._heard) for number in HEARD}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Break this block off with KeyboardInterrupt when a signal comes, or has come."""
        self._may_raise = True
        try:
            if self.signal:
                raise KeyboardInterrupt
            yield
        finally:
            self._may_raise = False

    def _heard(self, number: int, _: FrameType | None) -> None:
        self.signal = self.signal or number
        if self._may_raise:
            self._may_raise = False  # once: cleaning up is not to be broken off
            raise KeyboardInterrupt


def carried_out(plan: Plan, folder: Path, command: tuple[str, ...], observer: Observer) -> int:
    """Measure every cell of the plan into the folder; return 0, or the signal that broke it off.

    Raises:
        ResultsError: The folder holds something already, or cannot be made or written to; nothing has run
        then.
    """
    division = divided(usable_cpus())
    interruption = Interruption()
    with writing(folder) as writer, _confined(division), interruption.listening():
        writer.add_header(_header(plan, division, command))
        observer.began(plan, division)
        for step, window in _with_windows(plan):
            observer.next(step)
            cell = _cell(step, replace(plan.timing, duration=window), division, writer, interruption)
            if cell is None:
                break
            writer.add(cell)
            observer.ended(cell)
    return interruption.signal


def _with_windows(plan: Plan) -> Iterator[tuple[Step, float]]:
    """Each step with the seconds of its window, chosen when its turn has come."""
    steps, began, overheads = plan.steps(), time.monotonic(), [OVERHEAD]
    for step in steps:
        now = time.monotonic()
        left = len(steps) - step.position + 1
        window = plan.timing.window(now - began, sum(overheads) / len(overheads), left)
        yield step, window
        overheads.append(time.monotonic() - now - plan.timing.warm_up - window)


def _cell(step: Step, timing: Timing, division: Division, writer: Writer, interruption: Interruption) -> Cell | None:
    """Measure one cell and write its samples; None where it was broken off."""
    started, began = _now(), time.monotonic()
    try:
        findings = measured(
            step.workload,
            step.model,
            warm_up=timing.warm_up,
            duration=timing.duration,
            division=division,
            breakable=interruption.allowed,
        )
    except KeyboardInterrupt:
        return None
    return Cell(
        workload=step.workload.name,
        model=step.model,
        round=step.round,
        position=step.position,
        started=started,
        took=time.monotonic() - began,
        error=findings.error,
        load=findings.load_record(),
        cpu=findings.cpu_record(),
        peaks=findings.peaks,
        stopped=findings.stopped,
        samples=writer.add_samples(step.name, findings.latencies_ns()) if findings.load else "",
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _header(plan: Plan, division: Division, command: tuple[str, ...]) -> Header:
    return Header(
        started=_now(),
        command=command,
        seed=plan.seed,
        rounds=plan.timing.rounds,
        duration=plan.timing.duration,
        warm_up=plan.timing.warm_up,
        models=plan.models,
        workloads=plan.workloads,
        division=division,
        machine=this_machine(),
        interpreter=this_interpreter(),
    )


@contextmanager
def _confined(division: Division) -> Iterator[None]:
    """Keep this process off the server's CPUs, and let it go again."""
    if not division.disjoint:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, division.client)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
