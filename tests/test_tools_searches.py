"""The searches that a comparison lacks are named where its cells that are missing are, and those it has with all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.comparisons import FIVE, WORKLOADS, saved, variant
from tools.analysis.searches import searches, searches_missing
from tools.analysis.summary import summarized
from tools.commands.compare import as_far_as
from tools.report.page import report_page
from tools.saved.cells import Capacity
from tools.saved.results import read_results, writing
from tools.tables.belief import belief_table
from tools.tables.capacity import capacity_table
from tools.tables.summary_file import summary_of

if TYPE_CHECKING:
    from pathlib import Path

    from tools.saved.results import Results

HEADER = replace(
    FIVE,
    models=(
        variant("selector"),
        variant("threaded"),
        replace(variant("selector"), name="again", control_of="selector"),
    ),
    workloads=(WORKLOADS["churn"],),
    objective="p95=50ms",
)


def found(model: str, connections: int) -> Capacity:
    """A search on churn that ended, with so many connections."""
    return Capacity("churn", model, 1, "", 20.0, "", "p95=50ms", 1234.5, True, "no rate", ({}, {}), connections)


def results_of(folder: Path, *done: Capacity) -> Results:
    """A comparison of no cells and these searches."""
    with writing(folder) as writer:
        writer.add_header(HEADER)
        for each in done:
            writer.add(each)
    return read_results(folder)


def test_a_search_that_was_broken_off_is_named_at_the_end_and_in_the_report(tmp_path: Path) -> None:
    """As cells that are missing are; the control is not searched."""
    results = results_of(tmp_path / "r", found("selector", 64))
    assert [(workload.name, model.name) for workload, model in searches(HEADER)] == [
        ("churn", "selector"),
        ("churn", "threaded"),
    ]
    assert searches_missing(results) == (("churn", "threaded"),)
    assert "cells were measured, and 1 of 2 searches made (missing: threaded on churn); go on" in as_far_as(results)
    notes = belief_table(results, summarized(results)).notes
    assert "No capacity was searched of threaded on churn: the comparison was broken off." in notes
    table = capacity_table(results)
    assert table is not None
    assert table.rows[1] == ("threaded", "churn", "-", "-", "-", "-", "not searched: broken off before")
    assert "no capacity was searched of threaded on churn" in report_page(results)


def test_the_rate_that_holds_is_told_with_its_connections(tmp_path: Path) -> None:
    """In the table and for a program; records of before have none, and say so by a dash."""
    results = results_of(tmp_path / "r", found("selector", 64), found("threaded", 0))
    table = capacity_table(results)
    assert table is not None
    assert [row[:4] for row in table.rows] == [
        ("selector", "churn", "1,234", "64"),
        ("threaded", "churn", "1,234", "-"),
    ]
    assert [each["connections"] for each in summary_of(results)["capacities"]] == [64, 0]
    assert "searches" not in as_far_as(results)


def test_nothing_is_missing_where_no_capacity_was_asked_for(tmp_path: Path) -> None:
    """Nor is there a table then."""
    without = saved(tmp_path / "r", [], replace(HEADER, objective=""))
    assert searches_missing(without) == ()
    assert capacity_table(without) is None
