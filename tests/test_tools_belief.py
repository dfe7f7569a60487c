"""How far a comparison can be believed: what the control said, in the words that are true of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.comparisons import FIVE, rounds_of, saved
from tools.analysis.summary import summarized
from tools.tables.belief import belief_table

if TYPE_CHECKING:
    from pathlib import Path

AGAIN = replace(FIVE.models[3], name="selector (again)", control_of="selector")
HEAD = replace(FIVE, models=(*FIVE.models, AGAIN), workloads=FIVE.workloads[:1])


@pytest.mark.parametrize(
    ("again", "words"),
    [
        (100_000, "selector was entered twice and does not differ from itself by more than chance explains."),
        (100_500, "selector was entered twice and differs from itself by less than would mislead: the control "),
        (60_000, "UNSOUND: selector was entered twice and differs from itself (the control differs from itself: "),
    ],
)
def test_what_the_control_says_stands_above_the_table(tmp_path: Path, again: int, words: str) -> None:
    """A difference that is sure is not denied, however small it is."""
    results = saved(tmp_path, [*rounds_of("selector", 100_000), *rounds_of("selector (again)", again)], HEAD)
    table = belief_table(results, summarized(results))
    assert table.lead.startswith(words)
    assert "Each figure is judged on all workloads together and on each alone" in table.notes[0]


@pytest.mark.parametrize(("ceiling", "told"), [(20_000.0, "20,000"), (7_000.0, "10,005 (in a cell)")])
def test_what_the_clients_can_do_is_no_less_than_they_did_in_a_cell(tmp_path: Path, ceiling: float, told: str) -> None:
    """It is measured once, against a server that does nothing, which a machine can disturb: no model is above it."""
    results = saved(tmp_path, rounds_of("selector", 10_000), replace(HEAD, ceilings={"churn": ceiling}))
    table = belief_table(results, summarized(results))
    assert table.columns[-1].heading == "What the clients can do at least"
    assert table.rows[0][-1] == told


def test_the_table_names_what_the_control_is_measured_in(tmp_path: Path) -> None:
    """Throughput where clients ask as fast as they can."""
    results = saved(tmp_path, rounds_of("selector", 10_000), HEAD)
    table = belief_table(results, summarized(results))
    row = dict(zip((column.heading for column in table.columns), table.rows[0], strict=True))
    assert row["Ranked by"] == "throughput"
