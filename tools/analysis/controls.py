"""The control of a comparison: the model that was entered twice, and whether it differs from itself."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from tools.analysis.measures import measure_of
from tools.analysis.one_speed import at_one_speed, cpu_at_one_speed
from tools.inference.control import control
from tools.inference.ratios import log_ratios, ratio

if TYPE_CHECKING:
    from tools.inference.control import Control
    from tools.inference.intervals import Interval
    from tools.saved.results import Results
    from tools.workloads import Workload


@lru_cache(maxsize=2)  # all that tells whether a session is sound asks for it; --against of two
def session_control(results: Results) -> Control:
    """Whether the model that was entered twice differs from itself: on any workload, in what ranks it or in CPU."""
    again = results.header.control
    pairs: dict[tuple[str, str], list[float]] = {}
    for workload in results.header.workloads if again else ():
        if again is None or workload.scaling_of:
            continue
        measure = measure_of(results, workload)
        after = at_one_speed(results, workload, measure.by_model, rises=measure.more_is_better).figures
        # Throughputs and times are figures of their own: the slower entry has less of one and more of the other.
        for name, values in ((measure.name, after), ("CPU", cpu_at_one_speed(results, workload).figures)):
            if again.name in values and again.control_of in values:
                pairs[workload.name, name] = log_ratios(values[again.name], values[again.control_of])
    return control(pairs)


def control_ratio(results: Results, workload: Workload) -> Interval | None:
    """What ranks the control on a workload, by the same of that model entered first."""
    again = results.header.control
    if again is None:
        return None
    measure = measure_of(results, workload)
    after = at_one_speed(results, workload, measure.by_model, rises=measure.more_is_better).figures
    return ratio(after.get(again.name, {}), after.get(again.control_of, {}))
