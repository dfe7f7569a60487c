"""Intervals of ratios that know how noisy their workload is, and do not believe five rounds alone about that.

Of two models' five ratios the spread is itself only known to a factor of two: by chance it comes out so small that
equal models are told apart, or so large that different ones are not. All pairs of a workload see the same machine, so
that the spread of one pair is drawn towards what the others show: the moderated t of Smyth, 2004 (limma), here with a
fixed weight. Models that the clients limit are noisier than others where it is the clients' CPU that has slow spells,
so what is expected of a pair is in part what its two models add to all the pairs that they are in (Grubbs, 1948).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from tools.inference.intervals import CONFIDENCE, FEWEST_ROUNDS, Interval, student
from tools.inference.ratios import log_ratios, ratio

if TYPE_CHECKING:
    from collections.abc import Mapping

    Pair = tuple[str, str]

WEIGHT = 1.0
"""Of what other pairs show, against 1 of what a pair shows of itself: each is half of what is believed. By simulation
of five rounds, an interval of a model twice as noisy as the others then holds the truth in 93 of 100 cases."""

FEWEST_MODELS = 4  # of which each is in three pairs: with fewer, what a model adds is a guess


@dataclass(frozen=True, slots=True)
class Noise:
    """The variance of the logarithm of a ratio within a round, over the pairs of a workload's models.

    `middle` is that of a pair like most (None: not known), and `added` what each model adds to its pairs, as far as
    that is known.
    """

    middle: float | None
    added: Mapping[str, float]

    def of(self, one: str, other: str) -> float | None:
        """What is to be expected of this pair: midway between that of most and that of these two models."""
        if self.middle is None or one not in self.added or other not in self.added:
            return self.middle
        return (self.middle + self.added[one] + self.added[other]) / 2


def noise(figures: Mapping[str, Mapping[int, float]]) -> Noise:
    """The noise that the pairs of models show, of whose figures these are, by model and round.

    The middle is the median of the pairs' variances, which one wild model does not move. Each is divided by the median
    of its distribution, chi-squared by its degrees of freedom: the median variance of five rounds is a sixth too small.
    """
    logs = {pair: log_ratios(figures[pair[0]], figures[pair[1]]) for pair in combinations(sorted(figures), 2)}
    known = {pair: values for pair, values in logs.items() if len(values) >= FEWEST_ROUNDS}
    if len(known) < 2:
        return Noise(None, {})
    variances = {pair: float(np.var(values, ddof=1)) for pair, values in known.items()}
    middle = float(np.median([variances[pair] / _median_of(len(known[pair]) - 1) for pair in variances]))
    return Noise(middle, _added(variances))


def moderated(
    ours: Mapping[int, float], theirs: Mapping[int, float], expected: float | None, confidence: float = CONFIDENCE
) -> Interval | None:
    """The ratio of `tools.inference.ratios`, its interval as wide as moderated noise makes it.

    `expected` is the variance that is to be expected of such a pair (see `Noise`). The bootstrap's ends are moved about
    the estimate by the ratio of Student's t with the moderated and with the pair's own spread. Where nothing is to be
    expected, or with too few rounds, the ratio is as it is.
    """
    found = ratio(ours, theirs, confidence)
    if found is None or found.low is None or found.high is None or expected is None:
        return found
    logs = log_ratios(ours, theirs)
    freedom = len(logs) - 1
    own = float(np.var(logs, ddof=1))
    spread = (WEIGHT * expected + own) / (WEIGHT + 1)
    reach = student(freedom * (WEIGHT + 1), confidence) * math.sqrt(spread / len(logs))
    alone = student(freedom, confidence) * math.sqrt(own / len(logs))
    if alone <= 0:
        return Interval(
            found.estimate, found.estimate * math.exp(-reach), found.estimate * math.exp(reach), found.rounds
        )
    low, high = (math.log(end / found.estimate) * reach / alone for end in (found.low, found.high))
    return Interval(found.estimate, found.estimate * math.exp(low), found.estimate * math.exp(high), found.rounds)


def _added(variances: Mapping[Pair, float]) -> dict[str, float]:
    """What each model adds to the variance of its pairs, at least 0; empty where not all pairs are known.

    A pair's variance is the sum of what its two models add, so that a model's is what its own pairs have beyond their
    share of all pairs. Source: Grubbs, On Estimating Precision of Measuring Instruments, 1948.
    """
    names = sorted({name for pair in variances for name in pair})
    count = len(names)
    if count < FEWEST_MODELS or len(variances) < count * (count - 1) // 2:
        return {}
    share = sum(variances.values()) / (count - 1)
    own = {name: sum(variance for pair, variance in variances.items() if name in pair) for name in names}
    return {name: max(0.0, (own[name] - share) / (count - 2)) for name in names}


def _median_of(freedom: int) -> float:
    """The median of a variance of so many degrees of freedom whose mean is 1."""
    from scipy import special  # noqa: PLC0415

    return float(special.chdtri(freedom, 0.5)) / freedom
