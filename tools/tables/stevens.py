"""Stevens' tables from a comparison: what serving side by side costs, beside what it cost him, and who does the work.

Figures 30.1 and 30.2 of UNIX Network Programming, with a column for this run.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tools.analysis.process_control import STEVENS_CONNECTIONS, ProcessControl, process_control
from tools.analysis.standings import LEAST_DIFFERENCE
from tools.analysis.workers import pools
from tools.inference.ranking import words
from tools.tables.published import design_of
from tools.tables.tabular import NOTHING, Column, Table, between, with_interval
from tools.variants.commands import STEVENS_POOL
from tools.words import significant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tools.analysis.workers import Pool
    from tools.saved.header import Variant
    from tools.saved.results import Results
    from tools.tables.published import Design
    from tools.tables.tabular import Content


def stevens_tables(results: Results) -> tuple[Table, ...]:
    """Those of his tables that a comparison has figures for; none where it lacks his workload or the baseline."""
    control, shared = process_control(results), pools(results)
    models = results.header.models
    beside_his = bool(control) and any(model.figure_row for model in models)
    tables = [stevens_table(control, beside_his=beside_his)] if control else []
    if control and beside_his:
        tables.append(figure_30_1(control, shared, models))
    if shared:
        tables.append(figure_30_2(shared))
    return tuple(tables)


def stevens_table(control: tuple[ProcessControl, ...], *, beside_his: bool) -> Table:
    """What each model spends on serving side by side, as in Figure 30.1 of UNIX Network Programming.

    It is a detail where that figure stands beside it, and says what is special about its rows.
    """
    return Table(
        name="process-control",
        title="What serving side by side costs",
        lead="CPU time that a model spends on a connection beyond what the iterative server spends on it: "
        "the price of its processes, threads or tables (Stevens, UNIX Network Programming, Figure 30.1).",
        columns=(
            Column("Model", "", "Model"),
            Column("CPU per connection", "µs", "CPU per\nconnection, µs", whole=True),
            Column("More than iterative", "µs", "more than\niterative, µs"),
            Column("95 % interval", "µs", "95 %\ninterval, µs"),
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
                "column does. Figures are the means of the rounds; the tables of a workload have their medians."
            ),
            *(() if beside_his else _control_remarks(control)),
        ),
        is_detail=beside_his,
    )


def _control_remarks(control: tuple[ProcessControl, ...]) -> Iterator[str]:
    if len({row.baseline for row in control}) > 1:
        yield "Each model is beside the iterative one under its own interpreter."
    for row in control:
        if row.reason:
            yield f"{row.model}: CPU not compared, because {row.reason}."
    cheaper = [row.model for row in control if row.difference and row.difference.estimate < 0]
    if cheaper:
        yield (
            f"Less than nothing ({', '.join(cheaper)}): the iterative server sleeps and is woken for "
            "each client, which costs CPU too; one that finds several clients ready at once sleeps less often."
        )


def _stevens_row(row: ProcessControl) -> tuple[Content, ...]:
    own = with_interval(row.cpu, 1e6)
    if row.is_baseline and row.cpu:
        return row.model, own, "baseline", NOTHING, "0"
    if not row.difference:
        return row.model, own, NOTHING, NOTHING, NOTHING
    extra = row.difference
    return (
        row.model,
        own,
        significant(extra.estimate * 1e6),
        between(extra, 1e6),
        significant(extra.estimate * STEVENS_CONNECTIONS),
    )


PRINTED = (
    "Solaris, DUnix and BSD/OS are the columns of the second edition, the next is the third's; the last two were "
    "measured since on a machine of two cores, with the book's C code and with straightforward Python. Columns of "
    "different machines compare by their order, not by their seconds."
)


def figure_30_1(control: tuple[ProcessControl, ...], shared: Sequence[Pool], models: Sequence[Variant]) -> Table:
    """Figure 30.1 with Python's column: his designs by their numbers, then those that came after him."""
    numbers = {model.name: model.figure_row for model in models}
    printed = ("Solaris", "DUnix", "BSD/OS", "3rd\ned.", "C, 2\ncores", "Python,\n2 cores")
    return Table(
        name="figure-30-1",
        title="Figure 30.1 with Python's column",
        lead=f"Process-control CPU seconds for {STEVENS_CONNECTIONS:,} connections of 4000 bytes, ten at once: what a "
        "server uses beyond the iterative one. Of this run it is the mean of the rounds, ± half of its 95 % interval.",
        columns=(
            Column("Model", "", "Model"),
            Column("Row", "", "Row"),
            Column("This run", "s", "This\nrun"),
            Column("Tier", "", "Tier"),
            *(Column(heading.replace("\n", " "), "s", heading) for heading in printed),
        ),
        rows=tuple(_figure_row(row, numbers[row.model]) for row in _in_his_order(control, numbers)),
        notes=(*_control_remarks(control), PRINTED, *_pool_sizes(shared, models), RESOLVED),
        details=(RESOLVED,),
    )


