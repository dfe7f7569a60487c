"""Who was the limit, as tables: runs that never were, and what their evidence says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from clients.addresses import Address
from clients.gathering import REQUEST_TYPE
from clients.littles_law import littles_law
from clients.plan import LoadPlan
from clients.records import CONNECTION_COLUMNS, Outcome
from clients.result import LoadResult
from clients.verdict import judge

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What a client can do, as a table has it."""

    requests_per_second: float
    limited_by_client: bool = True

    def to_json(self) -> dict[str, object]:
        return {}


def run_of(
    requests: int = 2000,
    *,
    late_ms: float = 0.1,
    took_ms: float = 10.0,
    unsent: int = 0,
    shed: int = 0,
    **parameters: Any,
) -> LoadResult:
    """A window of two seconds with so many requests, evenly due, of which the last were not sent or shed."""
    rows = np.zeros(requests, REQUEST_TYPE)
    rows["due_ns"] = SECOND + np.arange(requests) * 2 * SECOND // max(requests, 1)
    rows["ready_ns"] = rows["due_ns"] + int(late_ms * 1e6)
    rows["sent_ns"] = rows["ready_ns"]
    rows["done_ns"] = rows["due_ns"] + int(took_ms * 1e6)
    for count, outcome in ((unsent, Outcome.IN_FLIGHT), (shed, Outcome.SHED)):
        if count:
            rows["sent_ns"][-count:] = rows["done_ns"][-count:] = 0
            rows["outcome"][-count:] = outcome
    return LoadResult(
        plan=LoadPlan(Address("127.0.0.1", 9), **{"duration": 2.0, "warmup": 0.0, **parameters}),
        requests=rows,
        connections=np.zeros((0, len(CONNECTION_COLUMNS)), np.int64),
        opened_ns=SECOND,
        closed_ns=3 * SECOND,
        ended_ns=4 * SECOND,
        errors={},
        error_examples={},
        client_cpu_seconds=0.2,
        cpus=(0,),
        interrupted=False,
        gave_up=False,
        mean_in_flight=9.0,
    )


@pytest.mark.parametrize(
    ("cpu", "waited", "processes", "cpus", "limit", "words"),
    [
        (1.58, 0.0, 1, (0,), "", ""),
        (1.62, 0.0, 1, (0,), "client", "it used 81% of its CPUs"),
        (1.0, 0.38, 1, (0,), "", ""),
        (0.2, 0.42, 1, (0,), "client", "it worked for 10% of the time, and waited for a CPU for 21%"),
        (1.0, 0.7, 1, (0,), "client", "it worked for 50% of the time, and waited for a CPU for 35%"),
        (1.0, None, 1, (0,), "", ""),
        (1.62, 0.0, 2, (0, 1), "", ""),
        (3.3, 0.0, 2, (0, 1), "client", "it used 82% of its CPUs"),
        (1.8, 0.0, 2, (0,), "client", "it used 90% of its CPUs"),
        (1.8, 0.0, 1, (0, 1), "client", "it used 90% of its CPUs"),
    ],
)
def test_a_client_that_had_no_time_left_is_the_limit(
    cpu: float, waited: float | None, processes: int, cpus: tuple[int, ...], limit: str, words: str
) -> None:
    """Two seconds: by what it used of the CPUs that it could use, and by how long it waited for one."""
    run = replace(run_of(processes=processes), client_cpu_seconds=cpu, client_wait_seconds=waited, cpus=cpus)
    verdict = judge(run)
    assert verdict.limit == limit
    assert words in " ".join(verdict.reasons)


@pytest.mark.parametrize(
    ("late_ms", "took_ms", "limit"),
    [(0.9, 1.0, ""), (1.1, 10.0, ""), (2.4, 10.0, ""), (2.6, 10.0, "client"), (5.0, 1000.0, "")],
)
def test_a_client_that_was_late_itself_is_the_limit(late_ms: float, took_ms: float, limit: str) -> None:
    """From a millisecond on, where it is a quarter of the response."""
    verdict = judge(run_of(late_ms=late_ms, took_ms=took_ms, rate=1000.0))
    assert verdict.limit == limit
    assert all("it was late itself with what was due" in reason for reason in verdict.reasons)


