"""From the options of `serverlab compare` to a plan: what is chosen, how long, on which CPUs."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from clients.cpu_lists import read_cpu_list
from clients.searching.objective import read_objective
from tools.comparison.capacity import DEFAULT_OBJECTIVE, scaling_steps
from tools.comparison.planning import DEFAULT_TIMING, FULL, MAX_ROUNDS, QUICK, SCALED_IN_FULL, Plan, Timing
from tools.comparison.undone import not_scaled, not_searched, scaling_undone
from tools.failure import Failure
from tools.inference.intervals import FEWEST_ROUNDS
from tools.machine import Division, divided, usable_cpus
from tools.variants.choosing import UnknownModelError, chosen_models, with_control
from tools.variants.commands import CommandError, check_startable
from tools.variants.interpreters import cannot_speak, named_interpreters
from tools.workloads import UnknownWorkloadError, WorkloadError, chosen_workloads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tools.variants.interpreters import Python
    from tools.workloads import Workload

HELD = 200
"""Connections in a memory probe: with fewer, what a loop takes for all of them is three pages, too few for a slope. A
model with a process for each takes 1.3 s to get there."""

MEMORY_ROUNDS = 1
MEMORY_ROUNDS_IN_FULL = FEWEST_ROUNDS  # so that their intervals are over rounds


class AskedError(Failure):
    """Options that do not fit together, or a value that is none; the message is one line."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of a comparison as they were given; None, empty and false are what is left open."""

    models: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    quick: bool = False
    full: bool = False
    rounds: int | None = None
    duration: float | None = None
    warm_up: float | None = None
    until_width: str | None = None
    max_rounds: int | None = None
    options: Mapping[str, int] = field(default_factory=dict)
    backlog: int | None = None
    serve_commands: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ()
    control: bool = True
    held: int | None = None
    objective: str | None = None
    scaling: bool = False
    server_cpus: str | None = None
    client_cpus: str | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class AskedPlan:
    """A plan, the interpreters that it names, and a clause for what it leaves out of the scaling that was asked for."""

    plan: Plan
    interpreters: dict[str, Python]
    unscaled: tuple[str, ...] = ()


def asked_plan(asked: Asked) -> AskedPlan:
    """The plan for these options.

    Raises AskedError where they are none.
    """
    if asked.quick and asked.full:
        raise AskedError("--quick and --full are two lengths of one thing: give one")
    try:
        workloads = _workloads(asked)
        pythons = _pythons(asked)
        choice = chosen_models(asked.models, asked.options, pythons=pythons, commands=asked.serve_commands)
        check_startable(choice.models)
    except CommandError as error:
        raise AskedError(f"--serve-command: {error}") from error
    except (UnknownWorkloadError, UnknownModelError, WorkloadError) as error:
        raise AskedError(str(error)) from error
    _check_protocols(workloads, pythons)
    timing = _timing(asked)
    width = _width(asked.until_width)
    if asked.max_rounds is not None and width is None:
        raise AskedError("--max-rounds bounds --until-width, which is not given")
    if asked.rounds and asked.max_rounds and asked.max_rounds < asked.rounds:
        raise AskedError(f"--max-rounds {asked.max_rounds} is fewer than --rounds {asked.rounds}, which are certain")
    most = max(timing.rounds, asked.max_rounds or MAX_ROUNDS) if width else timing.rounds
    models = choice.models
    if asked.control and most >= FEWEST_ROUNDS:  # with fewer, a difference from itself means nothing
        models = with_control(models)
    plan = Plan(
        models=models,
        workloads=workloads,
        timing=timing.with_room_for(len(models)),
        seed=random.SystemRandom().randrange(10**6) if asked.seed is None else asked.seed,
        left_out=choice.left_out,
        until_width=width,
        max_rounds=most,
        held=_held(asked),
        memory_rounds=0 if not _held(asked) else MEMORY_ROUNDS_IN_FULL if asked.full else MEMORY_ROUNDS,
        objective=_objective(asked),
        division=_division(asked),
    )
    if asked.objective and not plan.searches():
        raise AskedError(f"--objective would change nothing: {'; '.join(not_searched(plan))}")
    return AskedPlan(plan, pythons, scaling_undone(plan) if asked.scaling or asked.full else ())


