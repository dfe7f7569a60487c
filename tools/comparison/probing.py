"""The two measurements beside cells: what a connection holds in memory, and the rate that holds an objective."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from clients.plan import PlanError
from clients.process import LoadError
from clients.searching.objective import read_objective
from tools.accounting.meters import metering
from tools.comparison.capacity import MOST_CONNECTIONS, START_SHARE, WINDOW, capacity, found, open_plan
from tools.comparison.measuring import STOP_PATIENCE, address_of, serving
from tools.failure import Failure
from tools.machine import usable_cpus
from tools.memory.holding import memory_probe
from tools.saved.cells import Capacity, MemoryProbe
from tools.variants.choosing import places_left

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.comparison.measuring import Bench
    from tools.comparison.planning import Step

LEAST_RATE = 1.0  # requests a second: where a search starts for a model of which nothing is known
PROTOCOL = "echo"  # of the server whose memory is probed: it keeps next to nothing of an idle connection


def probed(bench: Bench, step: Step, protocol: str, most: int) -> MemoryProbe:
    """Hold more and more connections to a fresh server; what fails is told in the record."""
    record = MemoryProbe(step.model.name, step.round, 0, "", 0.0, "", (), (), (), (), "", ())
    try:
        with (
            metering() as meter,
            serving(bench, step.model, protocol, options={}, division=bench.division, meter=meter) as server,
        ):
            with bench.breakable():
                holding = memory_probe(server, meter, protocol=protocol, most=most)
            server.stop(STOP_PATIENCE)
    except (Failure, OSError) as error:
        return replace(record, error=" ".join(str(error).split()))
    return replace(record, **holding.fields())


def searched(
    bench: Bench,
    step: Step,
    objective: str,
    seed: int,
    *,
    closed_rate: float,
    on_try: Callable[[float, float], None],
) -> Capacity:
    """Search for the rate at which a fresh server holds the objective, given what a closed loop got of the model.

    `on_try` hears of each rate before it is tried, with the seconds of its window. What fails is told in the record.
    """
    workload = step.workload
    assert workload is not None
    record = Capacity(
        workload.name, step.model.name, 0, "", 0.0, "", objective, None, confirmed=False, limit="", trials=()
    )
    division, wanted = bench.division_of(workload), read_objective(objective)
    try:
        with (
            metering() as meter,
            serving(
                bench, step.model, workload.protocol, options=workload.server, division=division, meter=meter
            ) as server,
        ):
            plan = workload.load_plan(address_of(server), warm_up=0, duration=WINDOW, cpus=division.client, seed=seed)
            places = places_left(step.model, workload, len(division.server or usable_cpus()))
            plan = open_plan(plan, wanted, closed_rate, most=MOST_CONNECTIONS if places is None else places)
            with bench.breakable():
                result = capacity(plan, wanted, start_rate=max(LEAST_RATE, START_SHARE * closed_rate), on_try=on_try)
            server.stop(STOP_PATIENCE)
    except (Failure, LoadError, PlanError, OSError) as error:
        return replace(record, error=" ".join(str(error).split()))
    if result.limit == "interrupted":
        raise KeyboardInterrupt
    return replace(record, connections=plan.connections, **found(result))
