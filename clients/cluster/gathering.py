"""What the parts of a load on many machines recorded, put together; `clients.gathering` does so for one machine."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from clients.cluster.result import ClusterResult, WorkerShare
from clients.course import SECOND_NS
from clients.gathering import gather
from clients.process import LoadError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clients.cluster.clock import Offset
    from clients.cluster.part import Part
    from clients.plan import LoadPlan
    from clients.window import Window


def gather_parts(
    plan: LoadPlan,
    parts: Sequence[Part],
    offsets: Mapping[str, Offset],
    window: Window,
    cpus: tuple[int, ...],
    *,
    interrupted: bool,
) -> ClusterResult:
    """Put together what came of the parts, in the clock of the window; LoadError where nothing is left of the load.

    `offsets` are those of the workers' clocks, `cpus` those of all machines.
    """
    lost = tuple(part.missing(window.start_ns) for part in parts if part.lost)
    recorded = [
        replace(part.recorded, shift_ns=-offsets[part.worker].ahead_ns) for part in parts if part.recorded is not None
    ]
    if not any(part.recorded and part.asks for part in parts):
        raise LoadError(f"nothing is left of the load: {lost[0]}")
    result = gather(plan, recorded, window.bounds(), interrupted=interrupted, missing=lost)
    values = {field.name: getattr(result, field.name) for field in fields(result)}
    shares = tuple(
        _share(worker, [part for part in parts if part.worker == worker], offset) for worker, offset in offsets.items()
    )
    return ClusterResult(**{**values, "cpus": cpus}, shares=shares)


def _share(worker: str, parts: Sequence[Part], offset: Offset) -> WorkerShare:
    return WorkerShare(
        worker=worker,
        clients=sum(part.spec.clients for part in parts),
        clock_uncertainty=offset.uncertainty_ns / SECOND_NS,
        missing="; ".join(part.lost for part in parts if part.lost),
    )