@pytest.mark.parametrize(
    ("ceiling", "limit"),
    [
        (None, ""),
        (Ceiling(1000), "client"),
        (Ceiling(1100), "client"),
        (Ceiling(1120), ""),
        (Ceiling(910), "client"),
        (Ceiling(700), ""),  # which it was not, as it did 142 % of it
        (Ceiling(1000, limited_by_client=False), ""),
    ],
)
def test_a_client_that_did_all_it_can_is_the_limit(ceiling: Ceiling | None, limit: str) -> None:
    """Nine tenths of what it does against a server that does nothing, if it was the limit there."""
    assert judge(run_of(), ceiling).limit == limit


def test_no_share_of_a_ceiling_is_above_all_of_it() -> None:
    """A ceiling is measured once, against a server that does nothing, and can be passed: that is said in rates."""
    (below,), (above,) = (judge(run_of(), Ceiling(rate)).reasons for rate in (1050, 950))
    assert below == "it did 95% of what it can do, 1,050/s against a server that does nothing"
    assert above.startswith("it did as much as it can do, 996/s: ")
    assert above.endswith("measured once, it did 950/s")


@pytest.mark.parametrize(
    ("run", "limit"),
    [
        (run_of(rate=1000.0), ""),
        (run_of(rate=1000.0, unsent=15), ""),
        (run_of(rate=1000.0, unsent=50), "connections"),
        (run_of(rate=1000.0, shed=50), "connections"),
        (run_of(rate=1000.0, took_ms=100.0), ""),  # slow, but whatever was due was sent
        (run_of(rate=1000.0, took_ms=100.0, late_ms=2.0), ""),  # but for the two that were due in the last 2 ms
    ],
)
def test_too_few_connections_are_told_from_a_slow_client(run: LoadResult, limit: str) -> None:
    """Less than 99 % was answered, and what was due waited for a connection."""
    verdict = judge(run)
    assert verdict.limit == limit
    assert [("10 requests at a time were in flight" in reason) for reason in verdict.reasons] == [True] * bool(limit)


def test_a_client_without_time_is_named_before_connections() -> None:
    """Too little time makes connections wait, too."""
    assert judge(replace(run_of(rate=1000.0, unsent=50), client_cpu_seconds=1.9)).limit == "client"


def test_a_window_that_is_too_short_has_no_verdict() -> None:
    """A share of a CPU cannot be told from less than a fifth of a second."""
    run = replace(run_of(), client_cpu_seconds=1.9)
    assert judge(replace(run, closed_ns=run.opened_ns + SECOND // 5)).limit == "client"
    assert judge(replace(run, closed_ns=run.opened_ns + SECOND // 5 - 1)).limit == ""
    assert judge(replace(run, closed_ns=run.opened_ns)).limit == ""


def test_a_run_without_requests_has_a_verdict() -> None:
    """Nothing was due, and nobody was the limit."""
    assert judge(run_of(0, rate=1000.0)).limit == ""
    assert judge(run_of(0)).limit == ""


@pytest.mark.parametrize("took_ms", [5.0, 50.0])
def test_littles_law_is_checked_from_the_rows(took_ms: float) -> None:
    """A thousand a second, each so long in flight: what the loops saw is compared with that."""
    expected = took_ms - 0.1  # from sent, which is a tenth of a millisecond after due
    little = littles_law(replace(run_of(took_ms=took_ms, rate=1000.0), mean_in_flight=2 * expected))
    assert little is not None
    assert little["expected"] == pytest.approx(expected, rel=0.05)
    assert little["ratio"] == pytest.approx(2, rel=0.05)
    assert littles_law(replace(run_of(), mean_in_flight=None)) is None
