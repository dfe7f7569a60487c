"""The tables of a comparison, in words and figures for a reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.verdict import BUSY
from tools.advice_of import advice_table
from tools.belief import belief_table
from tools.figures import NOTICEABLE_APART
from tools.inference.ranking import words
from tools.memory_tables import memory_table
from tools.scaling_tables import capacity_table, scaling_table
from tools.statistics import samples_needed
from tools.stevens_tables import stevens_tables
from tools.summary import Row, Summary, summarized
from tools.tabular import NOTHING, Column, Table, significant, with_interval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.results import Results


def tables_of(results: Results) -> tuple[Table, ...]:
    """All tables in the order of reading.

    Stevens' first, where the comparison has them, then two for each workload, what beside cells was measured, how far
    all this can be believed, and what follows from it.
    """
    summaries = summarized(results)
    by_workload = [table for summary in summaries for table in workload_tables(summary, results.header.rounds)]
    more = (memory_table(results), scaling_table(results), capacity_table(results))
    last = (belief_table(results, summaries), advice_table(results, summaries))
    return (*stevens_tables(results), *by_workload, *(table for table in (*more, *last) if table))


RANKING = (
    Column("Model", "", "Model"),
    Column("Tier", "", "Tier"),
    Column("Throughput", "requests/s", "Requests\na second", 11),
    Column("By the first", "", "by the\nfirst"),
    Column("p50", "ms", "p50\nms"),
    Column("p99", "ms", "p99\nms"),
    Column("CPU per request", "µs", "CPU, µs\n/request", 8),
    Column("Memory", "MiB", "Memory\nMiB"),
    Column("Limited by", "", "Limited\nby", words=True),
    Column("Errors", "", "Errors"),
)
COST = (
    Column("Model", "", "Model"),
    Column("User CPU per request", "µs", "User\nµs"),
    Column("System CPU per request", "µs", "System\nµs"),
    Column("CPU per connection", "µs", "CPU, µs\n/connection", 8),
    Column("Processes", "", "Procs"),
    Column("Threads", "", "Threads"),
    Column("Descriptors", "", "Descr."),
    Column("Switches that waited, per request", "", "Waits\n/request"),
    Column("Switches that were preempted, per request", "", "Preempted\n/request"),
    Column("Page faults per request", "", "Faults\n/request"),
    Column("Measuring", "of a CPU", "Measur-\ning"),
)

READING = (
    "Throughput is the median of the rounds, ± half of its 95 % interval (bootstrap over rounds; none with fewer than "
    "four). Models that have a tier in common are not told apart: the interval of their ratio within rounds reaches to "
    "less than 5 %, or the clients were the limit of both. Half of all answers came within p50, 99 of 100 within p99. "
    "CPU is the server's, its children included; memory is the most seen in any look. Errors are those of all rounds, "
    "warm-up included."
)
COUNTED = (
    "CPU in user and in system mode, and for each connection that was begun in the window. Processes, threads and "
    "descriptors are the most seen in any look. Context switches, in which a thread waited or was preempted, and page "
    "faults are those of the server's whole life by its requests. Measuring is what looking and the canaries took, "
    "as a share of one CPU."
)


def workload_tables(summary: Summary, planned_rounds: int) -> tuple[Table, Table]:
    """One workload: who is ahead and what limits it, then what it costs; a line in each for each model."""
    workload = summary.workload
    ranking = Table(
        name=workload.name,
        title=f"Workload {workload.name}",
        lead=workload.asks,
        columns=RANKING,
        rows=tuple(_ranking_row(row) for row in summary.rows),
        notes=(workload.shows, READING, *_ranked_by(summary), *_remarks(summary, planned_rounds)),
    )
    cost = Table(
        name=f"{workload.name}-cost",
        title=f"What {workload.name} costs",
        lead="What a request takes of the machine, and what the server consists of meanwhile.",
        columns=COST,
        rows=tuple(_cost_row(row) for row in summary.rows),
        notes=(COUNTED, *_cost_remarks(summary)),
    )
    return ranking, cost


def _ranking_row(row: Row) -> tuple[str, ...]:
    return (
        row.model,
        words(row.tiers) or NOTHING,
        _throughput(row),
        NOTHING if row.against_first is None else f"{row.against_first.estimate:.2f}",
        _milliseconds(row.p50_ns),
        _milliseconds(row.p99_ns),
        "not seen" if row.spent.blind else with_interval(row.spent.cpu, 1e6),
        NOTHING if row.memory_bytes is None else significant(row.memory_bytes / 2**20),
        row.verdict.limit or NOTHING,
        _errors(row),
    )


def _cost_row(row: Row) -> tuple[str, ...]:
    spent = row.spent
    switches = [NOTHING if count is None else significant(count, 2) for count in (spent.voluntary, spent.involuntary)]
    faults = None if spent.minor is None else spent.minor + (spent.major or 0)
    return (
        row.model,
        _microseconds(spent.user),
        _microseconds(spent.system),
        with_interval(spent.per_connection, 1e6),
        _count(row.processes),
        _count(row.threads),
        _count(row.descriptors),
        *switches,
        NOTHING if faults is None else significant(faults, 2),
        NOTHING if spent.measuring is None else f"{spent.measuring:.1%}",
    )


def _throughput(row: Row) -> str:
    if row.partial:
        return f"{row.served} of {row.connections} served"
    if row.throughput is None:
        return "failed" if row.failures else "not measured"
    return with_interval(row.throughput)


def _errors(row: Row) -> str:
    if not row.errors:
        return "0" if row.rounds else NOTHING
    return ", ".join(f"{count:,} {kind}" for kind, count in row.errors.items())


def _ranked_by(summary: Summary) -> Iterator[str]:
    """What the tiers are by, where that is not the throughput as it stands."""
    standing = summary.standing
    if standing.measure != "throughput":
        yield f"Requests are due at a given rate, so tiers go by the time of an answer ({standing.measure})."
    if standing.exponent:
        yield (
            "For tiers and ratios, figures are adjusted for the speed of the CPUs that limited them, which canaries "
            f"measured in every window (figure ~ speed^{standing.exponent:.2f}): it varied, and explains what rounds "
            "differ by."
        )


def _remarks(summary: Summary, planned_rounds: int) -> list[str]:
    """What is special about these rows; nothing where all went well."""
    of_rows = [remark for row in summary.rows for remark in _row_remarks(row, planned_rounds)]
    return of_rows + _too_few(summary) + _unfinished(summary)


def _row_remarks(row: Row, planned_rounds: int) -> Iterator[str]:
    if row.partial:
        yield (
            f"{row.model} served {row.served} of {row.connections} clients and kept the others waiting: "
            "its speed with the few is left out, because it says nothing about the workload."
        )
    elif row.rounds and row.served < row.connections:
        yield f"{row.model} had served {row.served} of {row.connections} clients when a round was over."
    if not row.partial and row.client_busy and row.client_busy >= BUSY:
        yield (
            f"{row.model}: the clients and the sampling used their CPU {row.client_busy:.0%} of the time, so "
            "the clients may have been the limit rather than the server."
        )
    if row.achieved is not None and row.offered is not None:
        yield f"{row.model}: {row.offered:,.0f} requests were due a second, and {row.achieved:.1%} were answered."
    if row.spent.blind:
        yield f"{row.model}: CPU not compared, because {row.spent.blind}."
    if 0 < row.rounds < planned_rounds and not row.partial:
        yield f"{row.model} has {row.rounds} of {planned_rounds} rounds."
    for failure in row.failures:
        yield f"{row.model}, {failure}"
    for kind, text in row.examples.items():
        yield f"{row.model}, an example of {kind}: {text}"


def _cost_remarks(summary: Summary) -> Iterator[str]:
    for row in summary.rows:
        apart = row.spent.apart
        if apart is not None and apart > NOTICEABLE_APART:
            yield (
                f"{row.model}: the server's own account of its CPU and {row.spent.method} are {apart:.0%} apart in a "
                "round: one of them has not seen all, and its CPU is not to be relied on."
            )


def _too_few(summary: Summary) -> list[str]:
    """Why rows have no p99, in one sentence for all of them."""
    rows = [row for row in summary.rows if row.rounds and not row.partial and row.p99_ns is None]
    if not rows:
        return []
    counts = ", ".join(f"{row.model} gave {len(row.latencies_ns):,}" for row in rows)
    return [f"A p99 needs {samples_needed(0.99):,} answers: {counts}."]


def _unfinished(summary: Summary) -> list[str]:
    """What the windows cut off, in one sentence for all rows that have figures."""
    rows = [row for row in summary.rows if row.unfinished and not row.partial]
    if not rows:
        return []
    counts = ", ".join(f"{row.model} {row.unfinished:,}" for row in rows)
    return [f"Requests that still waited when a window closed, and are in no figure (the most in a round): {counts}."]


def _milliseconds(nanoseconds: int | None) -> str:
    return NOTHING if nanoseconds is None else significant(nanoseconds / 1e6)


def _microseconds(seconds: float | None) -> str:
    return NOTHING if seconds is None else significant(seconds * 1e6)


def _count(number: int | None) -> str:
    return NOTHING if number is None else f"{number:,}"
