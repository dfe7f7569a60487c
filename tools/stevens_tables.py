"""Stevens' tables from a comparison: what serving side by side costs, and how a pool shares the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.summary import BASELINE, STEVENS_CONNECTIONS, ProcessControl
from tools.tabular import NOTHING, Column, Table, significant, with_spread

if TYPE_CHECKING:
    from collections.abc import Iterator


def stevens_table(control: tuple[ProcessControl, ...]) -> Table:
    """What each model spends on serving side by side, as in Figure 30.1 of UNIX Network Programming."""
    return Table(
        name="process-control",
        title="What serving side by side costs",
        lead="CPU time that a model spends on a connection beyond what the iterative server spends on it: "
        "the price of its processes, threads or tables (Stevens, UNIX Network Programming, Figure 30.1).",
        columns=(
            Column("Model", "", "Model"),
            Column("CPU per connection", "µs", "CPU per\nconnection, µs"),
            Column("More than iterative", "µs", "more than\niterative, µs"),
            Column("Lowest to highest round", "µs", "lowest to\nhighest round, µs"),
            Column(
                f"For {STEVENS_CONNECTIONS:,} connections",
                "s",
                f"for {STEVENS_CONNECTIONS:,}\nconnections, s",
            ),
        ),
        rows=tuple(_stevens_row(row) for row in control),
        notes=(
            (
                "The iterative server serves one client after the other, so it does nothing but the work "
                "itself. What another model uses beyond that is its own cost; Stevens states it as the last "
                "column does."
            ),
            *_control_remarks(control),
        ),
    )


def _control_remarks(control: tuple[ProcessControl, ...]) -> Iterator[str]:
    for row in control:
        if row.reason:
            yield f"{row.model}: CPU not compared, because {row.reason}."
    cheaper = [row.model for row in control if row.difference and row.difference.median < 0]
    if cheaper:
        yield (
            f"Less than nothing ({', '.join(cheaper)}): the iterative server sleeps and is woken for "
            "each client, which costs CPU too; one that finds several clients ready at once sleeps less often."
        )


def _stevens_row(row: ProcessControl) -> tuple[str, ...]:
    own = with_spread(row.cpu, 1e6)
    if row.model == BASELINE and row.cpu:
        return row.model, own, "baseline", NOTHING, "0"
    if not row.difference:
        return row.model, own, NOTHING, NOTHING, NOTHING
    extra = row.difference
    between = f"{significant(extra.low * 1e6)} to {significant(extra.high * 1e6)}"
    return (
        row.model,
        own,
        significant(extra.median * 1e6),
        between,
        significant(extra.median * STEVENS_CONNECTIONS),
    )
