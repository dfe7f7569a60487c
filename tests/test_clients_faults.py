"""Servers that do something wrong, each in a way that is known: the load client says what it was."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from clients.addresses import Address
from clients.plan import LoadPlan
from clients.process import LoadError
from clients.records import Outcome
from clients.summary import findings
from clients.swarm import NobodyListensError, run_load
from tests import known_servers
from tests.known_servers import known_server, listening, refusing

if TYPE_CHECKING:
    from pathlib import Path

    from clients.result import LoadResult

pytestmark = pytest.mark.usefixtures("prestarted")


def load(address: Address, **parameters: Any) -> LoadResult:
    """Run a small plan against `address`."""
    return run_load(LoadPlan(address, **{"connections": 2, **parameters}))


def test_a_right_server_is_reported_without_a_fault() -> None:
    """Nothing is found where nothing is wrong."""
    with known_server() as server:
        result = load(server.address, requests=200)
    assert result.ok
    assert result.errors == {}
    told = [line for line in findings(result) if "the client was the limit" not in line]  # a busy machine makes it that
    assert told == []


@pytest.mark.parametrize("churn", [False, True])
def test_every_dropped_request_is_a_timeout(churn: bool) -> None:
    """A server that leaves every 100th request unanswered: each is counted, with the timeout as its latency."""
    with known_server(known_servers.drop_every(100)) as server:
        result = load(server.address, requests=300, churn=churn, timeout=1.0)
    assert result.errors == {"timeout": 3}
    assert (result.completed, result.failed) == (297, 3)
    assert (result.latencies()[-3:] >= 1.0).all()
    assert not result.ok


def test_a_corrupted_byte_is_told_with_its_place() -> None:
    """One wrong byte in 50 answers is found, and the example shows it."""
    with known_server(known_servers.corrupt_every(50)) as server:
        result = load(server.address, requests=100)
    assert result.errors == {"wrong-bytes": 2}
    assert "byte 3 of 64: b'?" in result.error_examples["wrong-bytes"]


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("nth", [50, 100])
def test_a_doubled_answer_is_seen(nth: int, at_once: bool) -> None:
    """Whether its copy comes with it or alone, in the midst or at the very end, an answer too many is an error."""
    with known_server(known_servers.double_every(nth, at_once=at_once)) as server:
        result = load(server.address, requests=100, connections=1)
    assert result.errors == {"doubled": 100 // nth}


@pytest.mark.parametrize("churn", [False, True])
def test_a_reset_is_told_from_an_orderly_close(churn: bool) -> None:
    """Both end the request and the client connects again, but they have different names."""
    with known_server(known_servers.reset_every(20)) as server:
        result = load(server.address, requests=100, churn=churn)
    assert result.errors == {"reset": 5}
    with known_server(known_servers.hang_up_every(20)) as server:
        result = load(server.address, requests=100, churn=churn)
    assert result.errors == {"closed": 5}
    assert result.completed == 95
    assert "after 0 of 64 bytes" in result.error_examples["closed"]


def test_a_stall_is_in_the_latencies() -> None:
    """A server that stands still for 1 s: the longest latency says so, for each of the clients."""
    with known_server(known_servers.stall_once(100, 1.0)) as server:
        result = load(server.address, requests=400, timeout=5.0, connections=4)
    assert result.ok
    assert (result.latencies()[-4:] >= 0.9).all()
    assert result.latencies()[-5] < 0.9


def test_a_server_that_never_answers_ends_with_the_duration() -> None:
    """The requests wait to the end; they are in flight, and unanswered, and the run does not hang."""
    with known_server(known_servers.never) as server:
        began = time.monotonic()
        result = load(server.address, duration=0.3)
        assert time.monotonic() - began < 0.3 + 5.0
    assert result.errors == {"unanswered": 2}
    assert result.unfinished == 2
    assert result.latency()["p50"] is None
    assert findings(result)[0] == "0 of 2 connections were served"


def test_a_counted_run_against_a_silent_server_gives_up() -> None:
    """A count that is never reached ends after three timeouts without an answer, and says so."""
    with known_server(known_servers.never) as server:
        result = load(server.address, requests=1000, timeout=0.1)
    assert result.gave_up
    assert not result.ok
    assert result.errors["timeout"] >= 2


def test_a_server_of_one_client_at_a_time_leaves_the_others_unanswered() -> None:
    """50 connections kept alive to an iterative server: one is served, and the result says that."""
    with known_server(concurrent=False) as server:
        result = load(server.address, connections=50, duration=0.5)
    assert result.connections_served == 1
    assert result.errors == {"unanswered": 49}
    assert findings(result)[0] == "1 of 50 connections were served"
    assert result.completed > 0
    assert not result.ok


def test_nobody_listening_is_told_at_once() -> None:
    """A refused first connection to every address ends the run before it begins."""
    with refusing() as address, pytest.raises(NobodyListensError, match=f"nobody listens at {address}"):
        load(address, duration=60.0)


def test_a_missing_unix_socket_is_told(tmp_path: Path) -> None:
    """A path where nothing is has likely been mistyped."""
    with pytest.raises(LoadError, match=r"cannot connect to .*gone: no such file"):
        load(Address(path=str(tmp_path / "gone")), duration=60.0)


def test_a_server_that_goes_away_is_refused_without_a_storm() -> None:
    """After the server's end connects are refused; each client pauses before it tries again."""
    with known_server(known_servers.hang_up_every(50)) as server:
        server.on_hang_up = server.stop_listening
        result = load(server.address, connections=1, duration=1.0)
    assert result.errors["closed"] == 1
    assert 1 <= result.errors["refused"] <= 22


def test_a_full_backlog_is_a_connect_timeout() -> None:
    """Nobody accepts and the queue is full: connects take too long, and the run ends in time all the same."""
    with listening(backlog=0) as (_, address):
        result = load(address, connections=4, duration=0.5, timeout=0.2)
    assert result.errors["connect-timeout"] >= 2
    assert result.completed == 0


@pytest.mark.parametrize("churn", [False, True])
def test_a_full_unix_backlog_is_knocked_at_until_the_timeout(tmp_path: Path, churn: bool) -> None:
    """A Unix socket refuses to wait; the client waits in its stead, without a storm of errors."""
    with listening(path=str(tmp_path / "socket"), backlog=0) as (_, address):
        result = load(address, connections=4, duration=0.5, timeout=0.2, churn=churn)
    assert 2 <= result.errors["connect-timeout"] <= 12
    assert result.completed == 0


def test_what_failed_is_in_the_records() -> None:
    """The row of a failed request has its outcome and the bytes that came."""
    with known_server(known_servers.corrupt_every(10)) as server:
        result = load(server.address, requests=10, connections=1)
    [row] = result.requests[result.request("outcome") != Outcome.ANSWERED]
    assert [row["bytes"], row["outcome"]] == [64, Outcome.WRONG_BYTES]
    times = [row[name] for name in ("due_ns", "ready_ns", "sent_ns", "first_byte_ns", "done_ns")]
    assert times[0] > 0
    assert times == sorted(times)
