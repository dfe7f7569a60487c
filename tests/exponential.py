"""Whether gaps are as those between independent arrivals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ONE_IN_A_HUNDRED, ONE_IN_A_THOUSAND = 1.63, 1.95


def distance_from_exponential(gaps_ns: Sequence[int] | NDArray[np.int64], mean_ns: float) -> float:
    """Return the statistic of Kolmogorov and Smirnov times the root of the count: above 1.63 one time in 100."""
    ordered = np.sort(np.array(gaps_ns))
    expected = 1 - np.exp(-ordered / mean_ns)
    ranks = np.arange(len(ordered) + 1) / len(ordered)
    furthest = max(np.abs(expected - ranks[1:]).max(), np.abs(expected - ranks[:-1]).max())
    return float(furthest * len(ordered) ** 0.5)
