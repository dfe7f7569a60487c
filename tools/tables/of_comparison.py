"""The tables of a comparison, in words and figures for a reader."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tools.analysis.standings import LEAST_DIFFERENCE
from tools.analysis.summary import Row, Summary, summarized
from tools.inference.ranking import words
from tools.tables.advice import advice_table
from tools.tables.belief import belief_table
from tools.tables.capacity import capacity_table
from tools.tables.memory import memory_table
from tools.tables.remarks import brought_to_one_speed, cost_remarks, detailed_remarks, ranked_by, remarks
from tools.tables.scaling import scaling_table
from tools.tables.stevens import stevens_tables
from tools.tables.tabular import NOTHING, Column, Table, milliseconds, with_interval
from tools.words import MEBIBYTE, two_digits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.saved.results import Results
    from tools.tables.tabular import Content


def tables_of(results: Results) -> tuple[Table, ...]:
    """All tables in the order of reading.

    Stevens' first, where the comparison has them, then two for each workload, what beside cells was measured, how far
    all this can be believed, and what follows from it.
    """
    summaries = summarized(results)
    by_workload = [table for pair in all_workload_tables(results, summaries) for table in pair]
    more = (memory_table(results), scaling_table(results), capacity_table(results))
    last = (belief_table(results, summaries), advice_table(results, summaries))
    return (*stevens_tables(results), *by_workload, *(table for table in (*more, *last) if table))


RANKING = (
    Column("Model", "", "Model"),
    Column("Tier", "", "Tier"),
    Column("Throughput", "requests/s", "Requests\na second", whole=True),
    Column("By the first", "", "by the\nfirst"),
    Column("p50", "ms", "p50\nms"),
    Column("p99", "ms", "p99\nms"),
    Column("CPU per request", "µs", "CPU\nµs"),
    Column("Memory", "MiB", "Memory\nMiB"),
    Column("Limited by", "", "Limited\nby", words=True),
    Column("Errors", "", "Errors"),
)
PER_CONNECTION = "CPU per connection"
COST = (
    Column("Model", "", "Model"),
    Column("CPU per request", "µs", "CPU\nµs", whole=True),
    Column("User", "µs", "User\nµs"),
    Column("System", "µs", "Sys-\ntem"),
    Column(PER_CONNECTION, "µs", "/conn-\nection"),
    Column("Processes", "", "Procs"),
    Column("Threads", "", "Thre-\nads"),
    Column("Descriptors", "", "Open\nfiles"),
    Column("Waits", "per request", "Waits"),
    Column("Preemptions", "per request", "Pre-\nempted"),
    Column("Page faults", "per request", "Page\nfaults"),
)

IN_SHORT = (
    "Throughput is the median of the rounds, ± half of its 95 % interval. Models that have a tier in common are not "
    "told apart. CPU is the server's for a request, its children included; memory is the most seen in any look."
)
READING = (
    "Intervals are by bootstrap over rounds (none with fewer than four; at four and at five it is the whole range, "
    "which holds the true median in 87 and in 94 of 100 cases); CPU and memory have them, too, with ± where there is "
    "room. Models are not told apart where the interval of their ratio within rounds reaches to less than "
    f"{100 * LEAST_DIFFERENCE:g} %. Each pair is judged by itself, whatever their number. A model whose clients had "
    "all but used up their CPUs counts with the most that its own CPU would have allowed. Half of all answers came "
    "within p50, 99 of 100 within p99; their ± is that of the rounds' own. Errors are those of all rounds, warm-up "
    "included."
)
COUNTED = (
    "CPU with its 95 % interval, and the parts of it in user and in system mode; for each connection where connections "
    "were begun in the windows. Processes, threads and descriptors are the most seen in any look, and have none. Waits "
    "and preemptions are the context switches of the server from when it listened to its end, by its requests; so are "
    "page faults."
)


def all_workload_tables(results: Results, summaries: Sequence[Summary]) -> tuple[tuple[Table, Table], ...]:
    """Two for each workload; how to read them is told below the first ones."""
    rounds = results.header.rounds
    return tuple(workload_tables(summary, rounds, told=not number) for number, summary in enumerate(summaries))


def workload_tables(summary: Summary, planned_rounds: int, *, told: bool) -> tuple[Table, Table]:
    """One workload: who is ahead and what limits it, then what it costs; a line in each for each model.

    Where it is `told`, notes say how to read them.
    """
    workload = summary.workload
    in_short, reading, counted = ((IN_SHORT,), (READING,), (COUNTED,)) if told else ((), (), ())
    adjusted = tuple(brought_to_one_speed(summary))
    ranking = Table(
        name=workload.name,
        title=f"Workload {workload.name}",
        lead=workload.asks,
        columns=RANKING,
        rows=tuple(_ranking_row(row, summary.standing.order[:1]) for row in summary.rows),
        notes=(
            *(workload.shows, *in_short, *reading),
            *(*ranked_by(summary), *adjusted, *remarks(summary, planned_rounds)),
        ),
        details=(*reading, *adjusted, *detailed_remarks(summary)),
    )
    cost = Table(
        name=f"{workload.name}-cost",
        title=f"What {workload.name} costs",
        lead="What a request takes of the machine, and what the server consists of meanwhile.",
        columns=COST,
        rows=tuple(_cost_row(row) for row in summary.rows),
        notes=(*counted, *cost_remarks(summary)),
        is_detail=True,
    )
    return ranking, _without_empty(cost, PER_CONNECTION)


def _without_empty(table: Table, heading: str) -> Table:
    """The table without the column of this heading where no row has anything there."""
    number = next(number for number, column in enumerate(table.columns) if column.heading == heading)
    if any(row[number] != NOTHING for row in table.rows):
        return table
    rows = tuple((*row[:number], *row[number + 1 :]) for row in table.rows)
    return replace(table, columns=(*table.columns[:number], *table.columns[number + 1 :]), rows=rows)


def _ranking_row(row: Row, first: tuple[str, ...]) -> tuple[Content, ...]:
    return (
        row.model,
        words(row.tiers) or NOTHING,
        _throughput(row),
        "1.00" if row.model in first else with_interval(row.against_first, words="{:.2f}".format),
        milliseconds(row.p50_ns, row.p50_over_rounds),
        milliseconds(row.p99_ns, row.p99_over_rounds),
        _cpu(row),
        with_interval(row.memory_bytes, 1 / MEBIBYTE),
        row.verdict.limit or NOTHING,
        _errors(row),
    )


def _cost_row(row: Row) -> tuple[Content, ...]:
    spent = row.spent
    return (
        row.model,
        _cpu(row),
        *(with_interval(cpu, 1e6) for cpu in (spent.user, spent.system, spent.per_connection)),
        _count(row.processes),
        _count(row.threads),
        _count(row.descriptors),
        *(with_interval(count, words=two_digits) for count in (spent.voluntary, spent.involuntary, spent.faults)),
    )


def _cpu(row: Row) -> Content:
    return "not seen" if row.spent.blind else with_interval(row.spent.cpu, 1e6)


def _throughput(row: Row) -> Content:
    if row.partial:
        return f"{row.served_part} served"
    if row.throughput is None:
        return "failed" if row.failures else "not measured"
    return with_interval(row.throughput)


def _errors(row: Row) -> str:
    if not row.errors:
        return "0" if row.rounds else NOTHING
    return ", ".join(f"{count:,} {kind}" for kind, count in row.errors.items())


def _count(number: int | None) -> str:
    return NOTHING if number is None else f"{number:,}"
