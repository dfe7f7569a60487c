"""Stevens' tables, Figures 30.1 and 30.2, from cells whose figures are known."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from tests.comparisons import cell, header
from tools.analysis.workers import per_worker, pools
from tools.report.page import report_page
from tools.saved.header import Variant
from tools.saved.results import read_results, writing
from tools.tables.of_comparison import tables_of
from tools.tables.tabular import Measured
from tools.tables.terminal import print_tables

if TYPE_CHECKING:
    from pathlib import Path

    from tools.saved.cells import Cell
    from tools.saved.results import Results
    from tools.tables.tabular import Table

ROWS = {"selector": None, "threaded": 6, "iterative": 0, "passing": 5, "preforked": 2}


def note(name: str, **options: int) -> Variant:
    """A model as the header has it."""
    return Variant(name, "serves", "a term", "users", "a lesson", ROWS[name], options)


def spent(model: str, seconds: float, round_number: int = 1, per_worker: object = ()) -> Cell:
    """A cell of a thousand connections on which the server spent so many CPU seconds."""
    made = cell("churn", model, round_number, stopped={"connections_per_worker": per_worker})
    assert made.cpu is not None
    return replace(made, cpu=replace(made.cpu, total=seconds))


def compared(folder: Path, *cells: Cell, models: tuple[Variant, ...] = ()) -> Results:
    """A comparison of these cells."""
    with writing(folder) as writer:
        writer.add_header(header(models=models or tuple(map(note, ROWS))))
        for each in cells:
            writer.add(each)
    return read_results(folder)


def table(results: Results, name: str) -> Table:
    """One table of a comparison."""
    return next(table for table in tables_of(results) if table.name == name)


def rounds(**seconds: tuple[float, ...]) -> list[Cell]:
    """Cells of as many rounds for each model as it has figures."""
    return [spent(model, total, number) for model, all_ in seconds.items() for number, total in enumerate(all_, 1)]


def four_rounds(**seconds: tuple[float, float]) -> list[Cell]:
    """Cells of four rounds for each model, which cost it the one or the other."""
    return rounds(**{model: (low, high, low, high) for model, (low, high) in seconds.items()})


def test_rows_stand_in_the_figures_order_and_those_without_a_number_below(tmp_path: Path) -> None:
    """However the header orders them."""
    rows = table(compared(tmp_path / "r", *rounds(iterative=(0.1, 0.1))), "figure-30-1").rows
    assert [row[:2] for row in rows] == [
        *(("iterative", "0"), ("preforked", "2"), ("passing", "5"), ("threaded", "6"), ("selector", "-"))
    ]


def test_a_row_has_this_runs_seconds_beside_the_printed_ones(tmp_path: Path) -> None:
    """100 and 140 us a connection beyond the baseline are 0.5 and 0.7 s for 5000; four rounds stretch the interval."""
    cells = four_rounds(iterative=(0.1, 0.1), threaded=(0.2, 0.24), selector=(0.12, 0.12))
    rows = {row[0]: row for row in table(compared(tmp_path / "r", *cells), "figure-30-1").rows}
    assert rows["iterative"][2:4] == ("0", "1")
    assert rows["threaded"][2:] == ("0.60 ±0.19", "3", "18.7", "4.7", "-", "0.99", "0.31", "0.9 to 1.6")
    assert rows["selector"][2:] == ("0.10 ±0.00", "2", "-", "-", "-", "-", "-", "0.05 to 0.15")
    assert rows["passing"][2:4] == ("-", "-")


def tiers(figure: Table) -> dict[str, str]:
    """The tiers of each model."""
    return {str(row[0]): str(row[3]) for row in figure.rows}


def test_what_is_not_told_apart_shares_a_tier(tmp_path: Path) -> None:
    """The pools cost as much; threads lie above both, the selector below, and both are more than 2 % away."""
    cells = four_rounds(
        iterative=(0.08, 0.08), threaded=(0.5, 0.6), passing=(0.14, 0.16), preforked=(0.16, 0.14), selector=(0.11, 0.12)
    )
    figure = table(compared(tmp_path / "r", *cells), "figure-30-1")
    assert tiers(figure) == {"iterative": "1", "selector": "2", "passing": "3", "preforked": "3", "threaded": "4"}
    assert figure.notes[-1].startswith("Tier 1 is the cheapest. Models that have a tier in common")


def test_a_model_that_is_not_told_from_two_others_is_in_the_tiers_of_both(tmp_path: Path) -> None:
    """They differ by more than 2 % from each other and not surely from what lies between them."""
    cells = four_rounds(iterative=(0.1, 0.1), passing=(0.2, 0.2), preforked=(0.2, 0.23), threaded=(0.23, 0.23))
    figure = table(compared(tmp_path / "r", *cells), "figure-30-1")
    assert tiers(figure) == {"iterative": "1", "passing": "2", "preforked": "2-3", "threaded": "3", "selector": "-"}


def test_under_several_interpreters_each_model_is_beside_its_own_baseline(tmp_path: Path) -> None:
    """100 us beyond one of 100 us, and 100 us beyond one of 300; a server of the user's is beside the first."""
    models = tuple(
        replace(note(name), name=f"{name}@{python}", model=name, interpreter=python)
        for name in ("iterative", "threaded")
        for python in ("3.11", "3.13")
    )
    mine = replace(note("selector"), name="mine", model="", command=("mine",))
    costs = {
        "iterative@3.11": (0.1, 0.1),
        "iterative@3.13": (0.3, 0.3),
        "threaded@3.11": (0.2, 0.2),
        "threaded@3.13": (0.4, 0.4),
        "mine": (0.12, 0.12),
    }
    results = compared(tmp_path / "r", *four_rounds(**costs), models=(*models, mine))
    told = table(results, "process-control")
    assert {row[0]: row[2] for row in told.rows} == {
        "iterative@3.11": "baseline",
        "iterative@3.13": "baseline",
        "threaded@3.11": "100",
        "threaded@3.13": "100",
        "mine": "20.0",
    }
    notes = [note for each in tables_of(results) for note in each.notes]
    assert "Each model is beside the iterative one under its own interpreter." in notes


