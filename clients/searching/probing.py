"""Load runs as the probes of a search."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from clients.percentiles import of_sorted, samples_for
from clients.records import Outcome
from clients.searching.objective import Objective, ProbeFindings
from clients.searching.steadiness import in_flight_grew
from clients.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from clients.plan import LoadPlan
    from clients.result import LoadResult
    from clients.searching.search import Probe

LARGEST_SEED = 2**63 - 1


def probe_with(plan: LoadPlan, objective: Objective, run_load: Callable[[LoadPlan], LoadResult]) -> Probe:
    """A probe that runs `plan` at the rate asked, its warm-up before the window, each time with another seed.

    With one seed the runs that confirm a rate would have the same arrivals, and confirm nothing.
    """
    # Answers to what was due in the warm-up stand in the window for those that come after it: so the warm-up is as long
    # as an answer may take.
    warmup = max(plan.warmup_seconds, objective.seconds)
    seeds = count(plan.seed)

    def probe(rate: float, window: float) -> ProbeFindings:
        asked = replace(
            plan,
            rate=rate,
            final_rate=None,
            steps=0,
            duration=window + warmup,
            warmup=warmup,
            requests=None,
            seed=next(seeds) % LARGEST_SEED,
        )
        return findings_of(run_load(asked), objective)

    return probe


def findings_of(result: LoadResult, objective: Objective) -> ProbeFindings:
    """Take what the search looks at from the result of an open-loop run."""
    response = result.response()
    asked = result.requests[result.requests["outcome"] != Outcome.SHED]
    enough = len(response) >= samples_for(objective.percentile)
    return ProbeFindings(
        achieved=1.0 if result.achieved is None else result.achieved,
        response=of_sorted(response, objective.percentile) if enough else None,
        growing=in_flight_grew(asked["due_ns"], asked["done_ns"], result.opened_ns, result.closed_ns),
        errors=sum(result.errors.values()) or int(result.gave_up) or len(result.missing),
        shed=result.shed,
        client_limited=judge(result).limit == "client",
        interrupted=result.interrupted,
    )
