"""The harness against servers of which the answer is known: a stall, a queue, a rate. It must report that answer.

Their timing would be disturbed by other tests, so they run alone; on a machine that was busy all the same, a whole run
is made again when it is quiet. The bounds are never widened.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from clients.addresses import Address
from clients.percentiles import figures
from clients.plan import LoadPlan
from clients.summary import describe
from tests import known_servers
from tests.exact_server import serving_exactly
from tests.exponential import ONE_IN_A_HUNDRED, distance_from_exponential
from tests.known_servers import known_server
from tests.load_runs import check_accounts, due_ns, load, schedule_ns, two_cpus
from tests.quiet import made_again_in_quiet, until_true_in_quiet
from tests.serving import serving

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]

SERVICE = 0.005
CONNECTIONS = 64


@made_again_in_quiet
def test_an_open_loop_tells_a_stall() -> None:
    """The server stands still for a second in three, at 500 requests a second: that is what users feel."""
    with known_server(known_servers.stall_once(1000, 1.0)) as server:
        result = load(server.address, connections=10, duration=3.0, rate=500)
    check_accounts(result)
    assert result.ok
    assert (result.latency()["p99"] or 0) > 0.8
    assert (figures(result.service())["p99"] or 1) < 0.02
    assert "open loop at 500 requests per second" in describe(result)[0]
    assert any("from due: what a user feels" in line for line in describe(result))
    assert result.summary()["loop"] == "open"


@made_again_in_quiet
def test_a_closed_loop_hides_the_same_stall() -> None:
    """Ten clients that ask as often have one slow answer each."""
    with known_server(known_servers.stall_once(800, 1.0)) as server:
        result = load(server.address, connections=10, duration=4.0, think="0.02")
    assert result.ok
    assert result.throughput * 3.6 + 500 == pytest.approx(500 * 3.6, rel=0.1), "500 a second but for the stall"
    assert result.latency()["max"] == pytest.approx(1.0, abs=0.1)
    assert (result.latency()["p99"] or 1) < 0.02
    assert "closed loop" in describe(result)[0]
    assert result.summary()["loop"] == "closed"


def test_a_pool_of_connections_is_asked_at_poisson_times() -> None:
    """5000 a second against a server on the other CPU: the client is not late, and what it sends is still Poisson."""
    mine, other = two_cpus()
    with serving("selector") as server:
        os.sched_setaffinity(server.pid, {other})
        address = Address(server.listening["host"], server.listening["port"])

        def run() -> None:
            result = load(address, connections=50, rate=5000, duration=4.0, warmup=0.5, cpus=(mine,))
            check_accounts(result)
            assert (figures(result.lateness())["p99"] or 1) < 0.002
            assert result.achieved == pytest.approx(1, abs=0.01)
            assert result.throughput == pytest.approx(5000, rel=0.01)
            due, sent = due_ns(result), np.sort(result.request("sent_ns"))
            assert distance_from_exponential(np.diff(due), 200_000) < ONE_IN_A_HUNDRED
            assert distance_from_exponential(np.diff(sent), 200_000) / len(sent) ** 0.5 < 0.15
            counts = np.histogram(sent - sent[0], bins=np.arange(0, 3_950_000_000, 10_000_000))[0]
            assert counts.var() / counts.mean() == pytest.approx(1, abs=0.25), "and their counts are Poisson's, too"

        until_true_in_quiet(run)


def queueing(plan: LoadPlan) -> float:
    """The mean response of the exact server, by Lindley's recursion over the schedule itself, in the window."""
    warm_ns, end_ns, total_ns, count = int(plan.warmup_seconds * 1e9), 0, 0, 0
    for due in schedule_ns(plan).tolist():
        end_ns = max(due, end_ns) + int(SERVICE * 1e9)
        if due >= warm_ns:
            total_ns, count = total_ns + end_ns - due, count + 1
    return total_ns / count / 1e9


@pytest.mark.parametrize(("share", "seed"), [(0.5, 8), (0.8, 45)])
def test_a_queue_is_as_long_as_theory_says(share: float, seed: int) -> None:
    """M/D/1: Poisson arrivals, constant service, one server. The seed is one whose schedule is near the formula."""
    mine, other = two_cpus()
    expected = SERVICE + share * SERVICE / (2 * (1 - share))
    with serving_exactly(SERVICE) as (port, pid):
        os.sched_setaffinity(pid, {other})
        plan: dict[str, Any] = {
            "rate": share / SERVICE,
            "duration": 3.0,
            "warmup": 0.3,
            "seed": seed,
            "connections": CONNECTIONS,
        }
        of_schedule = queueing(LoadPlan(Address("127.0.0.1", port), **plan))
        assert of_schedule == pytest.approx(expected, rel=0.02)

        def run() -> None:
            result = load(Address("127.0.0.1", port), cpus=(mine,), **plan)
            check_accounts(result)
            assert result.ok
            assert result.response().mean() == pytest.approx(expected, rel=0.1)
            # More closely, it is what the very schedule asks for, but for the client's own lateness, which it tells.
            assert result.response().mean() - result.lateness().mean() == pytest.approx(of_schedule, rel=0.05)

        until_true_in_quiet(run)


@pytest.mark.parametrize(("clients", "think"), [(2, 0.02), (10, 0.0)])
def test_a_closed_loop_has_the_throughput_that_theory_says(clients: int, think: float) -> None:
    """N clients that think for Z ask N / (R + Z) times a second, or as often as the server can."""
    mine, other = two_cpus()
    with serving_exactly(SERVICE) as (port, pid):
        os.sched_setaffinity(pid, {other})

        def run() -> None:
            plan: dict[str, Any] = {"connections": clients, "duration": 2.0, "think": str(think) if think else ""}
            result = load(Address("127.0.0.1", port), cpus=(mine,), **plan)
            assert result.ok
            response = result.latency()["mean"] or 0
            assert response >= SERVICE
            assert result.throughput == pytest.approx(min(clients / (response + think), 1 / SERVICE), rel=0.03)
            # Two that think for four services rarely meet: then a response is a service, and the client's own lateness,
            # which it tells, comes on top of the time that they think.
            alone = clients / (SERVICE + think + result.lateness().mean())
            assert result.throughput == pytest.approx(min(alone, 1 / SERVICE), rel=0.03)

        until_true_in_quiet(run)
