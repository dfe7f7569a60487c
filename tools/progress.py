"""Tell how far a comparison has come: a bar with the time left on a terminal, else a line now and then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn

if TYPE_CHECKING:
    from rich.console import Console

    from tools.cells import Cell, Variant
    from tools.machine import Division
    from tools.planning import Plan, Step

LINE_INTERVAL = 5.0  # seconds between plain lines: enough to see life, few enough for a log


class Watching:
    """Prints the plan, then the progress; a context manager, so that the bar goes when all is over."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._total = self._done = 0
        self._began = self._told = 0.0
        self._expected = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def began(self, plan: Plan, division: Division) -> None:
        """Say what will be done and how long it will take."""
        self._total = len(plan.steps())
        self._began = self._told = time.monotonic()
        self._expected = plan.seconds
        self._console.print(
            described(plan, division), markup=False, highlight=False, soft_wrap=not self._console.is_terminal
        )
        if self._console.is_terminal:
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.fields[left]}"),
            )
            # Drawn between cells only: what draws within a window takes the clients' CPU.
            self._bar = Progress(*columns, console=self._console, transient=True, auto_refresh=False)
            self._task = self._bar.add_task("", total=self._total, left="")
            self._bar.start()

    def next(self, step: Step) -> None:
        """Name the cell that runs."""
        if self._bar is not None:
            what = f"{step.workload.name}: {step.model.name}, round {step.round}"
            self._bar.update(self._task, completed=self._done, description=f"{what:<34}", left=self._progress())
            self._bar.refresh()

    def ended(self, cell: Cell) -> None:
        """Count the cell; tell at once what failed."""
        self._done += 1
        now = time.monotonic()
        if cell.error:
            failed = f"{cell.workload}: {cell.model}, round {cell.round} failed: {cell.error}"
            self._console.print(failed, style="red", markup=False, highlight=False)
        if self._bar is None and now - self._told >= LINE_INTERVAL and self._done < self._total:
            self._told = now
            self._console.print(self._progress(), markup=False, highlight=False)

    def _progress(self) -> str:
        return f"{self._done} of {self._total} cells, about {self._left():.0f} s left"

    def _left(self) -> float:
        """Seconds for the cells that are left, at the pace of those that are done."""
        taken = time.monotonic() - self._began
        pace = taken / self._done if self._done else self._expected / max(1, self._total)
        return pace * (self._total - self._done)


def described(plan: Plan, division: Division) -> str:
    """The plan in a sentence or two."""
    timing = plan.timing
    models = ", ".join(map(named, plan.models))
    workloads = ", ".join(workload.name for workload in plan.workloads)
    apart = (
        f"server on CPU {listed(division.server)}, clients on CPU {listed(division.client)}"
        if division.disjoint
        else f"server and clients not kept apart: {division.reason}"
    )
    left_out = "".join(f"Left out: {reason}.\n" for reason in plan.left_out.values())
    return left_out + (
        f"Comparing {models} on {workloads}: {counted(len(plan.steps()), 'cell')} in "
        f"{counted(timing.rounds, 'round')}, {timing.duration:g} s each; {apart}.\n"
        f"This takes about {plan.seconds:.0f} s. Ctrl-C ends it early and keeps what was measured."
    )


def named(model: Variant) -> str:
    """A model with the options that it is started with, as they stand on a command line."""
    return " ".join([model.name, *(f"--{option} {value}" for option, value in model.options.items())])


def counted(number: int, noun: str) -> str:
    """A number and its noun, in the plural where it is not one."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(cpus: tuple[int, ...]) -> str:
    """CPU numbers with commas between them."""
    return ", ".join(map(str, cpus))
