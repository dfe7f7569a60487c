"""What each section of the report says, as values for its template, in the order of the page."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.progress import named
from tools.report.charts import Chart, colour, cpu_chart, latency_chart, throughput_chart, workers_chart
from tools.statistics import BEHIND_A_PERCENTILE
from tools.stevens_tables import stevens_tables
from tools.summary import STEVENS_WORKLOAD, summarized
from tools.tables import workload_tables
from tools.workers import pools

if TYPE_CHECKING:
    from tools.results import Results
    from tools.summary import Summary
    from tools.tabular import Table


METHODS = {
    "cgroup-v1": "the kernel's counter of a cgroup of the server's own (version 1), which sees every child",
    "cgroup-v2": "the kernel's counter of a cgroup of the server's own (version 2), which sees every child",
    "rusage": "the times of the server's processes and of the children that they waited for",
    "process-tree": "the times of the server's processes and of the children that they waited for",
}
"""The accounting's names in words."""


@dataclass(frozen=True, slots=True)
class Section:
    """One section: its anchor, its heading, its template and the values that the template reads."""

    name: str
    title: str
    template: str
    values: dict[str, object]


def sections_of(results: Results) -> tuple[Section, ...]:
    """All sections of the page, in order."""
    workloads = tuple(_workload(summary, results.header.rounds) for summary in summarized(results))
    return (
        _run(results),
        _models(results),
        _process_control(results),
        *workloads,
        _machine(results),
        _method(results),
    )


def _run(results: Results) -> Section:
    header = results.header
    values = {
        "started": header.started.replace("T", " ").replace("+00:00", " UTC"),
        "command": shlex.join(header.command),
        "header": header,
        "cells": len(results.cells),
        "failed": sum(1 for cell in results.cells if cell.error),
        "notices": results.notices,
        "left_out": tuple(header.left_out.values()),
        "options": tuple(named(model) for model in header.models if model.options),
    }
    return Section("run", "What was run", "run.html.j2", values)


def _models(results: Results) -> Section:
    models = [(model, colour(position)) for position, model in enumerate(results.header.models)]
    return Section("models", "The models", "models.html.j2", {"models": models})


def _process_control(results: Results) -> Section:
    shared = pools(results)
    values: dict[str, object] = {
        "tables": stevens_tables(results),
        "workload": STEVENS_WORKLOAD,
        "charts": (workers_chart(shared, results.header.models),) if shared else (),
    }
    return Section("process-control", "What serving side by side costs", "process_control.html.j2", values)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What a workload's template reads."""

    tables: tuple[Table, ...]
    latency: Chart | None
    bars: tuple[Chart, ...]


def _workload(summary: Summary, rounds: int) -> Section:
    drawn = _Drawn(
        workload_tables(summary, rounds),
        latency_chart(summary),
        (throughput_chart(summary), cpu_chart(summary)),
    )
    name = summary.workload.name
    return Section(f"workload-{name}", f"Workload {name}", "workload.html.j2", {"drawn": drawn})


def _machine(results: Results) -> Section:
    machine, interpreter = results.header.machine, results.header.interpreter
    locked = "without its global lock" if interpreter.free_threaded else "with its global lock"
    facts = [
        ("System", f"{machine.system} {machine.kernel}, {machine.architecture}"),
        ("Processor", machine.processor or "not told"),
        ("CPUs", f"{machine.cpus}, of which {machine.usable_cpus} could be used"),
        ("Memory", f"{machine.memory_bytes / 2**30:.1f} GiB"),
        ("CPU governor", machine.governor or "not told"),
        ("Load before the start", f"{machine.load_average:.2f}"),
        ("Open files allowed", f"{machine.open_files_limit:,}"),
        ("Python", f"{interpreter.implementation} {interpreter.version} {locked}, {interpreter.compiler}"),
        ("Packages", ", ".join(f"{name} {version}" for name, version in interpreter.packages.items())),
    ]
    return Section("machine", "The machine", "machine.html.j2", {"facts": facts, "sysctls": machine.sysctls})


def _method(results: Results) -> Section:
    values = {
        "header": results.header,
        "division": results.header.division,
        "cpu_methods": sorted({METHODS.get(cell.cpu.method, cell.cpu.method) for cell in results.cells if cell.cpu}),
        "shortest": min((cell.load.window for cell in results.cells if cell.load), default=results.header.duration),
        "sampling_shares": _sampling_shares(results),
        "samples_beyond": BEHIND_A_PERCENTILE,
    }
    return Section("method", "How it was measured", "method.html.j2", values)


def _sampling_shares(results: Results) -> list[tuple[str, float]]:
    """For each model, the share of a CPU that looking at it took in its windows."""
    shares = []
    for model in results.header.models:
        looked = [(cell.peaks, cell.load) for cell in results.cells if cell.model == model.name]
        pairs = [(peaks.own_cpu, load.window) for peaks, load in looked if peaks and load]
        if window := sum(seconds for _, seconds in pairs):
            shares.append((model.name, sum(cpu for cpu, _ in pairs) / window))
    return shares