def test_a_model_that_served_only_some_of_the_clients_has_no_cost(tmp_path: Path) -> None:
    """What it spent on the few is not what all of them would cost; and the note says so."""
    cells = four_rounds(iterative=(0.1, 0.1), threaded=(0.2, 0.2), passing=(0.2, 0.2))
    partial = [
        replace(each, load=replace(each.load, served=1)) if each.model == "passing" and each.load else each
        for each in cells
    ]
    figure = table(compared(tmp_path / "r", *partial), "figure-30-1")
    assert {row[0]: row[2] for row in figure.rows if row[2] != "-"} == {"iterative": "0", "threaded": "0.50 ±0.00"}
    assert "passing: CPU not compared, because it served only some of the clients." in figure.notes


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_few_rounds_tell_no_tiers_apart(tmp_path: Path, number: int) -> None:
    """However far apart they lie: none has a tier; and the note says why."""
    cells = rounds(iterative=(0.1,) * number, threaded=(0.6,) * number)
    figure = table(compared(tmp_path / "r", *cells), "figure-30-1")
    assert {row[3] for row in figure.rows if row[2] != "-"} == {"-"}
    assert figure.rows[3][2] == "2.50"
    assert "Fewer than four rounds have no intervals and tell nothing apart" in figure.notes[-1]


def test_a_model_of_three_rounds_is_told_from_no_other(tmp_path: Path) -> None:
    """Some of its rounds failed; the others are told apart all the same."""
    cells = rounds(iterative=(0.1,) * 4, threaded=(0.6,) * 4, passing=(0.2,) * 4, preforked=(0.15,) * 3)
    figure = table(compared(tmp_path / "r", *cells), "figure-30-1")
    assert tiers(figure) == {"iterative": "1", "preforked": "1-3", "passing": "2", "threaded": "3", "selector": "-"}


@pytest.mark.parametrize(
    ("asked", "workers", "told"), [(4, 4, True), (None, 2, True), (15, 15, False), (15, 55, False)]
)
def test_pools_of_another_size_than_his_are_told(
    tmp_path: Path, *, asked: int | None, workers: int, told: bool
) -> None:
    """With the command line that makes them equal; a pool that grew beyond what was asked for is as it should be."""
    models = (note("iterative"), note("preforked", **({"workers": asked} if asked else {})))
    cells = [spent("iterative", 0.1), spent("preforked", 0.1, 1, [1] * workers)]
    notes = table(compared(tmp_path / "r", *cells, models=models), "figure-30-1").notes
    found = [note for note in notes if "serverlab compare all --workload churn --workers 15 --threads 15" in note]
    assert len(found) == told
    assert all(f"others here are: preforked {workers}." in note for note in found)


