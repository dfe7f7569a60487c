"""Open loops against right servers: the schedule is kept, every request that was due is accounted for once."""

from __future__ import annotations

import os
import signal
import ssl
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import trustme

from clients.addresses import Address
from clients.breakdown import steps
from clients.events import Progress
from clients.records import Outcome
from clients.summary import describe, findings
from clients.verdict import judge
from tests import known_servers
from tests.known_servers import known_server, listening
from tests.load_runs import check_accounts, due_ns, load, outcomes, schedule_ns, until_true
from tests.serving import serving
from tests.test_clients_datagrams import datagram_server

if TYPE_CHECKING:
    from pathlib import Path

    from clients.events import Event
    from clients.result import LoadResult


def opened(address: Address, **parameters: Any) -> LoadResult:
    """An open loop of a second, whose requests all have one row."""
    result = load(address, **{"rate": 300, "duration": 1.0, "warmup": 0.0, **parameters})
    check_accounts(result)
    return result


@pytest.mark.parametrize("churn", [False, True])
@pytest.mark.parametrize(
    ("model", "arguments", "parameters"),
    [
        ("selector", (), {}),
        ("threaded", (), {"size": 5000}),
        ("selector", ("--udp",), {"udp": True}),
        ("selector", ("--protocol", "http"), {"protocol": "http"}),
        ("selector", ("--protocol", "http"), {"protocol": "http", "work": "100 sleep=0.001"}),
        ("selector", ("--protocol", "frames"), {"protocol": "frames"}),
        ("selector", ("--protocol", "upper"), {"protocol": "upper"}),
        ("selector", ("--unix", "socket"), {}),
        ("forking", (), {}),
    ],
)
def test_every_kind_of_server_is_asked_on_time(
    tmp_path: Path, model: str, arguments: tuple[str, ...], parameters: dict[str, Any], churn: bool
) -> None:
    """Kept connections or one a request: all that was due is answered, and nothing else is asked."""
    arguments = tuple(str(tmp_path / "socket") if word == "socket" else word for word in arguments)
    with serving(model, *arguments) as server:
        path = server.listening.get("path")
        address = Address(path=path) if path else Address(server.listening["host"], server.listening["port"])
        result = opened(address, churn=churn, duration=0.6, connections=8, **parameters)
    assert result.ok
    assert outcomes(result) == {"answered": 180}
    for before, after in (("due_ns", "ready_ns"), ("ready_ns", "sent_ns"), ("sent_ns", "done_ns")):
        assert (result.request(before) <= result.request(after)).all()


