"""The figures of single cells, round by round: what summaries take medians, ratios and intervals of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.analysis.statistics import per_request, percentile
from tools.inference.intervals import Interval, interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tools.saved.cells import Cell
    from tools.saved.results import Results

ByRound = dict[int, float]
NOTICEABLE_APART = 0.05  # of a server's CPU: two ways of counting it that differ by more are not both right


def sound(cells: Iterable[Cell]) -> list[Cell]:
    """The cells whose figures may be used: a cell with an error has none, or none to be trusted."""
    return [cell for cell in cells if cell.load and cell.load.window > 0 and not cell.error]


def throughputs(cells: Iterable[Cell]) -> ByRound:
    """Right answers a second, by round."""
    return {cell.round: cell.load.requests / cell.load.window for cell in sound(cells) if cell.load}


def latencies(results: Results, cells: Iterable[Cell], share: float) -> ByRound:
    """A percentile of the response time in seconds, by round; without rounds that have too few answers for it."""
    found = {cell.round: percentile(results.latencies(cell), share) for cell in sound(cells)}
    return {number: nanoseconds / 1e9 for number, nanoseconds in found.items() if nanoseconds is not None}


def cpu_per_request(cells: Iterable[Cell], part: str = "total") -> ByRound:
    """CPU seconds that a request cost, by round: in all, or the `user` or `system` part of it."""
    return _rates(cells, part, "requests")


def cpu_per_connection(cells: Iterable[Cell]) -> ByRound:
    """CPU seconds of the window by connections begun in it, by round; none where connections are kept."""
    return _rates(cells, "total", "opened")


def _rates(cells: Iterable[Cell], part: str, counted_as: str) -> ByRound:
    """Seconds of this part of the CPU by what the clients counted in the window under this name."""
    costs = {}
    for cell in sound(cells):
        if cell.cpu is None or cell.load is None:
            continue
        count = getattr(cell.load, counted_as)
        cost = per_request(getattr(cell.cpu, part), cell.cpu.interval, count, cell.load.window)
        if cost is not None:
            costs[cell.round] = cost
    return costs


def per_request_of_life(cells: Iterable[Cell], count: Callable[[Cell], int | None]) -> ByRound:
    """What the kernel counted of a server since it listened, by the requests of its life as it tells them, by round."""
    figures = {}
    for cell in sound(cells):
        requests, counted = (cell.stopped or {}).get("requests"), count(cell)
        if isinstance(requests, int) and requests > 0 and counted is not None:
            figures[cell.round] = counted / requests
    return figures


def counted(cell: Cell, kind: str) -> int | None:
    """What the kernel counted since a server listened.

    Kinds are voluntary and involuntary (switches), minor and major (faults), and faults, which are both of these.
    """
    if cell.counts is not None:
        counts = cell.counts
        kinds = ("voluntary", counts.voluntary_switches), ("involuntary", counts.involuntary_switches)
        faults = ("minor", counts.minor_faults), ("major", counts.major_faults)
        return dict((*kinds, *faults, ("faults", counts.minor_faults + counts.major_faults)))[kind]
    switches = (cell.stopped or {}).get("context_switches")  # files of older versions have what the server said
    found = switches.get(kind) if isinstance(switches, dict) else None
    return found if isinstance(found, int) else None


def blindness(cells: Iterable[Cell]) -> str:
    """Why the CPU of some cell was not seen whole; empty where it was."""
    reasons = [cell.cpu.reason or cell.cpu.method for cell in sound(cells) if cell.cpu and not cell.cpu.complete]
    return reasons[0] if reasons else ""


def counted_apart(cells: Iterable[Cell]) -> float | None:
    """The most by which the server's own account of its CPU differed from ours in any round; None: none to compare."""
    shares = [cell.life.apart for cell in sound(cells) if cell.life and cell.life.apart is not None]
    return max(shares, default=None)


def measuring_share(cells: Iterable[Cell]) -> ByRound:
    """What measuring took of one CPU: looking, and the canaries, by round."""
    return {
        cell.round: (cell.peaks.own_cpu + cell.peaks.canary_cpu) / cell.load.window
        for cell in sound(cells)
        if cell.peaks and cell.load
    }


def over_rounds(figures: Mapping[int, float]) -> Interval | None:
    """Their median with its interval; None where there is no round."""
    return interval(list(figures.values()))


def positive(figures: Mapping[int, float]) -> ByRound:
    """Those that are above 0, of which there is a logarithm."""
    return {number: value for number, value in figures.items() if value > 0}
