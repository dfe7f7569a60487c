"""How times were spread, as text: a bar for each of some bins that grow by one factor."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import numpy as np

from clients.words import duration

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clients.result import LoadResult

WIDEST = 100
_BINS = 12
_FEWEST = 100  # samples: a dozen bins of fewer tell nothing
_SHORTEST = 10  # characters for bars, however narrow a terminal is
_SMALLEST = 1e-6  # seconds: what is shorter goes into the first bin; a logarithm needs an end
_NARROWEST = 1.02  # a bin's factor: below, its two ends would read the same
_EIGHTHS = " ▏▎▍▌▋▊▉"


def histogram_lines(title: str, seconds: NDArray[np.float64], width: int, blocks: bool) -> list[str]:
    """Lines of at most `width` characters (52 to 100) for sorted samples in seconds; `title` says of what.

    Each line has a bin's ends, its count, its share, and a bar as long as the count; where there is one at all, the
    bar shows. Bars are blocks of Unicode, or of # where `blocks` is false. No sample gives the title alone.
    """
    if not len(seconds):
        return [f"{title}: no sample"]
    edges = bin_edges(float(seconds[0]), float(seconds[-1]))
    counts = counts_between(seconds, edges)
    heads = [
        f"  {duration(low):>7} to {duration(high):>7} {count:>11,} {count / len(seconds):>7.2%}  "
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    room = max(min(width, WIDEST) - len(heads[0]), _SHORTEST)
    bars = [bar(count / max(counts), room, blocks) for count in counts]
    return [
        f"{title} ({len(seconds):,})",
        *((head + line).rstrip() for head, line in zip(heads, bars, strict=True)),
    ]


def spread_of(result: LoadResult) -> list[str]:
    """The histogram of a run's response times for standard output; no line where they are too few to be spread."""
    response = result.response()
    if len(response) < _FEWEST:
        return []
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDEST
    waits = result.plan.rate is not None or result.plan.think
    since = "due" if waits else "beginning to connect" if result.plan.churn else "sent"
    title = f"  response, from {since} to done"
    return histogram_lines(title, response, width, can_show_blocks(sys.stdout.encoding))


def bin_edges(least: float, most: float) -> list[float]:
    """The ends of the bins: 12 from the least to the most, fewer where these are close."""
    low, high = max(least, _SMALLEST), max(most, _SMALLEST)
    bins = int(np.clip(np.log(high / low) / np.log(_NARROWEST), 1, _BINS))
    return [float(edge) for edge in np.geomspace(low, high, bins + 1)]


def counts_between(seconds: NDArray[np.float64], edges: list[float]) -> list[int]:
    """How many of the sorted samples are in each bin, its upper end included, the first bin's lower end too."""
    upto = np.searchsorted(seconds, edges[1:-1], side="right")
    return [int(count) for count in np.diff(upto, prepend=0, append=len(seconds))]


def bar(share: float, room: int, blocks: bool) -> str:
    """A bar of a share of the room; the smallest there is where the share is not zero."""
    if not blocks:
        return "#" * max(round(share * room), int(share > 0))
    eighths = max(round(share * room * 8), int(share > 0))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def can_show_blocks(encoding: str | None) -> bool:
    """Whether text of that encoding (of standard output) has the blocks."""
    try:
        ("█" + _EIGHTHS).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
