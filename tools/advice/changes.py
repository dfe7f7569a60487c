"""When the answer would change: what each verdict says of another client, machine, Python or setting."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tools.advice.standings import names_of
from tools.analysis.standings import LEAST_DIFFERENCE
from tools.verdicts.verdict import ADMISSION, CLIENT, GIL, HOST_NOISE, POOL, SERVER_CPU, UNSATURATED
from tools.words import enumerated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.advice.standings import Standing

ONE_CPU = (
    "The server had one CPU: with more, several processes can use them, and one loop, or threads under the GIL, cannot."
)
HIGHER = 0.1  # of a capacity: each is found by one search, in steps of about so much, and has no interval


def changes(order: Sequence[Standing], connections: int, server_cpus: int, rate: float | None) -> list[str]:
    """Sentences on what would change the order of these ranked ones; nothing where nothing is known to."""
    sentences = [
        _by_noise(order),
        _by_client(order),
        _by_lock(order),
        *(_by_places(each, order[0], connections) for each in _with(order, POOL)),
        _by_backlog(order),
        _by_more_demand(order, connections, rate),
        _past_the_peak(order, connections),
        _past_an_unsure_peak(order),
        _by_more_cpus(order, server_cpus),
        _by_capacity(order),
        _by_more_rounds(order),
    ]
    return [sentence for sentence in sentences if sentence]


def _with(order: Sequence[Standing], limit: str) -> list[Standing]:
    return [each for each in order if each.limit == limit]


def _by_client(order: Sequence[Standing]) -> str:
    limited = _with(order, CLIENT)
    if not limited:
        return ""
    hidden = "what they can do is hidden" if len(limited) > 1 else "what it can do is hidden"
    return (
        f"The client was the limit of {names_of(limited)}, so that {hidden}: a quicker client, or a second machine "
        "for it, would show more, and may change the order."
    )


def _by_noise(order: Sequence[Standing]) -> str:
    disturbed = _with(order, HOST_NOISE)
    if not disturbed:
        return ""
    return f"The machine was not quiet while {names_of(disturbed)} ran: measure again on one that is."


def _by_lock(order: Sequence[Standing]) -> str:
    locked = _with(order, GIL)
    if not locked:
        return ""
    return f"The GIL kept {names_of(locked)} at one CPU: a free-threaded Python, or processes, may change that."


def _by_places(each: Standing, best: Standing, connections: int) -> str:
    """By Little's law, places taken = throughput x time in a place: for the best's throughput it takes 1 / ratio more.

    No more than there are clients can be taken.
    """
    taken = f"All places of {each.name} were taken"
    if each.places is None:
        return f"{taken}: with more it may do more."
    number = each.places.number
    low, high = (each.ratio.low, each.ratio.high) if each.ratio else (None, None)
    if each.ratio is None or low is None or high is None or low <= 0 or high >= 1:
        return f"{taken} ({number:,}): with more it may do more."
    most = max(connections, number + 1) if connections else math.inf
    wanted, least, highest = (min(most, math.ceil(number / share)) for share in (each.ratio.estimate, high, low))
    span = "" if least == highest else f" ({least:,} to {highest:,})"
    return (
        f"{taken} ({number:,}): by Little's law it would take about {wanted:,}{span} "
        f"to keep up with {best.name}, if nothing else is used up before."
    )


def _by_backlog(order: Sequence[Standing]) -> str:
    turned = _with(order, ADMISSION)
    if not turned:
        return ""
    return f"Connections to {names_of(turned)} were turned away: a longer backlog (--backlog) would let them in."


def _by_more_demand(order: Sequence[Standing], connections: int, rate: float | None) -> str:
    """More clients where each asks as soon as it is answered; a higher rate where that is what asks."""
    idle = _with(order, UNSATURATED)
    if not idle:
        return ""
    more = f"with more than {connections:,} connections" if connections else "with more connections"
    if rate is not None:
        more = f"at a higher rate than {rate:,.0f} requests a second"
    return f"{names_of(idle)} had nothing used up: {more} the order may change."


def _past_the_peak(order: Sequence[Standing], connections: int) -> str:
    """Of those in the first tier, and of those that had more clients than they do most at."""
    told = [
        f"{each.name} does most at about {each.usl_peak:,.0f} clients at a time"
        for each in order
        if each.usl_peak is not None and (each.is_first or each.usl_peak < (connections or math.inf))
    ]
    return f"By the Universal Scalability Law {enumerated(told)}, and less with more." if told else ""


def _past_an_unsure_peak(order: Sequence[Standing]) -> str:
    """Of those in the first tier: a fit that is poor, or an interval that is wide, names no number of clients."""
    told = [f"{each.name} ({each.usl_unsure})" for each in order if each.usl_unsure and each.is_first]
    if not told:
        return ""
    return (
        f"From how many clients on it would be less cannot be told by the Universal Scalability Law: {', '.join(told)}."
    )


def _by_more_cpus(order: Sequence[Standing], server_cpus: int) -> str:
    if server_cpus != 1 or not _with(order, SERVER_CPU):
        return ""
    return ONE_CPU


def _by_capacity(order: Sequence[Standing]) -> str:
    best = order[0]
    known = [(each, each.capacity) for each in order if each.capacity is not None]
    if best.capacity is None or len(known) < 2:
        return ""
    highest, rate = max(known, key=lambda pair: pair[1])
    if rate <= best.capacity * (1 + HIGHER):
        return ""
    return (
        f"By the rate that held the objective {highest.name} comes before {best.name}: "
        f"{rate:,.0f}/s against {best.capacity:,.0f}/s, by one search each."
    )


def _by_more_rounds(order: Sequence[Standing]) -> str:
    """Of the first tier; not where it is known that they are near, or where the clients hide the difference."""
    best = order[0]
    parted = [each for each in order[1:] if each.is_first and not _hidden(best, each) and not _near(each)]
    return f"More rounds may part {names_of([best, *parted])} (--until-width)." if parted else ""


def _hidden(one: Standing, other: Standing) -> bool:
    """Whether the clients were the limit of both."""
    return one.limit == other.limit == CLIENT


def _near(each: Standing) -> bool:
    """Whether it surely differs from the best by less than anybody would choose by."""
    if each.ratio is None or each.ratio.low is None or each.ratio.high is None:
        return False
    return each.ratio.low >= 1 / (1 + LEAST_DIFFERENCE) and each.ratio.high <= 1 + LEAST_DIFFERENCE
