"""How a pool shares its clients among its workers, from a comparison's cells: Figure 30.2 of Stevens' UNP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.analysis.process_control import STEVENS_CONNECTIONS, STEVENS_WORKLOAD
from tools.analysis.statistics import Spread, jain, spread
from tools.inference.intervals import Interval, interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.saved.cells import Cell
    from tools.saved.results import Results


@dataclass(frozen=True, slots=True)
class Pool:
    """One model's workers on Stevens' workload.

    `connections` is the median over the rounds of how many connections all workers of a server served, warm-up
    included. `shares` has a figure for each worker, the busiest first: how many it served of each 5000, as the median
    over the rounds of whoever had that rank, with its interval. `fairness` is Jain's index in each round.
    """

    model: str
    connections: Interval
    shares: tuple[Interval, ...]
    fairness: Spread

    @property
    def ranked(self) -> tuple[float, ...]:
        """The medians of the shares."""
        return tuple(share.estimate for share in self.shares)


def pools(results: Results) -> tuple[Pool, ...]:
    """Every model that told what each of its workers had served, in the order in which the header names them."""
    found = (_pool(model.name, results.of(STEVENS_WORKLOAD, model.name)) for model in results.header.models)
    return tuple(pool for pool in found if pool)


def _pool(model: str, cells: Sequence[Cell]) -> Pool | None:
    rounds = [counts for counts in map(per_worker, cells) if any(counts)]
    fairness = spread(map(jain, rounds))
    if fairness is None:
        return None
    shares = [_of_each_5000(counts, max(map(len, rounds))) for counts in rounds]
    ranked = tuple(over for rank in zip(*shares, strict=True) if (over := interval(rank)))
    connections = interval([sum(counts) for counts in rounds])
    assert connections
    return Pool(model, connections, ranked, fairness)


def per_worker(cell: Cell) -> list[int]:
    """How many connections each worker served, in the order of their start; empty where that is not known."""
    counts = {} if cell.error or not cell.stopped else cell.stopped.get("connections_per_worker")
    if not isinstance(counts, list) or not all(type(count) is int and count >= 0 for count in counts):
        return []
    return counts


def _of_each_5000(counts: Sequence[int], workers: int) -> list[float]:
    """The counts from the highest to the lowest, as parts of 5000; a server that had fewer workers is filled up."""
    ordered = sorted(counts, reverse=True) + [0] * (workers - len(counts))
    return [STEVENS_CONNECTIONS * count / sum(counts) for count in ordered]
