"""Every figure that is measured once a round has its interval: for programs, in the tables, and in the report."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.comparisons import FIVE, cell, saved
from tools.analysis.pairing import compared
from tools.analysis.statistics import merged, percentile
from tools.report.page import report_page
from tools.saved.cells import Counts
from tools.saved.results import read_results, writing
from tools.tables.against import against_tables, as_object
from tools.tables.of_comparison import tables_of
from tools.tables.summary_file import summary_of
from tools.tables.tabular import Measured

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tools.saved.cells import Cell
    from tools.saved.results import Results
    from tools.tables.tabular import Content

MEBIBYTE = 2**20
HEAD = replace(FIVE, models=FIVE.models[2:3], workloads=FIVE.workloads[:1])
"""The threaded model alone, on churn."""
ENOUGH = 1000  # answers, for a p99


def answers(number: int, count: int = ENOUGH) -> NDArray[np.int64]:
    """Latencies of a round: evenly from 10 us to 10 ms, times its number."""
    return np.arange(1, count + 1, dtype=np.int64) * 10_000 * number


def round_of(number: int) -> Cell:
    """A round in which a server that lived for 2,000 requests took as many times as much of everything as its number.

    For a request that is 1 us of user and 3 of system time, 0.1 waits, 0.01 preemptions, 2 minor and 1 major faults;
    and it is 10 MiB of memory and 1 more in each round.
    """
    counts = Counts(200 * number, 20 * number, 4000 * number, 2000 * number, complete=True)
    made = cell(round_number=number, counts=counts)
    assert made.load is not None
    assert made.cpu is not None
    assert made.peaks is not None
    return replace(
        made,
        load=replace(made.load, opened=1000),
        cpu=replace(made.cpu, total=0.004 * number, user=0.001 * number, system=0.003 * number),
        peaks=replace(made.peaks, pss_bytes=(9 + number) * MEBIBYTE, own_cpu=0.01 * number),
        stopped={"requests": 2000},
    )


def compared_over(folder: Path, counts: Sequence[int]) -> Results:
    """A comparison with a round for each count, which is that of its answers."""
    with writing(folder) as writer:
        writer.add_header(replace(HEAD, rounds=len(counts)))
        for number, count in enumerate(counts, start=1):
            samples = writer.add_samples(f"round-{number}", answers(number, count))
            writer.add(replace(round_of(number), samples=samples))
    return read_results(folder)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Five rounds, the third of which is the median of everything."""
    return compared_over(tmp_path_factory.mktemp("widths") / "r", [ENOUGH] * 5)


def told(results: Results) -> dict[str, Any]:
    """What programs are told of the model."""
    found: dict[str, Any] = summary_of(results)["workloads"]["churn"]["models"]["threaded"]
    return found


def row(results: Results, name: str) -> dict[str, Content]:
    """The model's row in a table, by the headings of its columns."""
    table = next(table for table in tables_of(results) if table.name == name)
    return {column.heading: text for column, text in zip(table.columns, table.rows[0], strict=True)}


def test_programs_are_told_the_interval_of_every_figure_of_a_round(results: Results) -> None:
    """By the name that the figure has; at five rounds it is their range."""
    over_rounds = told(results)["over_rounds"]
    assert over_rounds.pop("achieved") is None  # a closed loop
    figures = {
        name: (over["estimate"], over["low"], over["high"], over["rounds"]) for name, over in over_rounds.items()
    }
    known = {
        "p50": (15e-3, 5e-3, 25e-3),
        "p99": (29.7e-3, 9.9e-3, 49.5e-3),
        "cpu_user_per_request": (3e-6, 1e-6, 5e-6),
        "cpu_system_per_request": (9e-6, 3e-6, 15e-6),
        "voluntary_switches_per_request": (0.3, 0.1, 0.5),
        "involuntary_switches_per_request": (0.03, 0.01, 0.05),
        "minor_faults_per_request": (6, 2, 10),
        "major_faults_per_request": (3, 1, 5),
        "measuring_cpu": (0.03, 0.01, 0.05),
        "peak_pss_bytes": (12 * MEBIBYTE, 10 * MEBIBYTE, 14 * MEBIBYTE),
    }
    assert figures == {name: pytest.approx((*figure, 5)) for name, figure in known.items()}


def test_what_programs_were_told_before_is_as_it_was(results: Results) -> None:
    """A plain number under the name: the median of the rounds, and percentiles of all answers together."""
    found = told(results)
    together = merged([answers(number) for number in range(1, 6)])
    for name, over in found["over_rounds"].items():
        if name not in ("p50", "p99", "achieved"):
            assert found[name] == over["estimate"], name
    assert found["achieved"] is None
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        slowest = percentile(together, share)
        assert slowest is not None
        assert found[name] == slowest / 1e9 != found["over_rounds"][name]["estimate"]


def test_what_was_answered_of_what_was_due_has_an_interval(tmp_path: Path) -> None:
    """Where requests are due at a rate."""
    cells = [round_of(number) for number in range(1, 6)]
    shares = [
        replace(it, load=replace(it.load, offered=1000.0, achieved=0.9 + it.round / 100)) for it in cells if it.load
    ]
    found = told(saved(tmp_path / "r", shares, HEAD))
    assert found["achieved"] == pytest.approx(0.93)
    assert found["over_rounds"]["achieved"] == pytest.approx({"estimate": 0.93, "low": 0.91, "high": 0.95, "rounds": 5})


