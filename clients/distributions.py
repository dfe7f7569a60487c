"""Numbers that differ from request to request, drawn before the run from a distribution that is written as a word.

    64                  always the same
    64..4096            anything between, equally probable
    exp(0.01)           exponential, with that mean
    lognormal(64,1.5)   lognormal: its median, and the standard deviation of its logarithm
    pareto(64,1.5)      Pareto: the least that it gives, and the exponent of its tail, above 1 so that there is a mean

Sizes of files and times of work have heavy tails, and with these a few hundred independent draws can miss their mean by
half. Two runs would then offer different loads. So the draws are stratified: one from each of as many equally probable
slices as there are draws, in a shuffled order. Every run then has its share of the tail, and the mean of its draws is
near the true one. The heavier the tail, the more draws that takes: what comes once in a million is not in a hundred.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass

FORMS = "64, 64..4096, exp(MEAN), lognormal(MEDIAN,SIGMA) or pareto(LEAST,ALPHA)"
LARGEST_NUMBER = 1e12  # of what is written and of the mean: so that all that is computed from it is finite
LARGEST_SIGMA = 10.0
# A draw's place in its slice can be rounded up to 1, where the tail has no end.
_LAST_SHARE = 1.0 - 2.0**-53
_NUMBER = r"(\d+(?:\.\d*)?)"  # as work lines have it: no sign, no exponent
_WORD = re.compile(
    rf"{_NUMBER}(?:\.\.{_NUMBER})?|(exp)\({_NUMBER}\)|(lognormal|pareto)\({_NUMBER},{_NUMBER}\)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution of finite numbers from 0 up, as `read_distribution` makes it.

    `kind` is constant, uniform, exp, lognormal or pareto, and `first` and `second` are the numbers that were written.
    """

    text: str
    kind: str
    first: float
    second: float = 0.0

    def __str__(self) -> str:
        return self.text

    @property
    def constant(self) -> bool:
        """Whether every draw is the same."""
        return self.kind == "constant"

    @property
    def mean(self) -> float:
        """The mean of the distribution itself, not of some draws."""
        match self.kind:
            case "uniform":
                return (self.first + self.second) / 2
            case "lognormal":
                return self.first * math.exp(self.second * self.second / 2)
            case "pareto":
                return self.first * self.second / (self.second - 1)
            case _:
                return self.first

    def quantile(self, share: float) -> float:
        """Return the number that a `share` of all draws stays below; ValueError unless 0 <= `share` < 1."""
        if not 0 <= share < 1:
            raise ValueError(f"a quantile's share is from 0 to less than 1, not {share}")
        match self.kind:
            case "uniform":
                return self.first + (self.second - self.first) * share
            case "exp":
                return -self.first * math.log1p(-share)
            case "lognormal":
                return self.first * math.exp(self.second * _normal_quantile(share)) if share else 0.0
            case "pareto":
                return float(self.first * (1 - share) ** (-1 / self.second))
            case _:
                return self.first

    def draws(self, count: int, seed: int) -> list[float]:
        """Return `count` stratified draws in a shuffled order; the same `seed` gives the same."""
        if self.constant:
            return [self.first] * count
        source = random.Random(seed)
        shares = [min((index + source.random()) / count, _LAST_SHARE) for index in range(count)]
        source.shuffle(shares)
        return [self.quantile(share) for share in shares]


def read_distribution(text: str) -> Distribution:
    """Return the distribution that `text` names; ValueError, in one clear line, where it names none."""
    match = _WORD.fullmatch(text)
    if match is None:
        raise ValueError(f"a distribution is {FORMS}, not {text!r}")
    first, *rest = [float(number) for number in match.group(1, 2, 4, 6, 7) if number is not None]
    kind = match[3] or match[5] or ("uniform" if rest else "constant")
    reason = _refusal(kind, first, *rest)
    if reason:
        raise ValueError(f"{reason} in {text!r}")
    distribution = Distribution(text, kind, first, *rest)
    if distribution.mean > LARGEST_NUMBER:
        raise ValueError(f"the mean is above {LARGEST_NUMBER:.0f} in {text!r}")
    return distribution


def _refusal(kind: str, first: float, second: float = 0.0) -> str:
    """Why the numbers cannot be, or nothing."""
    if max(first, second) > LARGEST_NUMBER:
        return f"a number is above {LARGEST_NUMBER:.0f}"
    if kind == "uniform" and first >= second:
        return "the second number must be above the first"
    if kind not in {"constant", "uniform"} and first == 0:
        return "the first number must be above 0"
    if kind == "lognormal" and not 0 < second <= LARGEST_SIGMA:
        return f"SIGMA must be above 0 and at most {LARGEST_SIGMA:g}"
    if kind == "pareto" and second <= 1:
        return "ALPHA must be above 1"
    return ""


def _normal_quantile(share: float) -> float:
    """The standard normal distribution's quantile of 0 < `share` < 1.

    A first guess (Abramowitz and Stegun, 26.2.23, good to 4.5e-4) and two of Halley's steps, which give all the digits
    that a float has. `statistics` knows it too, but brings half a megabyte into a load process.
    """
    if share > 0.5:
        return -_normal_quantile(1 - share)
    root = math.sqrt(-2 * math.log(share))
    guess = (2.515517 + root * (0.802853 + root * 0.010328)) / (
        1 + root * (1.432788 + root * (0.189269 + root * 0.001308))
    ) - root
    for _ in range(2):
        density = math.exp(-guess * guess / 2) / math.sqrt(2 * math.pi)
        error = (math.erfc(-guess / math.sqrt(2)) / 2 - share) / density
        guess -= error / (1 + guess * error / 2)
    return guess
