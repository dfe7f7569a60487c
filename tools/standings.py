"""Who is ahead on a workload, and how sure that is: ratios within rounds, tiers, and the control.

Closed loops are ranked by throughput. Where requests are due at a given rate, all do the same many: they are ranked by
how long an answer took. Figures are adjusted for how fast the CPUs ran that limited them, where canaries told it and
where that explains what the rounds differ by.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools import figures
from tools.inference.adjusting import adjusted
from tools.inference.control import control
from tools.inference.ranking import tiers
from tools.inference.ratios import log_ratios, ratio, told_apart
from tools.statistics import samples_needed
from tools.verdicts.judging import judge
from tools.verdicts.rows import of_row
from tools.verdicts.verdict import CLIENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.cells import Variant
    from tools.figures import ByRound
    from tools.inference.adjusting import Adjusted
    from tools.inference.control import Control
    from tools.inference.intervals import Interval
    from tools.results import Results
    from tools.verdicts.verdict import Verdict
    from tools.workloads import Workload

LEAST_DIFFERENCE = 0.05  # nobody chooses by less, and a machine drifts by as much


@dataclass(frozen=True, slots=True)
class Standing:
    """The models of one workload that served it whole, the best first.

    `measure` names what ranks them ("throughput", "p99", "p50"). `ratios` has how each stands to the first: throughput
    by throughput, or time by time, so that less than 1 is less of either. `tiers` are numbered from the best; two
    models share one where nothing tells them apart. `exponent` is that of the adjustment, 0.0 for none: then
    `adjustment` says why.
    """

    measure: str
    order: tuple[str, ...]
    ratios: Mapping[str, Interval]
    tiers: Mapping[str, tuple[int, ...]]
    exponent: float
    adjustment: str

    def first(self) -> tuple[str, ...]:
        """The models of tier one."""
        return tuple(name for name in self.order if 1 in self.tiers[name])


def standing(results: Results, workload: Workload) -> Standing:
    """Rank the models on a workload; the control, which is one of them again, takes no part."""
    measure, raw = _measured(results, workload)
    after = _adjusted(results, workload, raw, higher_is_better=measure == "throughput")
    entered = {model.name for model in results.header.models if not model.control_of}
    known = {name: after.figures[name] for name in raw if name in entered and after.figures.get(name)}
    limited = {
        model.name
        for model in results.header.models
        if model.name in known and verdict_on(results, workload, model).limit == CLIENT
    }
    middle = {name: statistics.geometric_mean(values.values()) for name, values in known.items()}
    cpus = len(results.header.division.server) or results.header.machine.usable_cpus
    order = tuple(sorted(known, key=lambda name: middle[name], reverse=measure == "throughput"))

    def differ(better: str, worse: str) -> bool:
        figures_of_worse = known[worse]
        if worse in limited:  # it might have done more: at most what its own CPUs allow
            figures_of_worse = _at_most(figures_of_worse, figures.server_shares(results.of(workload.name, worse), cpus))
        found = ratio(known[better], figures_of_worse)
        if not told_apart(found, LEAST_DIFFERENCE):
            return False
        return worse not in limited or found is None or (found.estimate > 1) == (measure == "throughput")

    ratios = {name: found for name in order if (found := ratio(known[name], known[order[0]]))}
    return Standing(measure, order, ratios, tiers(order, differ), after.exponent, after.reason)


def _at_most(done: ByRound, shares: ByRound) -> ByRound:
    """What would have been done with all of the server's CPUs, had the clients asked for it."""
    return {number: figure / min(1.0, shares[number]) for number, figure in done.items() if shares.get(number)}


def session_control(results: Results) -> Control:
    """Whether the model that was entered twice differs from itself: on any workload, in throughput or CPU."""
    again = next((model for model in results.header.models if model.control_of), None)
    pairs: dict[tuple[str, str], list[float]] = {}
    for workload in results.header.workloads if again else ():
        if again is None or workload.scaling_of:
            continue
        measure, raw = _measured(results, workload)
        after = _adjusted(results, workload, raw, higher_is_better=measure == "throughput").figures
        cpu = adjusted_cpu(results, workload).figures
        for name, values in (("throughput", after), ("CPU", cpu)):
            if again.name in values and again.control_of in values:
                pairs[workload.name, name] = log_ratios(values[again.name], values[again.control_of])
    return control(pairs)


def control_ratios(results: Results, workload: Workload) -> Interval | None:
    """The control's throughput on a workload by that of the same model entered first."""
    again = next((model for model in results.header.models if model.control_of), None)
    if again is None:
        return None
    measure, raw = _measured(results, workload)
    after = _adjusted(results, workload, raw, higher_is_better=measure == "throughput").figures
    return ratio(after.get(again.name, {}), after.get(again.control_of, {}))


def adjusted_cpu(results: Results, workload: Workload) -> Adjusted:
    """CPU per request by model and round, adjusted for the speed of the server's CPUs."""
    cells = {name: results.of(workload.name, name) for name in _names(results)}
    raw = {
        name: figures.positive(figures.cpu_per_request(of)) for name, of in cells.items() if not figures.blindness(of)
    }
    speeds = {name: figures.server_speeds(cells[name]) for name in raw}
    return adjusted(raw, speeds, sign=-1)


def _measured(results: Results, workload: Workload) -> tuple[str, dict[str, ByRound]]:
    """What ranks the models on a workload, and its figures by model and round; of those that served it whole."""
    cells = {name: results.of(workload.name, name) for name in _names(results)}
    whole = {name: of for name, of in cells.items() if figures.sound(of) and figures.served_whole(figures.sound(of))}
    if workload.rate is None:
        return "throughput", {name: figures.positive(figures.throughputs(of)) for name, of in whole.items()}
    counts = [cell.load.requests for of in whole.values() for cell in figures.sound(of) if cell.load]
    share = 0.99 if counts and min(counts) >= samples_needed(0.99) else 0.5
    return f"p{100 * share:g}", {name: figures.latencies(results, of, share) for name, of in whole.items()}


def _adjusted(results: Results, workload: Workload, raw: Mapping[str, ByRound], *, higher_is_better: bool) -> Adjusted:
    speeds = {name: figures.limiting_speeds(results.of(workload.name, name)) for name in raw}
    return adjusted(raw, speeds, sign=1 if higher_is_better else -1)


def verdict_on(results: Results, workload: Workload, model: Variant) -> Verdict:
    """What limited a model on a workload, over its rounds."""
    return of_row([judge(cell, workload, model, results.header) for cell in results.of(workload.name, model.name)])


def _names(results: Results) -> list[str]:
    return [model.name for model in results.header.models]