@pytest.mark.parametrize("churn", [False, True])
def test_an_open_loop_goes_over_tls(tmp_path: Path, churn: bool) -> None:
    """With a connection per request its handshake is in the response."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with known_server(tls=context) as server:
        result = opened(server.address, rate=100, churn=churn, tls=True, ca=str(tmp_path / "ca.pem"))
    assert result.ok
    if churn:
        assert np.median(result.response()) > np.median(result.service())
        assert (result.latency()["p50"] or 0) > (result.handshake()["p50"] or 0)


@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize("arrivals", ["poisson", "constant"])
def test_several_processes_keep_the_schedule_of_one(arrivals: str, processes: int) -> None:
    """The union of what is due is the very schedule that one process would have with that seed."""
    parameters: dict[str, Any] = {"arrivals": arrivals, "seed": 7, "connections": 6}
    with known_server() as server:
        one = opened(server.address, **parameters)
        some = opened(server.address, processes=processes, **parameters)
    assert np.array_equal(due_ns(one), due_ns(some))
    assert server.requests == len(one.requests) + len(some.requests) == 600


def test_constant_arrivals_have_equal_gaps() -> None:
    """To the nanosecond."""
    with known_server() as server:
        result = opened(server.address, arrivals="constant", rate=250)
    assert set(np.diff(due_ns(result)).tolist()) == {4_000_000}


@pytest.mark.parametrize("processes", [1, 3])
@pytest.mark.parametrize("requests", [3, 100])
def test_a_counted_open_loop_asks_exactly_so_often(requests: int, processes: int) -> None:
    """At the rate, for as long as that takes."""
    with known_server() as server:
        result = load(server.address, rate=200, requests=requests, processes=processes)
    check_accounts(result)
    assert result.completed == server.requests == requests
    assert result.ok


def test_a_counted_open_loop_may_have_long_gaps() -> None:
    """Longer than three timeouts, in which nothing is asked and nothing can be answered."""
    with known_server() as server:
        result = load(server.address, rate=2, requests=3, timeout=0.1, arrivals="constant")
    assert result.ok
    assert result.completed == 3


def test_every_step_offers_and_achieves_its_rate() -> None:
    """In its own part of the run, with figures of its own."""
    with known_server() as server:
        result = opened(server.address, rate=100, final_rate=500, steps=3, duration=1.5)
    found = steps(result)
    assert [step.rate for step in found] == [100, 300, 500]
    assert [step.offered for step in found] == [100, 300, 500]
    assert [step.seconds for step in found] == [0.5, 0.5, 0.5]
    assert sum(step.throughput for step in found) == pytest.approx(900, abs=20)  # an answer may be of the next
    assert all(step.failed == 0 for step in found)
    assert all((step.response["p50"] or 0) > 0 for step in found)
    assert [line.split()[1] for line in describe(result) if line.startswith("  at ")] == ["100/s:", "300/s:", "500/s:"]


def test_a_ramp_goes_up_evenly() -> None:
    """Each fifth of the time has more requests, by the same step."""
    with known_server() as server:
        result = opened(server.address, rate=100, final_rate=900, arrivals="constant", connections=10)
    counts = np.histogram(due_ns(result), bins=5, range=(0, 1e9))[0]
    assert counts.tolist() == pytest.approx([36, 68, 100, 132, 164], abs=1)
    assert result.offered == pytest.approx(500)
    assert result.ok


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


def test_a_server_slower_than_the_rate_is_told_from_a_slow_client() -> None:
    """Every connection waited for an answer: they were too few for such a server."""
    with serving("selector", "--protocol", "work") as server:
        address = Address(server.listening["host"], server.listening["port"])

        def run() -> None:
            slow: dict[str, Any] = {"protocol": "work", "work": "64 sleep=0.02", "connections": 2}
            result = opened(address, timeout=0.5, **slow)
            assert judge(result).limit == "connections"
            assert result.achieved is not None
            assert result.achieved < 0.5
            assert "2 requests at a time were in flight" in " ".join(findings(result))

        until_true(run)


def test_what_was_never_sent_is_in_the_distribution_with_its_age() -> None:
    """A silent server: what was in flight and what waited count with how long they did so, to the end."""
    with known_server(known_servers.never) as server:
        result = opened(server.address, rate=100, duration=0.5, connections=2, timeout=10.0)
    assert outcomes(result) == {"in-flight": 50}
    assert result.in_flight == 50
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


def test_a_server_may_close_what_is_idle() -> None:
    """That is its right: the client connects again, nothing fails, and every request is answered."""
    with serving("selector", "--idle-timeout", "0.1") as server:
        address = Address(server.listening["host"], server.listening["port"])

        def run() -> None:
            result = opened(address, rate=10, duration=1.5, arrivals="constant")
            assert result.ok, "unless one was closed just when it was asked"
            assert outcomes(result) == {"answered": 15}
            assert result.idle_closed > 0

        until_true(run)


@pytest.mark.parametrize("ending", [{"duration": 1.0, "warmup": 0.0}, {"requests": 300}])
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


@pytest.mark.parametrize("rate", [0.5, 200])
@pytest.mark.parametrize("duration", [0.01, 0.05])
def test_a_run_may_be_very_short(duration: float, rate: float) -> None:
    """Also one in which nothing is due at all."""
    with known_server() as server:
        result = opened(server.address, rate=rate, duration=duration)
    assert len(result.requests) == round(rate * duration)


def test_a_rate_beyond_all_means_ends_in_time() -> None:
    """What could not be asked in time waits or is shed, and each request is accounted for."""
    with serving("selector") as server:
        address = Address(server.listening["host"], server.listening["port"])
        began = time.monotonic()
        result = opened(address, rate=500_000, connections=50, max_waiting=20_000)
        assert time.monotonic() - began < 30
    found = outcomes(result)
    assert found["shed"] > 0
    assert found["answered"] > 0
    assert judge(result).limit == "client"


def test_a_thousand_connections_share_the_load() -> None:
    """Each is asked in its turn."""
    with serving("selector", "--backlog", "1024") as server:
        address = Address(server.listening["host"], server.listening["port"])
        result = opened(address, rate=2000, connections=1000)
    assert result.ok
    assert np.bincount(result.request("connection")).tolist() == [2] * 1000


def test_connections_that_never_stand_leave_their_requests_waiting() -> None:
    """Nobody accepts, and the backlog is full: the run ends in time, and all that was due has a row."""
    with listening(backlog=0) as (_, address):
        result = opened(address, rate=100, duration=0.5, timeout=0.2)
    assert result.errors["connect-timeout"] >= 2
    assert result.completed == 0
    assert sum(outcomes(result).values()) == 50
