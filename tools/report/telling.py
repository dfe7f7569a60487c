"""What the report says in words: what was run, on which machine and Pythons, and how it was measured."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tools.analysis.controls import session_control
from tools.analysis.figures import NOTICEABLE_APART, counted_apart, measuring_share
from tools.analysis.narrowing import cells_wanted
from tools.analysis.one_speed import EXPECTED
from tools.analysis.searches import searches_missing
from tools.analysis.standings import LEAST_DIFFERENCE
from tools.analysis.statistics import BEHIND_A_PERCENTILE
from tools.memory.kernel_memory import counts_both_ends
from tools.verdicts.exhaustion import ALL_BUT_ALL
from tools.verdicts.verdict import POOL, SERVER_CPU
from tools.words import GIBIBYTE, named

if TYPE_CHECKING:
    from tools.saved.results import Results

METHODS = {
    "cgroup-v1": "the kernel's counter of a cgroup of the server's own (version 1), which sees every child",
    "cgroup-v2": "the kernel's counter of a cgroup of the server's own (version 2), which sees every child",
    "rusage": "the times of the server's processes and of the children that they waited for",
    "process-tree": "the times of the server's processes and of the children that they waited for",
}
"""The accounting's names in words."""

PLACES = ("--output", "--resume")  # options that say where files go, and not what is measured


def run_values(results: Results) -> dict[str, object]:
    """What was asked for, and how far it came."""
    header = results.header
    return {
        "started": header.started.replace("T", " ").replace("+00:00", " UTC"),
        "command": shlex.join(header.command),
        "again": shlex.join(again(header.command, header.seed)),
        "header": header,
        "models": [model for model in header.models if not model.control_of],
        "workloads": [workload for workload in header.workloads if not workload.scaling_of],
        "rounds": max((cell.round for cell in results.cells), default=0),
        "cells": len(results.cells),
        "wanted": cells_wanted(results),
        "unsearched": ", ".join(f"{model} on {workload}" for workload, model in searches_missing(results)),
        "failed": sum(1 for cell in results.cells if cell.error),
        "notices": results.notices,
        "left_out": tuple(header.left_out.values()),
        "options": tuple(named(model) for model in header.models if model.options and not model.control_of),
        "commands": tuple((model.name, shlex.join(model.command)) for model in header.models if model.command),
        "interpreters": tuple((name, it.words) for name, it in header.interpreters.items()),
        "own": header.interpreter.words,
    }


def again(command: tuple[str, ...], seed: int) -> tuple[str, ...]:
    """The command that measures the same in the same order, into a folder of its own."""
    words: list[str] = []
    skipped = False
    for word in command:
        if skipped or word in PLACES or word.startswith(tuple(f"{place}=" for place in PLACES)):
            skipped = not skipped and word in PLACES
            continue
        words.append(word)
    seeded = any(word == "--seed" or word.startswith("--seed=") for word in words)
    return tuple(words) if seeded else (*words, "--seed", str(seed))


def machine_facts(results: Results) -> list[tuple[str, str]]:
    """What can change a figure, by its name."""
    machine, interpreter = results.header.machine, results.header.interpreter
    packages = ", ".join(f"{name} {version}" for name, version in interpreter.packages.items())
    servers = [(f"Python {name}", it.words) for name, it in results.header.interpreters.items()]
    return [
        ("System", f"{machine.system} {machine.kernel}, {machine.architecture}"),
        ("Processor", machine.processor or "not told"),
        ("CPUs", f"{machine.cpus}, of which {machine.usable_cpus} could be used"),
        ("Memory", f"{machine.memory_bytes / GIBIBYTE:.1f} GiB"),
        ("CPU governor", machine.governor or "not told"),
        ("Load before the start", f"{machine.load_average:.2f}"),
        ("Open files allowed", f"{machine.open_files_limit:,}"),
        ("Python that measured", f"{interpreter.words}, {interpreter.compiler}"),
        *servers,
        ("Packages", packages),
    ]


def method_values(results: Results) -> dict[str, object]:
    """What the method's template reads."""
    header = results.header
    return {
        "header": header,
        "division": header.division,
        "cpu_methods": sorted({METHODS.get(cell.cpu.method, cell.cpu.method) for cell in results.cells if cell.cpu}),
        "apart": counted_apart(results.cells),
        "powers": {
            "limit": EXPECTED[SERVER_CPU].server,
            "other": EXPECTED[SERVER_CPU].client,
            "pool": EXPECTED[POOL].server,
        },
        "noticeable": NOTICEABLE_APART,
        "all_but_all": ALL_BUT_ALL,
        "least": LEAST_DIFFERENCE,
        "shortened": _shortened(results),
        "measuring": _measuring_shares(results),
        "control": header.control.control_of if header.control else "",
        "said": session_control(results).reason,
        "again": sum(cell.attempt > 1 for cell in results.attempts),
        "kernel_methods": sorted({probe.kernel_method for probe in results.memory if probe.kernel_method}),
        "both_ends": any(counts_both_ends(probe.kernel_method) for probe in results.memory),
        "scaling": any(workload.scaling_of for workload in header.workloads),
        "paced": any(workload.rate is not None for workload in header.workloads),
        "samples_beyond": BEHIND_A_PERCENTILE,
    }


def _shortened(results: Results) -> float:
    """The least of a window as a share of what was planned for its workload, where time was limited; else 1."""
    header = results.header
    planned = {workload.name: header.duration * workload.weight for workload in header.workloads}
    loads = [(cell.load, planned[cell.workload]) for cell in results.cells if header.limit is not None]
    return min((load.window / seconds for load, seconds in loads if load), default=1.0)


def _measuring_shares(results: Results) -> list[tuple[str, float]]:
    """For each model, the share of one CPU that measuring it took in its windows."""
    shares = []
    for model in results.header.models:
        found = [
            share
            for workload in results.header.workloads
            for share in measuring_share(results.of(workload.name, model.name)).values()
        ]
        if found:
            shares.append((model.name, sum(found) / len(found)))
    return shares


def disturbances(results: Results) -> tuple[str, ...]:
    """Every attempt that something disturbed, in the order of running."""
    return tuple(
        f"{cell.workload}, {cell.model}, round {cell.round}, attempt {cell.attempt}: {cell.disturbed}"
        for cell in results.attempts
        if cell.disturbed
    )
