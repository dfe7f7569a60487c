"""Tables: figures as a reader wants them, within 80 characters."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from tests.comparisons import cell, header, made_up
from tools.saved.results import read_results, writing
from tools.tables.of_comparison import tables_of
from tools.tables.terminal import print_tables
from tools.words import significant

if TYPE_CHECKING:
    from pathlib import Path

    from tools.saved.cells import Cell
    from tools.saved.results import Results
    from tools.tables.tabular import Table


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.00512, "0.00512"),
        (0.612, "0.612"),
        (12.34, "12.3"),
        (1234.5, "1,234"),
        (41234, "41,234"),
        (-3.2, "-3.20"),
    ],
)
def test_figures_have_three_significant_digits_and_no_powers_of_ten(value: float, text: str) -> None:
    """From microseconds to tens of thousands."""
    assert significant(value) == text


def printed(results: Results, width: int) -> list[str]:
    """The lines that a terminal of this width shows."""
    stream = StringIO()
    print_tables(Console(file=stream, width=width), tables_of(results))
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit_the_terminal_with_nothing_cut_off(tmp_path: Path, width: int) -> None:
    """Every model has its line with all its figures, and no heading is shortened."""
    lines = printed(read_results(made_up(tmp_path / "results")), width)
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)
    assert sum(line.startswith("forking ") for line in lines) >= 5
    assert any(line.startswith("selector") and "2 reset" in line for line in lines)


def tables_with(folder: Path, *cells: Cell) -> dict[str, Table]:
    """The tables of a comparison that has these cells."""
    with writing(folder) as writer:
        writer.add_header(header())
        for each in cells:
            writer.add(each)
    return {table.name: table for table in tables_of(read_results(folder))}


def serving(count: int, workload: str = "keepalive") -> Cell:
    """A cell in which so many clients were served."""
    made = cell(workload)
    assert made.load is not None
    return replace(made, load=replace(made.load, served=count, errors={"unanswered": 50 - count}))


def test_words_stand_for_the_figures_of_a_few_served(tmp_path: Path) -> None:
    """Ten of fifty is another workload."""
    row = tables_with(tmp_path / "r", serving(10))["keepalive"].rows[2]
    assert row[:7] == ("threaded", "-", "10 of 50 served", "-", "-", "-", "-")
    assert row[-1] == "0"


def test_one_late_client_is_noted_and_the_figures_stay(tmp_path: Path) -> None:
    """A server that had not come to the last two of fifty when a short round was over has served the workload."""
    table = tables_with(tmp_path / "r", serving(48))["keepalive"]
    assert table.rows[2][2] == "1,000"
    assert "threaded had served 48 of 50 clients when a round was over." in table.notes


def test_a_model_that_was_not_measured_says_so(tmp_path: Path) -> None:
    """Nothing is made up for it."""
    row = tables_with(tmp_path / "r", cell("churn", "iterative"))["churn"].rows[3]
    assert row[:3] == ("selector", "-", "not measured")
    assert set(row[3:]) == {"-"}


def test_too_few_answers_for_a_p99_are_told_in_one_sentence(tmp_path: Path) -> None:
    """With the count that is needed and the counts that there are."""
    tables = tables_with(tmp_path / "r", cell("churn", "iterative"), cell("churn", "selector"))
    assert "A p99 needs 1,000 answers: iterative gave 0, selector gave 0." in tables["churn"].notes


def test_clients_that_were_the_limit_are_named(tmp_path: Path) -> None:
    """A load process that had no CPU left may have hidden what the server can do."""
    busy = cell("churn", "selector")
    assert busy.load is not None
    busy = replace(busy, load=replace(busy.load, client_cpu=0.79))
    notes = tables_with(tmp_path / "r", cell("churn", "iterative"), busy)["churn"].notes
    told = [note for note in notes if "may have been the limit" in note]
    assert len(told) == 1
    assert told[0].startswith("The clients and the sampling used most of their CPU (selector 80%)")


def test_two_load_processes_that_used_half_of_their_cpus_are_not_taken_for_one_that_used_all(tmp_path: Path) -> None:
    """Their share is that of both CPUs, to which sampling, which has none of its own, adds a hundredth."""
    both = cell("churn", "selector")
    assert both.load is not None
    for share, told in ((0.4, False), (0.79, True)):
        one = replace(both, load=replace(both.load, client_cpu=2 * share, client_busy=share))
        notes = tables_with(tmp_path / str(share), cell("churn", "iterative"), one)["churn"].notes
        assert any("most of their CPU (selector 80%)" in note for note in notes) is told
        assert any("may have been the limit" in note for note in notes) is told


def test_requests_that_a_window_cut_off_are_told_where_there_are_figures(tmp_path: Path) -> None:
    """In one sentence; not for a model that served only a few, which has no figures."""
    cut, partial = cell("keepalive", "selector"), serving(10)
    assert cut.load is not None
    assert partial.load is not None
    cut = replace(cut, load=replace(cut.load, unfinished=7))
    partial = replace(partial, load=replace(partial.load, unfinished=40))
    notes = tables_with(tmp_path / "r", cut, partial)["keepalive"].notes
    assert [note for note in notes if "still waited" in note] == [
        "Requests that still waited when a window closed, and are in no figure (the most in a round): selector 7."
    ]


def test_less_than_nothing_is_explained(tmp_path: Path) -> None:
    """A model can cost less than the baseline, and a newcomer is told why."""
    cheap = cell("churn", "selector")
    assert cheap.cpu is not None
    cheap = replace(cheap, cpu=replace(cheap.cpu, total=0.04))
    tables = tables_with(tmp_path / "r", cell("churn", "iterative"), cheap)
    assert tables["process-control"].rows[3][2] == "-60.0"
    assert any(note.startswith("Less than nothing (selector): ") for note in tables["figure-30-1"].notes)
