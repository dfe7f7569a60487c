"""The rate at which an objective holds, and over how many connections; what was not searched is there, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.analysis.searches import searches_missing
from tools.tables.tabular import NOTHING, Column, Table

if TYPE_CHECKING:
    from tools.saved.cells import Capacity
    from tools.saved.results import Results

COLUMNS = (
    Column("Model", "", "Model"),
    Column("Workload", "", "Workload", words=True),
    Column("Rate", "requests/s", "Requests\na second"),
    Column("Connections", "", "Connec-\ntions"),
    Column("Confirmed", "", "Con-\nfirmed", words=True),
    Column("Trials", "", "Trials"),
    Column("What ended the search", "", "What ended it", words=True),
)
CONFIRMED = "Confirmed is a rate that held in three further runs; the search ends within 5 % of what holds."
OPEN = (
    "An open loop needs as many connections as have a request in flight at the objective, or as many as the model can "
    "serve at a time, where that is less; it has no fewer than the workload."
)
UNDONE = "not searched: broken off before"


def capacity_table(results: Results) -> Table | None:
    """A line for each workload and model; None where no capacity was to be searched for."""
    missing = searches_missing(results)
    if not (results.capacities or missing):
        return None
    found = tuple(_row(each) for each in results.capacities)
    undone = tuple((model, workload, *[NOTHING] * 4, UNDONE) for workload, model in missing)
    return Table(
        name="capacity",
        title="What rate holds an objective",
        lead=f"The highest rate of an open loop at which {results.header.objective} holds and the queue does not grow.",
        columns=COLUMNS,
        rows=(*found, *undone),
        notes=(CONFIRMED, OPEN),
    )


def _row(each: Capacity) -> tuple[str, ...]:
    return (
        each.model,
        each.workload,
        NOTHING if each.rate is None else f"{each.rate:,.0f}",
        f"{each.connections:,}" if each.connections else NOTHING,
        "yes" if each.confirmed else "no",
        str(len(each.trials)),
        each.error or each.limit,
    )
