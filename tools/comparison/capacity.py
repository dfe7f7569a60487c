"""The highest rate at which a server that runs holds an objective, as a comparison asks for it; and steps of scaling.

The search is that of `serverlab load --find-rate` (`clients.searching`). It starts at half of what a closed loop got,
because there it holds nearly always, and a start that fails costs more trials than one that is low by a third.

A kept connection has one request in flight, and the others of an open loop wait in the client; so there are as many
connections as are in flight at the objective, by Little's law, where the model can serve so many.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from clients.searching.objective import Objective, ProbeFindings
from clients.searching.probing import probe_with
from clients.searching.search import search
from clients.swarm import run_load
from tools.inference.scaling import FEWEST_SIZES

if TYPE_CHECKING:
    from collections.abc import Callable

    from clients.plan import LoadPlan
    from clients.result import LoadResult
    from clients.searching.trials import SearchResult, Trial

DEFAULT_OBJECTIVE = Objective(0.95, 0.05)
"""p95=50ms, which a user would not notice. p99 takes twice the requests, and in a trial of a second one stall of the
machine of 60 ms spoils it: the rate that is found is then the machine's."""

DEADLINE = 180.0
"""Seconds after which no trial begins: at a rate so low that a trial takes a minute, a search would go on for many."""

WINDOW = 0.8
"""Seconds of a trial, where so many give the percentile its requests: from 940 a second on for p95. Such a
trial takes a second in all, and a search some fifteen of them."""

START_SHARE = 0.5
"""Of a closed loop's throughput: where the search starts."""

ABOVE_CLOSED = 1.5
"""Times a closed loop's throughput: more than an open loop holds of the same server."""

MOST_CONNECTIONS = 200
"""Where a model gives each a process, more would be tens of megabytes for a rate that it does not reach."""

FEWEST_STEPS = FEWEST_SIZES + 1
"""Of scaling: one more than a fit needs, so that there is one where a step was badly served."""

BETWEEN_POWERS = (6, 3)
"""Steps that are added where powers of two are too few: up to eight connections there are four at most."""


def capacity(
    plan: LoadPlan,
    objective: Objective = DEFAULT_OBJECTIVE,
    *,
    start_rate: float,
    window: float = WINDOW,
    deadline: float = DEADLINE,
    on_try: Callable[[float, float], None] = lambda _rate, _seconds: None,
    on_trial: Callable[[Trial], None] = lambda _trial: None,
    run: Callable[[LoadPlan], LoadResult] = run_load,
) -> SearchResult:
    """Search for the highest rate of `plan` that holds `objective`, from `start_rate` on, with `run` for a trial.

    `on_try` hears of each trial's rate and the seconds of its window before it begins, `on_trial` of each as it ends.
    After `deadline` seconds no trial begins; the rate is then the highest that held so far, and not confirmed. So it is
    where an interrupt ends the search, whose limit is then "interrupted". LoadError and PlanError as from `run_load`.
    """
    ends = time.monotonic() + deadline
    inner = probe_with(plan, objective, run)
    too_late = False

    def probe(rate: float, seconds: float) -> ProbeFindings:
        nonlocal too_late
        too_late = time.monotonic() >= ends
        if too_late:
            return ProbeFindings(0.0, None, interrupted=True)
        on_try(rate, seconds)
        return inner(rate, seconds)

    result = search(probe, objective, start_rate=start_rate, window=window, on_trial=on_trial)
    return replace(result, limit=f"the search was ended after {deadline:g} s") if too_late else result


def open_plan(plan: LoadPlan, objective: Objective, closed_rate: float, *, most: int = MOST_CONNECTIONS) -> LoadPlan:
    """Return `plan` with connections enough for an open loop, given what a closed loop reached.

    `most` is what the model can serve side by side; a plan that has more already keeps them.
    """
    in_flight = math.ceil(ABOVE_CLOSED * closed_rate * objective.seconds)
    return replace(plan, connections=max(plan.connections, min(in_flight, most)))


def found(result: SearchResult) -> dict[str, Any]:
    """Return what a search found by the names of `tools.saved.cells.Capacity`."""
    return {
        "objective": str(result.objective),
        "rate": result.rate,
        "confirmed": result.confirmed,
        "limit": result.limit,
        "trials": tuple(asdict(trial) for trial in result.trials),
    }


def scaling_steps(connections: int) -> tuple[int, ...]:
    """Return how many connections to measure scaling with: powers of two up to `connections`, which is the last.

    There are five steps at least, or as many as there are connections.
    """
    if connections < 1:
        raise ValueError(f"scaling takes one connection at least, not {connections}")
    steps = {1 << power for power in range(connections.bit_length())} | {connections}
    for between in BETWEEN_POWERS:
        if len(steps) < FEWEST_STEPS and between < connections:
            steps.add(between)
    return tuple(sorted(steps))
