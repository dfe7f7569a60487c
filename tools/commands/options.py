"""Options that typer would read in another way: times as `serverlab load` has them, and paths that are none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clients.durations import FORMS, read_duration

if TYPE_CHECKING:
    from collections.abc import Callable


def seconds_between(least: float, most: float) -> Callable[[str | float], float]:
    """What typer is to read an option with that is a time between these seconds, both included."""

    def read(text: str | float) -> float:  # a default is a number already
        try:
            value = read_duration(str(text))
        except ValueError:
            value = -1.0
        if not least <= value <= most:
            raise typer.BadParameter(f"give a time from {least:.10g} to {most:.10g} s, as {FORMS}, not {text!r}")
        return value

    return read


def some_path(text: str) -> Path:
    """Read a path, which is not empty: that is what a shell's variable is which was not set, and no folder is meant."""
    if not text:
        raise typer.BadParameter("give a path, not ''")
    return Path(text)
