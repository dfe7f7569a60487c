"""The tables of a comparison, in words and figures for a reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.verdict import BUSY
from tools.statistics import samples_needed
from tools.stevens_tables import stevens_tables
from tools.summary import Row, Summary, summarized
from tools.tabular import NOTHING, Column, Table, significant, with_spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.results import Results


def tables_of(results: Results) -> tuple[Table, ...]:
    """Stevens' tables first, where the comparison has them, then one for each workload."""
    by_workload = (workload_table(summary, results.header.rounds) for summary in summarized(results))
    return (*stevens_tables(results), *by_workload)


COLUMNS = (
    Column("Model", "", "Model"),
    Column("Throughput", "requests/s", "Requests\na second", 11),
    Column("p50", "ms", "p50\nms"),
    Column("p99", "ms", "p99\nms"),
    Column("CPU per request", "µs", "CPU, µs\n/request", 8),
    Column("Memory", "MiB", "Memory\nMiB"),
    Column("Processes", "", "Procs"),
    Column("Threads", "", "Threads"),
    Column("Context switches", "per request", "Switches\n/request"),
    Column("Errors", "", "Errors"),
)

READING = (
    "Throughput is the median of the rounds, ± half the distance from the slowest to the quickest. Half of "
    "all answers came within p50, 99 of 100 within p99. CPU is the server's, its children included; memory, "
    "processes and threads are the most seen in any look. Errors are those of the whole run of all rounds, "
    "warm-up included."
)


def workload_table(summary: Summary, planned_rounds: int) -> Table:
    """One workload: a line for each model, and below it what a reader must know to read it."""
    return Table(
        name=summary.workload.name,
        title=f"Workload {summary.workload.name}",
        lead=summary.workload.asks,
        columns=COLUMNS,
        rows=tuple(_workload_row(row) for row in summary.rows),
        notes=(summary.workload.shows, READING, *_remarks(summary, planned_rounds)),
    )


def _workload_row(row: Row) -> tuple[str, ...]:
    return (
        row.model,
        _throughput(row),
        _milliseconds(row.p50_ns),
        _milliseconds(row.p99_ns),
        "not seen" if row.cpu_blind else with_spread(row.cpu, 1e6),
        NOTHING if row.memory_bytes is None else significant(row.memory_bytes / 2**20),
        _count(row.processes),
        _count(row.threads),
        NOTHING if row.switches is None else significant(row.switches.median, 2),
        _errors(row),
    )


def _throughput(row: Row) -> str:
    if row.partial:
        return f"{row.served} of {row.connections} served"
    if row.throughput is None:
        return "failed" if row.failures else "not measured"
    return with_spread(row.throughput)


def _errors(row: Row) -> str:
    if not row.errors:
        return "0" if row.rounds else NOTHING
    return ", ".join(f"{count:,} {kind}" for kind, count in row.errors.items())


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
    if not row.partial and row.client_busy and row.client_busy.median >= BUSY:
        yield (
            f"{row.model}: the clients and the sampling used their CPU {row.client_busy.median:.0%} of the time, so "
            "the clients may have been the limit rather than the server."
        )
    if row.cpu_blind:
        yield f"{row.model}: CPU not compared, because {row.cpu_blind}."
    if 0 < row.rounds < planned_rounds:
        yield f"{row.model} has {row.rounds} of {planned_rounds} rounds."
    for failure in row.failures:
        yield f"{row.model}, {failure}"
    for kind, text in row.examples.items():
        yield f"{row.model}, an example of {kind}: {text}"


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


def _count(number: int | None) -> str:
    return NOTHING if number is None else f"{number:,}"
