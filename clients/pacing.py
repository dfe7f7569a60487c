"""When the requests of an open loop are due: arithmetic only, with no clock and no socket in it.

A load is a row of segments, each with a rate that is constant or changes linearly. Its cumulated rate says how many
requests should have come by any moment; the times at which they are due come from the inverse of that.

An open loop at "constant" pace has its n-th request due where the cumulated rate reaches n + 1/2: at a constant rate
all gaps are the same, within a segment and from one to the next.

At "poisson" pace the requests are due at the times of a Poisson process *of which the count is known*: every segment
has exactly as many arrivals as its rates promise, and these lie as independent draws would. The gaps are exponential
(to within 1/count) and bursts come as they would from many independent users, but the offered load is the one that was
asked for. A count left to luck would be off by its square root, 1 % at 10 000 requests, and a run that achieves
its target within 1 % could not be told from one that was lucky. What it costs: counts in parts of a
segment vary a little less than a free process would have them, by the factor 1 - (part / segment).
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

ARRIVALS = ("poisson", "constant")
HIGHEST_RATE = 10_000_000.0  # a second; a request every 100 ns is more than any loop can send
_NUMBER = r"(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
_RATE = re.compile(rf"{_NUMBER}(?:\.\.{_NUMBER})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of `seconds` in which the rate, in requests a second, goes linearly from one to the other."""

    seconds: float
    from_rate: float
    to_rate: float

    @property
    def expected(self) -> float:
        """How many requests the rates promise, not rounded."""
        return self.seconds * (self.from_rate + self.to_rate) / 2


def read_rate(text: str) -> tuple[float, float | None]:
    """Return the rate of "500", or both ends of "100..5000", in requests a second.

    ValueError, in one clear line, where the text is neither, or a rate is not above 0 and at most `HIGHEST_RATE`.
    """
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError(f'a rate is requests per second, as in "500", or two of them, as in "100..5000", not {text!r}')
    rates = [float(number) for number in match.groups() if number is not None]
    if not all(0 < rate <= HIGHEST_RATE for rate in rates):
        raise ValueError(f"a rate is above 0 and at most {HIGHEST_RATE:.0f} requests per second, not {text!r}")
    return rates[0], rates[1] if len(rates) == 2 else None


def segments(rate: float, final_rate: float | None, steps: int, seconds: float) -> tuple[Segment, ...]:
    """Return the segments of a load of `seconds`, its rates in requests a second.

    Without `final_rate` the rate is constant. With it, `steps` 0 is a ramp from the one to the other, and more are so
    many plateaus of equal length, the first at `rate` and the last at `final_rate`. ValueError where `steps` < 0.
    """
    if steps < 0:
        raise ValueError(f"a rate goes up in 0 or more steps, not {steps}")
    if final_rate is None:
        return (Segment(seconds, rate, rate),)
    if steps == 0:
        return (Segment(seconds, rate, final_rate),)
    shares = [step / max(steps - 1, 1) for step in range(steps)]
    plateaus = [rate * (1 - share) + final_rate * share for share in shares]
    return tuple(Segment(seconds / steps, plateau, plateau) for plateau in plateaus)


def count(segments: Sequence[Segment]) -> int:
    """Return how many requests are due in all: what the rates promise, to the nearest whole number."""
    return sum(number for _, _, number in _numbered(segments))


def expected(segments: Sequence[Segment], begin: float, end: float) -> float:
    """Return how many requests the rates promise between two times, in seconds from the start."""
    total = began = 0.0
    for segment in segments:
        first, last = max(begin - began, 0.0), min(end - began, segment.seconds)
        if last > first:
            slope = (segment.to_rate - segment.from_rate) / segment.seconds
            total += (last - first) * (segment.from_rate + slope * (first + last) / 2)
        began += segment.seconds
    return total


def due_times(segments: Sequence[Segment], arrivals: str, seed: int) -> Iterator[int]:
    """Return when each request is due, in nanoseconds from the start: `count` of them, never decreasing, made lazily.

    `arrivals` is one of `ARRIVALS`, ValueError otherwise. The same `seed` gives the same times; "constant" has no use
    for it. No time is later than the segments' end. Memory does not grow with the count, and a time costs well
    under a microsecond. Those who share a load out all make the same times and take every n-th.
    """
    if arrivals not in ARRIVALS:
        raise ValueError(f"arrivals are {' or '.join(ARRIVALS)}, not {arrivals!r}")
    return _due_times(segments, random.Random(seed).random if arrivals == "poisson" else None)


def _due_times(segments: Sequence[Segment], draw: Callable[[], float] | None) -> Iterator[int]:
    began_ns = 0.0
    for segment, ahead, number in _numbered(segments):
        length_ns = segment.seconds * 1e9
        shares = _even_shares(segment.expected, ahead, number) if draw is None else _poisson_shares(number, draw)
        if segment.from_rate != segment.to_rate:
            shares = _bent(shares, segment.from_rate, segment.to_rate)
        began_rounded_ns = began_ns + 0.5
        for share in shares:
            yield int(began_rounded_ns + length_ns * share)
        began_ns += length_ns


def _numbered(segments: Sequence[Segment]) -> Iterator[tuple[Segment, float, int]]:
    """Each segment, how much of a request was promised before it and is not there yet (-1/2..1/2), and its count."""
    promised, given = 0.0, 0
    for segment in segments:
        number = math.floor(promised + segment.expected + 0.5) - given
        yield segment, promised - given, number
        promised += segment.expected
        given += number


def _even_shares(expected: float, ahead: float, number: int) -> Iterator[float]:
    """Where the cumulated rate reaches each half, as shares (0..1) of the segment's own `expected` requests."""
    for index in range(number):
        yield min((index + 0.5 - ahead) / expected, 1.0)


def _poisson_shares(number: int, draw: Callable[[], float]) -> Iterator[float]:
    """Uniform draws of 0..1 in order, one after the other: the least of m is where 1 - share shrinks by V**(1/m)."""
    left = 1.0
    for remaining in range(number, 0, -1):
        left *= draw() ** (1.0 / remaining)
        yield 1.0 - left


def _bent(shares: Iterable[float], from_rate: float, to_rate: float) -> Iterator[float]:
    """Shares of a ramp's requests as shares of its time.

    The root of the quadratic is written with the rate that the ramp has reached by then, so that nothing cancels,
    however little the rates differ and where one of them is 0. The bounds keep the order that rounding could lose.
    """
    last = 0.0
    for share in shares:
        reached = math.sqrt(from_rate * from_rate * (1.0 - share) + to_rate * to_rate * share)
        if share > 0.0:
            last = max(last, min(share * (from_rate + to_rate) / (from_rate + reached), 1.0))
        yield last
