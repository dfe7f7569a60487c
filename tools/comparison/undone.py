"""What is asked for and not done on some workload or with some model: told before anything runs, with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.comparison.planning import SCALED_IN_FULL
from tools.variants.choosing import serves_all

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tools.comparison.planning import Plan
    from tools.saved.header import Variant
    from tools.workloads import Workload


def not_scaled(workload: Workload) -> str:
    """Why a workload makes no sense at other numbers of connections; empty where it does."""
    if workload.rate is not None:
        return "it has a rate of its own, whatever its connections are"
    return "it has one connection" if workload.connections == 1 else ""


def scaling_undone(plan: Plan) -> tuple[str, ...]:
    """A clause for what a plan that was to scale leaves out: whole workloads, and more clients than a model serves."""
    found: list[str] = []
    beyond: list[str] = []
    for workload in (each for each in plan.workloads if not each.scaling_of):
        steps = [each for each in plan.workloads if each.scaling_of == workload.name]
        few = [model.name for model in plan.models if not model.control_of and _lacks_places(model, steps, plan)]
        if reason := not_scaled(workload):
            found.append(f"no scaling is measured on {workload.name}: {reason}")
        elif not steps:
            beyond.append(workload.name)
        elif few:
            found.append(
                f"scaling is measured on {workload.name} of {', '.join(few)} only with as many connections as would be "
                "served at a time"
            )
    if beyond:
        found.append(
            f"no scaling is measured on {', '.join(beyond)}: --full has it on {' and '.join(SCALED_IN_FULL)} alone, "
            "and --scaling on all"
        )
    return tuple(found)


def _lacks_places(model: Variant, steps: Iterable[Workload], plan: Plan) -> bool:
    return not all(serves_all(model, step, plan.division) for step in steps)


def not_searched(plan: Plan) -> tuple[str, ...]:
    """A clause for each workload on which the capacity of some model, or of all, is not searched for."""
    if not plan.objective:
        return ()
    found: list[str] = []
    for workload in (each for each in plan.workloads if not each.scaling_of):
        models = [model for model in plan.models if not model.control_of]
        few = [model.name for model in models if not serves_all(model, workload, plan.division)]
        if workload.rate is not None:
            found.append(f"no capacity is searched on {workload.name}, which has a rate of its own")
        elif few:
            clients = workload.connections + workload.staying
            found.append(
                f"no capacity is searched on {workload.name} of {', '.join(few)}: not all of its {clients} clients "
                "would be served at a time"
            )
    return tuple(found)
