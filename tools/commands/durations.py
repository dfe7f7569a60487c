"""Options that are times, read as `serverlab load` reads its own."""

from __future__ import annotations

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
