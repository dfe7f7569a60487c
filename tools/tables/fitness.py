"""What of the machine made figures less sure, and what to change, as a glance before the first cell found it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.tables.tabular import Column, Table

if TYPE_CHECKING:
    from tools.saved.header import Header

COLUMNS = tuple(
    Column(heading, "", heading, words=True) for heading in ("Check", "Found", "Why it matters", "What to change")
)


def fitness_table(header: Header) -> Table | None:
    """A line for each check that was not good, the worst first; None where all were."""
    if not header.amiss:
        return None
    return Table(
        name="fitness",
        title="What of the machine makes figures less sure",
        lead="Settings, and what else ran, as they were found before anything was measured.",
        columns=COLUMNS,
        rows=tuple((f"{each.name} ({each.verdict})", each.found, each.why, each.fix) for each in header.amiss),
        notes=("Where it is bad, figures mislead; a warning is of some of them. serverlab doctor says more.",),
    )
