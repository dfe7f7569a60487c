"""HdrHistogram's text of percentiles (.hgrm), which its plotter and many scripts read.

    Value     Percentile TotalCount 1/(1-Percentile)      milliseconds, a share, samples up to the value
    ...
    #[Mean    = ..., StdDeviation   = ...]

It is written from the samples themselves, so that each value is one that was measured, to the nanosecond; those of
HdrHistogram are the upper ends of buckets. The steps are as there: five between each halving of the distance to 100 %,
until the largest sample is reached. So is the layout, but for the columns' widths, which no reader minds: they are
split at blanks. The plotter passes over the infinity of the last line.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from clients.percentiles import of_sorted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

TICKS_PER_HALF_DISTANCE = 5
_MILLISECONDS = 1e3


def hgrm_lines(seconds: NDArray[np.float64]) -> Iterator[str]:
    """The lines, without newlines, of sorted samples in seconds; of no sample, a file that says so."""
    total = len(seconds)
    figures = (seconds.mean(), seconds.std(), seconds[-1]) if total else (0.0, 0.0, 0.0)
    mean, deviation, most = (_MILLISECONDS * float(figure) for figure in figures)
    yield f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}"
    yield ""
    if total:
        yield from _steps(seconds)
    yield f"{most:12.6f} {1:14.12f} {total:10d} {math.inf:14.2f}"
    yield f"#[Mean    = {mean:12.6f}, StdDeviation   = {deviation:12.6f}]"
    yield f"#[Max     = {most:12.6f}, Total count    = {total:12d}]"
    yield f"#[Buckets = {0:12d}, SubBuckets     = {0:12d}]"  # the samples were never put into buckets


def _steps(seconds: NDArray[np.float64]) -> Iterator[str]:
    """A line for each share, from 0 on, up to the first whose value is the largest sample."""
    for share in _shares(len(seconds)):
        value = of_sorted(seconds, share)
        count = int(np.searchsorted(seconds, value, side="right"))
        yield f"{value * _MILLISECONDS:12.6f} {share:14.12f} {count:10d} {1 / (1 - share):14.2f}"
        if count == len(seconds):
            return


def _shares(samples: int) -> Iterator[float]:
    """Shares as far as so many samples can tell."""
    for halvings in range(samples.bit_length() + 1):
        for tick in range(TICKS_PER_HALF_DISTANCE):
            yield 1 - (1 - tick / (2 * TICKS_PER_HALF_DISTANCE)) / 2**halvings
