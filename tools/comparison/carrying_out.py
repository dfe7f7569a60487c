"""Begin a comparison, or go on with one that was broken off: its folder, its CPUs, its canaries, its signals."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from clients.addresses import NOWHERE
from clients.ceiling import ceiling
from clients.plan import PlanError
from servers.registry import MODELS
from tools.comparison.comparing import Comparison
from tools.comparison.interruption import Interruption
from tools.comparison.leftovers import end_leftover, noting
from tools.comparison.measuring import Bench
from tools.comparison.planning import Plan, Timing
from tools.failure import ResultsError
from tools.fitness.looking import CEILING_SECONDS
from tools.host.canary import canaries
from tools.machine import this_interpreter, this_machine, usable_cpus
from tools.saved.header import Header
from tools.saved.results import resuming, writing
from tools.variants.interpreters import HTTP_NEEDS, Python, interpreter_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from tools.comparison.comparing import Observer
    from tools.machine import Division, Interpreter
    from tools.saved.header import Amiss


def carried_out(
    plan: Plan,
    folder: Path,
    command: tuple[str, ...],
    observer: Observer,
    *,
    interpreters: Mapping[str, Python] | None = None,
    amiss: tuple[Amiss, ...] = (),
) -> int:
    """Measure every step of the plan into the folder; return 0, or the signal that broke it off.

    `amiss` is what `tools.comparison.fitness` found, for the header.

    Raises:
        ResultsError: The folder holds something already, or cannot be made or written to. Nothing has run then.
    """
    interruption = Interruption()
    with writing(folder) as writer, interruption.listening():
        known = _ceilings(plan, interruption)  # seconds, in which nobody else can take the folder
        # Before this process is confined, which would change what it sees.
        header = replace(_header(plan, command, interpreters or {}, known), amiss=amiss)
        writer.add_header(header)
        with _bench(header, interruption, folder) as bench:
            Comparison(plan, header, bench, writer, observer, interruption).carry_out()
    return interruption.signal


def resumed(folder: Path, observer: Observer) -> int:
    """Go on with the comparison of a folder where it was broken off; return 0, or the signal that broke it off again.

    Raises:
        ResultsError: There is none, another process is at it, or it began on another machine or Python.
    """
    interruption = Interruption()
    with resuming(folder) as (results, writer), interruption.listening():
        header = results.header
        check_same(header)
        end_leftover(folder)
        if not (results.attempts or results.memory):  # it may have been broken off while ceilings were measured
            known = _ceilings(plan_of(header), interruption)
            header = replace(header, ceilings={**header.ceilings, **known})
            writer.replace_header(header)
        with _bench(header, interruption, folder) as bench:
            comparison = Comparison(plan_of(header), header, bench, writer, observer, interruption)
            comparison.take_over(results)
            comparison.carry_out()
    return interruption.signal


@contextmanager
def _bench(header: Header, interruption: Interruption, folder: Path) -> Iterator[Bench]:
    division = header.division
    cpus = tuple(sorted({*division.server, *division.client})) or tuple(usable_cpus())
    with noting(folder), _confined(division), canaries(cpus) as running:
        pythons = {name: Python(header.pythons[name], record) for name, record in header.interpreters.items()}
        yield Bench(division, pythons, running, interruption.allowed, folder)


def plan_of(header: Header) -> Plan:
    """The plan that a header was written for."""
    return Plan(
        models=header.models,
        workloads=header.workloads,
        timing=Timing(header.rounds, header.warm_up, header.duration, header.limit),
        seed=header.seed,
        left_out=header.left_out,
        until_width=header.until_width,
        max_rounds=header.max_rounds,
        held=header.held,
        memory_rounds=header.memory_rounds,
        objective=header.objective,
        division=header.division,
    )


def _header(
    plan: Plan,
    command: tuple[str, ...],
    interpreters: Mapping[str, Python],
    ceilings: dict[str, float],
) -> Header:
    return Header(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        seed=plan.seed,
        rounds=plan.timing.rounds,
        duration=plan.timing.duration,
        warm_up=plan.timing.warm_up,
        models=plan.models,
        left_out=dict(plan.left_out),
        workloads=plan.workloads,
        division=plan.division,
        machine=this_machine(),
        interpreter=this_interpreter(),
        planned=plan.left(plan.steps()).cells,
        limit=plan.timing.limit,
        until_width=plan.until_width,
        max_rounds=plan.max_rounds,
        held=plan.held,
        memory_rounds=plan.memory_rounds,
        objective=plan.objective,
        ceilings=ceilings,
        interpreters={name: python.record for name, python in interpreters.items()},
        pythons={name: python.path for name, python in interpreters.items()},
    )


def _ceilings(plan: Plan, interruption: Interruption) -> dict[str, float]:
    """What these clients can do at most on each workload, in requests a second, where they are the limit of it."""
    found: dict[str, float] = {}
    for workload in plan.workloads:
        if workload.scaling_of or workload.rate is not None:
            continue
        try:
            with interruption.allowed():
                asked = workload.load_plan(NOWHERE, warm_up=0, duration=1, cpus=plan.division.client, seed=plan.seed)
                known = ceiling(asked, seconds=CEILING_SECONDS)
        except PlanError:
            continue  # the cell says what is wrong with it
        except KeyboardInterrupt:
            break
        if known and known.limited_by_client:
            found[workload.name] = known.requests_per_second
    return found


def check_same(header: Header) -> None:
    """Refuse to go on where the rest would be measured on something else."""
    machine = this_machine()
    for what, then, now in (
        ("machine", (header.machine.processor, header.machine.cpus), (machine.processor, machine.cpus)),
        ("kernel", header.machine.kernel, machine.kernel),
    ):
        if then != now:
            raise ResultsError(f"it was begun on another {what} ({then}), and this is {now}: begin a new comparison")
    if not set(header.division.server + header.division.client) <= set(usable_cpus()):
        raise ResultsError("it was begun on CPUs that this process may not use: begin a new comparison")
    _check_same_python("Python", header.interpreter, this_interpreter(), _packages(header, ""))
    for name, path in header.pythons.items():
        _check_same_python(
            f"Python at {path}", header.interpreters[name], interpreter_of(path), _packages(header, name)
        )


def _check_same_python(what: str, then: Interpreter, now: Interpreter, packages: Iterable[str]) -> None:
    """Refuse another version or build, and other versions of these packages."""
    for noun, old, new in (
        (what, _build(then), _build(now)),
        *((f"{name} under {what}", then.packages.get(name), now.packages.get(name)) for name in packages),
    ):
        if old != new:
            raise ResultsError(
                f"it was begun on another {noun} ({old or 'none'}), and this is {new or 'none'}: begin a new comparison"
            )


def _packages(header: Header, interpreter: str) -> list[str]:
    """The packages that the servers under an interpreter are built on."""
    models = [model.model for model in header.models if model.interpreter == interpreter and model.model]
    http = bool(models) and any(workload.protocol == "http" for workload in header.workloads)
    return sorted({MODELS[model].requires for model in models} - {""}) + [HTTP_NEEDS] * http


def _build(interpreter: Interpreter) -> str:
    threads = " free-threaded" if interpreter.free_threaded else ""
    gil = (
        "" if interpreter.gil == (not interpreter.free_threaded) else f", the GIL {'on' if interpreter.gil else 'off'}"
    )
    return f"{interpreter.implementation} {interpreter.version}{threads}{gil}"


@contextmanager
def _confined(division: Division) -> Iterator[None]:
    """Keep this process off the server's CPUs, and let it go again."""
    if not division.client:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, division.client)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
