"""What a run shows of its last second: the rate, two percentiles, errors and the time left."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clients.percentiles import percentiles
from clients.words import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clients.events import Progress

_SECOND = 1.0
_EVERY_SECOND_UNTIL, _THEN_EVERY = 10, 10  # seconds


@dataclass(frozen=True, slots=True)
class Reading:
    """The last second of a run, `elapsed` seconds after its start.

    `rate` is right answers per second, `p50` and `p99` seconds, None where too few requests ended to tell; `errors`
    counts from the start; `left` is the seconds that the run still takes, None where nobody knows.
    """

    elapsed: float
    rate: float
    p50: float | None
    p99: float | None
    errors: int
    left: float | None

    def words(self) -> str:
        """The reading in a line, without the time that has passed; columns stay where they are."""
        rate = f"{self.rate:,.0f}" if self.rate >= 10 else f"{self.rate:.2g}"
        errors = "1 error" if self.errors == 1 else f"{self.errors:,} errors"
        left = "" if self.left is None else f"  {whole_seconds(self.left)} left"
        return f"{rate:>7}/s  p50 {_time(self.p50):>7}  p99 {_time(self.p99):>7}  {errors}{left}"

    def line(self) -> str:
        """The reading as it is printed where there is no terminal."""
        return f"{whole_seconds(int(self.elapsed)):>5}  {self.words()}"


class LastSecond:
    """Makes readings of the progress of a run, whose counts are from its start; `requests` is for a counted run."""

    def __init__(self, requests: int | None = None) -> None:
        self._requests = requests
        self._heard: deque[tuple[float, int]] = deque([(0.0, 0)])

    def read(self, progress: Progress) -> Reading:
        """Take in one more progress and return the reading."""
        self._heard.append((progress.elapsed, progress.completed))
        while len(self._heard) > 2 and self._heard[1][0] <= progress.elapsed - _SECOND:
            self._heard.popleft()
        since, completed = self._heard[0]
        seconds = progress.elapsed - since
        rate = (progress.completed - completed) / seconds if seconds > 0 else 0.0
        median, high = told(progress.recent)
        return Reading(progress.elapsed, rate, median, high, progress.errors, self._left(progress, rate))

    def _left(self, progress: Progress, rate: float) -> float | None:
        """Of a counted run, what it takes at the rate of the last second."""
        if self._requests is None:
            return progress.left
        missing = max(self._requests - progress.completed - progress.errors, 0)
        return missing / rate if rate > 0 else None


def told(recent_ns: Sequence[int]) -> tuple[float | None, float | None]:
    """The median and the 99th percentile, in seconds, of response times in ns.

    As `load` tells them: the first from one sample on, the second from a thousand.
    """
    if not recent_ns:
        return None, None
    median, high = percentiles(np.asarray(recent_ns, dtype=np.int64), [0.5, 0.99]) / 1e9
    return float(median), float(high) if len(recent_ns) >= 1000 else None


class Pace:
    """Says when a plain line is due: each second at first, then every ten, so that a long run fills no log."""

    def __init__(self) -> None:
        self._due = 1

    def is_due(self, elapsed: float) -> bool:
        """Whether a line is due, which then counts as printed."""
        second = int(elapsed)
        if second < self._due:
            return False
        step = 1 if second < _EVERY_SECOND_UNTIL else _THEN_EVERY
        self._due = (second // step + 1) * step
        return True


def whole_seconds(seconds: float) -> str:
    """Seconds, or minutes and seconds, as one glances at them."""
    whole = round(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60}:{whole % 60:02} min"


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else duration(seconds)
