"""Percentiles by the one definition that load and comparison share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
_ROUNDING = 1e-6  # of a sample: 0.1 * 10 is no more than 1
Number = TypeVar("Number", np.int64, np.float64)


def percentiles(samples: NDArray[Number], shares: Sequence[float]) -> NDArray[Number]:
    """For each share the smallest sample that at least so many of the samples do not exceed; needs one sample."""
    return np.quantile(samples, shares, method="inverted_cdf").astype(samples.dtype)


def of_sorted(samples: NDArray[np.float64], share: float) -> float:
    """The same of samples that are sorted already, of which no copy is made; needs one sample."""
    return float(samples[max(0, math.ceil(len(samples) * share - _ROUNDING) - 1)])


def samples_for(share: float) -> float:
    """How many samples it takes to tell a percentile: 10 / (1 - share), and one for the median."""
    return 1 if share == 0.5 else 10 / (1 - share) - _ROUNDING


def figures(seconds: NDArray[np.float64]) -> dict[str, float | None]:
    """Percentiles, min, max and mean of sorted samples; None where there are too few.

    A percentile p is told from 10 / (1 - p) samples on, the median from one on.
    """
    if not len(seconds):
        return dict.fromkeys((*PERCENTILES, "min", "max", "mean"))
    figures: dict[str, float | None] = {
        name: of_sorted(seconds, p) if len(seconds) >= samples_for(p) else None for name, p in PERCENTILES.items()
    }
    return {**figures, "min": float(seconds[0]), "max": float(seconds[-1]), "mean": float(seconds.mean())}
