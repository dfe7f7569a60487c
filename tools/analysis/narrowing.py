"""Whether the intervals of what ranks the models are narrow enough, so that no more rounds are needed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tools.analysis.figures import over_rounds
from tools.analysis.measures import measure_of

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def cells_wanted(results: Results) -> int:
    """How many cells the comparison needs, as far as that is known by now: it was broken off where it has fewer.

    They are those that were certain, those of the rounds that were begun because intervals were too wide, and those of
    the next one where they still are and it may be.
    """
    header, cells = results.header, results.cells
    if header.until_width is None or len(cells) < header.planned:
        return header.planned
    last = max((cell.round for cell in cells), default=0)
    earlier = tuple(cell for cell in cells if cell.round < last)
    wanted = len(cells)
    if last > header.rounds:
        wide = too_wide(replace(results, attempts=earlier), header.until_width)
        wanted = len(earlier) + _in_a_round(results, wide)
    if len(cells) >= wanted and last < header.max_rounds:
        wanted += _in_a_round(results, too_wide(results, header.until_width))
    return wanted


def _in_a_round(results: Results, workloads: Iterable[str]) -> int:
    """How many cells a round has on these workloads: as many as the first had."""
    return sum(cell.round == 1 and cell.workload in workloads for cell in results.cells)
