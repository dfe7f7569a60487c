"""A table as text without a medium, so that the terminal and the report draw the same one and cannot disagree."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tools.words import significant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tools.inference.intervals import Interval

NOTHING = "-"
WIDE = 0.25  # of a figure: an interval from end to end that is wider is told even where there is no room for it


class Column(NamedTuple):
    """A column's heading and unit, and what stands for both where 80 characters are all there are.

    `words` tells that it holds words, which stand to the left, and not figures; `whole` that the intervals of its
    figures stand even where there is little room.
    """

    heading: str
    unit: str
    brief: str
    words: bool = False
    whole: bool = False

    @property
    def label(self) -> str:
        """The heading with its unit, on one line."""
        return f"{self.heading}, {self.unit}" if self.unit else self.heading


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure of a table with its interval: "12.3", "±4%", and "11.8 to 12.8 over 5 rounds", if it is over rounds.

    Where half of the interval is more than the figure, ± would reach below nothing: there the spread is "(0 to 0.2)".
    """

    figure: str
    spread: str
    ends: str
    wide: bool

    def __str__(self) -> str:
        """Both, where there is room."""
        return f"{self.figure} {self.spread}"


Content: TypeAlias = str | Measured
"""What a table's cell holds."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as text, the first column naming what a row is about.

    `lead` stands above the table and `notes` below it, each one paragraph. Without columns there are the notes alone,
    and they are what is to be read. `details` are those of the notes that a first look can do without, and `is_detail`
    says so of the whole table.
    """

    name: str
    title: str
    lead: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Content, ...], ...]
    notes: tuple[str, ...]
    details: tuple[str, ...] = ()
    is_detail: bool = False


def briefly(tables: Iterable[Table]) -> tuple[Table, ...]:
    """The tables, and of their notes those, that a first look needs."""
    return tuple(
        replace(table, notes=tuple(note for note in table.notes if note not in table.details))
        for table in tables
        if not table.is_detail
    )


def with_interval(figure: Interval | None, scale: float = 1.0, words: Callable[[float], str] = significant) -> Content:
    """The estimate in another unit and in such words, with half of its interval as a share of it where there is one."""
    if figure is None:
        return NOTHING
    told, width = words(figure.estimate * scale), figure.width
    if width is None:
        return told
    ends = between(figure, scale, words)
    spread = f"±{width / 2:.0%}" if width / 2 <= 1 else f"({ends})"
    of = f" over {figure.rounds} rounds" if figure.is_over_rounds else ""
    return Measured(told, spread, f"{ends}{of}", wide=width > WIDE)


def milliseconds(nanoseconds: int | None, over_rounds: Interval | None) -> Content:
    """A percentile of all answers, between the ends of the interval of the rounds' own where they have one."""
    if nanoseconds is None or over_rounds is None:
        return NOTHING if nanoseconds is None else significant(nanoseconds / 1e6)
    return with_interval(replace(over_rounds, estimate=nanoseconds / 1e9), 1e3)


def between(figure: Interval | None, scale: float = 1.0, words: Callable[[float], str] = significant) -> str:
    """The ends of an interval in another unit and in such words."""
    if figure is None or figure.low is None or figure.high is None:
        return NOTHING
    return f"{words(figure.low * scale)} to {words(figure.high * scale)}"