def _workloads(asked: Asked) -> tuple[Workload, ...]:
    """The workloads, with the backlog that was asked for, and those at other numbers of connections."""
    chosen = chosen_workloads(asked.workloads)
    if asked.backlog is not None:
        chosen = tuple(replace(each, server={**each.server, "backlog": asked.backlog}) for each in chosen)
    if asked.duration is not None:  # which is then that of each window
        chosen = tuple(replace(each, weight=1.0) for each in chosen)
    if asked.scaling and all(map(not_scaled, chosen)):
        reasons = "; ".join(f"{each.name}: {not_scaled(each)}" for each in chosen)
        raise AskedError(f"--scaling would change nothing: {reasons}")
    wanted = [each for each in chosen if asked.scaling or (asked.full and each.name in SCALED_IN_FULL)]
    scaled = [each for each in wanted if not not_scaled(each)]
    return (*chosen, *(each.at_once(number) for each in scaled for number in scaling_steps(each.connections)))


def _pythons(asked: Asked) -> dict[str, Python]:
    try:
        return named_interpreters(asked.pythons)
    except Failure as error:
        raise AskedError(f"--python: {error}") from error


def _check_protocols(workloads: Iterable[Workload], pythons: Mapping[str, Python]) -> None:
    for workload in workloads:
        for python in pythons.values():
            if reason := cannot_speak(python.record, workload.protocol):
                raise AskedError(f"{workload.name}: {reason}")


def _timing(asked: Asked) -> Timing:
    timing = QUICK if asked.quick else FULL if asked.full else DEFAULT_TIMING
    given = (asked.rounds, asked.duration, asked.warm_up, asked.until_width)
    if all(value is None for value in given):
        return timing
    certain = min(timing.rounds, asked.max_rounds or timing.rounds)  # no more than may be, where nothing else is asked
    return Timing(  # what was asked for takes as long as it takes
        rounds=certain if asked.rounds is None else asked.rounds,
        warm_up=timing.warm_up if asked.warm_up is None else asked.warm_up,
        duration=timing.duration if asked.duration is None else asked.duration,
    )


def _width(text: str | None) -> float | None:
    """Read `5%` or 0.05."""
    if text is None:
        return None
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = 0.0
    if not 0.001 <= value <= 1:
        raise AskedError(f"--until-width is a share of a figure, as 5%, from 0.1% to 100%, not {text!r}")
    return value


def _held(asked: Asked) -> int:
    if asked.held is not None:
        return asked.held
    return 0 if asked.quick else HELD


def _objective(asked: Asked) -> str:
    if asked.objective is None:
        return str(DEFAULT_OBJECTIVE) if asked.full else ""
    try:
        read_objective(asked.objective)
    except ValueError as error:
        raise AskedError(f"--objective: {error}") from error
    return asked.objective


def _division(asked: Asked) -> Division:
    """Which CPUs serve and which ask: half of the cores each, or as asked; a side left open has what is left."""
    cpus = usable_cpus()
    server = _cpus("--server-cpus", asked.server_cpus, cpus)
    client = _cpus("--client-cpus", asked.client_cpus, cpus)
    if not server and not client:
        return divided(cpus)
    left = tuple(cpu for cpu in cpus if cpu not in {*server, *client})
    given = server or client
    reason = "as asked" if left or (server and client) else "what was asked for leaves no CPU to the other side"
    return Division(server or left or given, client or left or given, reason)


def _cpus(option: str, text: str | None, usable: list[int]) -> tuple[int, ...]:
    if text is None:
        return ()
    try:
        chosen = set(read_cpu_list(text))
    except ValueError as error:
        raise AskedError(f"{option}: {error}") from error
    if missing := sorted(chosen - set(usable)):
        raise AskedError(f"{option}: CPU {missing[0]} is none that this process may use: {', '.join(map(str, usable))}")
    return tuple(sorted(chosen))
