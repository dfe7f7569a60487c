"""What each section of the report says, as values for its template, in the order of the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.analysis.summary import summarized
from tools.analysis.workers import pools
from tools.report.charts import cpu_chart, latency_chart, throughput_chart, workers_chart
from tools.report.drawing import colour
from tools.report.measured_charts import memory_chart, scaling_charts, speed_chart
from tools.report.telling import disturbances, machine_facts, method_values, run_values
from tools.tables.advice import advice_table
from tools.tables.belief import belief_table
from tools.tables.capacity import capacity_table
from tools.tables.fitness import fitness_table
from tools.tables.memory import memory_table
from tools.tables.of_comparison import all_workload_tables
from tools.tables.scaling import scaling_table
from tools.tables.stevens import stevens_tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.analysis.summary import Summary
    from tools.report.drawing import Chart
    from tools.saved.results import Results
    from tools.tables.tabular import Table


@dataclass(frozen=True, slots=True)
class Section:
    """One section: its anchor, its heading, its template and the values that the template reads."""

    name: str
    title: str
    template: str
    values: dict[str, object]


def sections_of(results: Results) -> tuple[Section, ...]:
    """All sections of the page that have something to say, in order."""
    summaries = summarized(results)
    pairs = all_workload_tables(results, summaries)
    machine: dict[str, object] = {"facts": machine_facts(results), "sysctls": results.header.machine.sysctls}
    return (
        Section("run", "What was run", "run.html.j2", run_values(results)),
        _models(results),
        *_process_control(results),
        *(_workload(summary, pair) for summary, pair in zip(summaries, pairs, strict=True)),
        *_beside_workloads(results),
        *_belief(results, summaries),
        *_fitness(results),
        Section("machine", "The machine", "machine.html.j2", machine),
        Section("method", "How it was measured", "method.html.j2", method_values(results)),
    )


def _models(results: Results) -> Section:
    models = [(model, colour(position)) for position, model in enumerate(results.header.models)]
    return Section("models", "The models", "models.html.j2", {"models": models})


def _process_control(results: Results) -> Iterator[Section]:
    shared = pools(results)
    tables = stevens_tables(results)
    if tables:
        charts = (workers_chart(shared, results.header.models),) if shared else ()
        yield _drawn("process-control", "What serving side by side costs", tables, charts)


def _workload(summary: Summary, tables: tuple[Table, Table]) -> Section:
    name = summary.workload.name
    latency = latency_chart(summary)
    values: dict[str, object] = {
        "tables": tables,
        "charts": (latency,) if latency else (),
        "bars": (throughput_chart(summary), cpu_chart(summary)),
        "rows": summary.rows,
    }
    return Section(f"workload-{name}", f"Workload {name}", "workload.html.j2", values)


def _beside_workloads(results: Results) -> Iterator[Section]:
    """What was measured beside the workloads, as far as it was."""
    memory = memory_chart(results)
    parts: tuple[tuple[Table | None, tuple[Chart, ...]], ...] = (
        (memory_table(results), (memory,) if memory else ()),
        (scaling_table(results), scaling_charts(results)),
        (capacity_table(results), ()),
    )
    for table, charts in parts:
        if table:
            yield _drawn(table.name, table.title, (table,), charts)


def _belief(results: Results, summaries: Sequence[Summary]) -> Iterator[Section]:
    table, speeds = belief_table(results, summaries), speed_chart(results)
    yield _drawn(table.name, table.title, (table,), (speeds,) if speeds else (), disturbances(results))
    if advice := advice_table(results, summaries):
        yield _drawn(advice.name, advice.title, (advice,), ())


def _fitness(results: Results) -> Iterator[Section]:
    """What a glance at the machine found, where that was not good."""
    if table := fitness_table(results.header):
        yield _drawn(table.name, table.title, (table,), ())


def _drawn(
    name: str, title: str, tables: Sequence[Table], charts: Sequence[Chart], disturbed: Sequence[str] = ()
) -> Section:
    """A section of tables and charts; it is called as its first table."""
    values: dict[str, object] = {"tables": tables, "charts": charts, "disturbed": disturbed}
    return Section(name, title, "tables.html.j2", values)
