"""The models that two comparisons have in common: their ratios of now to before, and what these say in one word.

The rounds of the two have nothing in common, so that a ratio is of two runs and its interval wider than within one:
where two servers are to be compared, one comparison of both says more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools import figures
from tools.alike import entered, marks
from tools.inference.ratios import told_apart, unpaired_ratio
from tools.standings import LEAST_DIFFERENCE
from tools.statistics import samples_needed
from tools.summary import summarized
from tools.verdicts.verdict import CLIENT

if TYPE_CHECKING:
    from tools.alike import Mark
    from tools.inference.intervals import Interval
    from tools.results import Results
    from tools.summary import Row
    from tools.workloads import Workload

THROUGHPUT = "throughput"
FASTER, SLOWER, LESS, MORE = "faster", "slower", "less", "more"
ALIKE, TOO_FEW, NOT_COMPARABLE, NO_FIGURES = "not told apart", "too few rounds", "not comparable", "no figures"


@dataclass(frozen=True, slots=True)
class Pair:
    """One model on one workload, now and before.

    `measure` says what `ratio` is of: "throughput", or where requests are due at a rate "p99" or "p50", of which less
    is better. Ratios are those of now to before. `speed` is "faster", "slower", "not told apart", or why it is none of
    these; `cost` says the same of CPU for a request: "less", "more". `at_limit` tells that the clients were the limit
    both times.
    """

    workload: str
    model: str
    now: Row
    before: Row
    measure: str
    ratio: Interval | None
    speed: str
    cpu_ratio: Interval | None
    cost: str
    at_limit: bool


@dataclass(frozen=True, slots=True)
class Against:
    """Two comparisons, what they have in common, and what differs beside; `comparable` where verdicts can be made."""

    now: Results
    before: Results
    pairs: tuple[Pair, ...]
    marks: tuple[Mark, ...]

    @property
    def comparable(self) -> bool:
        """Whether what differs beside the servers is small enough to conclude anything."""
        return not any(mark.decisive for mark in self.marks)


def compared(results: Results, before: Results) -> Against:
    """Every model that both have, on every workload that both have; these are to be alike (`check_alike`)."""
    found = marks(results, before)
    comparable = not any(mark.decisive for mark in found)
    earlier = {(each.workload.name, row.model): row for each in summarized(before) for row in each.rows}
    both = entered(results.header.models).keys() & entered(before.header.models).keys()
    pairs = tuple(
        _pair(results, before, each.workload, (row, earlier[each.workload.name, row.model]), comparable=comparable)
        for each in summarized(results)
        for row in each.rows
        if row.model in both and (each.workload.name, row.model) in earlier
    )
    return Against(results, before, pairs, found)


def _pair(results: Results, before: Results, workload: Workload, rows: tuple[Row, Row], *, comparable: bool) -> Pair:
    now, then = rows
    measure = THROUGHPUT if workload.rate is None else _percentile(rows)
    runs = [(one.of(workload.name, now.model), one) for one in (results, before)]
    whole = now.throughput is not None and then.throughput is not None
    ratio = cpu_ratio = None
    if whole and measure == THROUGHPUT:
        ratio = _ratio(*(figures.throughputs(cells) for cells, _ in runs))
    elif whole:
        share = float(measure.removeprefix("p")) / 100
        ratio = _ratio(*(figures.latencies(one, cells, share) for cells, one in runs))
    if now.spent.cpu is not None and then.spent.cpu is not None:
        cpu_ratio = _ratio(*(figures.cpu_per_request(cells) for cells, _ in runs))
    more, fewer = (FASTER, SLOWER) if measure == THROUGHPUT else (SLOWER, FASTER)
    at_limit = now.verdict.limit == then.verdict.limit == CLIENT
    return Pair(
        workload=workload.name,
        model=now.model,
        now=now,
        before=then,
        measure=measure,
        ratio=ratio,
        speed=_word(ratio, more, fewer, comparable=comparable),
        cpu_ratio=cpu_ratio,
        cost=_word(cpu_ratio, MORE, LESS, comparable=comparable),
        at_limit=at_limit,
    )


def _ratio(now: figures.ByRound, before: figures.ByRound) -> Interval | None:
    return unpaired_ratio(list(now.values()), list(before.values()))


def _percentile(rows: tuple[Row, Row]) -> str:
    """The one that every round can tell, as far as the mean number of answers says so."""
    fewest = min(len(row.latencies_ns) / max(row.rounds, 1) for row in rows)
    return "p99" if fewest >= samples_needed(0.99) else "p50"


def _word(ratio: Interval | None, more: str, fewer: str, *, comparable: bool) -> str:
    if ratio is None:
        return NO_FIGURES
    if not comparable:
        return NOT_COMPARABLE
    if ratio.low is None:
        return TOO_FEW
    if not told_apart(ratio, LEAST_DIFFERENCE):
        return ALIKE
    return more if ratio.estimate > 1 else fewer