@pytest.mark.parametrize("width", [80, 100])
def test_tables_of_models_with_long_names_fit_the_terminal_with_nothing_cut_off(tmp_path: Path, width: int) -> None:
    """Where there is no room for a name, it is broken after an underscore."""
    long = replace(note("preforked", workers=15), name="socketserver_threading", figure_row=5)
    cells = rounds(iterative=(0.1, 0.2), socketserver_threading=(0.09, 0.18))
    cells.append(spent("socketserver_threading", 0.2, 3, [1234, 5678, 0]))
    stream = StringIO()
    results = compared(tmp_path / "r", *cells, models=(note("iterative"), long))
    print_tables(Console(file=stream, width=width), tables_of(results))
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    rows = [line for line in lines if line.startswith("socketserver_")]
    assert len(rows) == 5
    assert " ".join(rows[1].split()).endswith("36.7 10.9 6.1 2.58 0.18 0.33 to 0.54")


def test_without_a_model_that_he_had_there_is_no_figure(tmp_path: Path) -> None:
    """The baseline alone says nothing beside his columns."""
    models = (note("iterative"), note("selector"))
    results = compared(tmp_path / "r", *rounds(iterative=(0.1, 0.1), selector=(0.2, 0.2)), models=models)
    assert [table.name for table in tables_of(results)] == [
        *("process-control", "churn", "churn-cost", "belief", "advice")
    ]


def test_connections_per_worker_are_told_of_each_5000(tmp_path: Path) -> None:
    """Ranked within each round: who is the busiest may change from round to round."""
    cells = [spent("passing", 0.1, 1, [0, 30, 70]), spent("passing", 0.1, 2, [80, 20, 0])]
    shared = table(compared(tmp_path / "r", *cells), "figure-30-2")
    assert shared.rows == (("passing", "3", "3,750", "1,250", "0", "1,667", "0.53", "0.49 to 0.57", "100"),)


def test_connections_per_worker_have_the_interval_of_their_rank_over_rounds(tmp_path: Path) -> None:
    """Of four rounds it is the range, and the figure is midway between the middle two; the chart has the same."""
    counts = ([60, 30, 10], [20, 70, 10], [0, 80, 20], [9, 90, 1])
    results = compared(tmp_path / "r", *(spent("passing", 0.1, number, it) for number, it in enumerate(counts, 1)))
    busiest, middle, idlest = table(results, "figure-30-2").rows[0][2:5]
    assert busiest == Measured("3,750", "±20%", "3,000 to 4,500 over 4 rounds", wide=True)
    assert middle == Measured("1,000", "±52%", "450 to 1,500 over 4 rounds", wide=True)
    assert idlest == Measured("275", "±91%", "0 to 500 over 4 rounds", wide=True)
    assert pools(results)[0].ranked == (3750, 1000, 275)


def test_an_even_pool_has_an_index_of_one(tmp_path: Path) -> None:
    """Each of four a fourth."""
    pool = pools(compared(tmp_path / "r", spent("preforked", 0.1, 1, [25, 25, 25, 25])))[0]
    assert pool.fairness.median == 1
    assert pool.ranked == (1250, 1250, 1250, 1250)


def test_a_worker_that_was_replaced_makes_a_round_no_worse(tmp_path: Path) -> None:
    """Rounds with fewer workers are filled up with idle ones."""
    cells = [spent("preforked", 0.1, 1, [50, 50]), spent("preforked", 0.1, 2, [50, 40, 10])]
    assert pools(compared(tmp_path / "r", *cells))[0].ranked == (2500, 2250, 250)


@pytest.mark.parametrize("counts", [None, [], "many", [1, "two"], [True], [-1], [0, 0]])
def test_what_is_no_list_of_counts_makes_no_pool(tmp_path: Path, counts: object) -> None:
    """A server of somebody else's may print anything."""
    results = compared(tmp_path / "r", spent("preforked", 0.1, 1, counts))
    assert pools(results) == ()
    assert "figure-30-2" not in [table.name for table in tables_of(results)]


def test_a_cell_that_failed_has_no_counts_to_be_used() -> None:
    """Its server may have been killed half-way."""
    assert per_worker(replace(spent("preforked", 0.1, 1, [1, 2]), error="it died")) == []
    assert per_worker(cell(stopped=None)) == []


def test_the_page_has_both_figures_and_draws_the_workers(tmp_path: Path) -> None:
    """And says which options the models had, and what was left out."""
    models = (note("iterative"), note("preforked", workers=3))
    cells = [spent("iterative", 0.1), spent("preforked", 0.1, 1, [5, 3, 2])]
    results = compared(tmp_path / "r", *cells, models=models)
    results = replace(results, header=replace(results.header, left_out={"uvloop": "uvloop is not installed"}))
    page = report_page(results)
    assert "Figure 30.1 with Python&#39;s column" in page
    assert "Figure 30.2: connections per worker" in page
    assert 'data-chart="workers"' in page
    assert "preforked --workers 3" in page
    assert "Left out: uvloop is not installed." in page
