"""What ranks the models on a workload: its figure by model and round, of those that served it whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.analysis import figures
from tools.analysis.served import whole
from tools.analysis.statistics import samples_needed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tools.analysis.figures import ByRound
    from tools.saved.cells import Cell
    from tools.saved.results import Results
    from tools.workloads import Workload

THROUGHPUT = "throughput"
"""What a closed loop is ranked by: more is better, and of times less."""

PERCENTILES = {"p99": 0.99, "p95": 0.95, "p90": 0.9, "p50": 0.5}


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure by its name ("throughput", in requests a second; "p99" and the like, in seconds), by model and round."""

    name: str
    by_model: Mapping[str, ByRound]

    @property
    def more_is_better(self) -> bool:
        """Whether the highest is the best."""
        return self.name == THROUGHPUT


def measure_of(results: Results, workload: Workload) -> Measure:
    """What ranks the models on a workload.

    Closed loops are ranked by throughput. Where requests are due at a given rate, all do the same many: then by the
    highest percentile of the response that every round can tell.
    """
    cells = {model.name: results.of(workload.name, model.name) for model in results.header.models}
    served = {name: of_whole for name, of in cells.items() if (of_whole := whole(of))}
    if workload.rate is None:
        return Measure(THROUGHPUT, {name: figures.positive(figures.throughputs(of)) for name, of in served.items()})
    name = percentile_for(cell for of in served.values() for cell in of)
    share = PERCENTILES[name]
    return Measure(name, {each: figures.positive(figures.latencies(results, of, share)) for each, of in served.items()})


def percentile_for(cells: Iterable[Cell]) -> str:
    """The highest percentile for which each of these cells has answers enough; the median where none has."""
    fewest = min((cell.load.requests for cell in cells if cell.load), default=0)
    return next((name for name, share in PERCENTILES.items() if fewest >= samples_needed(share)), "p50")
