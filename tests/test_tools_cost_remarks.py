"""What stands below a table of costs, because a reader would take its figures for something else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.comparisons import WORKLOADS, cell, header
from tools.saved.cells import Counts
from tools.saved.results import read_results, writing
from tools.tables.of_comparison import tables_of
from tools.tables.summary_file import summary_of

if TYPE_CHECKING:
    from pathlib import Path

    from tools.saved.cells import Cell
    from tools.saved.results import Results
    from tools.workloads import Workload

COUNTS = Counts(900, 100, 40, 0, complete=True)


def compared(folder: Path, workload: Workload, *cells: Cell) -> Results:
    """A comparison on this workload that has these cells."""
    with writing(folder) as writer:
        writer.add_header(header(workloads=(workload,)))
        for each in cells:
            writer.add(each)
    return read_results(folder)


def notes(results: Results) -> str:
    """All that stands below the table of costs."""
    return "\n".join(next(table for table in tables_of(results) if table.name == "keepalive-cost").notes)


def test_counts_that_can_lack_some_children_are_told_to_be_the_least(tmp_path: Path) -> None:
    """In the table and for programs; of that model alone, if it was so in one round."""
    cells = (
        cell("keepalive", "threaded", counts=COUNTS),
        cell("keepalive", "forking", counts=COUNTS),
        cell("keepalive", "forking", 2, counts=replace(COUNTS, complete=False)),
    )
    results = compared(tmp_path / "r", WORKLOADS["keepalive"], *cells)
    assert "Of forking some children were waited for by nobody" in notes(results)
    models = summary_of(results)["workloads"]["keepalive"]["models"]
    assert {name: models[name]["counts_complete"] for name in ("threaded", "forking")} == {
        "threaded": True,
        "forking": False,
    }


@pytest.mark.parametrize(("guests", "told"), [({}, False), ({"hold": 9}, True), ({"hostile": {"slow": 2}}, True)])
def test_what_serving_guests_took_is_told_to_be_in_the_cost_of_a_request(
    tmp_path: Path, guests: dict[str, object], told: bool
) -> None:
    """They ask for nothing that counts, and the server's CPU is all of it."""
    workload = replace(WORKLOADS["keepalive"], **guests)  # type: ignore[arg-type]
    found = notes(compared(tmp_path / "r", workload, cell("keepalive", counts=COUNTS)))
    assert ("includes what serving the held and hostile clients took" in found) == told
    assert "waited for by nobody" not in found
