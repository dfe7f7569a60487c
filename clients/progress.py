"""The bar on a terminal while a load runs, with the rate, the errors and the time left."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from clients.events import Event, Listener, Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clients.plan import LoadPlan


@contextmanager
def no_bar() -> Iterator[Listener | None]:
    """Stand in for `bar` where there is no terminal."""
    yield None


@contextmanager
def bar(plan: LoadPlan) -> Iterator[Listener | None]:
    """Draw a bar on standard error and yield the listener that moves it."""
    from rich import progress  # noqa: PLC0415 - a run that shows no bar need not import it
    from rich.console import Console  # noqa: PLC0415

    columns = (
        progress.TextColumn("load"),
        progress.BarColumn(),
        progress.TextColumn("{task.fields[rate]:,.0f}/s  {task.fields[errors]} errors"),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as display:
        total = plan.duration if plan.requests is None else float(plan.requests)
        task = display.add_task("load", total=total, rate=0.0, errors=0)

        def listen(event: Event) -> None:
            if isinstance(event, Progress):
                done = event.elapsed if plan.requests is None else event.completed + event.errors
                rate = event.completed / event.elapsed
                display.update(task, completed=done, rate=rate, errors=event.errors, refresh=True)

        yield listen
