"""A made-up comparison: whole, deterministic, and with one of everything that a reader must be told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tools.machine import Division, Interpreter, Machine
from tools.saved.cells import Cell, Cpu, Host, Load, Peaks
from tools.saved.header import Header, Variant
from tools.saved.results import read_results, writing
from tools.workloads import chosen_workloads

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tools.saved.results import Results

MODELS = {
    "iterative": "one client after the other",
    "forking": "a child process for each client",
    "threaded": "a thread for each client",
    "selector": "one thread that watches all clients",
}
WORKLOADS = {workload.name: workload for workload in chosen_workloads([])}
ROWS = {"iterative": 0, "forking": 1, "threaded": 6}
ROUNDS = 2
COST = {"iterative": 100e-6, "forking": 700e-6, "threaded": 160e-6, "selector": 120e-6}
"""CPU seconds for a request, the same in every round."""


def variant(name: str, **options: int) -> Variant:
    """One of the registry's models, with such words as no test looks at."""
    return Variant(name, "serves", "a term", "users", "a lesson", options=options, model=name)


def header(**changes: object) -> Header:
    """A header for the four models and the four workloads."""
    made = Header(
        started="2026-03-01T12:00:00+00:00",
        command=("serverlab", "compare", "--quick"),
        seed=7,
        rounds=ROUNDS,
        duration=1.0,
        warm_up=0.2,
        models=tuple(
            Variant(name, summary, "its term", "its users", "its lesson", ROWS.get(name), model=name)
            for name, summary in MODELS.items()
        ),
        left_out={},
        workloads=tuple(WORKLOADS.values()),
        division=Division((1,), (0,), ""),
        machine=Machine(
            system="Linux",
            kernel="6.1.0",
            architecture="x86_64",
            processor="A Processor",
            cpus=2,
            usable_cpus=2,
            memory_bytes=8 * 2**30,
            governor="",
            load_average=0.1,
            open_files_limit=1024,
            sysctls={"net.core.somaxconn": "4096"},
        ),
        interpreter=Interpreter("CPython", "3.11.7", "GCC", free_threaded=False, packages={"numpy": "2.4"}),
        planned=ROUNDS * len(MODELS) * len(WORKLOADS),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def cell(workload: str = "churn", model: str = "threaded", round_number: int = 1, **changes: object) -> Cell:
    """A cell in which all went well: a thousand requests a second for a second."""
    connections = WORKLOADS[workload].connections
    cost = COST.get(model, 100e-6) * 1000
    made = Cell(
        workload=workload,
        model=model,
        round=round_number,
        position=1,
        started="2026-03-01T12:00:01+00:00",
        took=1.5,
        error="",
        load=Load(1.0, 1000, connections, connections, connections, {}, {}, 0.4),
        cpu=Cpu(cost, cost / 2, cost / 2, 1.0, "cgroup v2", complete=True, reason=""),
        peaks=Peaks(20 * 2**20, 1, 1, 20, samples=10, own_cpu=0.01),
        stopped={"requests": 2000, "context_switches": {"voluntary": 900, "involuntary": 100}},
        samples="",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def rounds_of(model: str, requests: int, workload: str = "churn", rounds: int = 5) -> list[Cell]:
    """Rounds of a model, or of its copy as "selector (again)", each with one more request a second than the last."""
    made = []
    for number in range(1, rounds + 1):
        one = cell(workload, model.partition(" ")[0], number)
        assert one.load is not None
        made.append(replace(one, model=model, load=replace(one.load, requests=requests + number)))
    return made


def at_speed(cells: Sequence[Cell], speed: float) -> list[Cell]:
    """The same on CPUs of this speed."""
    host = Host(0.9, 0.5, 0.0, 0.0, 0.0, 1.0, 1.0, speed, speed)
    return [replace(each, host=host) for each in cells]


def made_up(folder: Path) -> Path:
    """Write a whole comparison into the folder and return it.

    The iterative model serves one client of those that stay connected; the forking one failed in the last
    round of `computing`; the selector met two resets in `waiting`.
    """
    with writing(folder) as writer:
        writer.add_header(header())
        for number, (round_number, workload, model) in enumerate(_cells(), start=1):
            samples = writer.add_samples(f"{workload}-{model}-{round_number}", _latencies(workload, model))
            writer.add(_made_cell(workload, model, round_number, number, samples))
    return folder


def _cells() -> list[tuple[int, str, str]]:
    return [(number + 1, workload, model) for number in range(ROUNDS) for workload in WORKLOADS for model in MODELS]


def _made_cell(workload: str, model: str, round_number: int, position: int, samples: str) -> Cell:
    made = replace(cell(workload, model, round_number), position=position, samples=samples)
    if model == "iterative" and not WORKLOADS[workload].churn and made.load:
        made = replace(made, load=replace(made.load, served=1))
    if (model, workload) == ("selector", "waiting") and made.load:
        made = replace(
            made,
            load=replace(made.load, errors={"reset": 1}, examples={"reset": "reset after 12 of 64 bytes"}),
        )
    if (model, workload, round_number) == ("forking", "computing", ROUNDS):
        return replace(made, error="the server ended with status 1 before it listened", load=None, cpu=None, samples="")
    return made


def _latencies(workload: str, model: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Skewed latencies of a millisecond and more, the same at every call."""
    random = np.random.default_rng(len(workload) * 31 + len(model))
    return (1e6 * (0.5 + len(model) / 10 + random.lognormal(0, 0.6, 1000))).astype(np.int64)


FIVE = header(rounds=5, planned=0)
"""A header for what `rounds_of` makes."""


def saved(folder: Path, cells: Sequence[Cell], head: Header = FIVE) -> Results:
    """A comparison of these cells, written and read."""
    with writing(folder) as writer:
        writer.add_header(head)
        for each in cells:
            writer.add(each)
    return read_results(folder)
