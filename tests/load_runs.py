"""Load runs as tests look at them: whole runs that are tried again, and whether every request is accounted for."""

from __future__ import annotations

import os
from collections import Counter
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np
import pytest

from clients.pacing import due_times
from clients.plan import LoadPlan
from clients.records import Outcome
from clients.swarm import run_load

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from clients.addresses import Address
    from clients.events import Listener
    from clients.result import LoadResult

Arguments = ParamSpec("Arguments")
Found = TypeVar("Found")
DEPTH = 8  # of a pipeline
REQUESTS = 400
CPUS = sorted(os.sched_getaffinity(0))


def load(address: Address, on_event: Listener | None = None, **parameters: Any) -> LoadResult:
    """Run a small plan against `address`."""
    return run_load(LoadPlan(address, **{"connections": 4, **parameters}), on_event)


def opened(address: Address, **parameters: Any) -> LoadResult:
    """An open loop of a second, whose requests all have one row."""
    result = load(address, **{"rate": 300, "duration": 1.0, "warmup": 0.0, **parameters})
    check_accounts(result)
    return result


def piped(address: Address, **parameters: Any) -> LoadResult:
    """A counted run on one connection, whose requests all have a row."""
    result = load(address, **{"connections": 1, "pipeline": DEPTH, "requests": REQUESTS, **parameters})
    check_accounts(result)
    return result


def until_true(run: Callable[[], Found], times: int = 6) -> Found:
    """Return what `run` does; where it fails an assertion, it is run again, for a machine that was disturbed.

    The last failure is raised.
    """
    for _ in range(times - 1):
        try:
            return run()
        except AssertionError as failure:
            print(f"once more, because {failure}")
    return run()


def retried(test: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Make a test again where it fails: one whose timeouts are so short that a busy machine can miss them."""

    @wraps(test)
    def repeat(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        until_true(lambda: test(*args, **kwargs))

    return repeat


def schedule_ns(plan: LoadPlan) -> NDArray[np.int64]:
    """When the requests of an open loop are due, from the start of the run."""
    return np.fromiter(due_times(plan.segments, plan.arrivals, plan.seed), np.int64)


def start_ns(result: LoadResult) -> int:
    """When the run began, warm-up and all."""
    return result.opened_ns - int(result.plan.warmup_seconds * 1e9)


def due_ns(result: LoadResult) -> NDArray[np.int64]:
    """When the requests were due, from the start of the run and in order."""
    return np.sort(result.request("due_ns")) - start_ns(result)


def outcomes(result: LoadResult) -> dict[str, int]:
    """How many requests ended in each way, by the names under which errors are counted."""
    return dict(Counter(Outcome(number).kind for number in result.request("outcome").tolist()))


def check_accounts(result: LoadResult) -> None:
    """Every request that was due has exactly one row, and what failed is counted once.

    Errors may be more than the rows of their kind: a connection can fail while nothing is asked on it.
    """
    if result.plan.rate is not None:
        expected = schedule_ns(result.plan)
        if result.interrupted or result.gave_up:  # what would have been due later is not
            expected = expected[: len(result.requests)]
        assert np.array_equal(due_ns(result), expected)
    elif result.plan.requests is not None and not result.gave_up:
        assert len(result.requests) == result.plan.requests
    ended = outcomes(result)
    for kind in set(ended) - {"answered", "in-flight", "lost", "shed"}:
        assert ended[kind] <= result.errors.get(kind, 0), kind
    assert ended.get("abandoned", 0) == result.errors.get("abandoned", 0)


def two_cpus() -> tuple[int, int]:
    """One CPU for the client and one for the server; the test is skipped where there is one only."""
    if len(CPUS) < 2:
        pytest.skip("it takes a CPU for the client and one for the server")
    return CPUS[0], CPUS[1]
