"""From the cells of a comparison to one row for each model and workload: figures only, no words for a table.

A model that served only some of a workload's clients gets no throughput, latency or CPU: those few were
served quickly because the others were not served at all, and a figure that leaves them out would flatter it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.statistics import Spread, merged, paired_differences, per_request, percentile, spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from tools.cells import Cell
    from tools.results import Results
    from tools.workloads import Workload

BASELINE = "iterative"  # does nothing to serve clients side by side, so that what it costs is everything else
STEVENS_WORKLOAD = "churn"
ENOUGH_SERVED = 0.9  # of a workload's clients: with fewer, figures would be those of another workload
WAITED = "unanswered"  # the load's name for clients that were never served, which `served` tells already
STEVENS_CONNECTIONS = 5000  # what his Figure 30.1 (UNP, 3rd edition) counts the seconds for


@dataclass(frozen=True, slots=True)
class Row:
    """One model on one workload, over all its rounds.

    `served` is the fewest clients that got an answer in any round, of `connections`. `cpu` is CPU seconds for
    a request, and `cpu_blind` says why it cannot be had where the method did not see all of it.
    `latencies_ns` are the samples of all rounds, sorted. Memory is the median of the rounds' peaks; processes
    and threads are the highest. `switches` are context switches for a request; `client_busy` is the share of the
    window in which the load process, and the sampling where it has no other CPU, used the clients' CPU.
    `unfinished` is the most requests that were under way when a round's window closed. `failures` has a line
    for each cell that failed.
    """

    model: str
    rounds: int
    served: int
    connections: int
    throughput: Spread | None
    latencies_ns: NDArray[np.int64]
    p50_ns: int | None
    p99_ns: int | None
    cpu: Spread | None
    cpu_blind: str
    memory_bytes: float | None
    processes: int | None
    threads: int | None
    switches: Spread | None
    client_busy: Spread | None
    unfinished: int
    errors: Mapping[str, int]
    examples: Mapping[str, str]
    failures: tuple[str, ...]

    @property
    def partial(self) -> bool:
        """True where so many clients were never served that the figures of the others mean nothing."""
        return bool(self.rounds) and self.served < ENOUGH_SERVED * self.connections


@dataclass(frozen=True, slots=True)
class Summary:
    """All models on one workload, in the order in which the header names them."""

    workload: Workload
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class ProcessControl:
    """Stevens' measure for one model: CPU seconds for a connection, and how many more than the baseline's.

    Either is None where it cannot be had; `reason` says why.
    """

    model: str
    cpu: Spread | None
    difference: Spread | None
    reason: str


def summarized(results: Results) -> tuple[Summary, ...]:
    """One summary for each workload that has at least one cell.

    Raises:
        ResultsError: The samples of a cell are damaged or not there.
    """
    seen = {cell.workload for cell in results.cells}
    return tuple(
        Summary(workload, tuple(_row(results, workload, model.name) for model in results.header.models))
        for workload in results.header.workloads
        if workload.name in seen
    )


def process_control(results: Results) -> tuple[ProcessControl, ...]:
    """Stevens' Figure 30.1 for each model; empty where the comparison lacks his workload or the baseline."""
    models = [model.name for model in results.header.models]
    if BASELINE not in models or not any(cell.workload == STEVENS_WORKLOAD for cell in results.cells):
        return ()
    baseline = _cpu_by_round(results.of(STEVENS_WORKLOAD, BASELINE))
    return tuple(_against(results.of(STEVENS_WORKLOAD, model), baseline, model) for model in models)


def _against(cells: tuple[Cell, ...], baseline: Mapping[int, float], model: str) -> ProcessControl:
    reason = _blindness(cells) or ("" if _sound(cells) else "not measured")
    if reason:
        return ProcessControl(model, None, None, reason)
    figures = _cpu_by_round(cells)
    differences = [] if model == BASELINE else paired_differences(figures, baseline)
    return ProcessControl(model, spread(figures.values()), spread(differences), "")


def _row(results: Results, workload: Workload, model: str) -> Row:
    cells = results.of(workload.name, model)
    sound = _sound(cells)
    loads = [cell.load for cell in sound if cell.load]
    served = min((load.served for load in loads), default=0)
    whole = served >= ENOUGH_SERVED * workload.connections
    latencies = merged([results.latencies(cell) for cell in sound] if whole else [])
    blind = _blindness(cells)
    peaks = [cell.peaks for cell in sound if cell.peaks]
    memory = spread(peak.pss_bytes for peak in peaks if peak.pss_bytes is not None)
    return Row(
        model=model,
        rounds=len(sound),
        served=served,
        connections=workload.connections,
        throughput=spread(load.requests / load.window for load in loads) if whole else None,
        latencies_ns=latencies,
        p50_ns=percentile(latencies, 0.50),
        p99_ns=percentile(latencies, 0.99),
        cpu=spread(_cpu_by_round(cells).values()) if whole and not blind else None,
        cpu_blind=blind,
        memory_bytes=memory.median if memory else None,
        processes=max((peak.processes for peak in peaks), default=None),
        threads=max((peak.threads for peak in peaks), default=None),
        switches=spread(_switches(sound)),
        client_busy=spread(_client_busy(sound, len(results.header.division.client))),
        unfinished=max((load.unfinished for load in loads), default=0),
        errors=_total(load.errors for load in loads),
        examples={kind: text for load in reversed(loads) for kind, text in load.examples.items() if kind != WAITED},
        failures=tuple(f"round {cell.round}: {cell.error}" for cell in cells if cell.error),
    )


def _client_busy(cells: Iterable[Cell], client_cpus: int) -> list[float]:
    """The share of the window in which the clients' CPU was used; with several, sampling has one of its own."""
    return [
        (cell.load.client_cpu + (cell.peaks.own_cpu if cell.peaks and client_cpus < 2 else 0.0)) / cell.load.window
        for cell in cells
        if cell.load
    ]


def _sound(cells: Iterable[Cell]) -> list[Cell]:
    """The cells whose figures may be used: a cell with an error has none, or none to be trusted."""
    return [cell for cell in cells if cell.load and cell.load.window > 0 and not cell.error]


def _blindness(cells: Iterable[Cell]) -> str:
    """Why the CPU of some cell was not seen whole; empty where it was."""
    reasons = [cell.cpu.reason or cell.cpu.method for cell in _sound(cells) if cell.cpu and not cell.cpu.complete]
    return reasons[0] if reasons else ""


def _cpu_by_round(cells: Iterable[Cell]) -> dict[int, float]:
    figures = {}
    for cell in _sound(cells):
        if not (cell.cpu and cell.load):
            continue
        cost = per_request(cell.cpu.total, cell.cpu.interval, cell.load.requests, cell.load.window)
        if cost is not None:
            figures[cell.round] = cost
    return figures


def _switches(cells: Iterable[Cell]) -> list[float]:
    """Context switches for a request, over a server's whole life, as its own last line counts both."""
    figures = []
    for cell in cells:
        stopped = cell.stopped or {}
        counts, requests = stopped.get("context_switches"), stopped.get("requests")
        if isinstance(counts, dict) and isinstance(requests, int) and requests > 0:
            figures.append(sum(count for count in counts.values() if isinstance(count, int)) / requests)
    return figures


def _total(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    total.pop(WAITED, None)
    return dict(sorted(total.items()))
