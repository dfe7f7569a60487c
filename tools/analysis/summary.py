"""From the cells of a comparison to one row for each model and workload: figures only, no words for a table.

A model that served only some of a workload's clients gets no throughput, latency or CPU: those few were
served quickly because the others were not served at all, and a figure that leaves them out would flatter it.
"""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from tools.analysis import figures
from tools.analysis.one_speed import verdict_on
from tools.analysis.served import whole
from tools.analysis.spent import spent_in
from tools.analysis.standings import standing
from tools.analysis.statistics import merged, percentile
from tools.inference.intervals import interval
from tools.verdicts.judging import MOSTLY_SERVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from tools.analysis.spent import Spent
    from tools.analysis.standings import Ranking
    from tools.inference.intervals import Interval
    from tools.saved.cells import Cell
    from tools.saved.header import Variant
    from tools.saved.results import Results
    from tools.verdicts.verdict import Verdict
    from tools.workloads import Workload

WAITED = "unanswered"  # the load's name for clients that were never served, which `served` tells already


@dataclass(frozen=True, slots=True)
class Row:
    """One model on one workload, over all its rounds.

    `served` is the fewest clients that got an answer in any round that counts, of `connections`; `partial` where so few
    of them, or of the requests due, were served in most rounds that the figures of the others mean nothing, and
    `left_out` has a line for each single round of that kind. `latencies_ns` are the samples of all rounds that count,
    sorted, and `p50_ns` and `p99_ns` percentiles of them; `p50_over_rounds` and `p99_over_rounds` are those of single
    rounds, in seconds, as far as these have answers enough. `against_first` is its figure by that of the first in the
    ranking, and `tiers` those that it is in. Memory is the rounds' peaks, of which `memory_bytes` is the median;
    processes, threads and descriptors are the highest. `client_busy` is the share that the load processes used of
    their CPUs, one for each process, with what measuring used where it had no other CPU. `unfinished` is the most
    requests that were under way when a round's window closed, `overflows` how often the accept queue was full, in all
    windows. `failures` has a line for each cell that failed, `disturbed` one for each from which the machine took CPU.
    """

    model: str
    control_of: str
    rounds: int
    served: int
    connections: int
    partial: bool
    left_out: tuple[str, ...]
    throughput: Interval | None
    against_first: Interval | None
    tiers: tuple[int, ...]
    verdict: Verdict
    latencies_ns: NDArray[np.int64]
    p50_ns: int | None
    p99_ns: int | None
    p50_over_rounds: Interval | None
    p99_over_rounds: Interval | None
    spent: Spent
    memory_bytes: Interval | None
    processes: int | None
    threads: int | None
    descriptors: int | None
    client_busy: float | None
    offered: float | None
    achieved: Interval | None
    unfinished: int
    overflows: int
    errors: Mapping[str, int]
    examples: Mapping[str, str]
    failures: tuple[str, ...]
    disturbed: tuple[str, ...]

    @property
    def by_clients(self) -> bool:
        """Whether what was served is told in clients: also at a rate, where all that few of them asked was answered."""
        return self.achieved is None or (self.partial and self.achieved.estimate >= MOSTLY_SERVED)

    @property
    def served_part(self) -> str:
        """Which part was served: "10 of 50", of the clients, or "63%", where requests were due at a rate."""
        if self.by_clients or self.achieved is None:
            return f"{self.served} of {self.connections}"
        return f"{self.achieved.estimate:.0%}"

    @property
    def served_words(self) -> str:
        """The same, and of what it is."""
        return f"{self.served_part} clients" if self.by_clients else f"{self.served_part} of what was due"


@dataclass(frozen=True, slots=True)
class Summary:
    """All models on one workload, in the order in which the header names them, and how they stand to each other."""

    workload: Workload
    rows: tuple[Row, ...]
    standing: Ranking


