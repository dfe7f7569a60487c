"""Memory per connection: a slope over connections held, never a difference of two readings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tools.inference.intervals import CONFIDENCE, FEWEST_ROUNDS, Interval, ends, student

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FEWEST_POINTS = 4  # two make a line and a third says little of how far others lie from it


def slope(rounds: Sequence[Sequence[tuple[int, float]]], confidence: float = CONFIDENCE) -> Interval | None:
    """By how much the second of each pair rises for each one of the first: bytes per connection.

    Each round is a fresh server, so it has an intercept of its own, and the slope is common: least squares within
    rounds. None where no round has two different numbers of connections. From `FEWEST_ROUNDS` on the interval is over
    rounds, by the bootstrap (Efron; Hesterberg 2014); below that it is the regression's own, by Student's t over the
    points, which needs `FEWEST_POINTS` and takes their distances from the line for chance.
    """
    lines = _usable(rounds)
    if not lines:
        return None
    sums = np.array([_sums(line) for line in lines])
    estimate = float(_slope(sums[:, 0], sums[:, 1]))
    low, high = (
        ends((sums[:, 0], sums[:, 1]), _slope, confidence, paired=True)
        if len(lines) >= FEWEST_ROUNDS
        else _by_student(lines, estimate, confidence)
    )
    return Interval(estimate, low, high, len(lines))


def intercept(rounds: Sequence[Sequence[tuple[int, float]]], confidence: float = CONFIDENCE) -> Interval | None:
    """What the line has at no connections, in the mean over rounds; ends from `FEWEST_ROUNDS` on (see `slope`)."""
    lines = _usable(rounds)
    if not lines:
        return None
    columns = tuple(np.array([(*_sums(line), *line.mean(axis=0)) for line in lines]).T)
    estimate = float(_intercept(*columns))
    low, high = ends(columns, _intercept, confidence, paired=True) if len(lines) >= FEWEST_ROUNDS else (None, None)
    return Interval(estimate, low, high, len(lines))


def _usable(rounds: Sequence[Sequence[tuple[int, float]]]) -> list[NDArray[np.float64]]:
    """Those rounds that have a slope, as arrays of two columns."""
    return [np.array(points, dtype=np.float64) for points in rounds if len({x for x, _ in points}) > 1]


def _sums(line: NDArray[np.float64]) -> tuple[float, float]:
    """A round's sum of products and its sum of squares, both around its means."""
    x, y = (line - line.mean(axis=0)).T
    return float(x @ y), float(x @ x)


def _slope(products: NDArray[np.float64], squares: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    found: NDArray[np.float64] = products.sum(axis=axis) / squares.sum(axis=axis)
    return found


def _intercept(
    products: NDArray[np.float64],
    squares: NDArray[np.float64],
    connections: NDArray[np.float64],
    held: NDArray[np.float64],
    axis: int = -1,
) -> NDArray[np.float64]:
    found: NDArray[np.float64] = held.mean(axis=axis) - _slope(products, squares, axis) * connections.mean(axis=axis)
    return found


def _by_student(
    lines: Sequence[NDArray[np.float64]], estimate: float, confidence: float
) -> tuple[float, float] | tuple[None, None]:
    """The ends of the slope's interval from how far the points lie from their lines."""
    points = sum(len(line) for line in lines)
    freedom = points - len(lines) - 1
    if points < FEWEST_POINTS or freedom < 1:
        return None, None
    centred = np.concatenate([line - line.mean(axis=0) for line in lines])
    left = centred[:, 1] - estimate * centred[:, 0]
    error = math.sqrt(float(left @ left) / freedom / float(centred[:, 0] @ centred[:, 0]))
    reach = student(freedom, confidence) * error
    return estimate - reach, estimate + reach