def test_tables_have_the_interval_of_every_figure_of_a_round(results: Results) -> None:
    """Half of it as a share of what is shown, which of percentiles are those of all answers.

    Of five times 1,000, 99 in 100 are those of four rounds and 950 of the fifth: 47.5 ms. Half are those of the first
    and 1,500 of the others, which at x ms have x/20 + x/30 + x/40 + x/50 of each: 11.7 ms.
    """
    ranking, cost = row(results, "churn"), row(results, "churn-cost")
    assert ranking["p50"] == Measured("11.7", "±85%", "5.00 to 25.0 over 5 rounds", wide=True)
    assert ranking["p99"] == Measured("47.5", "±42%", "9.90 to 49.5 over 5 rounds", wide=True)
    assert ranking["CPU per request"] == Measured("12.0", "±67%", "4.00 to 20.0 over 5 rounds", wide=True)
    assert ranking["Memory"] == Measured("12.0", "±17%", "10.0 to 14.0 over 5 rounds", wide=True)
    assert cost["User"] == Measured("3.00", "±67%", "1.00 to 5.00 over 5 rounds", wide=True)
    assert cost["System"] == Measured("9.00", "±67%", "3.00 to 15.0 over 5 rounds", wide=True)
    assert cost["CPU per connection"] == ranking["CPU per request"]
    assert cost["Waits"] == Measured("0.30", "±67%", "0.10 to 0.50 over 5 rounds", wide=True)
    assert cost["Preemptions"] == Measured("0.030", "±67%", "0.010 to 0.050 over 5 rounds", wide=True)
    assert cost["Page faults"] == Measured("9.0", "±67%", "3.0 to 15 over 5 rounds", wide=True)


def test_the_first_by_itself_has_no_interval_and_the_others_have(tmp_path: Path) -> None:
    """It is 1 whatever the rounds are."""
    models = replace(FIVE, workloads=HEAD.workloads, models=FIVE.models[2:4])
    first, second = FIVE.models[2].name, FIVE.models[3].name
    cells = [round_of(number) for number in range(1, 6)]
    slower = [
        replace(it, model=second, load=replace(it.load, requests=900 - 50 * (it.round % 2))) for it in cells if it.load
    ]
    results = saved(tmp_path / "r", [*cells, *slower], models)
    by_the_first = {line[0]: line[3] for table in tables_of(results) if table.name == "churn" for line in table.rows}
    assert by_the_first[first] == "1.00"
    assert isinstance(by_the_first[second], Measured)


def test_three_rounds_have_figures_without_intervals(tmp_path: Path) -> None:
    """As throughput has; programs are told the estimate and that there are no ends."""
    results = compared_over(tmp_path / "r", [ENOUGH] * 3)
    assert all(isinstance(text, str) for name in ("churn", "churn-cost") for text in row(results, name).values())
    assert told(results)["over_rounds"]["peak_pss_bytes"] == {
        "estimate": 11 * MEBIBYTE,
        "low": None,
        "high": None,
        "rounds": 3,
    }


@pytest.mark.parametrize(
    ("counts", "rounds", "note"),
    [
        ([ENOUGH] * 5, 5, None),
        ([ENOUGH - 1, *[ENOUGH] * 4], 4, "threaded 4 of 5"),
        ([ENOUGH - 1, *[ENOUGH] * 2, *[ENOUGH - 1] * 2], 2, "threaded 2 of 5"),
        ([ENOUGH - 1] * 5, 0, "threaded 0 of 5"),
        ([ENOUGH - 1, *[ENOUGH] * 2], 2, None),
    ],
)
def test_a_round_of_too_few_answers_has_no_percentile_for_the_interval(
    tmp_path: Path, counts: list[int], rounds: int, note: str | None
) -> None:
    """All answers together have one. How many rounds lack theirs is told where there are enough for an interval."""
    results = compared_over(tmp_path / "r", counts)
    found = told(results)
    assert found["p99"] > 0
    assert (found["over_rounds"]["p99"] or {"rounds": 0})["rounds"] == rounds
    assert isinstance(row(results, "churn")["p99"], Measured) is (rounds >= 4)
    assert isinstance(row(results, "churn")["p50"], Measured) is (len(counts) >= 4)
    notes = [text for table in tables_of(results) for text in table.notes if "a p99 of its own" in text]
    assert [text.rpartition(": ")[2] for text in notes] == ([f"{note}."] if note else [])


def test_the_page_has_every_interval_and_its_ends(results: Results) -> None:
    """There is room; no figure is marked."""
    page = html.unescape(report_page(results))
    assert 'data-label="p99, ms" title="9.90 to 49.5 over 5 rounds">47.5 ±42%</td>' in page
    assert 'data-label="Page faults, per request" title="3.0 to 15 over 5 rounds">9.0 ±67%</td>' in page
    assert "~47.5" not in page


def test_two_comparisons_side_by_side_have_the_intervals_of_both(results: Results) -> None:
    """For readers and for programs."""
    found = compared(results, results)
    speed, cpu = against_tables(found)
    assert speed.rows[0][-2:] == (Measured("47.5", "±42%", "9.90 to 49.5 over 5 rounds", wide=True),) * 2
    assert cpu.rows[0][2:4] == (Measured("12.0", "±67%", "4.00 to 20.0 over 5 rounds", wide=True),) * 2
    told_of_now = as_object(found)["workloads"]["churn"]["threaded"]["now"]
    assert told_of_now["over_rounds"] == {"p99": told(results)["over_rounds"]["p99"]}
