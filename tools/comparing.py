"""Carry out a comparison, cell by cell; how one cell is measured is told in `tools.measuring`.

plan      every model on every workload, in rounds:  A B C D  D C B A  A B C D  D C B A
cells     one after the other, each written to the results folder when it has ended
interrupt the cell that is under way is given up, its server stopped, and what was measured stays
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from tools.cells import Cell, Header
from tools.machine import divided, this_interpreter, this_machine, usable_cpus
from tools.measuring import measured
from tools.planning import OVERHEAD
from tools.results import writing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import FrameType

    from tools.machine import Division
    from tools.planning import Plan, Step, Timing
    from tools.results import Writer


HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the last: its terminal was closed


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
    header = _header(plan, division, command)  # before this process is confined, which would change what it sees
    interruption = Interruption()
    with writing(folder) as writer, _confined(division), interruption.listening():
        writer.add_header(header)
        observer.began(plan, division)
        for step, window in _with_windows(plan):
            if interruption.signal:
                break
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
        model=step.model.name,
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
        left_out=dict(plan.left_out),
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
