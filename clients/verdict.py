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
WAITED = 0.2  # of the time, for a CPU: in that time it could have asked, and was not let
NEAR_CEILING = 0.9  # of what it can do: runs on a shared machine differ by as much
LATE_SECONDS = 0.001  # of lateness at the 99th percentile that nobody need look at
LATE_SHARE = 0.25  # of the response at the 99th percentile: more, and it is the client that is measured
LOOP_LATE = 0.1  # of the window in which the loop did not look when it meant to
MET = 0.99  # of what was offered
MOSTLY = 0.5  # of the places that requests can be in flight at
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
    was neither: then it is the server, or nobody asked for more. `known` is false where the window was too short to
    tell.
    """

    limit: str
    reasons: tuple[str, ...]
    known: bool = True

    @property
    def of_client(self) -> str:
        """What to say of the client."""
        if not self.known:
            return "too short to tell whether it was the limit"
        return "the limit, or may have been" if self.limit == "client" else "not the limit"


def judge(result: LoadResult, ceiling: KnownCeiling | None = None) -> Verdict:
    """Say from its own evidence whether the client was the limit of a run; a window under 0.2 s has none."""
    if result.duration < SHORTEST_SECONDS:
        return Verdict("", (), known=False)
    reasons = [
        *_of_cpu(result),
        *_of_one_process(result),
        *_of_loop(result),
        *_of_lateness(result),
        *_of_ceiling(result, ceiling),
    ]
    if reasons:
        return Verdict("client", tuple(reasons))
    if waited := _of_connections(result):
        return Verdict("connections", (waited,))
    return Verdict("", ())


def _of_cpu(result: LoadResult) -> list[str]:
    busy, waiting = result.client_busy, result.client_waiting or 0.0
    if waiting >= WAITED:
        return [f"it worked for {busy:.0%} of the time, and waited for a CPU for {waiting:.0%}: others ran there"]
    return [f"it used {busy:.0%} of its CPUs"] if busy + waiting >= BUSY else []


def _of_one_process(result: LoadResult) -> list[str]:
    """Where one of several had no time left, which the mean of all does not show."""
    if len(result.client_processes) < 2:
        return []
    for process in result.client_processes:
        busy, waiting = process.cpu / result.duration, (process.waiting or 0.0) / result.duration
        if busy + waiting >= BUSY or waiting >= WAITED:
            return [f"one of its processes worked for {busy:.0%} of the time, and waited for a CPU for {waiting:.0%}"]
    return []


def _of_loop(result: LoadResult) -> list[str]:
    """A loop that was late did not see what happened, in a closed loop, too, where nothing is due."""
    late = max((process.late for process in result.client_processes), default=0.0)
    if late < LOOP_LATE * result.duration:
        return []
    return [f"its loop stood still for {duration(late)} of {duration(result.duration)}"]


def _of_lateness(result: LoadResult) -> list[str]:
    """Where requests are due at given times, the client can be late with them: what follows is not the server's.

    Told by the highest percentile that there are requests enough for.
    """
    lateness, response = figures(result.lateness()), figures(result.response())
    for name in ("p99", "p90", "p50"):
        late, felt = lateness[name], response[name]
        if late is None or felt is None:
            continue
        if late < LATE_SECONDS or late < LATE_SHARE * felt:
            return []
        return [f"it was late itself with what was due: {name} {duration(late)}, of a response of {duration(felt)}"]
    return []


def _of_ceiling(result: LoadResult, ceiling: KnownCeiling | None) -> list[str]:
    if ceiling is None or not ceiling.limited_by_client:
        return []
    share, against_nothing = result.throughput / ceiling.requests_per_second, f"{ceiling.requests_per_second:,.0f}/s"
    if not NEAR_CEILING <= share < 1 / NEAR_CEILING:  # far above it, that was measured too low and tells nothing
        return []
    if share <= 1:
        return [f"it did {share:.0%} of what it can do, {against_nothing} against a server that does nothing"]
    above = f"it did as much as it can do, {result.throughput:,.0f}/s"
    return [f"{above}: against a server that does nothing, measured once, it did {against_nothing}"]


def _of_connections(result: LoadResult) -> str:
    """Where less was achieved than was due, because every connection waited for an answer.

    One request or two that become due in the last moment of the window are always unsent; they mean nothing.
    """
    if result.offered is None or result.achieved is None or result.achieved >= MET:
        return ""
    if result.unsent + result.shed < (1 - MET) * result.offered * result.duration:
        return ""
    places = result.plan.connections * result.plan.pipeline
    if (result.mean_in_flight or 0.0) < MOSTLY * places:  # they were not busy: they could not connect, say
        return ""
    return f"{places} requests at a time were in flight, and more were due: the server was slow for so few connections"
