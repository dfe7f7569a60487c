"""Several requests in flight on each connection: faults are told as what they are.

Where one answer is wrong, nothing that follows it on the connection can be believed: the request whose answer it should
have been has the fault, and those behind it are abandoned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import known_servers
from tests.known_servers import HangUp, at_request, known_server, responding
from tests.load_runs import DEPTH, REQUESTS, outcomes, piped, retried

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.known_servers import Reply

pytestmark = pytest.mark.usefixtures("prestarted")

FAULTY = 50  # the request with which something goes wrong


@pytest.mark.parametrize("pieces", [1, 2, 64])
def test_a_corrupted_byte_is_a_wrong_answer(pieces: int) -> None:
    """One answer has it, whether it comes whole or in parts; those behind are abandoned."""

    def corrupted(line: bytes) -> Iterable[bytes]:
        wrong = line[:40] + b"?" + line[41:]
        return (wrong[begin : begin + 64 // pieces] for begin in range(0, 64, 64 // pieces))

    with known_server(at_request(FAULTY, corrupted)) as server:
        result = piped(server.address)
    assert outcomes(result) == {"answered": REQUESTS - DEPTH, "wrong-bytes": 1, "abandoned": DEPTH - 1}
    assert result.errors == {"wrong-bytes": 1, "abandoned": DEPTH - 1}
    assert "byte 40 of 64" in result.error_examples["wrong-bytes"]
    assert result.failed == DEPTH


def test_a_dropped_request_is_skipped() -> None:
    """The answer to the next one comes in its place, and that is what is told."""
    with known_server(at_request(FAULTY, lambda _line: ())) as server:
        result = piped(server.address)
    assert outcomes(result) == {"answered": REQUESTS - DEPTH, "skipped": 1, "abandoned": DEPTH - 1}
    assert result.errors == {"skipped": 1, "abandoned": DEPTH - 1}
    assert "the answer to the next request came in its place" in result.error_examples["skipped"]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_doubled_answer_is_told_as_that(at_once: bool) -> None:
    """The request after it gets the answer before a second time, in one piece with it or alone."""
    with known_server(at_request(FAULTY, lambda line: (line + line,) if at_once else (line, line))) as server:
        result = piped(server.address)
    assert outcomes(result) == {"answered": REQUESTS - DEPTH, "doubled": 1, "abandoned": DEPTH - 1}
    assert result.errors == {"doubled": 1, "abandoned": DEPTH - 1}


@pytest.mark.parametrize("at_once", [True, False])
def test_the_last_answer_may_be_doubled(at_once: bool) -> None:
    """No request comes after it: the fault is counted all the same, as its own where both come in one piece."""
    with known_server(at_request(REQUESTS, lambda line: (line + line,) if at_once else (line, line))) as server:
        result = piped(server.address)
    assert result.errors == {"doubled": 1}
    assert outcomes(result).get("answered", 0) >= REQUESTS - 1


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (lambda _answer: (), "skipped"),
        (lambda answer: (answer + answer,), "doubled"),
        (lambda answer: (answer[:-3] + b"???",), "wrong-bytes"),
        (lambda answer: (answer.replace(b"200 OK", b"500 No"),), "http-status"),
    ],
)
def test_the_same_faults_are_told_over_http(fault: Callable[[bytes], Iterable[bytes]], told: str) -> None:
    """Whose answers are not known to the byte, because their heads differ."""
    with known_server(
        at_request(FAULTY, fault, responding(known_servers.echo)), reader=known_servers.web_requests
    ) as server:
        result = piped(server.address, protocol="http")
    assert outcomes(result) == {"answered": REQUESTS - DEPTH, told: 1, "abandoned": DEPTH - 1}
    assert result.errors == {told: 1, "abandoned": DEPTH - 1}


@retried
def test_where_all_answers_are_alike_a_dropped_one_is_missed_at_the_end() -> None:
    """Nobody can tell which it was: the last request waits in vain."""
    with known_server(at_request(FAULTY, lambda _answer: (), known_servers.work)) as server:
        result = piped(server.address, protocol="work", work="64", timeout=0.3)
    assert outcomes(result) == {"answered": REQUESTS - 1, "timeout": 1}


@retried
def test_a_timeout_takes_those_behind_with_it() -> None:
    """All that were in flight fail with the first, whose time was over; the next connection goes on."""
    with known_server(lambda number, line: () if FAULTY <= number < FAULTY + DEPTH else (line,)) as server:
        result = piped(server.address, timeout=0.3)
    assert outcomes(result) == {"answered": REQUESTS - DEPTH, "timeout": 1, "abandoned": DEPTH - 1}
    assert (result.latencies()[-DEPTH:] >= 0.3).all()
    assert server.connections == 2


def test_a_server_that_closes_in_between_is_told() -> None:
    """What was answered before is answered; the rest was asked in vain. What it did not read makes its end a reset."""

    def close(_line: bytes) -> Iterable[bytes]:
        raise HangUp

    with known_server(at_request(FAULTY, close)) as server:
        result = piped(server.address)
    found = outcomes(result)
    assert found.pop("closed", 0) + found.pop("reset", 0) == 1
    assert found == {"answered": REQUESTS - DEPTH, "abandoned": DEPTH - 1}


def test_a_half_answer_before_the_end_is_told() -> None:
    """The bytes that came are in its row."""

    def half(line: bytes) -> Iterable[bytes]:
        yield line[:20]
        raise HangUp

    with known_server(at_request(REQUESTS, half)) as server:
        result = piped(server.address)
    assert outcomes(result) == {"answered": REQUESTS - 1, "closed": 1}
    assert result.requests[-1]["bytes"] == 20
    assert "after 20 of 64 bytes" in result.error_examples["closed"]


@pytest.mark.parametrize("nth", [3, 20, 100])
@pytest.mark.parametrize(
    "fault",
    [known_servers.corrupt_every, known_servers.drop_every, known_servers.reset_every, known_servers.hang_up_every],
)
@retried
def test_whatever_fails_every_request_has_one_row(fault: Callable[[int], Reply], nth: int) -> None:
    """On several connections, with a fault on every few requests."""
    with known_server(fault(nth)) as server:
        result = piped(server.address, connections=3, timeout=0.5)
    found = outcomes(result)
    assert sum(found.values()) == REQUESTS
    assert {kind: count for kind, count in found.items() if kind != "answered"} == result.errors
