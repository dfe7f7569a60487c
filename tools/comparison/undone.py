"""What is asked for and not done on some workload or with some model: told before anything runs, with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.comparison.planning import serves_all

if TYPE_CHECKING:
    from tools.comparison.planning import Plan
    from tools.workloads import Workload


def not_scaled(workload: Workload) -> str:
    """Why a workload makes no sense at other numbers of connections; empty where it does."""
    if workload.rate is not None:
        return f"{workload.name} has a rate of its own, whatever its connections are"
    return f"{workload.name} has one connection" if workload.connections == 1 else ""


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
