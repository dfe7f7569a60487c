"""What `run_load` tells its caller while the load runs. Times are nanoseconds of the monotonic clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WindowNear:
    """The warm-up is nearly over, or half over where it is short: the last time to do what would disturb the window."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class WindowOpened:
    """The warm-up is over: what ends from `at_ns` on is measured."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class WindowClosed:
    """What ends after `at_ns` is not measured; the load processes are about to hand in their records."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class Progress:
    """About 5 times a second: seconds since the start, right answers and errors so far (warm-up included).

    `recent` samples the response times of about the last second, in nanoseconds, all load processes together; `left` is
    how many seconds are left, None where that is not known.
    """

    elapsed: float
    completed: int
    errors: int
    recent: tuple[int, ...] = ()
    left: float | None = None


Event = WindowNear | WindowOpened | WindowClosed | Progress
Listener = Callable[[Event], None]
