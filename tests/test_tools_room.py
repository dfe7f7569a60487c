"""Intervals in tables: how they are told, where there is room for them, and what is marked where there is none."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from tools.inference.intervals import Interval
from tools.tables.tabular import Column, Measured, Table, milliseconds, with_interval
from tools.tables.terminal import MARKED, print_tables

if TYPE_CHECKING:
    from tools.tables.tabular import Content


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (None, "-"),
        (Interval(0.1, None, None, 3), "100"),
        (Interval(0.5, 0.4375, 0.5625, 5), Measured("500", "±12%", "438 to 562 over 5 rounds", wide=False)),
        (Interval(0.5, 0.4375, 0.57, 5), Measured("500", "±13%", "438 to 570 over 5 rounds", wide=True)),
        (Interval(0.1, 0.05, 0.26, 4), Measured("100", "(50.0 to 260)", "50.0 to 260 over 4 rounds", wide=True)),
        (Interval(0.0, 0.0, 0.001, 6), Measured("0", "(0 to 1.00)", "0 to 1.00 over 6 rounds", wide=True)),
        (Interval(0.0, 0.0, 0.0, 6), Measured("0", "±0%", "0 to 0 over 6 rounds", wide=False)),
    ],
)
def test_an_interval_is_told_as_a_share_unless_that_would_reach_below_nothing(
    figure: Interval | None, text: Content
) -> None:
    """In another unit; it is wide beyond a quarter."""
    assert with_interval(figure, 1000) == text


def test_a_percentile_stands_between_the_ends_of_the_rounds_own() -> None:
    """Which are around another middle: half of them is a share of what is shown."""
    own = Interval(0.010, 0.009, 0.013, 5)
    assert str(milliseconds(12_000_000, own)) == "12.0 ±17%"
    assert milliseconds(12_000_000, None) == "12.0"
    assert milliseconds(None, own) == "-"


COLUMNS = (Column("M", "", "M"), Column("A", "", "A", whole=True), Column("B", "", "B"), Column("C", "", "C"))


def drawn(width: int, *rows: tuple[Content, ...], tables: int = 1) -> list[str]:
    """What a terminal of this width shows of tables of these rows."""
    stream = StringIO()
    table = Table("name", "title", "lead", COLUMNS, rows, ("A note.",))
    print_tables(Console(file=stream, width=width), (table,) * tables)
    return [" ".join(line.split()) for line in stream.getvalue().splitlines()]


def measured(figure: str, *, wide: bool) -> Measured:
    """A figure with its interval."""
    return Measured(figure, "±40%" if wide else "±1%", "ends", wide=wide)


WIDE = measured("12.3", wide=True), measured("45.6", wide=True), measured("78.9", wide=True)
NARROW = measured("12.3", wide=False), measured("45.6", wide=False), measured("78.9", wide=False)


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (34, "m 12.3 ±40% 45.6 ±40% 78.9 ±40%"),  # 1 + 3 * 9 and three gaps of 2
        (33, "m 12.3 ±40% 45.6 ±40% ~78.9"),
        (28, "m 12.3 ±40% ~45.6 ~78.9"),
        (20, "m 12.3 ~45.6 ~78.9"),
    ],
)
def test_intervals_stand_where_there_is_room_from_the_left_and_wide_ones_are_marked_elsewhere(
    width: int, line: str
) -> None:
    """Those of a column that is to have them whole are folded rather than left out."""
    lines = drawn(width, ("m", *WIDE))
    assert line in lines
    if width == 20:
        assert "±40%" in lines
    assert any(text.startswith("~ stands before") for text in lines) is ("~" in line)


def test_a_narrow_interval_without_room_has_no_mark() -> None:
    """Nor a remark; and a text that begins with the sign is no figure."""
    lines = drawn(24, ("m", *NARROW))
    assert "m 12.3 ±1% 45.6 78.9" in lines
    assert not any("~" in line for line in lines)
    assert not any("stands before" in line for line in drawn(24, ("m", NARROW[0], "~1", NARROW[2])))


def test_what_a_mark_means_is_told_once_below_the_first_table_that_has_one() -> None:
    """Before its other notes."""
    text = " ".join(drawn(28, ("m", *WIDE), tables=3))
    assert text.count(MARKED) == 1
    assert text.index(MARKED) < text.index("A note.")
