"""The advice on a workload, sentence by sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.advice.changes import ONE_CPU, changes
from tools.advice.costs import FOR_IDLE, costs
from tools.advice.standings import names_of, ranked
from tools.analysis.measures import THROUGHPUT
from tools.words import enumerated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.advice.standings import Standing


def advise(
    workload: str,
    standings: Sequence[Standing],
    *,
    measure: str = THROUGHPUT,
    unsound: str = "",
    connections: int = 0,
    server_cpus: int = 0,
    rate: float | None = None,
) -> tuple[str, ...]:
    """What to make of these models on a workload: whole sentences, the most important first.

    `measure` is what tiers and ratios are by: "throughput", or "p99" and the like, of which less is better.
    `unsound` says why the session cannot be trusted, empty where it can. `connections` is how many clients there were
    at a time and `server_cpus` how many CPUs the servers had, 0 where that is not known; `rate` tells how many requests
    were due a second, None where clients asked as fast as they were answered. A model's control is not to be among the
    standings.
    """
    order = ranked(standings, measure)
    warning = [f"This session is unsound: {unsound}. What follows may be chance."] if unsound else []
    left_out = [f"{each.name} ({each.unusable})" for each in standings if each.unusable]
    ending = [f"Nothing is concluded from {enumerated(left_out)}."] if left_out else []
    if not order:
        return (*warning, f"No model has figures for {workload} from which anything follows.", *ending)
    first, rest = _split(order)
    return (
        *warning,
        _who_is_first(workload, first, rest, measure),
        *_against_the_next(first[0], rest, measure),
        *costs(order),
        *changes(order, connections, server_cpus, rate),
        *ending,
    )


def is_of_all(sentence: str) -> bool:
    """Whether it would be as true of another workload, so that a reader needs it once: of memory, and of one CPU.

    Others are not, though they may be the same word by word: whom the client limited here it may not limit there.
    """
    return sentence == ONE_CPU or FOR_IDLE in sentence


def _split(order: Sequence[Standing]) -> tuple[list[Standing], list[Standing]]:
    """The first tier, and the others."""
    return [each for each in order if each.is_first], [each for each in order if not each.is_first]


def _who_is_first(workload: str, first: Sequence[Standing], rest: Sequence[Standing], measure: str) -> str:
    if len(first) == 1:
        alone = "" if rest else ", and there is no other to compare it with"
        return f"First on {workload}: {first[0].name}{alone}."
    if not rest:
        return f"On {workload} no model is first: {names_of(first)} cannot be told apart by their {measure}."
    return f"First on {workload}: {names_of(first)}, which cannot be told apart by their {measure}."


def _against_the_next(best: Standing, rest: Sequence[Standing], measure: str) -> list[str]:
    if not rest or rest[0].ratio is None:
        return []
    following, ratio = rest[0].name, rest[0].ratio
    if measure == THROUGHPUT:
        doubt = ratio.high is not None and ratio.high >= 1
        told = f"The next is {following}, with {ratio.told()} of the throughput of {best.name}"
    else:
        doubt = ratio.low is not None and ratio.low <= 1
        told = f"The next is {following}, whose {measure} is {ratio.told()} of that of {best.name}"
    return [f"{told}; by that alone it may be as quick." if doubt else f"{told}."]
