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
    from tools.tabular import Table

PLAIN_WIDTH = 100  # characters for tables that go to a file or a pipe
ROOMY = 96  # characters at which the widest table can spare a second space between columns


def standard_console() -> Console:
    """A console for stdout, as wide as the terminal, or COLUMNS, or else 100 characters."""
    return Console() if sys.stdout.isatty() or "COLUMNS" in os.environ else Console(width=PLAIN_WIDTH)


def print_tables(console: Console, tables: tuple[Table, ...]) -> None:
    """Print each table with its lead above and its notes below."""
    for table in tables:
        console.print()
        console.print(Text(table.title, style="bold"))
        console.print(Text(fill(table.lead, console.width)), soft_wrap=True)
        console.print(_rich(table, gap=1 if console.width >= ROOMY else 0))
        for note in table.notes:
            indented = fill(note, console.width, initial_indent="  ", subsequent_indent="  ")
            console.print(Text(indented, style="dim"), soft_wrap=True)


def _rich(table: Table, gap: int) -> RichTable:
    drawn = RichTable(box=box.SIMPLE_HEAD, padding=(0, gap, 0, 0), pad_edge=False, show_edge=False)
    for number, column in enumerate(table.columns):
        width = max(len(part) for part in column.brief.split("\n"))
        justify: Literal["left", "right"] = "left" if column.words or not number else "right"
        drawn.add_column(Text(column.brief), justify=justify, no_wrap=not number, min_width=max(width, column.least))
    for row in table.rows:
        drawn.add_row(*(Text(cell) for cell in row))
    return drawn
