"""Was it the client? What a run's own evidence says about who was the limit.

A client that has no time left makes every server look alike, and slow. Its CPU alone does not tell: at 80 % of a CPU
one was seen to be the limit, and one that shares its CPU with something else waits while it could work. So three things
are looked at: how much of the window the client worked or waited for a CPU, by how much it was late itself with what
was due, and what the same client can do against a server that does nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from clients.percentiles import figures
from clients.words import duration

if TYPE_CHECKING:
    from clients.result import LoadResult

BUSY = 0.8  # of its CPUs: a client was seen to be the limit at 80 to 82 %, for it also waits to be run
NEAR_CEILING = 0.9  # of what it can do: runs on a shared machine differ by as much
LATE_SECONDS = 0.001  # of lateness at the 99th percentile that nobody need look at
LATE_SHARE = 0.25  # of the response at the 99th percentile: more, and it is the client that is measured
MET = 0.99  # of what was offered
SHORTEST_SECONDS = 0.2  # of a window from which a share of the CPU can be told


class KnownCeiling(Protocol):
    """What `clients.ceiling` found, as far as it matters here."""

    @property
    def requests_per_second(self) -> float:
        """The rate against a server that does nothing."""

    @property
    def limited_by_client(self) -> bool:
        """Whether it was the client that was the limit there; else it can do more."""

    def to_json(self) -> dict[str, object]:
        """The fields by their names."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who was the limit, and why, in words.

    `limit` is "client"; "connections", where requests were due and every connection was busy; or "" where the client
    was neither: then it is the server, or nobody asked for more.
    """

    limit: str
    reasons: tuple[str, ...]


def judge(result: LoadResult, ceiling: KnownCeiling | None = None) -> Verdict:
    """Say from its own evidence whether the client was the limit of a run; a window under 0.2 s has none."""
    if result.duration < SHORTEST_SECONDS:
        return Verdict("", ())
    reasons = [*_of_cpu(result), *_of_lateness(result), *_of_ceiling(result, ceiling)]
    if reasons:
        return Verdict("client", tuple(reasons))
    if waited := _of_connections(result):
        return Verdict("connections", (waited,))
    return Verdict("", ())


def _of_cpu(result: LoadResult) -> list[str]:
    busy, waiting = result.client_busy, result.client_waiting or 0.0
    if busy >= BUSY:
        return [f"it used {busy:.0%} of its CPUs"]
    if busy + waiting >= BUSY:
        return [
            f"it worked for {busy:.0%} of the time, and waited for a CPU for {waiting:.0%}: something else ran there"
        ]
    return []


def _of_lateness(result: LoadResult) -> list[str]:
    """Where requests are due at given times, the client can be late with them: what follows is not the server's."""
    late, response = figures(result.lateness())["p99"], figures(result.response())["p99"]
    if late is None or response is None or late < LATE_SECONDS or late < LATE_SHARE * response:
        return []
    return [f"it was late itself with what was due: p99 {duration(late)}, of a response of {duration(response)}"]


def _of_ceiling(result: LoadResult, ceiling: KnownCeiling | None) -> list[str]:
    if ceiling is None or not ceiling.limited_by_client:
        return []
    share = result.throughput / ceiling.requests_per_second
    if share < NEAR_CEILING:
        return []
    return [
        f"it did {share:.0%} of what it can do, {ceiling.requests_per_second:,.0f}/s against a server that does nothing"
    ]


def _of_connections(result: LoadResult) -> str:
    """Where less was achieved than was due, because every connection waited for an answer.

    One request or two that become due in the last moment of the window are always unsent; they mean nothing.
    """
    if result.offered is None or result.achieved is None or result.achieved >= MET:
        return ""
    if result.unsent + result.shed < (1 - MET) * result.offered * result.duration:
        return ""
    places = result.plan.connections * result.plan.pipeline
    return f"{places} requests at a time were in flight, and more were due: the server was slow for so few connections"
