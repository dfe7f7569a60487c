"""Whether a comparison's intervals are narrow enough, so that no more rounds are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.inference.intervals import interval

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tools.cells import Cell, Header

ENOUGH_SERVED = 0.9  # of a workload's clients: with fewer, figures would be those of another workload


def widths(cells: Iterable[Cell]) -> dict[tuple[str, str], float | None]:
    """How wide each throughput's interval is, as a share of it, by workload and model; None: not known yet.

    Models that failed, or that served only some of their clients, have no throughput, and are not there.
    """
    figures: dict[tuple[str, str], list[float]] = {}
    for cell in cells:
        load = cell.load
        if load and not cell.error and load.window > 0 and load.served >= ENOUGH_SERVED * load.connections:
            figures.setdefault((cell.workload, cell.model), []).append(load.requests / load.window)
    found = {key: interval(values) for key, values in figures.items()}
    return {key: it.width if it and it.low is not None else None for key, it in found.items()}


def too_wide(header: Header, cells: Iterable[Cell], width: float) -> tuple[str, ...]:
    """The workloads on which some interval is wider than that, or not known, in the header's order."""
    wide = {workload for (workload, _), it in widths(cells).items() if it is None or it > width}
    return tuple(workload.name for workload in header.workloads if workload.name in wide)
