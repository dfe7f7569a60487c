"""A made-up comparison that has everything a comparison can have, with names as long as they get."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tests.comparisons import cell, header
from tools.machine import Interpreter
from tools.saved.cells import Admission, Capacity, Host, MemoryProbe, Working
from tools.saved.header import Variant
from tools.saved.results import writing
from tools.workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.saved.cells import Cell
    from tools.saved.header import Header
    from tools.workloads import Workload

CHURN = WORKLOADS["churn"]
SIZES = (1, 2, 4, 16)
ROUNDS = 5
HELD = (0, 10, 20, 40)
DISTURBED = "other processes used 61% of the server's CPUs"
QUIET = Host(0.98, 0.5, 0.01, 0.01, 0.0, 0.99, 0.99, 90.0, 88.0)
SPEEDS = {
    "iterative": 5000,
    "threaded@3.13t": 21_000,
    "socketserver_threading": 8000,
    "selector": 111_000,
    "selector (again)": 110_500,
}
"""Requests a second of each model in its middle round."""

LIMIT = "at 1,300 requests/s p99 was 61.2 ms, and 1,211 requests were in flight at its end"
OTHER = "3.13t"


def whole_header() -> Header:
    """One model under another interpreter, one a command of the user's, one entered twice."""
    made = [Variant(name, "serves", "a term", "users", "a lesson", model=name) for name in SPEEDS]
    made[0] = replace(made[0], figure_row=0)
    made[1] = replace(made[1], model="threaded", figure_row=6, interpreter=OTHER)
    made[2] = replace(made[2], model="", command=("mine", "--port", "{port}", "two words"))
    made[4] = replace(made[4], model="selector", control_of="selector")
    return header(
        models=tuple(made),
        command=("serverlab", "compare", "--scaling", "--output", "a/folder"),
        workloads=(CHURN, *(CHURN.at_once(size) for size in SIZES)),
        rounds=ROUNDS,
        planned=ROUNDS * (len(SPEEDS) + len(SIZES) * (len(SPEEDS) - 1)),
        held=HELD[-1],
        memory_rounds=1,
        objective="p99<50ms",
        ceilings={"churn": 138_085.0},
        interpreters={OTHER: Interpreter("CPython", "3.13.1", "GCC", free_threaded=True, packages={}, gil=False)},
        pythons={OTHER: "python3.13t"},
        until_width=0.05,
        max_rounds=30,
    )


def made_up_whole(folder: Path) -> Path:
    """Write it into the folder, and return that.

    The server's CPU is the limit everywhere. One cell of the selector was disturbed in both of its attempts.
    """
    with writing(folder) as writer:
        writer.add_header(whole_header())
        samples = writer.add_samples("all", np.arange(1, 2001, dtype=np.int64) * 10_000)
        for position, made in enumerate(_cells(), start=1):
            writer.add(replace(made, position=position, samples=samples))
        for model in SPEEDS:
            if model != "selector (again)":
                writer.add(probe(model))
                writer.add(capacity(model))
    return folder


def _cells() -> Iterator[Cell]:
    for number in range(1, ROUNDS + 1):
        for workload in whole_header().workloads:
            for model in SPEEDS:
                if workload.scaling_of and model == "selector (again)":
                    continue
                yield _cell(workload, model, number)
                if (number, model, workload.name) == (2, "selector", "churn"):
                    yield replace(_cell(workload, model, number), attempt=2, disturbed=DISTURBED)


def _cell(workload: Workload, model: str, number: int) -> Cell:
    made = cell("churn", model, number)
    assert made.load is not None
    assert made.cpu is not None
    scale = 1 + (number - 3) / 50  # what the machine did to a whole round
    if workload.scaling_of:
        scale *= workload.connections / (1 + 0.2 * (workload.connections - 1)) / 10
    requests = round(SPEEDS[model] * scale)
    disturbed = (number, model, workload.name) == (2, "selector", "churn")
    return replace(
        made,
        workload=workload.name,
        load=replace(
            made.load,
            requests=requests,
            connections=workload.connections,
            served=workload.connections,
            opened=requests,
            client_busy=0.5,
            errors={"reset": 1234} if model == "iterative" else {},
            examples={"reset": "reset after 12 of 64 bytes"} if model == "iterative" else {},
        ),
        cpu=replace(made.cpu, total=0.98, user=0.4, system=0.58),
        working=Working(0.98, 0.97, 1),
        host=QUIET,
        admission=Admission(0, 0, 0, 0.2, 2, 128),
        disturbed=DISTURBED if disturbed else "",
    )


def capacity(model: str) -> Capacity:
    """A rate that held; the iterative one's search failed."""
    made = Capacity("churn", model, 1, "", 25.0, "", "p99<50ms", 1234.5, confirmed=True, limit=LIMIT, trials=({}, {}))
    failed = model == "iterative"
    return replace(made, error="the server ended with status 1", rate=None, confirmed=False) if failed else made


def probe(model: str) -> MemoryProbe:
    """A server that holds 20 KiB for each connection; the iterative one answers the first alone."""
    admitted = tuple(min(held, 1) for held in HELD) if model == "iterative" else HELD
    sizes = tuple(5 * 2**20 + 20 * 1024 * held for held in HELD)
    kernel = tuple(4 * 1024 * held for held in HELD)
    return MemoryProbe(model, 1, 1, "", 1.0, "", HELD, admitted, sizes, kernel, "cgroup-v1", (1,) * len(HELD))
