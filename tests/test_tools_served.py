"""What counts of a model that did not serve all: single rounds, whole models, and requests that are due at a rate."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.comparisons import FIVE, WORKLOADS, cell, rounds_of, saved
from tools.analysis.measures import measure_of
from tools.analysis.narrowing import too_wide, widths
from tools.analysis.served import is_whole, whole
from tools.analysis.summary import summarized
from tools.saved.results import read_results, writing
from tools.tables.of_comparison import tables_of
from tools.tables.summary_file import summary_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tools.saved.cells import Cell, Load
    from tools.saved.results import Results

DUE = replace(WORKLOADS["keepalive"], name="churn", rate=1000.0)
"""An open loop, by the name that made-up cells have."""
FIFTY = replace(FIVE, workloads=(replace(WORKLOADS["churn"], connections=50),))


def load_of(made: Cell) -> Load:
    """The load of a cell that has one."""
    assert made.load is not None
    return made.load


def served(cells: Sequence[Cell], *counts: int) -> list[Cell]:
    """The same, so many clients being served in each round."""
    pairs = zip(cells, counts, strict=True)
    return [replace(each, load=replace(load_of(each), connections=50, served=count)) for each, count in pairs]


def due(cells: Sequence[Cell], achieved: float, clients: int = 50, waiting: int = 0) -> list[Cell]:
    """The same with requests that are due at a rate, of which such a share was answered, for so many clients."""
    return [
        replace(
            each,
            load=replace(load_of(each), served=clients, offered=1000.0, achieved=achieved, unfinished=waiting),
        )
        for each in cells
    ]


@pytest.mark.parametrize(("count", "found"), [(50, True), (45, True), (44, False), (1, False)])
def test_a_closed_loop_is_served_by_its_clients(count: int, found: bool) -> None:
    """Nine of ten are enough."""
    assert is_whole(load_of(served([cell("keepalive")], count)[0])) is found


@pytest.mark.parametrize(("achieved", "clients", "found"), [(1.0, 10, True), (0.91, 50, True), (0.6, 50, False)])
def test_an_open_loop_is_served_by_what_was_due(achieved: float, clients: int, found: bool) -> None:
    """Each of fifty clients may be asked less than once."""
    assert is_whole(load_of(due([cell("keepalive")], achieved, clients)[0])) is found


def test_an_open_loop_whose_clients_are_seldom_asked_has_its_figures(tmp_path: Path) -> None:
    """And one that answers half of what is due has none, and says of what."""
    cells = [*due(rounds_of("selector", 1000), 1.0, clients=3), *due(rounds_of("threaded", 500), 0.5)]
    results = saved(tmp_path / "r", cells, replace(FIVE, workloads=(DUE,)))
    rows = {row.model: row for row in summarized(results)[0].rows}
    assert not rows["selector"].partial
    assert rows["threaded"].partial
    assert rows["threaded"].served_words == "50% of what was due"
    assert measure_of(results, DUE).by_model.keys() == {"selector"}
    table = next(table for table in tables_of(results) if table.name == "churn")
    assert [row[2] for row in table.rows if row[0] == "threaded"] == ["50% served"]
    assert not any("selector had served" in note for note in table.notes)
    assert any("a few of the requests due" in note and "(threaded 50%)" in note for note in table.notes)


def test_an_open_loop_that_keeps_most_clients_waiting_for_ever_has_no_figures(tmp_path: Path) -> None:
    """Though the one that it serves is asked all that is due, and answered."""
    cells = [*due(rounds_of("iterative", 1000), 0.99, clients=1, waiting=9), *due(rounds_of("selector", 1000), 1.0)]
    results = saved(tmp_path / "r", cells, replace(FIVE, workloads=(replace(DUE, connections=10),)))
    rows = {row.model: row for row in summarized(results)[0].rows}
    assert not rows["selector"].partial
    assert rows["iterative"].partial
    assert rows["iterative"].served_words == "1 of 10 clients"
    table = next(table for table in tables_of(results) if table.name == "churn")
    assert any("a few of the clients" in note and "(iterative 1 of 10)" in note for note in table.notes)


@pytest.mark.parametrize(("waiting", "requests"), [(8, 1000), (9, 8)])
def test_clients_that_were_not_asked_yet_are_not_kept_waiting(waiting: int, requests: int) -> None:
    """One of them is idle; or nobody was asked twice."""
    load = load_of(due([cell("churn")], 0.99, clients=1, waiting=waiting)[0])
    assert is_whole(replace(load, connections=10, requests=requests))


def test_a_single_round_that_was_badly_served_is_left_out_and_named(tmp_path: Path) -> None:
    """The other four stand."""
    cells = served(rounds_of("selector", 1000), 50, 50, 20, 50, 50)
    results = saved(tmp_path / "r", cells, FIFTY)
    row = next(row for row in summarized(results)[0].rows if row.model == "selector")
    assert not row.partial
    assert row.throughput is not None
    assert row.throughput.rounds == 4
    assert row.served == 50
    notes = next(table for table in tables_of(results) if table.name == "churn").notes
    assert "selector, round 3: it served 20 of 50 clients, and is left out." in notes
    told = summary_of(results)["workloads"]["churn"]["models"]["selector"]
    assert (told["partial"], list(told["left_out"])) == (False, ["round 3: it served 20 of 50 clients"])


def test_a_model_that_mostly_serves_a_few_has_no_figures_though_a_round_went_well(tmp_path: Path) -> None:
    """Three of five rounds are most, two are not."""
    few, most = (20, 50, 20, 50, 20), (50, 20, 50, 20, 50)
    cells = [*served(rounds_of("selector", 1000), *few), *served(rounds_of("threaded", 1000), *most)]
    rows = {row.model: row for row in summarized(saved(tmp_path / "r", cells, FIFTY))[0].rows}
    assert rows["selector"].partial
    assert rows["selector"].throughput is None
    assert rows["selector"].served_words == "20 of 50 clients"
    assert rows["threaded"].throughput is not None
    assert len(whole(cells[5:])) == 3
    assert whole(cells[:5]) == []


def timed(folder: Path, spread: float) -> Results:
    """Five rounds of the selector at a fixed rate, whose times go up and down by a share."""
    with writing(folder) as writer:
        writer.add_header(replace(FIVE, workloads=(DUE,)))
        for each in due(rounds_of("selector", 1000), 1.0):
            times = np.linspace(1e6, 2e6, 1000) * (1 + spread * (each.round % 2))
            writer.add(replace(each, samples=writer.add_samples(f"{each.round}", times.astype(np.int64))))
    return read_results(folder)


def test_an_open_loop_is_narrow_where_its_times_are(tmp_path: Path) -> None:
    """Its throughput is that of the schedule, and always narrow."""
    assert too_wide(timed(tmp_path / "wide", 0.5), 0.05) == ("churn",)
    assert too_wide(timed(tmp_path / "narrow", 0.0), 0.05) == ()


def test_workloads_at_other_numbers_of_connections_are_not_waited_for(tmp_path: Path) -> None:
    """They are not ranked, and their widths mean nothing."""
    cells = rounds_of("selector", 100)[:3]
    assert widths(saved(tmp_path / "r", cells)) == {("churn", "selector"): None}
    scaling = replace(WORKLOADS["churn"], scaling_of="churn")
    assert widths(saved(tmp_path / "s", cells, replace(FIVE, workloads=(scaling,)))) == {}
