"""Where a model stands on a workload, as plain values; and how such values are told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tools.analysis.measures import THROUGHPUT
from tools.analysis.standings import LEAST_DIFFERENCE
from tools.words import enumerated, significant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tools.verdicts.places import Places
    from tools.verdicts.verdict import Verdict


class Figure(NamedTuple):
    """An estimate and the ends of its interval; None where there were too few rounds for one."""

    estimate: float
    low: float | None = None
    high: float | None = None

    def below(self, other: Figure) -> bool:
        """Whether it is surely less: the intervals do not meet. Never where one has no ends."""
        return self.high is not None and other.low is not None and self.high < other.low

    def told(self, words: Callable[[float], str] = significant) -> str:
        """As in "0.82 (0.79 to 0.85)", each number in such words."""
        if self.low is None or self.high is None:
            return f"{words(self.estimate)} (of too few rounds for an interval)"
        return f"{words(self.estimate)} ({words(self.low)} to {words(self.high)})"


class Memory(NamedTuple):
    """Bytes without connections, and how many more each idle one takes."""

    base: Figure
    slope: Figure


@dataclass(frozen=True, slots=True)
class Standing:
    """One model on one workload; a figure that is None is not known.

    `tiers` are those that it is in, of which 1 is the first, and `rank` its place in the order of all, 0 for the best.
    `ratio` is its throughput by that of the best, of rounds that both have: where some failed it can be above 1. `cpu`
    is seconds for a request, `cpu_by` the same by that of other models within rounds, by their names, and `p99`
    seconds. `places` tells how many it can serve at a time, `usl_peak` the number of clients at which it does most, by
    the Universal Scalability Law, `usl_unsure` why that is not told though it seems to have been passed, and
    `capacity` requests a second that held an objective. `unusable` says why nothing may be concluded from it: it
    failed, or served only some.
    """

    name: str
    tiers: tuple[int, ...] = ()
    ratio: Figure | None = None
    cpu: Figure | None = None
    p99: Figure | None = None
    memory: Memory | None = None
    places: Places | None = None
    usl_peak: float | None = None
    usl_unsure: str = ""
    capacity: float | None = None
    verdict: Verdict | None = None
    unusable: str = ""
    cpu_by: Mapping[str, Figure] = field(default_factory=dict)
    rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether it is in the first tier."""
        return 1 in self.tiers

    @property
    def holds_all(self) -> bool:
        """Whether it holds as many connections as come; the others leave them to the kernel, and take no memory."""
        return self.places is None or self.places.by_request

    def cheaper_than(self, other: Standing) -> bool:
        """Whether it surely takes less CPU, and by more than nobody would choose by.

        That is told within rounds where these are known, else by intervals that do not meet.
        """
        if other.name in self.cpu_by:
            high = self.cpu_by[other.name].high
            return high is not None and high < 1 / (1 + LEAST_DIFFERENCE)
        return self.cpu is not None and other.cpu is not None and self.cpu.below(other.cpu)

    def dearer_than(self, other: Standing) -> bool:
        """Whether it surely takes more CPU, in the same way."""
        if other.name in self.cpu_by:
            low = self.cpu_by[other.name].low
            return low is not None and low > 1 + LEAST_DIFFERENCE
        return other.cheaper_than(self)

    @property
    def limit(self) -> str:
        """What limited it, in one word."""
        return self.verdict.limit if self.verdict else ""


def ranked(standings: Iterable[Standing], measure: str = THROUGHPUT) -> list[Standing]:
    """Those that can be concluded from, from the first tier to the last and from the quickest to the slowest.

    The quickest are those of the lowest rank, and where these are the same, those of more throughput, or of less of any
    other measure.
    """
    sign = -1 if measure == THROUGHPUT else 1
    usable = [each for each in standings if each.tiers and each.ratio and not each.unusable]
    return sorted(
        usable, key=lambda each: (min(each.tiers), each.rank, sign * each.ratio.estimate if each.ratio else 0.0)
    )


def names_of(standings: Iterable[Standing]) -> str:
    """As in "threaded, selector and symped"."""
    return enumerated([each.name for each in standings])
