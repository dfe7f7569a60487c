"""Whether a comparison's intervals are narrow enough, so that no more rounds are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.analysis.figures import over_rounds
from tools.analysis.measures import measure_of

if TYPE_CHECKING:
    from tools.saved.results import Results


def widths(results: Results) -> dict[tuple[str, str], float | None]:
    """How wide the interval of what ranks a model is, as a share of it, by workload and model; None: not known yet.

    Models that failed, or that served only some of what was asked, have no such figure, and are not there; nor are
    workloads at other numbers of connections, which are not ranked.
    """
    found = {
        (workload.name, model): over_rounds(values)
        for workload in results.header.workloads
        if not workload.scaling_of
        for model, values in measure_of(results, workload).by_model.items()
    }
    return {key: it.width for key, it in found.items() if it}


def too_wide(results: Results, width: float) -> tuple[str, ...]:
    """The workloads on which some interval is wider than that, or not known, in the header's order."""
    wide = {workload for (workload, _), it in widths(results).items() if it is None or it > width}
    return tuple(workload.name for workload in results.header.workloads if workload.name in wide)
