"""Who is ahead on a workload, and how sure that is: ratios within rounds, and tiers."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.analysis import figures
from tools.analysis.measures import measure_of
from tools.analysis.one_speed import at_one_speed, cpu_at_one_speed
from tools.inference.moderating import moderated, noise
from tools.inference.ranking import tiers
from tools.inference.ratios import ratio, told_apart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.analysis.figures import ByRound
    from tools.inference.adjusting import Exponents
    from tools.inference.intervals import Interval
    from tools.saved.header import Variant
    from tools.saved.results import Results
    from tools.workloads import Workload

AT_THE_END = 0.9  # of the clients' CPUs, used or waited for: below, they had time left to ask for more
NEVER_IDLE = 0.9  # of its CPU per request is what a server may need that never pauses: it is woken less often
LEAST_DIFFERENCE = 0.02  # nobody chooses by less


@dataclass(frozen=True, slots=True)
class Ranking:
    """The models of one workload that served it whole, the best first.

    `measure` names what ranks them ("throughput", "p99" ...). `ratios` has how each stands to the first: throughput
    by throughput, or time by time, so that less than 1 is less of either. `tiers` are numbered from the best; two
    models share one where nothing tells them apart. The `exponents`, by model, and the `adjustment` (why
    there is none, or not for all) are those of `tools.inference.adjusting.Adjusted`.
    """

    measure: str
    order: tuple[str, ...]
    ratios: Mapping[str, Interval]
    tiers: Mapping[str, tuple[int, ...]]
    exponents: Mapping[str, Exponents]
    adjustment: str

    def first(self) -> tuple[str, ...]:
        """The models of tier one."""
        return tuple(name for name in self.order if 1 in self.tiers[name])


def standing(results: Results, workload: Workload) -> Ranking:
    """Rank the models on a workload; the control, one of them again, takes part only in telling the noise."""
    measure = measure_of(results, workload)
    after = at_one_speed(results, workload, measure.by_model, rises=measure.more_is_better)
    known_noise = noise(after.figures)
    entered = [model for model in results.header.models if not model.control_of]
    known = {model.name: values for model in entered if (values := after.figures.get(model.name))}
    middle = {name: statistics.geometric_mean(values.values()) for name, values in known.items()}
    order = tuple(sorted(known, key=lambda name: middle[name], reverse=measure.more_is_better))
    limited = {
        model.name
        for model in entered
        if model.name in known and measure.more_is_better and _had_no_more(results, workload, model)
    }

    cpu = cpu_at_one_speed(results, workload).figures if limited else {}
    cpus = results.header.server_cpus(workload)

    def differ(better: str, worse: str) -> bool:
        expected = known_noise.of(better, worse)
        if worse in limited:  # it might have done more: at most what its own CPUs allow
            most = moderated(known[better], _at_most(known[worse], cpu.get(worse, {}), cpus), expected)
            return most is not None and most.estimate > 1 and told_apart(most, LEAST_DIFFERENCE)
        return told_apart(moderated(known[better], known[worse], expected), LEAST_DIFFERENCE)

    def by_the_first(name: str) -> Interval | None:
        best = known[order[0]]
        if name == order[0]:
            return ratio(best, best)  # which is 1, however noisy other pairs are
        return moderated(known[name], best, known_noise.of(name, order[0]))

    ratios = {name: found for name in order if (found := by_the_first(name))}
    enough = any(found.low is not None for found in ratios.values())
    numbers = tiers(order, differ) if enough else dict.fromkeys(order, ())
    return Ranking(measure.name, order, ratios, numbers, after.exponents, after.reason)


def _had_no_more(results: Results, workload: Workload, model: Variant) -> bool:
    """Whether a model's clients were all but at their end, so that it could have done more had they been quicker.

    It need not be the verdict: where both sides are near their end, noise decides which is said to be nearer.
    """
    loads = [cell.load for cell in figures.sound(results.of(workload.name, model.name)) if cell.load]
    shares = [(load.client_busy or 0.0) + (load.client_waiting or 0.0) for load in loads]
    return bool(shares) and statistics.median(shares) >= AT_THE_END


def _at_most(done: ByRound, cpu: ByRound, cpus: int) -> ByRound:
    """What a model would have done with all of the server's CPUs, had the clients asked for it: by its CPU per request.

    Asked so fast, it would be woken less often than it was, and may need a tenth less for each (on churn, selector took
    64 us at two thirds of a CPU and 56 us when it had hardly a pause). A server that can use only some of them would
    have done less: this errs to the side of telling nothing apart, as it does where its CPU was not seen whole and
    there is none. Both are at one speed: clients that were slow for a while left a server idle, which is not what it
    could have had of theirs at their best.
    """
    return {number: max(figure, cpus / (NEVER_IDLE * cpu[number])) for number, figure in done.items() if number in cpu}