@lru_cache(maxsize=2)  # the tables, the report and the summary ask for the same ones; --against for two
def summarized(results: Results) -> tuple[Summary, ...]:
    """One summary for each workload that has at least one cell; those at other numbers of connections are left out.

    Raises:
        ResultsError: The samples of a cell are damaged or not there.
    """
    seen = {cell.workload for cell in results.cells}
    return tuple(
        _summary(results, workload)
        for workload in results.header.workloads
        if workload.name in seen and not workload.scaling_of
    )


def _summary(results: Results, workload: Workload) -> Summary:
    ranked = standing(results, workload)
    rows = tuple(_row(results, workload, model, ranked) for model in results.header.models)
    return Summary(workload, rows, ranked)


def _row(results: Results, workload: Workload, model: Variant, ranked: Ranking) -> Row:
    cells = results.of(workload.name, model.name)
    sound = figures.sound(cells)
    loads = [cell.load for cell in sound if cell.load]
    served = whole(cells)
    counted = [cell.load for cell in served or sound if cell.load]
    latencies = merged([results.latencies(cell) for cell in served])
    peaks = [cell.peaks for cell in sound if cell.peaks]
    return Row(
        model=model.name,
        control_of=model.control_of,
        rounds=len(sound),
        served=min((load.served for load in counted), default=0),
        connections=workload.connections,
        partial=bool(sound) and not served,
        left_out=tuple(_badly_served(cell) for cell in sound if served and cell not in served),
        throughput=figures.over_rounds(figures.throughputs(served)),
        against_first=ranked.ratios.get(model.name),
        tiers=ranked.tiers.get(model.name, ()),
        verdict=verdict_on(results, workload, model),
        latencies_ns=latencies,
        p50_ns=percentile(latencies, 0.50),
        p99_ns=percentile(latencies, 0.99),
        p50_over_rounds=figures.over_rounds(figures.latencies(results, served, 0.50)),
        p99_over_rounds=figures.over_rounds(figures.latencies(results, served, 0.99)),
        spent=spent_in(tuple(served) or cells, whole=bool(served)),
        memory_bytes=interval([peak.pss_bytes for peak in peaks if peak.pss_bytes is not None]),
        processes=max((peak.processes for peak in peaks), default=None),
        threads=max((peak.threads for peak in peaks), default=None),
        descriptors=max((peak.descriptors for peak in peaks if peak.descriptors is not None), default=None),
        client_busy=_median(_client_busy(sound, len(results.header.division.client))),
        offered=_median(load.offered for load in loads),
        achieved=interval([load.achieved for load in counted if load.achieved is not None]),
        unfinished=max((load.unfinished for load in loads), default=0),
        overflows=sum(cell.admission.overflows for cell in sound if cell.admission),
        errors=_total(load.errors for load in loads),
        examples={kind: text for load in reversed(loads) for kind, text in load.examples.items() if kind != WAITED},
        failures=tuple(f"round {cell.round}: {cell.error}" for cell in cells if cell.error),
        disturbed=tuple(f"round {cell.round}: {cell.disturbed}" for cell in cells if cell.disturbed),
    )


def _badly_served(cell: Cell) -> str:
    load = cell.load
    assert load is not None
    few = f"{load.served} of {load.connections} clients"
    part = few if load.achieved is None or load.achieved >= MOSTLY_SERVED else f"{load.achieved:.0%} of what was due"
    return f"round {cell.round}: it served {part}"


def _client_busy(cells: Iterable[Cell], client_cpus: int) -> list[float]:
    """The share of the clients' CPUs that was used, by round; with several of them, sampling has one of its own.

    Older files do not tell the share: their load is taken for one process.
    """
    loads = [(cell.load, cell.peaks.own_cpu if cell.peaks and client_cpus < 2 else 0.0) for cell in cells if cell.load]
    return [
        (load.client_cpu / load.window if load.client_busy is None else load.client_busy) + sampling / load.window
        for load, sampling in loads
    ]


def _median(values: Iterable[float | None]) -> float | None:
    """The median of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _total(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    total.pop(WAITED, None)
    return dict(sorted(total.items()))
