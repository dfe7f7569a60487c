"""Tables on a terminal, or in a file that one will show."""

from __future__ import annotations

import os
import re
import sys
from io import TextIOWrapper
from textwrap import fill
from typing import TYPE_CHECKING, Literal

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tools.tables.tabular import Table

PLAIN_WIDTH = 100  # characters for tables that go to a file or a pipe
BREAKS = re.compile(r"(_|.(?=@))")  # where a name that is too long may go on in the next line, beside its spaces


def standard_console() -> Console:
    """A console for stdout, as wide as the terminal, or COLUMNS, or else 100 characters."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that lacks a character shows another in its place
    return Console() if sys.stdout.isatty() or "COLUMNS" in os.environ else Console(width=PLAIN_WIDTH)


def print_tables(console: Console, tables: tuple[Table, ...]) -> None:
    """Print each table with its lead above and its notes below."""
    for table in tables:
        console.print()
        console.print(Text(table.title, style="bold"))
        console.print(Text(fill(table.lead, console.width)), soft_wrap=True)
        if table.columns:
            console.print(_rich(table, console.width))
        first, style = ("  ", "dim") if table.columns else ("- ", "")
        for note in table.notes:
            indented = fill(note, console.width, initial_indent=first, subsequent_indent="  ")
            console.print(Text(indented, style=style), soft_wrap=True)


def _rich(table: Table, width: int) -> RichTable:
    """The table with two spaces between its columns, or one where there is no room for them."""
    texts = [[column.brief, *cells] for column, cells in zip(table.columns, _cells(table), strict=True)]
    whole = [_longest(text, str.splitlines) for text in texts]
    between = len(texts) - 1
    gap = 2 if sum(whole) + 2 * between <= width else 1
    widths = _shared(whole, [_longest(text, _parts) for text in texts], width - gap * between)
    drawn = RichTable(box=box.SIMPLE_HEAD, padding=(0, gap - 1, 0, 0), pad_edge=False, show_edge=False)
    for number, (column, characters) in enumerate(zip(table.columns, widths, strict=True)):
        justify: Literal["left", "right"] = "left" if column.words or not number else "right"
        drawn.add_column(Text(column.brief), justify=justify, width=characters, overflow="fold")
    for row in table.rows:
        drawn.add_row(*(Text(_broken(text, characters)) for text, characters in zip(row, widths, strict=True)))
    return drawn


def _cells(table: Table) -> list[tuple[str, ...]]:
    """The cells of each column."""
    return list(zip(*table.rows, strict=True)) if table.rows else [()] * len(table.columns)


def _shared(whole: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """How many characters each column gets of so many.

    Each has room for its longest word, as long as there is any; of the rest, those that lack least to have their cells
    on one line get it first.
    """
    widths = list(least)
    while sum(widths) > room and max(widths) > 1:
        widths[widths.index(max(widths))] -= 1
    left = room - sum(widths)
    for number in sorted(range(len(whole)), key=lambda number: whole[number] - widths[number]):
        given = min(left, whole[number] - widths[number])
        widths[number] += given
        left -= given
    return widths


def _broken(text: str, width: int) -> str:
    """A text whose words are all no longer than the width, as far as they may be broken."""
    return (
        text
        if len(text) <= width
        else " ".join(word if len(word) <= width else BREAKS.sub(r"\1\n", word) for word in text.split(" "))
    )


def _parts(text: str) -> list[str]:
    """What a text may be broken into."""
    return BREAKS.sub(r"\1 ", text).split()


def _longest(texts: Iterable[str], parts: Callable[[str], list[str]]) -> int:
    return max((len(part) for text in texts for part in parts(text)), default=0)
