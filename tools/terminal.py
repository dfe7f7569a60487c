"""Tables on a terminal, or in a file that one will show."""

from __future__ import annotations

import os
import sys
from textwrap import fill
from typing import TYPE_CHECKING, Literal

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.tabular import Table

PLAIN_WIDTH = 100  # characters for tables that go to a file or a pipe


def standard_console() -> Console:
    """A console for stdout, as wide as the terminal, or COLUMNS, or else 100 characters."""
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
    """The table with two spaces between its columns where there is room for them.

    Where there is not even room for the longest words, names are broken after their underscores, and figures need not
    stay on one line.
    """
    between = len(table.columns) - 1
    gap = 1 if _needed(table, str.splitlines) + 2 * between <= width else 0
    narrow = _needed(table, str.split) + between > width
    drawn = RichTable(box=box.SIMPLE_HEAD, padding=(0, gap, 0, 0), pad_edge=False, show_edge=False)
    for number, column in enumerate(table.columns):
        least = max(_longest(column.brief, str.splitlines), 0 if narrow else column.least)
        justify: Literal["left", "right"] = "left" if column.words or not number else "right"
        drawn.add_column(Text(column.brief), justify=justify, no_wrap=not number, min_width=least)
    for name, *cells in table.rows:
        drawn.add_row(Text(name.replace("_", "_\n") if narrow else name), *map(Text, cells))
    return drawn


def _needed(table: Table, parts: Callable[[str], list[str]]) -> int:
    """How many characters all columns need where their cells may be broken into such parts, and headings into lines."""
    columns = zip(*table.rows, strict=True) if table.rows else ((),) * len(table.columns)
    return sum(
        max(_longest(column.brief, str.splitlines), column.least, *(_longest(cell, parts) for cell in cells), 0)
        for column, cells in zip(table.columns, columns, strict=True)
    )


def _longest(text: str, parts: Callable[[str], list[str]]) -> int:
    return max(map(len, parts(text)), default=0)
