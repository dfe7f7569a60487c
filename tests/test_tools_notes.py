"""What is said below tables, so that figures are not taken for more than they are."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.comparisons import FIVE, WORKLOADS, rounds_of, saved
from tools.analysis.scaled import peak_in_words
from tools.inference.intervals import Interval
from tools.inference.scaling import Usl
from tools.machine import Division
from tools.report.page import report_page
from tools.saved.cells import MemoryProbe
from tools.saved.results import read_results, writing
from tools.tables.memory import memory_table
from tools.tables.of_comparison import READING
from tools.tables.scaling import scaling_table

if TYPE_CHECKING:
    from pathlib import Path

    from tools.saved.results import Results


def probed(folder: Path, method: str) -> Results:
    """A memory probe whose kernel memory was told by this method."""
    held, sizes = (0, 10, 20), (1 << 20, 2 << 20, 3 << 20)
    with writing(folder) as writer:
        writer.add_header(replace(FIVE, held=20, memory_rounds=1))
        writer.add(MemoryProbe("selector", 1, 1, "", 1.0, "", held, held, sizes, sizes, method, (1, 1, 1)))
    return read_results(folder)


@pytest.mark.parametrize(("method", "both"), [("slabinfo", True), ("meminfo", True), ("cgroup-v2", False), ("", False)])
def test_the_memory_table_says_where_the_clients_ends_are_in_the_kernels_share(
    tmp_path: Path, method: str, both: bool
) -> None:
    """As does the page's method; and that pages of files are in no figure."""
    results = probed(tmp_path / "r", method)
    table = memory_table(results)
    assert table is not None
    notes = " ".join(table.notes)
    assert ("the clients' ends of connections in it" in notes) is both
    assert ("and has the clients' ends of\nconnections in it" in report_page(results).replace("&#39;", "'")) is both
    assert "without pages of files" in notes


@pytest.mark.parametrize(
    ("server", "client", "words"), [((1,), (0,), "near 1/2,"), ((2, 3), (0, 1), "near 1/4,"), ((0,), (0,), "of 1,")]
)
def test_the_scaling_table_says_what_sigma_cpus_make(
    tmp_path: Path, server: tuple[int, ...], client: tuple[int, ...], words: str
) -> None:
    """Servers may use all of them there, and what only computes scales with CPUs and not with connections."""
    sizes = [replace(WORKLOADS["churn"].at_once(size), name=f"churn-{size}") for size in (1, 2, 4)]
    cells = [replace(each, workload=size.name) for size in sizes for each in rounds_of("selector", 1000)]
    head = replace(FIVE, workloads=tuple(sizes), division=Division(server, client, ""))
    table = scaling_table(saved(tmp_path / "r", cells, head))
    assert table is not None
    assert f"a server that only computes has a sigma {words}" in table.notes[0]


@pytest.mark.parametrize(
    ("misfit", "ends", "words"),
    [
        (0.01, (38.0, 48.0), "43"),
        (0.01, (20.0, 90.0), "20 to 90"),
        (0.01, (20.0, math.inf), "20 or never"),
        (0.2, (38.0, 48.0), "poor fit"),
        (0.01, None, "43"),
    ],
)
def test_a_peak_that_is_not_known_well_is_no_number(
    misfit: float, ends: tuple[float, float] | None, words: str
) -> None:
    """A reader would take it for one to go by."""
    law = Usl(1000.0, Interval(0.05, 0.04, 0.06, 5), Interval(5e-4, 4e-4, 6e-4, 5), 43.0, misfit, 5, "", ends)
    assert peak_in_words(law) == words


def test_the_reading_and_the_method_tell_what_an_interval_holds_and_what_pairs_do(tmp_path: Path) -> None:
    """Medians of four and five rounds, pairs that are not corrected for their number, and figures without intervals."""
    assert "87 and in 94 of 100" in READING
    assert "Each pair is judged by itself" in READING
    page = report_page(saved(tmp_path / "r", rounds_of("selector", 1000)))
    assert "nothing is corrected for how many there are" in page
    assert "lowest priority" not in page
    assert "the most that its own CPU would have allowed" in page
    assert "have none.</li>" in page
    assert "unless the server had used 95 % of what it can use" in page
