"""Stevens' measure, process control: how much more CPU a connection costs a model than the baseline."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.analysis import figures
from tools.analysis.standings import LEAST_DIFFERENCE
from tools.inference.ranking import tiers
from tools.inference.ratios import difference, ratio, told_apart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.analysis.figures import ByRound
    from tools.inference.intervals import Interval
    from tools.saved.cells import Cell
    from tools.saved.results import Results

BASELINE = "iterative"  # does nothing to serve clients side by side, so that what it costs is everything else
STEVENS_WORKLOAD = "churn"
STEVENS_CONNECTIONS = 5000  # what his Figure 30.1 (UNP, 3rd edition) counts the seconds for


@dataclass(frozen=True, slots=True)
class ProcessControl:
    """Stevens' measure for one model: CPU seconds for a connection, and how many more than the baseline's.

    Either is None where it cannot be had; `reason` says why. `tiers` are numbered from the cheapest.
    """

    model: str
    cpu: Interval | None
    difference: Interval | None
    reason: str
    tiers: tuple[int, ...] = ()


def process_control(results: Results) -> tuple[ProcessControl, ...]:
    """Stevens' Figure 30.1 for each model; empty where the comparison lacks his workload or the baseline."""
    models = [model.name for model in results.header.models if not model.control_of]
    if BASELINE not in models or not any(cell.workload == STEVENS_WORKLOAD for cell in results.cells):
        return ()
    cells = {model: results.of(STEVENS_WORKLOAD, model) for model in models}
    costs = {model: figures.cpu_per_request(of) for model, of in cells.items() if not figures.blindness(of)}
    order = sorted((name for name in costs if costs[name]), key=lambda name: statistics.median(costs[name].values()))
    found = tiers(order, lambda one, other: told_apart(ratio(costs[one], costs[other]), LEAST_DIFFERENCE))
    return tuple(_against(model, cells[model], costs, found.get(model, ())) for model in models)


def _against(
    model: str, cells: tuple[Cell, ...], costs: Mapping[str, ByRound], numbers: tuple[int, ...]
) -> ProcessControl:
    reason = figures.blindness(cells) or ("" if costs.get(model) else "not measured")
    if reason:
        return ProcessControl(model, None, None, reason)
    extra = None if model == BASELINE else difference(costs[model], costs.get(BASELINE, {}))
    return ProcessControl(model, figures.over_rounds(costs[model]), extra, "", numbers)
