"""The capacity that is found is the one that queueing theory knows; a search ends; scaling has steps enough."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from clients.addresses import Address
from clients.pacing import due_times
from clients.plan import LoadPlan
from clients.records import Outcome
from clients.searching.objective import Objective
from tests.exact_server import serving_exactly
from tests.load_runs import two_cpus
from tests.quiet import until_true_in_quiet
from tests.test_clients_verdict_tables import SECOND, run_of
from tools.comparison.capacity import capacity, found, open_plan, scaling_steps
from tools.saved.cells import Capacity

if TYPE_CHECKING:
    from clients.result import LoadResult
    from clients.searching.trials import SearchResult

SERVICE = 0.005
HALF_IN_20_MS = Objective(0.5, 0.02)
PLAN = LoadPlan(Address("127.0.0.1", 9), connections=64, duration=1.0, warmup=0.0)


def waits_at_most(services: float, busy: float) -> float:
    """The share that waits so many services at most, where arrivals are Poisson and the one worker is so busy: M/D/1.

    Erlang, 1909: (1 - r) * sum over k <= t of (r (k - t)) ** k / k! * exp(-r (k - t)).
    """
    terms = (
        (busy * (k - services)) ** k / math.factorial(k) * math.exp(-busy * (k - services))
        for k in range(int(services) + 1)
    )
    return (1 - busy) * sum(terms)


def known_rate(objective: Objective, service: float) -> float:
    """The rate at which the median is just the objective's, by halves."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        held = waits_at_most(objective.seconds / service - 1, middle) >= objective.percentile
        low, high = (middle, high) if held else (low, middle)
    return low / service


def exact(plan: LoadPlan) -> LoadResult:
    """What a run of `plan` finds of a server of one worker that takes SERVICE for each, by Lindley's recursion."""
    due = np.fromiter(due_times(plan.segments, plan.arrivals, plan.seed), np.int64) + SECOND
    service = int(SERVICE * 1e9)
    served = service * np.arange(1, len(due) + 1)
    done = np.maximum.accumulate(due + service - served) + served
    opened, closed = SECOND + int(plan.warmup_seconds * SECOND), SECOND + int(plan.duration * SECOND)
    result = run_of(len(due), rate=plan.rate)
    rows = result.requests.copy()
    for column in ("due_ns", "ready_ns", "sent_ns"):
        rows[column] = due
    rows["done_ns"] = done
    rows["outcome"] = Outcome.ANSWERED
    return replace(result, plan=plan, requests=rows, opened_ns=opened, closed_ns=closed, ended_ns=int(done[-1]))


def searched(**parameters: float) -> SearchResult:
    """Search the capacity of the exact server, in trials of a minute, which take no time."""
    return capacity(PLAN, HALF_IN_20_MS, **{"start_rate": 100.0, "window": 60.0, **parameters}, run=exact)  # type: ignore[arg-type]


def test_the_theory_knows_what_is_known() -> None:
    """Who arrives and waits for nobody is the idle share; of a worker that is half busy, 0.5 e ** 0.5 wait for one."""
    assert waits_at_most(0, 0.3) == pytest.approx(0.7)
    assert waits_at_most(1, 0.5) == pytest.approx(0.5 * math.exp(0.5))
    assert waits_at_most(30, 0.5) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("start", [30.0, 100.0, 400.0])
def test_the_rate_that_is_found_is_the_one_that_theory_knows(start: float) -> None:
    """Within a tenth, from wherever the search starts."""
    result = searched(start_rate=start)
    assert result.confirmed
    assert result.rate == pytest.approx(known_rate(HALF_IN_20_MS, SERVICE), rel=0.1)
    assert "p50" in result.limit or "in flight grew" in result.limit or "achieved" in result.limit


@pytest.mark.alone
@pytest.mark.timeout(420)
def test_a_server_that_runs_has_the_capacity_that_theory_knows() -> None:
    """1 ms each, one at a time: over real connections, and in trials as long as they are in a comparison.

    These are so short that the queue of a rate near the border may be twice its mean: the search steps down from there,
    by a tenth at a time, as it does where theory makes the runs.
    """
    mine, other = two_cpus()

    def run() -> None:
        with serving_exactly(0.001) as (port, pid):
            os.sched_setaffinity(pid, {other})
            plan = replace(PLAN, address=Address("127.0.0.1", port), cpus=(mine,))
            result = capacity(plan, HALF_IN_20_MS, start_rate=500, deadline=60, on_trial=print)
        assert result.confirmed
        assert result.rate is not None
        assert 0.75 < result.rate / known_rate(HALF_IN_20_MS, 0.001) < 1.07

    until_true_in_quiet(run)


