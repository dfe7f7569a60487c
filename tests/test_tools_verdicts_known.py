"""Servers with known answers get their verdicts: each is made to be limited by one thing."""

from __future__ import annotations

import pytest

from tests.hogs import hog
from tests.judged import Judged
from tests.load_runs import CPUS, two_cpus
from tests.quiet import until_true_in_quiet
from tools.verdicts.verdict import ADMISSION, CLIENT, GIL, HOST_NOISE, POOL, SERVER_CPU, UNSATURATED

alone = pytest.mark.alone
patient = pytest.mark.timeout(300)
WORK = {"protocol": "work", "work": "64"}
SLEEPS = {"protocol": "work", "work": "64 sleep=0.02"}
COMPUTES = {"protocol": "work", "work": "64 cpu=0.002", "connections": 8}


def check(judged: Judged, limit: str, words: str) -> None:
    """Once it is quiet enough, the verdict is this one, and says so in such words."""

    def run() -> None:
        verdict = judged.verdict()
        assert verdict.limit == limit, f"{verdict.limit}: {verdict.sentence}; {'; '.join(verdict.evidence)}"
        assert words in verdict.sentence

    until_true_in_quiet(run)


def test_four_threads_for_eight_clients_that_stay_are_a_pool() -> None:
    """Four of them are never served."""
    check(Judged("pooled", {**WORK, "connections": 8}, {"threads": 4}), POOL, "4 of 8 clients were served")


def test_one_client_at_a_time_is_a_pool_of_one() -> None:
    """Its place is held by the first."""
    check(Judged("iterative", {**WORK, "connections": 3}), POOL, "its only place was held")


@alone
@patient
def test_four_threads_for_twenty_clients_that_come_and_go_are_a_pool() -> None:
    """Each answer takes 20 ms of sleep, and the CPU is idle."""
    mine, other = two_cpus()
    plan = {**SLEEPS, "connections": 20, "churn": True}
    check(Judged("prethreaded", plan, {"threads": 4}, (other,), (mine,)), POOL, "all of its 4 threads were taken")


@alone
@patient
def test_a_backlog_of_five_for_a_hundred_clients_is_a_limit_of_admission() -> None:
    """Who is turned away asks again after a second."""
    mine, other = two_cpus()
    plan = {**SLEEPS, "connections": 100, "churn": True}
    check(
        Judged("threaded", plan, {"backlog": 5}, (other,), (mine,), warm_up=0.0),
        ADMISSION,
        "the accept queue with room for 5 overflowed",
    )


@alone
@patient
def test_a_loop_that_only_waits_is_unsaturated() -> None:
    """Ten clients' sleeps leave it idle, whether they ask as they can or by a schedule."""
    mine, other = two_cpus()
    closed = Judged("selector", {**SLEEPS, "connections": 10}, {}, (other,), (mine,))
    check(closed, UNSATURATED, "20 ms of that the sleep that was asked for")
    opened = Judged("selector", {**SLEEPS, "connections": 10, "rate": 100.0}, {}, (other,), (mine,))
    check(opened, UNSATURATED, "all that was due was answered")


@alone
@patient
def test_a_server_that_computes_is_limited_by_its_cpu() -> None:
    """A loop on one CPU; threads on one CPU, of which the GIL would keep more from them."""
    mine, other = two_cpus()
    check(Judged("selector", COMPUTES, {}, (other,), (mine,)), SERVER_CPU, "of 1 CPU")
    check(Judged("threaded", COMPUTES, {}, (other,), (mine,)), SERVER_CPU, "the GIL would keep its threads at one")


@alone
@patient
def test_threads_that_compute_on_two_cpus_are_limited_by_the_gil() -> None:
    """And a loop beside them by its one thread."""
    two_cpus()
    both = tuple(CPUS[:2])
    check(Judged("threaded", COMPUTES, {}, both, (CPUS[0],)), GIL, "threads of one process used")
    check(Judged("selector", COMPUTES, {}, both, (CPUS[0],)), SERVER_CPU, "can use no second one")


@alone
@patient
def test_a_client_that_asks_for_large_answers_is_the_limit() -> None:
    """It looks at every byte, which is more work than to send it."""
    mine, other = two_cpus()
    plan = {"protocol": "work", "work": "1000000", "connections": 8}
    check(Judged("selector", plan, {}, (other,), (mine,)), CLIENT, "the client could not ask for more")


@alone
@patient
def test_a_cell_whose_servers_cpu_another_process_wanted_is_limited_by_the_host() -> None:
    """The server would have used all of it, and so would the other."""
    mine, other = two_cpus()
    with hog(other):
        verdict = Judged("selector", COMPUTES, {}, (other,), (mine,)).verdict(with_host=True)
    assert verdict.limit == HOST_NOISE, verdict
    assert "of the server's CPUs, which were busy" in verdict.sentence