def _in_his_order(control: Iterable[ProcessControl], numbers: Mapping[str, int | None]) -> list[ProcessControl]:
    """The rows by his numbers, then those that have none."""
    return sorted(control, key=lambda row: math.inf if (number := numbers[row.model]) is None else number)


def _figure_row(row: ProcessControl, number: int | None) -> tuple[str, ...]:
    seconds = "0" if row.is_baseline else NOTHING
    if row.difference:
        extra = row.difference.scaled(STEVENS_CONNECTIONS)
        seconds = f"{extra.estimate:.2f}"
        if extra.low is not None and extra.high is not None:
            seconds += f" ±{(extra.high - extra.low) / 2:.2f}"
    printed = _printed(design_of(row.model, number))
    return row.model, NOTHING if number is None else str(number), seconds, words(row.tiers) or NOTHING, *printed


def _printed(design: Design | None) -> tuple[str, ...]:
    if design is None:
        return (NOTHING,) * 6
    systems = (design.solaris, design.digital_unix, design.bsd_os, design.third_edition)
    return *systems, design.c_here, design.python_here


def _pool_sizes(shared: Sequence[Pool], models: Sequence[Variant]) -> Iterator[str]:
    """Which pools were not of his size, and what makes them so."""
    asked = {model.name: model.options.values() for model in models}
    others = [pool for pool in shared if len(pool.ranked) != STEVENS_POOL and STEVENS_POOL not in asked[pool.model]]
    if others:
        counts = ", ".join(f"{pool.model} {len(pool.ranked)}" for pool in others)
        yield (
            f"His pools had {STEVENS_POOL} children or threads; others here are: {counts}. All with his: serverlab "
            f"compare all --workload churn --workers {STEVENS_POOL} --threads {STEVENS_POOL}"
        )


RESOLVED = (
    "Tier 1 is the cheapest. Models that have a tier in common are not told apart: the interval of the ratio of what a "
    f"connection costs them, at one speed of the CPUs, reaches to less than {100 * LEAST_DIFFERENCE:g} %. Fewer than "
    "four rounds have no intervals and tell nothing apart."
)


PRINTED_POOLS = (
    "In the figure as printed, fifteen children that share accept served 302 to 360 each; where the parent passes "
    "descriptors, to the first child that is free, the busiest served 1006 and the idlest none (Solaris)."
)
FAIRNESS = (
    "Jain's index is 1 where all serve equally many, and one nth where one of n serves all. Workers are all that ever "
    "lived in a round; figures are medians of the rounds, ± half of their 95 % interval where there is room, and the "
    "warm-up's connections count too."
)


def figure_30_2(shared: tuple[Pool, ...]) -> Table:
    """Figure 30.2: how evenly the workers of each pool share the clients."""
    return Table(
        name="figure-30-2",
        title="Figure 30.2: connections per worker",
        lead=f"How many of each {STEVENS_CONNECTIONS:,} connections the busiest, the middle and the idlest worker of a "
        "pool served: workers take clients from a queue in the kernel, or are given them by somebody.",
        columns=(
            Column("Model", "", "Model"),
            Column("Workers", "", "Workers"),
            Column("Busiest", "connections", "Busiest"),
            Column("Middle", "connections", "Middle"),
            Column("Idlest", "connections", "Idlest"),
            Column("Even share", "connections", "Even\nshare"),
            Column("Jain's index", "", "Jain's\nindex"),
            Column("Lowest to highest round", "", "lowest to\nhighest"),
            Column("Served in a round", "connections", "Served\nin a round"),
        ),
        rows=tuple(map(_pool_row, shared)),
        notes=(FAIRNESS, PRINTED_POOLS),
        is_detail=True,
    )


def _pool_row(pool: Pool) -> tuple[Content, ...]:
    shares, count = pool.shares, "{:,.0f}".format
    return (
        pool.model,
        str(len(shares)),
        *(with_interval(share, words=count) for share in (shares[0], shares[len(shares) // 2], shares[-1])),
        count(STEVENS_CONNECTIONS / len(shares)),
        f"{pool.fairness.median:.2f}",
        f"{pool.fairness.low:.2f} to {pool.fairness.high:.2f}",
        with_interval(pool.connections, words=count),
    )
