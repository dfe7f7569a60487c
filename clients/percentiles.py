"""Percentiles by the one definition that load and comparison share."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Number = TypeVar("Number", np.int64, np.float64)


def percentiles(samples: NDArray[Number], shares: Sequence[float]) -> NDArray[Number]:
    """For each share the smallest sample that at least so many of the samples do not exceed; needs one sample."""
    return np.quantile(samples, shares, method="inverted_cdf").astype(samples.dtype)
