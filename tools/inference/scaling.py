"""How throughput goes with concurrency: the Universal Scalability Law, fitted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tools.inference.intervals import CONFIDENCE, FEWEST_ROUNDS, SEED, Interval, stretch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

FEWEST_SIZES = 4  # different numbers of connections: three parameters pass through any three points
REFITS = 499  # of which twelve lie beyond each end of an interval of 95 %
WIDEST_PEAK = 2.0  # times its low end: a peak that may be at 20 or at 60 connections is none to go by
LARGEST_MISFIT = 0.15  # the law may miss its points by this share before its parameters mean little


@dataclass(frozen=True, slots=True)
class Usl:
    """The law X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1)), as fitted.

    `lambda_` is the throughput of one connection alone. `sigma` is contention, the share of a request that only one can
    be in at a time: 1 is a queue for one lock. `kappa` is crosstalk, what each pair costs each other. `peak` is the
    number of connections beyond which throughput falls, None where it never does; beyond those that were measured it is
    a guess, and `peak_ends` is its interval, whose high end is infinite where the curve may as well never fall (None:
    not known). `misfit` is by which share the points lie from the curve (root mean square). The parameters are None
    where nothing could be fitted and without ends where rounds were too few; `reason` says so, or that the law does not
    describe what was seen.
    """

    lambda_: float | None
    sigma: Interval | None
    kappa: Interval | None
    peak: float | None
    misfit: float | None
    rounds: int
    reason: str
    peak_ends: tuple[float, float] | None = None

    @property
    def is_poor(self) -> bool:
        """Whether the law does not describe what was seen, so that its parameters mean little."""
        return self.misfit is not None and self.misfit > LARGEST_MISFIT

    @property
    def is_peak_wide(self) -> bool:
        """Whether the peak is known to no better than a factor of `WIDEST_PEAK`."""
        if self.peak_ends is None or math.isinf(self.peak_ends[0]):
            return False
        low, high = self.peak_ends
        return high > WIDEST_PEAK * low

    def throughput(self, connections: float) -> float | None:
        """The curve at so many connections, None where there is none."""
        if self.lambda_ is None or self.sigma is None or self.kappa is None:
            return None
        return float(_curve(np.array([connections]), self.lambda_, self.sigma.estimate, self.kappa.estimate)[0])


def usl(points: Mapping[int, Mapping[int, float]], confidence: float = CONFIDENCE) -> Usl:
    """Fit the law to throughputs by connections and round.

    Only rounds with `FEWEST_SIZES` numbers of connections count, and throughputs above 0. N / X is linear in
    1 / lambda, sigma / lambda and kappa / lambda: so the best fit, weighted so that relative errors count and with no
    parameter below 0, is found exactly and without a first guess, by non-negative least squares. The intervals are
    over rounds: the rounds are drawn anew, the law is fitted again, and the percentiles are stretched, though not
    below 0 (Efron; Hesterberg 2014). Source of the law: Gunther, Guerrilla Capacity Planning, 2007.
    """
    rounds = _rounds(points)
    sizes = {size for points_of in rounds for size, _ in points_of}
    if len(sizes) < FEWEST_SIZES:
        return _unknown(len(rounds), f"fewer than {FEWEST_SIZES} numbers of connections were measured in one round")
    fitted = _fitted(np.concatenate([_rows(points_of) for points_of in rounds]))
    if fitted is None:
        return _unknown(len(rounds), "throughput falls faster than the law can")
    lambda_, sigma, kappa = fitted
    misfit = _misfit([point for points_of in rounds for point in points_of], fitted)
    reasons = []
    if len(rounds) < FEWEST_ROUNDS:
        reasons.append(f"fewer than {FEWEST_ROUNDS} rounds: no intervals")
    if misfit > LARGEST_MISFIT:
        reasons.append(f"the law misses the points by {misfit:.0%}")
    refits = _refits(rounds)
    (low_sigma, high_sigma), (low_kappa, high_kappa) = _ends(refits, (sigma, kappa), len(rounds), confidence)
    peak = _peak(sigma, kappa)
    return Usl(
        lambda_,
        Interval(sigma, low_sigma, high_sigma, len(rounds)),
        Interval(kappa, low_kappa, high_kappa, len(rounds)),
        peak if math.isfinite(peak) else None,
        misfit,
        len(rounds),
        "; ".join(reasons),
        _peak_ends(refits, peak, len(rounds), confidence),
    )


def _peak(sigma: float, kappa: float) -> float:
    """Beyond how many connections throughput falls; infinite where it never does."""
    return math.sqrt((1 - sigma) / kappa) if sigma < 1 and kappa > 0 else math.inf


def _unknown(rounds: int, reason: str) -> Usl:
    return Usl(None, None, None, None, None, rounds, reason)


def _rounds(points: Mapping[int, Mapping[int, float]]) -> list[list[tuple[int, float]]]:
    """The connections and throughputs of each round that has enough of them."""
    numbers = sorted({number for rounds in points.values() for number in rounds})
    by_round = [
        [(size, rounds[number]) for size, rounds in sorted(points.items()) if rounds.get(number, 0) > 0]
        for number in numbers
    ]
    return [points_of for points_of in by_round if len(points_of) >= FEWEST_SIZES]


def _rows(points: Sequence[tuple[int, float]]) -> NDArray[np.float64]:
    """The equations of some points, each divided by what it should give: every row times the unknowns is to be 1."""
    size, throughput = np.array(points, dtype=np.float64).T
    columns = [np.ones_like(size), size - 1, size * (size - 1)]
    rows: NDArray[np.float64] = np.stack([column * throughput / size for column in columns], axis=1)
    return rows


def _fitted(rows: NDArray[np.float64]) -> tuple[float, float, float] | None:
    """Lambda, sigma and kappa; None where one connection alone would have no end of throughput."""
    from scipy import optimize  # noqa: PLC0415 - it takes half a second, and few commands need it

    scale = rows.max(axis=0)  # the columns differ by the square of the largest size
    unknowns = optimize.nnls(rows / scale, np.ones(len(rows)))[0] / scale
    if unknowns[0] <= 0:
        return None
    return float(1 / unknowns[0]), float(unknowns[1] / unknowns[0]), float(unknowns[2] / unknowns[0])


def _refits(rounds: Sequence[Sequence[tuple[int, float]]]) -> list[tuple[float, float, float]]:
    """The law fitted to rounds that are drawn anew, again and again; none where rounds are too few."""
    if len(rounds) < FEWEST_ROUNDS:
        return []
    rows = [_rows(points_of) for points_of in rounds]
    drawn = np.random.default_rng(SEED).integers(len(rows), size=(REFITS, len(rows)))
    refits = (_fitted(np.concatenate([rows[it] for it in draw])) for draw in drawn)
    return [refit for refit in refits if refit]


def _ends(
    refits: Sequence[tuple[float, float, float]], estimates: tuple[float, float], rounds: int, confidence: float
) -> tuple[tuple[float, float], tuple[float, float]] | tuple[tuple[None, None], tuple[None, None]]:
    """The ends for sigma and for kappa."""
    if not refits:
        return (None, None), (None, None)
    beyond = (1 - confidence) / 2
    plain = np.quantile([refit[1:] for refit in refits], [beyond, 1 - beyond], axis=0)
    found = np.maximum(0, estimates + stretch(confidence, rounds) * (plain - estimates))
    return (float(found[0, 0]), float(found[1, 0])), (float(found[0, 1]), float(found[1, 1]))


def _peak_ends(
    refits: Sequence[tuple[float, float, float]], peak: float, rounds: int, confidence: float
) -> tuple[float, float] | None:
    """The ends for the peak, stretched as its logarithm: it is a root of a ratio, and can be infinite."""
    if not refits:
        return None
    peaks, beyond = sorted(_peak(sigma, kappa) for _, sigma, kappa in refits), (1 - confidence) / 2
    low, high = peaks[math.floor(beyond * (len(peaks) - 1))], peaks[math.ceil((1 - beyond) * (len(peaks) - 1))]
    if math.isinf(peak):
        return low, high
    wider = stretch(confidence, rounds)
    return peak * (low / peak) ** wider, peak * (high / peak) ** wider


def _misfit(points: Sequence[tuple[int, float]], fitted: tuple[float, float, float]) -> float:
    """The root mean square of how far the points lie from the curve, as shares of it."""
    size, throughput = np.array(points, dtype=np.float64).T
    return float(np.sqrt(np.mean((throughput / _curve(size, *fitted) - 1) ** 2)))


def _curve(size: NDArray[np.float64], lambda_: float, sigma: float, kappa: float) -> NDArray[np.float64]:
    curve: NDArray[np.float64] = lambda_ * size / (1 + (sigma + kappa * size) * (size - 1))
    return curve
