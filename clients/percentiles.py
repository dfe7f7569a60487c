"""Percentiles by the one definition that load and comparison share."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
Number = TypeVar("Number", np.int64, np.float64)


def percentiles(samples: NDArray[Number], shares: Sequence[float]) -> NDArray[Number]:
    """For each share the smallest sample that at least so many of the samples do not exceed; needs one sample."""
    return np.quantile(samples, shares, method="inverted_cdf").astype(samples.dtype)


def figures(seconds: NDArray[np.float64]) -> dict[str, float | None]:
    """Percentiles, min, max and mean of sorted samples; None where there are too few.

    A percentile p is told from 10 / (1 - p) samples on, the median from one on.
    """
    enough = {name: len(seconds) >= (1 if p == 0.5 else 10 / (1 - p) - 1e-6) for name, p in PERCENTILES.items()}
    figures: dict[str, float | None] = {
        name: float(percentiles(seconds, [p])[0]) if enough[name] else None for name, p in PERCENTILES.items()
    }
    some = len(seconds) > 0
    figures["min"] = float(seconds[0]) if some else None
    figures["max"] = float(seconds[-1]) if some else None
    figures["mean"] = float(seconds.mean()) if some else None
    return figures
