"""An estimate over rounds and the interval around it, by a bootstrap that is honest with few rounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

CONFIDENCE = 0.95
FEWEST = 4  # rounds: the range of three is no interval at any confidence worth the name
RESAMPLES = 9999  # at five rounds the ends lie at 1 in 1000: ten resamples beyond each
SEED = 29  # the same rounds give the same interval, in the terminal, in the report and tomorrow

STATISTICS: dict[str, Callable[..., NDArray[np.float64]]] = {"median": np.median, "mean": np.mean}


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate, the ends of the interval around it, and from how many rounds they are.

    `low` and `high` are None where the rounds were too few for an interval; the estimate stands all the same.
    """

    estimate: float
    low: float | None
    high: float | None
    rounds: int

    @property
    def width(self) -> float | None:
        """From end to end, as a share of the estimate: 0.06 is plus or minus 3 %; None where there are no ends."""
        if self.low is None or self.high is None:
            return None
        if self.high == self.low:
            return 0.0
        return (self.high - self.low) / abs(self.estimate) if self.estimate else math.inf

    def scaled(self, factor: float) -> Interval:
        """The same in another unit; `factor` is above 0."""
        low = None if self.low is None else self.low * factor
        high = None if self.high is None else self.high * factor
        return Interval(self.estimate * factor, low, high, self.rounds)

    def excludes(self, value: float) -> bool:
        """Whether the value lies outside; never where there are no ends."""
        return self.low is not None and self.high is not None and not self.low <= value <= self.high


def interval(
    values: Sequence[float], statistic: Literal["median", "mean"] = "median", confidence: float = CONFIDENCE
) -> Interval | None:
    """The median (or the mean) of one figure over its rounds, with its interval; None where there is no round.

    Fewer than `FEWEST` rounds have an estimate without ends, and rounds that are all equal an interval of no width. No
    bootstrap reaches beyond the range of the rounds: at four of them that range is the interval, which holds the truth
    in 87 of 100 cases whatever the confidence, and so it is of a median at five, in 94.

    Source: Efron's percentile interval, expanded as Hesterberg says (see `ends`).
    """
    return _interval(tuple(values), statistic, confidence) if values else None


@lru_cache(maxsize=10_000)  # terminal, report and advice ask for the same ones
def _interval(values: tuple[float, ...], statistic: Literal["median", "mean"], confidence: float) -> Interval:
    sample = np.asarray(values, dtype=np.float64)
    function = STATISTICS[statistic]
    low, high = ends((sample,), function, confidence) if len(sample) >= FEWEST else (None, None)
    return Interval(float(function(sample)), low, high, len(sample))


def ends(
    samples: tuple[NDArray[np.float64], ...],
    statistic: Callable[..., NDArray[np.float64]],
    confidence: float,
    *,
    paired: bool = False,
) -> tuple[float, float]:
    """The ends of the expanded percentile interval of a statistic of one or more samples.

    `statistic` takes the samples and `axis`; `paired` samples are of equal length and are drawn together. Needs at
    least two values in each.

    The plain percentile interval is too narrow for few values, by the factor sqrt((n - 1) / n) and by a normal
    quantile in the place of Student's: at five values and 95 % it holds the mean in 84 of 100 cases. So the percentiles
    lie further out. Source: Hesterberg, What Teachers Should Know about the Bootstrap, 2014, section 5.3.
    """
    from scipy import stats  # noqa: PLC0415 - it takes most of a second, and few commands need it

    if all(len(set(sample.tolist())) == 1 for sample in samples):
        value = float(statistic(*(sample[:1] for sample in samples), axis=-1))
        return value, value
    found = stats.bootstrap(
        samples,
        statistic,
        n_resamples=RESAMPLES,
        vectorized=True,
        paired=paired,
        confidence_level=expanded(confidence, min(len(sample) for sample in samples)),
        method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return float(found.low), float(found.high)


def expanded(confidence: float, rounds: int) -> float:
    """The confidence to ask of a plain percentile interval, so that it has `confidence` with so few rounds.

    Half of what it leaves out is Phi(-sqrt(n / (n - 1)) t), t being Student's quantile. Source: Hesterberg 2014.
    """
    from scipy import special  # noqa: PLC0415

    student = special.stdtrit(rounds - 1, (1 + confidence) / 2)
    return float(1 - 2 * special.ndtr(-math.sqrt(rounds / (rounds - 1)) * student))