def test_a_search_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The highest rate that held so far is kept, and is not confirmed."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("tools.comparison.capacity.time", SimpleNamespace(monotonic=lambda: clock.now))

    def slow(plan: LoadPlan) -> LoadResult:
        clock.now += 10
        return exact(plan)

    result = capacity(PLAN, HALF_IN_20_MS, start_rate=40.0, window=60.0, deadline=25.0, run=slow)
    assert [trial.rate for trial in result.trials] == [40.0, 80.0, 160.0]
    assert (result.rate, result.confirmed) == (160.0, False)
    assert result.limit == "the search was ended after 25 s"
    assert searched(deadline=0.0).rate is None


def test_a_rate_is_told_before_it_is_tried() -> None:
    """With the window of its trial, so that a user knows what is waited for."""
    heard: list[str] = []

    def run(plan: LoadPlan) -> LoadResult:
        heard.append(f"run {plan.rate:g}")
        return exact(plan)

    result = capacity(
        PLAN,
        HALF_IN_20_MS,
        start_rate=100.0,
        window=60.0,
        on_try=lambda rate, seconds: heard.append(f"try {rate:g} for {seconds:g} s"),
        on_trial=lambda trial: heard.append(f"tried {trial.rate:g}"),
        run=run,
    )
    assert heard == [
        f"{what} {trial.rate:g}{and_more}"
        for trial in result.trials
        for what, and_more in (("try", f" for {trial.duration:g} s"), ("run", ""), ("tried", ""))
    ]


def test_an_interrupt_is_not_a_search_that_took_too_long() -> None:
    """The caller can tell them apart."""
    result = capacity(
        PLAN, HALF_IN_20_MS, start_rate=40.0, window=60.0, run=lambda plan: replace(exact(plan), interrupted=True)
    )
    assert (result.rate, result.confirmed, result.limit) == (None, False, "interrupted")


def test_what_is_found_is_a_record_of_a_comparison() -> None:
    """All of it, with each trial."""
    result = searched()
    record = Capacity("waiting", "selector", 1, "", 0.0, "", **found(result))
    assert record.objective == "p50=20ms"
    assert (record.rate, record.confirmed, record.limit) == (result.rate, True, result.limit)
    assert [trial["rate"] for trial in record.trials] == [trial.rate for trial in result.trials]
    assert all(trial["held"] is not None for trial in record.trials)


def test_an_open_loop_has_connections_for_what_is_in_flight() -> None:
    """1.5 x 1000 a second x 50 ms is 75; no more than the model can serve, and no fewer than there were."""
    objective = Objective(0.95, 0.05)
    assert open_plan(replace(PLAN, connections=8), objective, 1000.0).connections == 75
    assert open_plan(replace(PLAN, connections=8), objective, 1000.0, most=15).connections == 15
    assert open_plan(replace(PLAN, connections=64), objective, 1000.0, most=15).connections == 64
    assert open_plan(replace(PLAN, connections=8), objective, 1e6).connections == 200


@pytest.mark.parametrize(
    ("connections", "steps"),
    [
        (1, (1,)),
        (3, (1, 2, 3)),
        (4, (1, 2, 3, 4)),
        (5, (1, 2, 3, 4, 5)),
        (6, (1, 2, 3, 4, 6)),
        (7, (1, 2, 4, 6, 7)),
        (8, (1, 2, 4, 6, 8)),
        (10, (1, 2, 4, 8, 10)),
        (50, (1, 2, 4, 8, 16, 32, 50)),
        (64, (1, 2, 4, 8, 16, 32, 64)),
    ],
)
def test_scaling_has_powers_of_two_up_to_all_connections(connections: int, steps: tuple[int, ...]) -> None:
    """And five steps where there are five connections."""
    assert scaling_steps(connections) == steps


def test_scaling_takes_a_connection() -> None:
    """None is a mistake."""
    with pytest.raises(ValueError, match="one connection at least"):
        scaling_steps(0)
