"""From the cells of a comparison to one row for each model and workload: figures only, no words for a table.

A model that served only some of a workload's clients gets no throughput, latency or CPU: those few were
served quickly because the others were not served at all, and a figure that leaves them out would flatter it.
"""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools import figures
from tools.inference.intervals import Interval, interval
from tools.inference.ranking import tiers
from tools.inference.ratios import difference, ratio, told_apart
from tools.narrowing import ENOUGH_SERVED
from tools.one_speed import verdict_on
from tools.standings import LEAST_DIFFERENCE, standing
from tools.statistics import merged, percentile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from tools.cells import Cell, Variant
    from tools.figures import ByRound
    from tools.results import Results
    from tools.standings import Standing
    from tools.verdicts.verdict import Verdict
    from tools.workloads import Workload

BASELINE = "iterative"  # does nothing to serve clients side by side, so that what it costs is everything else
STEVENS_WORKLOAD = "churn"
WAITED = "unanswered"  # the load's name for clients that were never served, which `served` tells already
STEVENS_CONNECTIONS = 5000  # what his Figure 30.1 (UNP, 3rd edition) counts the seconds for


@dataclass(frozen=True, slots=True)
class Spent:
    """What a request cost: medians over the rounds; None where it is not known.

    `cpu` is CPU seconds with its interval, `user` and `system` its parts, `per_connection` by connections that were
    begun. `blind` says why CPU cannot be had where the method did not see all of it; `apart` is the most by which the
    server's own account differed from ours, as a share. `voluntary`, `involuntary`, `minor` and `major` are context
    switches and page faults for a request, from when a server listened to its end; where not `counts_complete`, the
    least that there were. `measuring` is the share of a CPU that measuring took.
    """

    cpu: Interval | None
    user: float | None
    system: float | None
    per_connection: Interval | None
    blind: str
    method: str
    apart: float | None
    voluntary: float | None
    involuntary: float | None
    minor: float | None
    major: float | None
    measuring: float | None
    counts_complete: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One model on one workload, over all its rounds.

    `served` is the fewest clients that got an answer in any round, of `connections`. `latencies_ns` are the samples of
    all rounds, sorted. `against_first` is its figure by that of the first in the ranking, and `tiers` those that it is
    in. Memory is the median of the rounds' peaks; processes, threads and descriptors are the highest. `client_busy` is
    the share of the window in which the load process, and the measuring where it has no other CPU, used the clients'
    CPU. `unfinished` is the most requests that were under way when a round's window closed. `failures` has a line for
    each cell that failed, `disturbed` one for each from which the machine took CPU.
    """

    model: str
    control_of: str
    rounds: int
    served: int
    connections: int
    throughput: Interval | None
    against_first: Interval | None
    tiers: tuple[int, ...]
    verdict: Verdict
    latencies_ns: NDArray[np.int64]
    p50_ns: int | None
    p99_ns: int | None
    spent: Spent
    memory_bytes: float | None
    processes: int | None
    threads: int | None
    descriptors: int | None
    client_busy: float | None
    offered: float | None
    achieved: float | None
    unfinished: int
    errors: Mapping[str, int]
    examples: Mapping[str, str]
    failures: tuple[str, ...]
    disturbed: tuple[str, ...]

    @property
    def partial(self) -> bool:
        """True where so many clients were never served that the figures of the others mean nothing."""
        return bool(self.rounds) and self.served < ENOUGH_SERVED * self.connections


@dataclass(frozen=True, slots=True)
class Summary:
    """All models on one workload, in the order in which the header names them, and how they stand to each other."""

    workload: Workload
    rows: tuple[Row, ...]
    standing: Standing


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
    return ProcessControl(model, interval(list(costs[model].values())), extra, "", numbers)


def _row(results: Results, workload: Workload, model: Variant, ranked: Standing) -> Row:
    cells = results.of(workload.name, model.name)
    sound = figures.sound(cells)
    loads = [cell.load for cell in sound if cell.load]
    whole = bool(sound) and figures.served_whole(sound)
    latencies = merged([results.latencies(cell) for cell in sound] if whole else [])
    peaks = [cell.peaks for cell in sound if cell.peaks]
    return Row(
        model=model.name,
        control_of=model.control_of,
        rounds=len(sound),
        served=min((load.served for load in loads), default=0),
        connections=workload.connections,
        throughput=interval(list(figures.throughputs(cells).values())) if whole else None,
        against_first=ranked.ratios.get(model.name),
        tiers=ranked.tiers.get(model.name, ()),
        verdict=verdict_on(results, workload, model),
        latencies_ns=latencies,
        p50_ns=percentile(latencies, 0.50),
        p99_ns=percentile(latencies, 0.99),
        spent=_spent(cells, whole=whole),
        memory_bytes=_median(peak.pss_bytes for peak in peaks),
        processes=max((peak.processes for peak in peaks), default=None),
        threads=max((peak.threads for peak in peaks), default=None),
        descriptors=max((peak.descriptors for peak in peaks if peak.descriptors is not None), default=None),
        client_busy=_median(_client_busy(sound, len(results.header.division.client))),
        offered=_median(load.offered for load in loads),
        achieved=_median(load.achieved for load in loads),
        unfinished=max((load.unfinished for load in loads), default=0),
        errors=_total(load.errors for load in loads),
        examples={kind: text for load in reversed(loads) for kind, text in load.examples.items() if kind != WAITED},
        failures=tuple(f"round {cell.round}: {cell.error}" for cell in cells if cell.error),
        disturbed=tuple(f"round {cell.round}: {cell.disturbed}" for cell in cells if cell.disturbed),
    )


def _spent(cells: tuple[Cell, ...], *, whole: bool) -> Spent:
    blind = figures.blindness(cells)
    seen = whole and not blind
    sound = figures.sound(cells)

    def of_life(name: str) -> float | None:
        return _median(figures.per_request_of_life(cells, lambda cell: figures.counted(cell, name)).values())

    return Spent(
        cpu=interval(list(figures.cpu_per_request(cells).values())) if seen else None,
        user=_median(figures.cpu_per_request(cells, "user").values()) if seen else None,
        system=_median(figures.cpu_per_request(cells, "system").values()) if seen else None,
        per_connection=interval(list(figures.cpu_per_connection(cells).values())) if seen else None,
        blind=blind,
        method=next((cell.cpu.method for cell in sound if cell.cpu), ""),
        apart=figures.counted_apart(cells),
        voluntary=of_life("voluntary"),
        involuntary=of_life("involuntary"),
        minor=of_life("minor"),
        major=of_life("major"),
        measuring=_median(figures.measuring_share(cells).values()),
        counts_complete=all(cell.counts.complete for cell in sound if cell.counts),
    )


def _client_busy(cells: Iterable[Cell], client_cpus: int) -> list[float]:
    """The share of the window in which the clients' CPU was used; with several, sampling has one of its own."""
    return [
        (cell.load.client_cpu + (cell.peaks.own_cpu if cell.peaks and client_cpus < 2 else 0.0)) / cell.load.window
        for cell in cells
        if cell.load
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
