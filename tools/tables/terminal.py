"""Tables on a terminal, or in a file that one will show."""

from __future__ import annotations

import os
import re
import sys
from io import TextIOWrapper
from itertools import chain
from textwrap import fill, wrap
from typing import TYPE_CHECKING, Literal

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from tools.tables.tabular import WIDE, Measured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tools.tables.tabular import Column, Content, Table

USUAL_WIDTH = 80  # what tables are made for; with less room, those whose words would be broken are written as lists
MOST_LINES = 4  # of a cell in a terminal that is narrower: more of them side by side are hard to read
LEAST_WIDTH = 20  # below it nothing can be read, and a text that is not written for it fares no worse
PLAIN_WIDTH = 100  # characters for tables that go to a file or a pipe
GAP = 2  # spaces between columns, where there is room
MARK = "~"
MARKED = (
    f"{MARK} stands before a figure whose 95 % interval is wider than {100 * WIDE:.0f} % of it from end to end and has "
    "no room here: a wider terminal shows it, and so does the report."
)
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
    """Print each table with its lead above and its notes below; what a mark means is told where it first stands."""
    explained = False
    for table in tables:
        console.print()
        console.print(Text(table.title, style="bold"))
        console.print(Text(fill(table.lead, console.width)), soft_wrap=True)
        rows = _told(table, console.width)
        if _is_readable(table.columns, rows, console.width):
            console.print(_rich(table.columns, rows, console.width))
        else:
            rows = [tuple(map(str, cells)) for cells in table.rows]
            _print_list(console, table.columns, rows)
        first, style = ("  ", "dim") if table.columns else ("- ", "")
        explaining = not explained and _is_marked(table, rows)
        explained = explained or explaining
        for note in (*([MARKED] if explaining else []), *table.notes):
            indented = fill(note, console.width, initial_indent=first, subsequent_indent="  ")
            console.print(Text(indented, style=style), soft_wrap=True)


def _told(table: Table, width: int) -> list[tuple[str, ...]]:
    """The rows as text, with the intervals of as many columns as there is room for, those to the left first.

    Where there is none, the figure alone, with a mark where its interval is wide.
    """
    brief = [[_brief(cell) for cell in cells] for cells in _cells(table)]
    whole = [[str(cell) for cell in cells] for cells in _cells(table)]
    told = [whole[number] if column.whole else brief[number] for number, column in enumerate(table.columns)]
    for number in range(len(told)):
        more = [*told[:number], whole[number], *told[number + 1 :]]
        texts = ([column.brief, *cells] for column, cells in zip(table.columns, more, strict=True))
        if sum(_longest(text, str.splitlines) for text in texts) + GAP * (len(more) - 1) <= width:
            told = more
    return list(zip(*told, strict=True))


def _is_marked(table: Table, told: Sequence[Sequence[str]]) -> bool:
    """Whether some wide interval had no room."""
    cells, texts = chain.from_iterable(table.rows), chain.from_iterable(told)
    return any(
        isinstance(cell, Measured) and cell.wide and text != str(cell) for cell, text in zip(cells, texts, strict=True)
    )


def _brief(cell: Content) -> str:
    if isinstance(cell, str):
        return cell
    return f"{MARK}{cell.figure}" if cell.wide else cell.figure


def _is_readable(columns: Sequence[Column], rows: Sequence[tuple[str, ...]], width: int) -> bool:
    """Whether there are columns that can be read side by side: in a narrow terminal their words need room."""
    if not columns or width >= USUAL_WIDTH:
        return bool(columns)
    texts = _texts(columns, rows)
    widths, _ = _widths(texts, width)
    fitted = list(zip(texts, widths, strict=True))
    whole_words = all(_longest(column, str.split) <= characters for column, characters in fitted)
    return whole_words and all(len(wrap(text, room)) <= MOST_LINES for column, room in fitted for text in column[1:])


def _print_list(console: Console, columns: Sequence[Column], rows: Sequence[tuple[str, ...]]) -> None:
    """Print each row as a small block of lines, `name: value`, under what it is about."""
    labels = [column.label for column in columns]
    for row in rows:
        console.print()
        for number, (label, text) in enumerate(zip(labels, row, strict=True)):
            indent = "  " if number else ""
            line = fill(f"{label}: {text}", console.width, initial_indent=indent, subsequent_indent=2 * indent)
            console.print(Text(line, style="" if number else "bold"), soft_wrap=True)
    if rows:
        console.print()


def _rich(columns: Sequence[Column], rows: Sequence[tuple[str, ...]], width: int) -> RichTable:
    """The table with two spaces between its columns, or one where there is no room for them."""
    widths, gap = _widths(_texts(columns, rows), width)
    drawn = RichTable(box=box.SIMPLE_HEAD, padding=(0, gap - 1, 0, 0), pad_edge=False, show_edge=False)
    for number, (column, characters) in enumerate(zip(columns, widths, strict=True)):
        justify: Literal["left", "right"] = "left" if column.words or not number else "right"
        drawn.add_column(Text(column.brief), justify=justify, width=characters, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(_broken(text, characters)) for text, characters in zip(row, widths, strict=True)))
    return drawn


def _widths(texts: Sequence[Sequence[str]], width: int) -> tuple[list[int], int]:
    """How many characters each column gets, and how many are between two of them."""
    whole = [_longest(text, str.splitlines) for text in texts]
    between = len(texts) - 1
    gap = GAP if sum(whole) + GAP * between <= width else 1
    parts = str.split if width < USUAL_WIDTH else _parts
    return _shared(whole, [_longest(text, parts) for text in texts], width - gap * between), gap


def _texts(columns: Sequence[Column], rows: Sequence[tuple[str, ...]]) -> list[list[str]]:
    """The heading and the cells of each column."""
    return [[column.brief, *(row[number] for row in rows)] for number, column in enumerate(columns)]


def _cells(table: Table) -> list[tuple[Content, ...]]:
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
