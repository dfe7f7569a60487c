"""How far another machine's monotonic clock is before the one here, from questions and answers.

A clock that read r, when the question was sent at s and the answer came at t, is before ours by at least r - t and at
most r - s. Every question narrows the bounds; what lies in the middle of them is wrong by half their width at most,
however unequal the ways there and back are. Each such clock has its own zero, so nothing else can be compared between
machines; over the seconds of the questions, clocks drift by less than a microsecond.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

QUESTIONS = 10


@dataclass(frozen=True, slots=True)
class Offset:
    """A clock is `ahead_ns` before the one here, give or take `uncertainty_ns`; the longest question took `slowest_ns`.

    All in nanoseconds.
    """

    ahead_ns: int
    uncertainty_ns: int
    slowest_ns: int


def offset_of(readings: Iterable[tuple[int, int, int]]) -> Offset:
    """Work the offset out from (sent, read there, received) of each question, all in nanoseconds."""
    readings = list(readings)
    least = max(there - received for _, there, received in readings)
    most = min(there - sent for sent, there, _ in readings)
    slowest = max(received - sent for sent, _, received in readings)
    return Offset((least + most) // 2, (abs(most - least) + 1) // 2, slowest)


def measure(ask: Callable[[], int]) -> Offset:
    """Ask a clock `QUESTIONS` times; `ask` returns what it read, in nanoseconds."""
    readings = []
    for _ in range(QUESTIONS):
        sent = time.monotonic_ns()
        there = ask()
        readings.append((sent, there, time.monotonic_ns()))
    return offset_of(readings)
