"""Two models beside each other: by what factor, or by how much, one exceeds the other, and whether that is certain."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tools.inference.intervals import CONFIDENCE, FEWEST_ROUNDS, Interval, ends, interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


def ratio(ours: Mapping[int, float], theirs: Mapping[int, float], confidence: float = CONFIDENCE) -> Interval | None:
    """The geometric mean of ours by theirs within each round that both have; None where there is no such round.

    What slowed a whole round slowed both and cancels. Rounds in which one of the two is not above 0 have no ratio and
    are left out. The interval is that of the mean of the logarithms, by the bootstrap of `intervals.ends` (Efron's
    percentile interval; Hesterberg 2014).
    """
    return of_logarithms(log_ratios(ours, theirs), confidence)


def of_logarithms(logs: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """The ratio of which these are the logarithms, one of each round (see `ratio`); None of none."""
    return _exponential(interval(logs, "mean", confidence))


def log_ratios(ours: Mapping[int, float], theirs: Mapping[int, float]) -> list[float]:
    """The natural logarithms of ours by theirs, in the order of the rounds in which both are above 0."""
    both = sorted(ours.keys() & theirs.keys())
    return [math.log(ours[it] / theirs[it]) for it in both if ours[it] > 0 and theirs[it] > 0]


def unpaired_ratio(ours: Sequence[float], theirs: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """The ratio of the geometric means of two runs whose rounds have nothing in common; None where one has none.

    Each run is drawn anew by itself. `rounds` is the smaller number, by which the interval is stretched too: that errs
    to the wide side. Values that are not above 0 are left out. Source: Efron's two-sample bootstrap; Hesterberg 2014.
    """
    one, other = (np.log([value for value in values if value > 0]) for values in (ours, theirs))
    rounds = min(len(one), len(other))
    if not rounds:
        return None
    estimate = float(_difference_of_means(one, other))
    low, high = ends((one, other), _difference_of_means, confidence) if rounds >= FEWEST_ROUNDS else (None, None)
    return _exponential(Interval(estimate, low, high, rounds))


def difference(
    ours: Mapping[int, float], theirs: Mapping[int, float], confidence: float = CONFIDENCE
) -> Interval | None:
    """The mean of ours less theirs within each round that both have; None where there is no such round.

    Of CPU per connection, with the iterative model as theirs, this is Stevens' subtraction (UNP chapter 30): what the
    model itself costs. It can be below 0. Interval: `intervals.ends` (Efron; Hesterberg 2014).
    """
    return interval([ours[it] - theirs[it] for it in sorted(ours.keys() & theirs.keys())], "mean", confidence)


def told_apart(found: Interval | None, least: float = 0.0) -> bool:
    """Whether a ratio is surely not 1; False where too few rounds tell.

    With `least` a difference must surely be larger than that to count: 0.02 tells apart only what differs by more than
    2 %, which keeps tiers from turning on differences that nobody would act on.
    """
    if found is None or found.low is None or found.high is None:
        return False
    return found.low > 1 + least or found.high < 1 / (1 + least)


def _difference_of_means(ours: NDArray[np.float64], theirs: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    difference: NDArray[np.float64] = np.mean(ours, axis=axis) - np.mean(theirs, axis=axis)
    return difference


def _exponential(found: Interval | None) -> Interval | None:
    """The interval of a ratio from that of its logarithm."""
    if found is None:
        return None
    low = None if found.low is None else math.exp(found.low)
    high = None if found.high is None else math.exp(found.high)
    return Interval(math.exp(found.estimate), low, high, found.rounds)
