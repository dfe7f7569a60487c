"""Tables in a terminal that has less than 80 columns: no word is broken, and nothing is left out."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from servers.registry import MODELS
from tests.comparisons import made_up
from tests.whole_comparison import made_up_whole
from tools.cli import run
from tools.commands.tour import tour
from tools.saved.results import read_results
from tools.tables.of_comparison import tables_of
from tools.tables.tabular import Column, Measured, Table
from tools.tables.terminal import LEAST_WIDTH, MARK, PLAIN_WIDTH, error_console, print_tables, standard_console

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[Table, ...]:
    """All tables of a comparison that has everything, of another one, and the tour."""
    folder = tmp_path_factory.mktemp("comparisons")
    several = (made_up_whole(folder / "whole"), made_up(folder / "made-up"))
    found = [table for each in several for table in tables_of(read_results(each))]
    return (*found, tour(tuple(MODELS.values()), files=False))


def printed(table: Table, width: int) -> str:
    """What a terminal of this width shows of a table."""
    stream = StringIO()
    print_tables(Console(file=stream, width=width), (table,))
    return stream.getvalue()


@pytest.mark.parametrize("width", [79, 60, 40, 30])
def test_no_word_is_broken_and_none_is_left_out(tables: tuple[Table, ...], width: int) -> None:
    """Whatever the names and the figures are."""
    for table in tables:
        told = printed(table, width)
        assert max(map(len, told.splitlines())) <= width, table.name
        cells = (cell.figure if isinstance(cell, Measured) else cell for row in table.rows for cell in row)
        parts = {part for text in cells for part in text.replace("-", "- ").split()}
        words = told.replace("-", "- ").replace(MARK, "").split()
        assert not parts - set(words) - {part for part in parts if len(part) > width - 4}, table.name


def test_a_table_whose_columns_have_no_room_is_a_list() -> None:
    """A row is a block of its own, in which a figure has its whole heading and its unit."""
    columns = (
        Column("Model", "", "Model"),
        Column("Throughput", "requests/s", "Requests\na second"),
        Column("Limited by", "", "Limited\nby", words=True),
    )
    rows = (("selector", "15,842 ±9%", "client"), ("threaded", "10,219 ±7%", "server-CPU and much else beside it"))
    table = Table("churn", "Workload churn", "Clients come and go.", columns, rows, ("A note.",))
    assert printed(table, 27).splitlines() == [
        "",
        "Workload churn",
        "Clients come and go.",
        "",
        "Model: selector",
        "  Throughput, requests/s:",
        "    15,842 ±9%",
        "  Limited by: client",
        "",
        "Model: threaded",
        "  Throughput, requests/s:",
        "    10,219 ±7%",
        "  Limited by: server-CPU",
        "    and much else beside it",
        "",
        "  A note.",
    ]


def test_a_table_that_has_room_stays_one() -> None:
    """However narrow the terminal is; but none in which cells have many lines."""
    columns = (Column("Model", "", "Model"), Column("Row", "", "Row"), Column("Use", "", "Use", words=True))
    table = Table("rows", "Rows", "", columns, (("selector", "1", "many of small words"),), ())
    assert "selector   1 many of" in printed(table, 24)
    assert "Model: " not in printed(table, 24)
    long = Table("rows", "Rows", "", columns, (("selector", "1", "many of small words " * 4),), ())
    assert "Model: selector" in printed(long, 24)
    assert "Model: " not in printed(long, 80)


@pytest.mark.parametrize("width", [80, 100, 200])
def test_at_80_columns_and_more_there_are_no_lists(tables: tuple[Table, ...], width: int) -> None:
    """Tables are made for them."""
    for table in tables:
        told = printed(table, width)
        assert not [row for row in table.rows if f"{table.columns[0].label}: {row[0]}" in told], table.name


def test_a_table_without_columns_or_without_rows_is_no_list() -> None:
    """There are its lead and its notes."""
    assert printed(Table("none", "None", "A lead.", (), (), ("A note.",)), 40).splitlines() == [
        *("", "None", "A lead.", "- A note."),
    ]
    columns = tuple(Column(f"A heading of {number}", "", f"heading{number}") for number in range(9))
    assert printed(Table("none", "None", "A lead.", columns, (), ("A note.",)), 40).splitlines() == [
        *("", "None", "A lead.", "  A note."),
    ]


@pytest.mark.parametrize(
    ("said", "width"), [("0", PLAIN_WIDTH), ("1", LEAST_WIDTH), ("19", LEAST_WIDTH), ("20", 20), ("60", 60)]
)
def test_a_width_that_is_none_is_no_traceback(monkeypatch: pytest.MonkeyPatch, said: str, width: int) -> None:
    """COLUMNS=0 is what some say that do not know, and nothing can be read in a single column."""
    monkeypatch.setenv("COLUMNS", said)
    assert (standard_console().width, error_console().width) == (width, width)


@pytest.mark.parametrize("columns", ["0", "1", "40"])
def test_a_report_is_drawn_in_any_width(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    """As a user runs it."""
    monkeypatch.setenv("COLUMNS", columns)
    assert run(["report", str(made_up(tmp_path / "results"))]) == 0
    assert "keepalive" in capsys.readouterr().out
