"""Open loops against servers that are slow, silent or gone: what was shed, lost or given up is accounted for."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from clients.addresses import Address
from clients.events import Progress
from clients.records import Outcome
from clients.summary import findings
from clients.verdict import judge
from tests import known_servers
from tests.known_servers import known_server, listening
from tests.load_runs import check_accounts, due_ns, load, opened, outcomes, retried, schedule_ns
from tests.serving import serving
from tests.test_clients_datagrams import datagram_server

if TYPE_CHECKING:
    from clients.events import Event

pytestmark = pytest.mark.usefixtures("prestarted")


def test_what_is_shed_is_counted_and_told() -> None:
    """It is no open loop any more, and its words say so."""
    with serving("selector", "--protocol", "work") as server:
        address = Address(server.listening["host"], server.listening["port"])
        slow: dict[str, Any] = {"protocol": "work", "work": "64 sleep=0.05", "connections": 2}
        result = opened(address, max_waiting=5, **slow)
    found = outcomes(result)
    assert found["shed"] == result.shed > 200
    assert found["answered"] + found["shed"] == 300
    assert result.errors == {}
    assert len(result.response()) == 300 - result.shed
    [line] = [line for line in findings(result) if "shed" in line]
    assert f"{result.shed} requests that were due were shed: 5 waited already; this is no open loop any more" in line
    assert result.summary()["shed"] == result.shed


@retried
def test_a_server_slower_than_the_rate_is_told_from_a_slow_client() -> None:
    """Every connection waited for an answer: they were too few for such a server."""
    with serving("selector", "--protocol", "work") as server:
        address = Address(server.listening["host"], server.listening["port"])
        slow: dict[str, Any] = {"protocol": "work", "work": "64 sleep=0.02", "connections": 2}
        result = opened(address, timeout=0.5, **slow)
    # What others took of the machine is left out.
    result = replace(result, client_wait_seconds=0.0, client_processes=())
    assert judge(result).limit == "connections"
    assert result.achieved is not None
    assert result.achieved < 0.5
    assert "2 requests at a time were in flight" in " ".join(findings(result))


@retried
def test_what_was_never_sent_is_in_the_distribution_with_its_age() -> None:
    """A silent server: what was in flight and what waited count with how long they did so, to the end."""
    with known_server(known_servers.never) as server:
        result = opened(server.address, rate=100, duration=0.5, connections=2, timeout=10.0)
    assert outcomes(result) == {"in-flight": 50}
    assert result.unfinished == 50
    assert (result.given_up, result.unsent) == (50, 48)
    sent = result.request("sent_ns")
    assert np.count_nonzero(sent) == 2
    assert (result.request("done_ns") == 0).all()
    ages = np.sort((result.ended_ns - result.request("due_ns")) / 1e9)
    assert result.response() == pytest.approx(ages)
    assert ages.min() > 1.5, "they were waited for after the end"
    assert len(result.service()) == 2
    assert result.errors == {"unanswered": 2}
    assert "50 requests were given up unanswered; they count with their age at the end" in findings(result)


@retried
def test_what_a_counted_run_gives_up_is_told() -> None:
    """The server goes away in its midst: the requests that were due after the last answer are not forgotten."""
    with known_server(known_servers.hang_up_every(50)) as server:
        server.on_hang_up = server.stop_listening
        result = load(server.address, connections=1, rate=300, requests=150, timeout=0.2)
    check_accounts(result)
    assert result.gave_up
    assert outcomes(result) == {"answered": 49, "closed": 1, "in-flight": 100}
    assert result.given_up == 100
    assert len(result.response()) == 150


def test_refused_connections_in_between_leave_no_request_out() -> None:
    """With a connection per request, each that is refused is a request that failed."""
    with known_server(known_servers.hang_up_every(50)) as server:
        server.on_hang_up = server.stop_listening
        result = opened(server.address, churn=True)
    found = outcomes(result)
    assert found["refused"] == result.errors["refused"] > 0
    assert sum(found.values()) == 300


@pytest.mark.parametrize("pipeline", [1, 5])
@retried
def test_timeouts_shorter_than_a_stall_are_all_told(pipeline: int) -> None:
    """Each request of the stall ends once: timed out, abandoned behind one that was, or answered late."""
    with known_server(known_servers.stall_once(60, 0.6)) as server:
        result = opened(server.address, timeout=0.2, pipeline=pipeline, duration=1.5)
    found = outcomes(result)
    assert found["timeout"] == result.errors["timeout"] >= 4
    assert set(found) <= {"answered", "timeout", "abandoned"}
    assert sum(found.values()) == 450
    failed = np.isin(result.request("outcome"), (Outcome.TIMEOUT, Outcome.ABANDONED))
    assert (result.response() >= 0.2).sum() >= failed.sum()


@retried
def test_a_server_may_close_what_is_idle() -> None:
    """That is its right: the client connects again, nothing fails, and every request is answered."""
    with serving("selector", "--idle-timeout", "0.1") as server:
        address = Address(server.listening["host"], server.listening["port"])
        result = opened(address, rate=10, duration=1.5, arrivals="constant")
    assert result.ok, "unless one was closed just when it was asked"
    assert outcomes(result) == {"answered": 15}
    assert result.idle_closed > 0


@pytest.mark.parametrize("ending", [{"duration": 1.0, "warmup": 0.0}, {"requests": 300}])
@retried
def test_lost_datagrams_are_in_the_distribution(ending: dict[str, Any]) -> None:
    """With the timeout; while they are waited for, others ask."""
    with datagram_server(known_servers.drop_every(20)) as server:
        result = load(server.address, udp=True, rate=300, timeout=0.2, **ending)
    check_accounts(result)
    assert outcomes(result) == {"answered": 285, "lost": 15}
    assert (result.response() >= 0.2).sum() >= 15


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("counted", [False, True])
def test_an_interrupt_accounts_for_what_was_due_until_then(counted: bool, processes: int) -> None:
    """Not for what would have been due later."""
    interrupted: list[Event] = []  # once, because the second time ends everything

    def interrupt(event: Event) -> None:
        if isinstance(event, Progress) and event.completed and not interrupted:
            interrupted.append(event)
            os.kill(os.getpid(), signal.SIGINT)

    with known_server() as server:
        end: dict[str, Any] = {"requests": 10_000} if counted else {"duration": 60.0, "warmup": 0.0}
        result = load(server.address, interrupt, rate=300, processes=processes, **end)
    assert result.interrupted
    due, schedule = due_ns(result), schedule_ns(result.plan)
    assert 0 < len(due) < 10_000
    if processes == 1:
        assert np.array_equal(due, schedule[: len(due)])
    else:  # they may stop one after the other
        assert np.isin(due, schedule).all()
        assert len(set(due.tolist())) == len(due)
    assert set(outcomes(result)) <= {"answered", "in-flight"}


def test_connections_that_never_stand_leave_their_requests_waiting() -> None:
    """Nobody accepts, and the backlog is full: the run ends in time, and all that was due has a row."""
    with listening(backlog=0) as (_, address):
        result = opened(address, rate=100, duration=0.5, timeout=0.2)
    assert result.errors["connect-timeout"] >= 2
    assert result.completed == 0
    assert sum(outcomes(result).values()) == 50
