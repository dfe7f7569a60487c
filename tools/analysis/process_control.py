"""Stevens' measure, process control: how much more CPU a connection costs a model than the baseline."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.analysis import figures
from tools.analysis.one_speed import cpu_at_one_speed
from tools.analysis.served import whole
from tools.analysis.standings import LEAST_DIFFERENCE
from tools.inference.intervals import FEWEST_ROUNDS, interval
from tools.inference.moderating import moderated, noise
from tools.inference.ranking import tiers
from tools.inference.ratios import difference, told_apart

if TYPE_CHECKING:
    from tools.inference.intervals import Interval
    from tools.saved.results import Results
    from tools.workloads import Workload

BASELINE = "iterative"  # does nothing to serve clients side by side, so that what it costs is everything else
STEVENS_WORKLOAD = "churn"
STEVENS_CONNECTIONS = 5000  # what his Figure 30.1 (UNP, 3rd edition) counts the seconds for


@dataclass(frozen=True, slots=True)
class ProcessControl:
    """Stevens' measure for one model: CPU seconds for a connection, and how many more than those of its `baseline`.

    Either is None where it cannot be had; `reason` says why. `tiers` are numbered from the cheapest.
    """

    model: str
    baseline: str
    cpu: Interval | None
    difference: Interval | None
    reason: str
    tiers: tuple[int, ...] = ()

    @property
    def is_baseline(self) -> bool:
        """Whether it is what others are compared with."""
        return self.model == self.baseline


def process_control(results: Results) -> tuple[ProcessControl, ...]:
    """Stevens' Figure 30.1 for each model; empty where the comparison lacks his workload or the baseline.

    The baseline of a model is the one under its own interpreter, or else the first. Figures are the means of the rounds
    (so that what a model costs beyond the baseline is the difference of the two), as they were measured;
    tiers are of those at one speed of the CPUs, as all tiers are.
    """
    entered = [model for model in results.header.models if not model.control_of]
    baselines = [model for model in entered if BASELINE in (model.model, model.name)]
    workload = next((each for each in results.header.workloads if each.name == STEVENS_WORKLOAD), None)
    if not baselines or workload is None or not any(cell.workload == STEVENS_WORKLOAD for cell in results.cells):
        return ()
    found = _tiers(results, workload)
    rows = []
    for model in entered:
        alike = (each.name for each in baselines if each.interpreter == model.interpreter)
        baseline = next(alike, baselines[0].name)
        rows.append(_against(results, model.name, baseline, found.get(model.name, ())))
    return tuple(rows)


def _tiers(results: Results, workload: Workload) -> dict[str, tuple[int, ...]]:
    costs = cpu_at_one_speed(results, workload).figures
    known = {
        model.name: costs[model.name] for model in results.header.models if not model.control_of and model.name in costs
    }
    noisy = noise(costs)
    if all(len(rounds) < FEWEST_ROUNDS for rounds in known.values()):
        return {}
    order = sorted(
        (name for name in known if known[name]), key=lambda name: statistics.geometric_mean(known[name].values())
    )

    def differ(cheaper: str, dearer: str) -> bool:
        return told_apart(moderated(known[dearer], known[cheaper], noisy.of(cheaper, dearer)), LEAST_DIFFERENCE)

    return tiers(order, differ)


def _against(results: Results, model: str, baseline: str, numbers: tuple[int, ...]) -> ProcessControl:
    measured = results.of(STEVENS_WORKLOAD, model)
    cells, others = whole(measured), whole(results.of(STEVENS_WORKLOAD, baseline))
    costs = figures.cpu_per_request(cells)
    missing = "it served only some of the clients" if figures.sound(measured) and not cells else "not measured"
    reason = figures.blindness(measured) or ("" if costs else missing)
    if reason:
        return ProcessControl(model, baseline, None, None, reason)
    least = {} if figures.blindness(others) else figures.cpu_per_request(others)
    extra = None if model == baseline else difference(costs, least)
    return ProcessControl(model, baseline, interval(list(costs.values()), "mean"), extra, "", numbers)
