"""The figures of a run by its parts: the steps of a rate that goes up, and the kinds of request in a mix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clients.mixes import describe
from clients.percentiles import figures
from clients.population import asked, ended_with, failed, of_part, was_sent, within
from clients.records import Outcome

if TYPE_CHECKING:
    from clients.population import Population
    from clients.result import LoadResult


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an open loop: rates per second, response and lateness in seconds (see `percentiles.figures`)."""

    rate: float
    seconds: float
    offered: float
    throughput: float
    response: dict[str, float | None]
    lateness: dict[str, float | None]
    failed: int


@dataclass(frozen=True, slots=True)
class PartOfMix:
    """One part of a mix, by its own words: how many requests it had, and their response in seconds."""

    name: str
    requests: int
    response: dict[str, float | None]


def steps(result: LoadResult) -> list[Step]:
    """The figures of each step of an open loop whose rate goes up in steps, warm-up and all; empty for others."""
    if not result.plan.steps:
        return []
    begin_ns, found = result.opened_ns - int(result.plan.warmup_seconds * 1e9), []
    for segment in result.plan.segments:
        end_ns = min(begin_ns + int(segment.seconds * 1e9), result.closed_ns)
        if end_ns <= begin_ns:  # it was interrupted before
            break
        found.append(_step(result.rows, segment.from_rate, begin_ns, end_ns))
        begin_ns = end_ns
    return found


def _step(rows: Population, rate: float, begin_ns: int, end_ns: int) -> Step:
    seconds = (end_ns - begin_ns) / 1e9
    due, done = within("due_ns", begin_ns, end_ns), within("done_ns", begin_ns, end_ns)
    return Step(
        rate=rate,
        seconds=seconds,
        offered=rows.count(due) / seconds,
        throughput=rows.count(done, ended_with(Outcome.ANSWERED)) / seconds,
        response=figures(rows.seconds("due_ns", due, asked)),
        lateness=figures(rows.lateness(due, asked)),
        failed=rows.count(due, asked, failed),
    )


def parts(result: LoadResult) -> list[PartOfMix]:
    """The figures of each part of a mix, in the population, as far as it was sent; empty where there is no mix."""
    if len(result.plan.parts) < 2:
        return []
    found = []
    for number, part in enumerate(result.plan.parts):
        seconds = result.rows.seconds("due_ns", result.rows.counts, of_part(number), was_sent)
        found.append(PartOfMix(describe(part), len(seconds), figures(seconds)))
    return found
