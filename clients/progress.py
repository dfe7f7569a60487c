"""What is seen on standard error while a load runs: a bar and a live line, or plain lines where it is no terminal."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING

from clients.events import Event, Listener, Progress
from clients.readings import LastSecond, Pace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clients.plan import LoadPlan


def shown(plan: LoadPlan, *, as_json: bool) -> AbstractContextManager[Listener | None]:
    """What suits standard error; nothing where the output is for a program."""
    return no_bar() if as_json else bar(plan) if sys.stderr.isatty() else plain_lines(plan)


@contextmanager
def no_bar() -> Iterator[Listener | None]:
    """Stand in for `bar` where nothing is to be seen."""
    yield None


@contextmanager
def plain_lines(plan: LoadPlan) -> Iterator[Listener | None]:
    """Yield a listener that prints a line a second on standard error, and one in ten after the first ten."""
    last_second, pace = LastSecond(plan.requests), Pace()

    def listen(event: Event) -> None:
        if isinstance(event, Progress):
            reading = last_second.read(event)
            if pace.is_due(event.elapsed):
                with suppress(OSError):  # a line that cannot be written must not cost the run
                    print(reading.line(), file=sys.stderr, flush=True)

    yield listen


@contextmanager
def bar(plan: LoadPlan) -> Iterator[Listener | None]:
    """Draw a bar with a live line on standard error and yield the listener that moves it."""
    from rich import progress  # noqa: PLC0415 - a run that shows no bar need not import it
    from rich.console import Console  # noqa: PLC0415

    columns = (
        progress.TextColumn("load"),
        progress.BarColumn(bar_width=None),  # what the words leave
        progress.TextColumn("{task.fields[words]}"),
    )
    console = Console(stderr=True)
    with progress.Progress(*columns, console=console, transient=True, auto_refresh=False, expand=True) as display:
        total = plan.duration if plan.requests is None else float(plan.requests)
        task = display.add_task("load", total=total, words="")
        last_second = LastSecond(plan.requests)

        def listen(event: Event) -> None:
            if isinstance(event, Progress):
                done = event.elapsed if plan.requests is None else event.completed + event.errors
                display.update(task, completed=done, words=last_second.read(event).words(), refresh=True)

        yield listen
