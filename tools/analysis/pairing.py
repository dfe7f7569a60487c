"""The models that two comparisons have in common: their ratios of now to before, and what these say in one word.

The rounds of the two have nothing in common, so that a ratio is of two runs and its interval wider than within one:
where two servers are to be compared, one comparison of both says more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.analysis import figures
from tools.analysis.alike import entered, least_difference, marks
from tools.analysis.measures import PERCENTILES, THROUGHPUT, percentile_for
from tools.analysis.served import whole
from tools.analysis.summary import summarized
from tools.inference.ratios import told_apart, unpaired_ratio
from tools.verdicts import verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.analysis.alike import Mark
    from tools.analysis.summary import Row
    from tools.inference.intervals import Interval
    from tools.saved.results import Results
    from tools.workloads import Workload

FASTER, SLOWER, LESS, MORE = "faster", "slower", "less", "more"
ALIKE, TOO_FEW, NOT_COMPARABLE, NO_FIGURES = "not told apart", "too few rounds", "not comparable", "no figures"
CLIENTS_LIMIT, NOISY_HOST = "clients' limit", "host noise"
"""Where the clients were the limit both times, or of the one that came out slower, which hides what a server can do;
and where most cells of one of the two were disturbed, so that the machine was measured."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One model on one workload, now and before.

    `measure` says what `ratio` is of: "throughput", or where requests are due at a rate "p99" or "p50", of which less
    is better. Ratios are those of now to before. `speed` is "faster", "slower", "not told apart", or why it is none of
    these; `cost` says the same of CPU for a request: "less", "more".
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


@dataclass(frozen=True, slots=True)
class Against:
    """Two comparisons, what they have in common, and what differs beside; `comparable` where verdicts can be made.

    `least` is the share by which figures must surely differ to be told apart.
    """

    now: Results
    before: Results
    pairs: tuple[Pair, ...]
    marks: tuple[Mark, ...]
    least: float

    @property
    def comparable(self) -> bool:
        """Whether what differs beside the servers is small enough to conclude anything."""
        return not any(mark.decisive for mark in self.marks)


def compared(results: Results, before: Results) -> Against:
    """Every model that both have, on every workload that both have; these are to be alike (`check_alike`)."""
    found = marks(results, before)
    least = None if any(mark.decisive for mark in found) else least_difference(results, before)
    earlier = {(each.workload.name, row.model): row for each in summarized(before) for row in each.rows}
    both = entered(results.header.models).keys() & entered(before.header.models).keys()
    pairs = tuple(
        _pair(results, before, each.workload, (row, earlier[each.workload.name, row.model]), least)
        for each in summarized(results)
        for row in each.rows
        if row.model in both and (each.workload.name, row.model) in earlier
    )
    return Against(results, before, pairs, found, least_difference(results, before))


def _pair(results: Results, before: Results, workload: Workload, rows: tuple[Row, Row], least: float | None) -> Pair:
    """Without a `least` difference nothing is concluded."""
    measure = THROUGHPUT if workload.rate is None else _percentile((results, before), workload, rows[0].model)
    more, fewer = (FASTER, SLOWER) if measure == THROUGHPUT else (SLOWER, FASTER)
    speed = _speed_ratio((results, before), workload, rows, measure)
    cost = _cost_ratio((results, before), workload, rows)
    limits = [row.verdict.limit for row in rows]
    why_not = _why_not(limits, least)
    word = _word(speed, why_not, more, fewer, least)
    return Pair(
        workload=workload.name,
        model=rows[0].model,
        now=rows[0],
        before=rows[1],
        measure=measure,
        ratio=speed,
        speed=CLIENTS_LIMIT if word in _hidden(limits) else word,
        cpu_ratio=cost,
        cost=_word(cost, why_not if why_not != CLIENTS_LIMIT else "", MORE, LESS, least),
    )


def _speed_ratio(
    runs: tuple[Results, Results], workload: Workload, rows: tuple[Row, Row], measure: str
) -> Interval | None:
    """None where one of them has no throughput, and so did not serve all."""
    if any(row.throughput is None for row in rows):
        return None
    cells = [(run, whole(run.of(workload.name, rows[0].model))) for run in runs]
    if measure == THROUGHPUT:
        now, before = (figures.throughputs(of) for _, of in cells)
    else:
        now, before = (figures.latencies(run, of, PERCENTILES[measure]) for run, of in cells)
    return unpaired_ratio(list(now.values()), list(before.values()))


def _cost_ratio(runs: tuple[Results, Results], workload: Workload, rows: tuple[Row, Row]) -> Interval | None:
    """Of CPU for a request; None where it was not seen in one of them."""
    if any(row.spent.cpu is None for row in rows):
        return None
    now, before = (figures.cpu_per_request(whole(run.of(workload.name, rows[0].model))) for run in runs)
    return unpaired_ratio(list(now.values()), list(before.values()))


def _percentile(runs: tuple[Results, Results], workload: Workload, model: str) -> str:
    """The one that every round of both can tell."""
    return percentile_for(cell for run in runs for cell in whole(run.of(workload.name, model)))


def _why_not(limits: Sequence[str], least: float | None) -> str:
    """Why nothing is concluded from a ratio; empty where something can be."""
    if least is None:
        return NOT_COMPARABLE
    if verdict.HOST_NOISE in limits:
        return NOISY_HOST
    return CLIENTS_LIMIT if all(limit == verdict.CLIENT for limit in limits) else ""


def _hidden(limits: Sequence[str]) -> set[str]:
    """What cannot be said of now against before: whose limit the clients were could have done more than it did."""
    return {word for word, limit in zip((SLOWER, FASTER), limits, strict=True) if limit == verdict.CLIENT}


def _word(ratio: Interval | None, why_not: str, more: str, fewer: str, least: float | None) -> str:
    if ratio is None:
        return NO_FIGURES
    if why_not or least is None:
        return why_not
    if ratio.low is None:
        return TOO_FEW
    if not told_apart(ratio, least):
        return ALIKE
    return more if ratio.estimate > 1 else fewer
