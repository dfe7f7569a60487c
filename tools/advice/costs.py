"""What the first costs against others: CPU, the slowest answers, and memory. Only what the intervals bear."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from clients.words import duration
from tools.advice.standings import Figure
from tools.words import KIBIBYTE, enumerated, significant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.advice.standings import Memory, Standing

FOR_IDLE = "for an idle connection"
"""What every sentence on memory has in it, which is measured beside all workloads."""


def costs(order: Sequence[Standing]) -> list[str]:
    """Sentences on what the best of the ranked ones costs, and on who costs less."""
    best, others = order[0], order[1:]
    following = next((each for each in others if not each.is_first), None)
    sentences = [
        _among_the_first(order),
        _cpu(best, others, following),
        _slowest(best, others),
        *_memory(best, others, following),
    ]
    return [sentence for sentence in sentences if sentence]


def _among_the_first(order: Sequence[Standing]) -> str:
    """Who takes least CPU of those that are as quick, and less than whom."""
    known = [(each, each.cpu) for each in order if each.is_first and each.cpu is not None]
    if not known:
        return ""
    least, cpu = min(known, key=lambda pair: pair[1].estimate)
    dearer = [
        f"{each.name} {other.told(duration)}{_by(each, least)}" for each, other in known if each.dearer_than(least)
    ]
    if not dearer:
        return ""
    return f"Of the first tier, {least.name} takes less CPU for a request, {cpu.told(duration)}: {enumerated(dearer)}."


def _cpu(best: Standing, others: Sequence[Standing], following: Standing | None) -> str:
    if best.cpu is None:
        return ""
    if cheaper := [(each, each.cpu) for each in others if each.cpu is not None and each.cheaper_than(best)]:
        each, cpu = min(cheaper, key=lambda pair: pair[1].estimate)
        return (
            f"Where the CPU is shared or paid for, {each.name} comes before {best.name}: "
            f"{cpu.told(duration)} of CPU for a request against {best.cpu.told(duration)}{_by(each, best)}."
        )
    if following is None or following.cpu is None:
        return ""
    if following.dearer_than(best):
        return (
            f"{best.name} is also cheaper: it takes {best.cpu.told(duration)} of CPU for a request, "
            f"{following.name} {following.cpu.told(duration)}{_by(following, best)}."
        )
    return f"In CPU for a request {best.name} and {following.name} cannot be told apart ({best.cpu.told(duration)})."


def _by(each: Standing, other: Standing) -> str:
    """What it is of the other's within rounds, as a clause; empty where that is not known."""
    ratio = each.cpu_by.get(other.name)
    return f", within rounds {ratio.told()} of that of {other.name}" if ratio else ""


def _slowest(best: Standing, others: Sequence[Standing]) -> str:
    if best.p99 is None:
        return ""
    if sooner := _lowest([(each.name, each.p99) for each in others], best.p99):
        name, p99 = sooner
        return (
            f"Where the slowest answers matter, {name} comes before {best.name}: "
            f"p99 {p99.told(duration)} against {best.p99.told(duration)}."
        )
    return ""


def _lowest(figures: Sequence[tuple[str, Figure | None]], than: Figure) -> tuple[str, Figure] | None:
    """The lowest of those that are surely lower."""
    lower = [(name, figure) for name, figure in figures if figure is not None and figure.below(than)]
    return min(lower, key=lambda pair: pair[1].estimate) if lower else None


def _memory(best: Standing, others: Sequence[Standing], following: Standing | None) -> list[str]:
    """Of the best against the one that takes least for a connection, and against the next; of those that hold all."""
    if best.memory is None or not best.holds_all:
        return []
    known = [(each, each.memory) for each in others if each.memory is not None and each.holds_all]
    least = min(known, key=lambda pair: pair[1].slope.estimate)[0] if known else None
    against = [(each.name, each.memory) for each, _ in known if each is least or each is following]
    return [memory_of_two((best.name, best.memory), (name, memory)) for name, memory in against if memory]


def memory_of_two(one: tuple[str, Memory], other: tuple[str, Memory]) -> str:
    """Which of two takes less memory, and from how many idle connections on; empty where that is not sure."""
    (name, memory), (other_name, other_memory) = one, other
    if other_memory.slope.below(memory.slope):
        return memory_of_two(other, one)
    if not memory.slope.below(other_memory.slope):
        return ""
    each = f"{memory.slope.told(_kibibytes)} {FOR_IDLE} against {other_memory.slope.told(_kibibytes)}"
    crossing = crossed(memory, other_memory)
    if crossing.low is None or crossing.high is None:
        return f"{name} takes less memory for an idle connection than {other_name}: {each}."
    if crossing.high <= 0:
        return f"{name} takes less memory than {other_name} at any number of connections: {each}."
    low, high = (f"{number:,}" for number in (math.floor(crossing.low), math.ceil(crossing.high)))
    on = f"at most {high}" if crossing.low <= 0 else f"about {crossing.estimate:,.0f} ({low} to {high})"
    return f"From {on} idle connections on, {name} takes less memory than {other_name}: {each}."


def crossed(flat: Memory, steep: Memory) -> Figure:
    """How many connections make up for a base that is higher, by a slope that is surely lower.

    The lines base + slope x N cross where N = (base - base) / (slope - slope). The interval is as wide as the ends of
    the four allow, and there is none where one of them has none; N below 0 is where the flat one has the lower base,
    too.
    """
    estimate = (flat.base.estimate - steep.base.estimate) / (steep.slope.estimate - flat.slope.estimate)
    ends = (*flat.base[1:], *flat.slope[1:], *steep.base[1:], *steep.slope[1:])
    known = [end for end in ends if end is not None]
    if len(known) < len(ends):
        return Figure(estimate)
    low, high, flattest, flatter, other_low, other_high, steeper, steepest = known
    least, most = low - other_high, high - other_low
    narrow, wide = steeper - flatter, steepest - flattest
    return Figure(estimate, least / (wide if least > 0 else narrow), most / (narrow if most > 0 else wide))


def _kibibytes(size_bytes: float) -> str:
    return f"{significant(size_bytes / KIBIBYTE)} KiB"
