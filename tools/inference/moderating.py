"""Intervals of ratios that know how noisy their workload is, and do not believe five rounds alone about that.

Of two models' five ratios the spread is itself only known to a factor of two: by chance it comes out so small that
equal models are told apart, or so large that different ones are not. All pairs of a workload see the same machine, so
that the spread of one pair is drawn towards that of all: the moderated t of Smyth, 2004 (limma), here with a fixed
weight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from tools.inference.intervals import CONFIDENCE, FEWEST, Interval
from tools.inference.ratios import log_ratios, ratio

if TYPE_CHECKING:
    from collections.abc import Mapping

WEIGHT = 1.0
"""Of what all pairs show, beside what one pair shows of itself: a half. By simulation of five rounds, an interval of a
model twice as noisy as the others then holds the truth in 92 of 100 cases, with twice the weight in 90 or fewer."""


@dataclass(frozen=True, slots=True)
class Noise:
    """The variance of the logarithm of a ratio within a round, of the pairs of a workload together; None: not known."""

    variance: float | None


def noise(figures: Mapping[str, Mapping[int, float]]) -> Noise:
    """The noise that all pairs of models show: the median of their variances, which one wild model does not move.

    Each is divided by the median of its distribution, chi-squared by its degrees of freedom: the median variance of
    five rounds is a sixth too small.
    """
    logs = [log_ratios(figures[one], figures[other]) for one, other in combinations(sorted(figures), 2)]
    variances = [
        float(np.var(values, ddof=1)) / _median_of(len(values) - 1) for values in logs if len(values) >= FEWEST
    ]
    return Noise(float(np.median(variances)) if len(variances) > 1 else None)


def moderated(
    ours: Mapping[int, float], theirs: Mapping[int, float], known: Noise, confidence: float = CONFIDENCE
) -> Interval | None:
    """The ratio of `tools.inference.ratios`, its interval as wide as moderated noise makes it.

    The bootstrap's ends are moved about the estimate by the ratio of Student's t with the moderated and with the pair's
    own spread. Without known noise, or with too few rounds, the ratio is as it is.
    """
    found = ratio(ours, theirs, confidence)
    if found is None or found.low is None or found.high is None or known.variance is None:
        return found
    logs = log_ratios(ours, theirs)
    freedom = len(logs) - 1
    own = float(np.var(logs, ddof=1))
    spread = (WEIGHT * known.variance + own) / (WEIGHT + 1)
    reach = _student(freedom * (WEIGHT + 1), confidence) * math.sqrt(spread / len(logs))
    alone = _student(freedom, confidence) * math.sqrt(own / len(logs))
    if alone <= 0:
        return Interval(
            found.estimate, found.estimate * math.exp(-reach), found.estimate * math.exp(reach), found.rounds
        )
    low, high = (math.log(end / found.estimate) * reach / alone for end in (found.low, found.high))
    return Interval(found.estimate, found.estimate * math.exp(low), found.estimate * math.exp(high), found.rounds)


def _median_of(freedom: int) -> float:
    """The median of a variance of so many degrees of freedom whose mean is 1."""
    from scipy import special  # noqa: PLC0415

    return float(special.chdtri(freedom, 0.5)) / freedom


def _student(freedom: float, confidence: float) -> float:
    from scipy import special  # noqa: PLC0415 - it takes half a second, and few commands need it

    return float(special.stdtrit(freedom, (1 + confidence) / 2))
