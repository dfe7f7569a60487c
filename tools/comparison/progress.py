"""Tell how far a comparison has come: a bar with the time left on a terminal, else a line now and then."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn

from tools.comparison.planning import CAPACITY, CELL, FIXED_COST, MEMORY
from tools.comparison.remaining import Remaining
from tools.comparison.undone import not_searched
from tools.saved.cells import Cell, MemoryProbe
from tools.tables.terminal import USUAL_WIDTH
from tools.variants.commands import not_told
from tools.words import counted, enumerated, named, significant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from tools.comparison.comparing import Done
    from tools.comparison.planning import Plan, Step
    from tools.machine import Division

NOUNS = {CELL: "cell", MEMORY: "memory probe", CAPACITY: "search"}
LINE_INTERVAL = 5.0  # seconds between plain lines: enough to see life, few enough for a log


class Watching:
    """Prints the plan, then the progress; a context manager, so that the bar goes when all is over."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._notes: list[str] = []
        self._narrow = console.width < USUAL_WIDTH  # no room for a bar, and what is cut off then is the step
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._remaining: Remaining
        self._told = 0.0
        self._step = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def note(self, line: str) -> None:
        """Have this said, too, when it begins; nothing that is empty."""
        self._notes.extend([line] if line else [])

    def began(self, plan: Plan, division: Division, steps: Sequence[Step], done: Sequence[Done]) -> None:
        """Say what will be done and how long it will take."""
        self._remaining = remaining = Remaining(plan, steps, done)
        self._told = time.monotonic()
        for line in (described(plan, division, remaining), *self._notes):
            self._say(line)
        if self._console.is_terminal:
            told = TextColumn("{task.description}", markup=False)
            columns = (told,) if self._narrow else (told, BarColumn(), TextColumn("{task.fields[left]}"))
            # Drawn between windows only: what draws within one takes the clients' CPU.
            self._bar = Progress(*columns, console=self._console, transient=True, auto_refresh=False)
            self._task = self._bar.add_task("", total=remaining.total, left="")
            self._bar.start()

    def next(self, step: Step, attempt: int) -> None:
        """Name the step that runs."""
        self._remaining.began(step)
        self._step = f"{step.workload.name if step.workload else 'memory'}: {step.model.name}"
        if step.kind != CAPACITY:
            self._draw(f"{self._step}, round {step.round}{' again' if attempt > 1 else ''}")

    def tries(self, rate: float, seconds: float) -> None:
        """Name the rate that a search tries next, and for how long where that is long."""
        tried = f"{self._step}, {significant(rate)}/s" + (f" for {seconds:.0f} s" if seconds >= LINE_INTERVAL else "")
        self._draw(tried)
        self._tell_now_and_then(f"{tried}: ")

    def ended(self, done: Done) -> None:
        """Count the step; tell at once what failed."""
        self._remaining.ended(done)
        if done.error:
            self._say(f"{_named(done)} failed: {done.error}", style="red")
        if self._remaining.done < self._remaining.total:
            self._tell_now_and_then()

    def goes_on(self, steps: Sequence[Step], wide: Sequence[str]) -> None:
        """Say that another round is needed, and for which workloads."""
        self._remaining.more(steps)
        self._say(f"Intervals are still too wide on {', '.join(wide)}: another round.")

    def _say(self, text: str, style: str = "") -> None:
        """Print lines, which are folded for a terminal and stay whole in a file."""
        console = self._console
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=not console.is_terminal)

    def _draw(self, what: str) -> None:
        if self._bar is not None:
            done, total, left = self._remaining.done, self._remaining.total, self._progress()
            told = f"{left}: {what}" if self._narrow else f"{what:<34}"
            self._bar.update(self._task, completed=done, total=total, description=told, left=left)
            self._bar.refresh()

    def _tell_now_and_then(self, what: str = "") -> None:
        """Where there is no bar, a line, unless the last one is not long ago."""
        now = time.monotonic()
        if self._bar is None and now - self._told >= LINE_INTERVAL:
            self._told = now
            self._say(f"{what}{self._progress()}")

    def _progress(self) -> str:
        remaining = self._remaining
        return f"{remaining.done} of {remaining.total} done, about {in_words(remaining.seconds())} left"


def _named(done: Done) -> str:
    """A step that is done, in words."""
    if isinstance(done, Cell):
        return f"{done.workload}: {done.model}, round {done.round}"
    if isinstance(done, MemoryProbe):
        return f"memory: {done.model}, round {done.round}"
    return f"the capacity of {done.model} on {done.workload}"


def described(plan: Plan, division: Division, remaining: Remaining) -> str:
    """The plan in a few sentences."""
    timing = plan.timing
    models = ", ".join(map(named, plan.models))
    workloads = ", ".join(workload.name for workload in plan.workloads)
    sides = (
        f"server on CPU {listed(division.server)}, clients on CPU {listed(division.client)}"
        if division.server and division.client
        else "server and clients"
    )
    apart = sides if division.disjoint else f"{sides}, not kept apart: {division.reason}"
    left_out = "".join(f"Left out: {reason}.\n" for reason in plan.left_out.values())
    deaf = "".join(f"{sentence}\n" for sentence in not_told(plan.models, plan.workloads))
    whole = plan.steps()
    asked = Counter(step.kind for step in whole)
    more = "".join(f", {counted(asked[kind], NOUNS[kind])}" for kind in (MEMORY, CAPACITY) if asked[kind])
    unsearched = "".join(f"{clause[0].upper()}{clause[1:]}.\n" for clause in not_searched(plan))
    compared = (
        f"{left_out}Comparing {models} on {workloads}: {counted(asked[CELL], NOUNS[CELL])} in "
        f"{counted(timing.rounds, 'round')}, {_windows(plan)} each{more}; {apart}.\n{deaf}{unsearched}"
    )
    steps = remaining.total
    if not steps and plan.until_width is None:
        return f"{compared}All of these are done already: nothing is left to be measured."
    done = [(asked[kind] - remaining.of(kind), noun) for kind, noun in NOUNS.items()]
    told = enumerated([counted(number, noun) for number, noun in done if number])
    resumed = f"Of these, {told} {'is' if steps == len(whole) - 1 else 'are'} done already. " if told else ""
    took = _duration(plan, FIXED_COST + remaining.seconds())
    return f"{compared}{resumed}{took} Ctrl-C ends it early and keeps what was measured."


def _windows(plan: Plan) -> str:
    """How long windows are, from the shortest to the longest."""
    lengths = sorted({plan.timing.duration * workload.weight for workload in plan.workloads})
    at_most = "at most " if plan.timing.limit is not None else ""
    return at_most + " to ".join(f"{length:.3g}" for length in dict.fromkeys((lengths[0], lengths[-1]))) + " s"


def _duration(plan: Plan, seconds: float) -> str:
    """How long it will take, and how long at most where that is not certain."""
    told = f"This takes about {in_words(seconds)}"
    if plan.until_width is None:
        return f"{told}."
    return f"{told}, and at most about {in_words(plan.seconds_at_most)}, until intervals are narrow."


def in_words(seconds: float) -> str:
    """A time for a reader: 94 s, 12 min."""
    return f"{seconds:.0f} s" if seconds < 180 else f"{seconds / 60:.0f} min"


def listed(cpus: tuple[int, ...]) -> str:
    """CPU numbers with commas between them."""
    return ", ".join(map(str, cpus))
