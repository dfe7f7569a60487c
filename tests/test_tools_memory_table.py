"""Memory per connection: which rounds count, the same everywhere, and what its interval is of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.comparisons import FIVE
from tools.analysis.holdings import holdings
from tools.report.page import report_page
from tools.saved.cells import MemoryProbe
from tools.saved.results import read_results, writing
from tools.tables.memory import memory_table
from tools.tables.summary_file import summary_of
from tools.tables.tabular import Measured

if TYPE_CHECKING:
    from pathlib import Path

    from tools.saved.results import Results
    from tools.tables.tabular import Table

HELD = (0, 10, 20, 40)
KIBIBYTE = 1024


def probe(number: int, per_connection: int, admitted: tuple[int, ...] = HELD) -> MemoryProbe:
    """A round in which memory rises by so many bytes a connection, nearly on a line."""
    sizes = tuple(10 * 2**20 + count * per_connection + 99 * (count % 3) for count in HELD)
    return MemoryProbe("selector", number, 1, "", 1.0, "", HELD, admitted, sizes, sizes, "cgroup-v2", (1,) * 4)


def probed(folder: Path, *probes: MemoryProbe) -> Results:
    """A comparison of these probes."""
    with writing(folder) as writer:
        writer.add_header(replace(FIVE, held=40, memory_rounds=len(probes)))
        for each in probes:
            writer.add(each)
    return read_results(folder)


def table_of(results: Results) -> Table:
    """The table of memory."""
    table = memory_table(results)
    assert table is not None
    return table


def test_a_round_in_which_some_were_not_answered_is_in_no_figure(tmp_path: Path) -> None:
    """In the table, in the summary, and with a note; the others count."""
    some = probe(2, 999 * KIBIBYTE, (0, 10, 20, 30))
    results = probed(tmp_path / "r", probe(1, 4 * KIBIBYTE), some)
    table, summary = table_of(results), summary_of(results)["memory"][0]
    assert table.rows[0][1] == "4.00"
    assert summary["bytes_per_connection"]["estimate"] == pytest.approx(4 * KIBIBYTE, rel=0.01)
    assert (table.rows[0][-1], summary["held"], summary["admitted"]) == ("30 of 40", 40, 30)
    assert "selector did not answer all connections in round 2: left out." in table.notes


def test_where_no_round_answered_all_there_is_no_slope_anywhere(tmp_path: Path) -> None:
    """And nothing is left out of nothing."""
    results = probed(tmp_path / "r", probe(1, KIBIBYTE, (0, 10, 10, 10)), probe(2, KIBIBYTE, (0, 0, 10, 40)))
    table, (found,) = table_of(results), holdings(results)
    assert table.rows[0][1:5] == ("-",) * 4
    assert (found.per_connection, found.kernel, found.base) == (None, None, None)
    assert "left out" not in " ".join(table.notes)


@pytest.mark.parametrize("rounds", [1, 3, 4])
def test_the_interval_is_said_to_be_over_rounds_where_it_is(tmp_path: Path, rounds: int) -> None:
    """With one round, as by default, it is of the looks at one server; in the note, where one points, in the method."""
    results = probed(tmp_path / "r", *(probe(number, (3 + number) * KIBIBYTE) for number in range(1, rounds + 1)))
    table, page = table_of(results), " ".join(report_page(results).split())
    kernel, notes = table.rows[0][3], " ".join(table.notes)
    assert isinstance(kernel, Measured)
    assert kernel.ends == f"{table.rows[0][2]}{' over 4 rounds' if rounds == 4 else ''}"
    assert ("by Student's t over the looks at a server" in notes) is (rounds < 4)
    assert ("the interval is over rounds (bootstrap)" in notes) is (rounds == 4)
    assert f"(here {rounds}) its interval is by Student's t over the looks" in page.replace("&#39;", "'")
