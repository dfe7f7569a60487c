"""From samples and rounds to the figures of a table: no files, no clocks, no text.

A percentile is taken from the merged samples of all rounds, never averaged over percentiles, and only where enough
samples stand behind it. What may be concluded from rounds is in `tools.inference`.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clients.percentiles import percentiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

BEHIND_A_PERCENTILE = 10  # slower samples that must lie beyond a percentile before it is more than an anecdote


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over rounds: their median, the lowest and the highest, and how many there were."""

    median: float
    low: float
    high: float
    rounds: int


def spread(values: Iterable[float]) -> Spread | None:
    """The spread of one figure over its rounds, None where there is no round."""
    known = list(values)
    if not known:
        return None
    return Spread(statistics.median(known), min(known), max(known), len(known))


def samples_needed(share: float) -> int:
    """How many samples the percentile at `share` (0.99 for p99) needs: 10 / (1 - share).

    A median takes as many as the formula says, too, though `load` tells it of a single answer.
    """
    return math.ceil(round(BEHIND_A_PERCENTILE / (1 - share), 6))  # 1 - 0.99 is not quite 0.01


def percentile(samples: NDArray[np.int64], share: float) -> int | None:
    """The smallest sample that at least `share` of the samples do not exceed; None where they are too few."""
    if len(samples) < samples_needed(share):
        return None
    return int(percentiles(samples, [share])[0])


def percentile_curve(samples: NDArray[np.int64], points: int = 80) -> tuple[list[float], list[int]]:
    """Shares from 0 up to the highest that the samples can bear, and the percentile at each.

    The shares lie closer together towards 1. Both lists are empty where the samples are too few for a median.
    """
    if len(samples) < samples_needed(0.5):
        return [], []
    beyond = np.geomspace(1, BEHIND_A_PERCENTILE / len(samples), points)
    shares = [float(share) for share in 1 - beyond]
    return shares, [int(value) for value in percentiles(samples, shares)]


def per_request(cpu_seconds: float, cpu_interval: float, requests: int, window: float) -> float | None:
    """CPU seconds that one request cost, None where there was none.

    The meter is read a little after the window opened and closed. So the two rates are divided and not the
    two counts: CPU per second between the instants at which it was really read, by requests per second in the
    window.
    """
    if requests <= 0 or cpu_interval <= 0 or window <= 0:
        return None
    return (cpu_seconds / cpu_interval) / (requests / window)


def jain(counts: Sequence[int]) -> float:
    """Jain's index of fairness: 1 where all counts are equal, one nth where one of n has everything.

    Needs one count above 0. Source: Jain, Chiu and Hawe, 1984.
    """
    return sum(counts) ** 2 / (len(counts) * sum(count * count for count in counts))


def merged(samples: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The samples of several rounds as one sorted array, empty where there are none."""
    if not samples:
        return np.empty(0, dtype=np.int64)
    return np.sort(np.concatenate(samples))
