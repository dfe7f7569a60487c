"""Tables on a terminal, or in a file that one will show."""

from __future__ import annotations

import os
import re
import sys
from io import TextIOWrapper
from textwrap import fill, wrap
from typing import TYPE_CHECKING, Literal

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tools.tables.tabular import Table

USUAL_WIDTH = 80  # what tables are made for; with less room, those whose words would be broken are written as lists
MOST_LINES = 4  # of a cell in a terminal that is narrower: more of them side by side are hard to read
LEAST_WIDTH = 20  # below it nothing can be read, and a text that is not written for it fares no worse
PLAIN_WIDTH = 100  # characters for tables that go to a file or a pipe
BREAKS = re.compile(r"(_|.(?=@))")  # where a name that is too long may go on in the next line, beside its spaces


def standard_console() -> Console:
    """A console for stdout, as wide as the terminal, or COLUMNS, or else 100 characters; no narrower than 20."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that lacks a character shows another in its place
    return _with_room(Console() if sys.stdout.isatty() or "COLUMNS" in os.environ else Console(width=PLAIN_WIDTH))


def error_console() -> Console:
    """A console for stderr, as wide as the terminal, or COLUMNS, or else 80 characters; no narrower than 20."""
    return _with_room(Console(stderr=True))


def _with_room(console: Console) -> Console:
    if console.width < LEAST_WIDTH:
        console.width = max(console.width or PLAIN_WIDTH, LEAST_WIDTH)  # COLUMNS=0 is what some say that do not know
    return console


def print_tables(console: Console, tables: tuple[Table, ...]) -> None:
    """Print each table with its lead above and its notes below."""
    for table in tables:
        console.print()
        console.print(Text(table.title, style="bold"))
        console.print(Text(fill(table.lead, console.width)), soft_wrap=True)
        if _is_readable(table, console.width):
            console.print(_rich(table, console.width))
        else:
            _print_list(console, table)
        first, style = ("  ", "dim") if table.columns else ("- ", "")
        for note in table.notes:
            indented = fill(note, console.width, initial_indent=first, subsequent_indent="  ")
            console.print(Text(indented, style=style), soft_wrap=True)


def _is_readable(table: Table, width: int) -> bool:
    """Whether a table has columns that can be read side by side: in a narrow terminal their words need room."""
    if not table.columns or width >= USUAL_WIDTH:
        return bool(table.columns)
    widths, _ = _widths(table, width)
    texts = list(zip(_texts(table), widths, strict=True))
    whole_words = all(_longest(column, str.split) <= characters for column, characters in texts)
    return whole_words and all(len(wrap(text, room)) <= MOST_LINES for column, room in texts for text in column[1:])


def _print_list(console: Console, table: Table) -> None:
    """Print each row as a small block of lines, `name: value`, under what it is about."""
    labels = [column.label for column in table.columns]
    for row in table.rows:
        console.print()
        for number, (label, text) in enumerate(zip(labels, row, strict=True)):
            indent = "  " if number else ""
            line = fill(f"{label}: {text}", console.width, initial_indent=indent, subsequent_indent=2 * indent)
            console.print(Text(line, style="" if number else "bold"), soft_wrap=True)
    if table.rows and table.notes:
        console.print()


def _rich(table: Table, width: int) -> RichTable:
    """The table with two spaces between its columns, or one where there is no room for them."""
    widths, gap = _widths(table, width)
    drawn = RichTable(box=box.SIMPLE_HEAD, padding=(0, gap - 1, 0, 0), pad_edge=False, show_edge=False)
    for number, (column, characters) in enumerate(zip(table.columns, widths, strict=True)):
        justify: Literal["left", "right"] = "left" if column.words or not number else "right"
        drawn.add_column(Text(column.brief), justify=justify, width=characters, overflow="fold")
    for row in table.rows:
        drawn.add_row(*(Text(_broken(text, characters)) for text, characters in zip(row, widths, strict=True)))
    return drawn


def _widths(table: Table, width: int) -> tuple[list[int], int]:
    """How many characters each column gets, and how many are between two of them."""
    texts = _texts(table)
    whole = [_longest(text, str.splitlines) for text in texts]
    between = len(texts) - 1
    gap = 2 if sum(whole) + 2 * between <= width else 1
    parts = str.split if width < USUAL_WIDTH else _parts
    return _shared(whole, [_longest(text, parts) for text in texts], width - gap * between), gap


def _texts(table: Table) -> list[list[str]]:
    """The heading and the cells of each column."""
    cells = list(zip(*table.rows, strict=True)) if table.rows else [()] * len(table.columns)
    return [[column.brief, *each] for column, each in zip(table.columns, cells, strict=True)]


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
