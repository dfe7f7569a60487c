"""A table as text without a medium, so that the terminal and the report draw the same one and cannot disagree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tools.inference.intervals import Interval

NOTHING = "-"


class Column(NamedTuple):
    """A column's heading and unit, and what stands for both where 80 characters are all there are.

    `words` tells that it holds words, which stand to the left, and not figures.
    """

    heading: str
    unit: str
    brief: str
    words: bool = False

    @property
    def label(self) -> str:
        """The heading with its unit, on one line."""
        return f"{self.heading}, {self.unit}" if self.unit else self.heading


@dataclass(frozen=True, slots=True)
class Table:
    """A table as text, the first column naming what a row is about.

    `lead` stands above the table and `notes` below it, each one paragraph. Without columns there are the notes alone,
    and they are what is to be read.
    """

    name: str
    title: str
    lead: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def significant(value: float, digits: int = 3) -> str:
    """The value to so many significant digits, never in powers of ten, with a comma between thousands."""
    if value == 0:
        return "0"
    decimals = max(0, digits - len(str(int(abs(value)))) if abs(value) >= 1 else _leading_zeros(value) + digits)
    return f"{value:,.{decimals}f}"


def with_interval(figure: Interval | None, scale: float = 1.0) -> str:
    """The estimate in another unit, with half of its interval as a share of it where there is one."""
    if figure is None:
        return NOTHING
    told = significant(figure.estimate * scale)
    return told if figure.width is None else f"{told} ±{figure.width / 2:.0%}"


def between(figure: Interval | None, scale: float = 1.0, digits: int = 3) -> str:
    """The ends of an interval in another unit."""
    if figure is None or figure.low is None or figure.high is None:
        return NOTHING
    return f"{significant(figure.low * scale, digits)} to {significant(figure.high * scale, digits)}"


def _leading_zeros(value: float) -> int:
    """Zeros between the decimal point and the first digit: 1 for 0.05."""
    mantissa_exponent = f"{abs(value):e}".partition("e")[2]
    return -int(mantissa_exponent) - 1
