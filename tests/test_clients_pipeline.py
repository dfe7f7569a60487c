"""Several requests in flight on each connection: right answers however they are cut, and faults told as what they are.

Where one answer is wrong, nothing that follows it on the connection can be believed: the request whose answer it should
have been has the fault, and those behind it are abandoned.
"""

from __future__ import annotations

import random
import ssl
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import trustme

from clients.addresses import Address
from tests import known_servers
from tests.known_servers import HangUp, known_server, responding
from tests.load_runs import check_accounts, load, outcomes, retried
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from clients.result import LoadResult
    from tests.known_servers import Reply

DEPTH = 8
REQUESTS = 400
FAULTY = 50  # the request with which something goes wrong


def piped(address: Address, **parameters: Any) -> LoadResult:
    """A counted run on one connection, whose requests all have a row."""
    result = load(address, **{"connections": 1, "pipeline": DEPTH, "requests": REQUESTS, **parameters})
    check_accounts(result)
    return result


def at(faulty: int, fault: Callable[[bytes], Iterable[bytes]], reply: Reply = known_servers.echo) -> Reply:
    """Reply rightly, but to one request with what `fault` makes of the answer."""

    def answer(number: int, data: bytes) -> Iterable[bytes]:
        right = reply(number, data)
        return fault(b"".join(right)) if number == faulty else right

    return answer


def in_groups(size: int) -> Reply:
    """Hold answers back until so many can be sent at once."""
    held: list[bytes] = []

    def reply(_number: int, line: bytes) -> tuple[bytes, ...]:
        held.append(line)
        if len(held) < size:
            return ()
        whole = b"".join(held)
        held.clear()
        return (whole,)

    return reply


def cut_anywhere(seed: int) -> Reply:
    """Send answers in pieces that do not know where one ends: what is left of each goes with the next."""
    source = random.Random(seed)
    kept = bytearray()

    def reply(number: int, line: bytes) -> tuple[bytes, ...]:
        kept.extend(line)
        size = len(kept) if number % DEPTH == 0 else source.randrange(len(kept))
        piece = bytes(kept[:size])
        del kept[:size]
        return (piece,)

    return reply


@pytest.mark.parametrize("model", ["selector", "threaded", "coroutines"])
@pytest.mark.parametrize(
    ("protocol", "work"),
    [("echo", ""), ("upper", ""), ("frames", ""), ("http", ""), ("work", "64 sleep=0.0001"), ("http", "100")],
)
def test_every_protocol_is_answered_in_order(model: str, protocol: str, work: str) -> None:
    """Each request has one row with a right answer, and in the order in which it was asked."""
    with serving(model, "--protocol", protocol) as server:
        address = Address(server.listening["host"], server.listening["port"])
        result = load(address, protocol=protocol, work=work, requests=REQUESTS, connections=3, pipeline=DEPTH)
    check_accounts(result)
    assert result.ok
    assert result.completed == REQUESTS
    for connection in range(3):
        mine = result.requests[result.request("connection") == connection]
        assert mine["sequence"].tolist() == list(range(len(mine)))
        for column in ("sent_ns", "first_byte_ns", "done_ns"):
            assert (mine[column][1:] >= mine[column][:-1]).all(), column
        assert (mine["first_byte_ns"] >= mine["sent_ns"]).all()
        assert (mine["sent_ns"][:DEPTH] < mine["done_ns"][0]).all(), "the pipeline is filled at once"
        assert (mine["sent_ns"][DEPTH:] >= mine["done_ns"][:-DEPTH]).all(), "and never overfilled"


@pytest.mark.parametrize("connections", [1, 3])
@pytest.mark.parametrize("requests", [1, 7, 8, 9, 101])
def test_a_counted_run_asks_exactly_so_often(requests: int, connections: int) -> None:
    """The server and the records agree, also where there are fewer requests than places."""
    with known_server() as server:
        result = piped(server.address, requests=requests, connections=connections)
    assert server.requests == result.completed == requests
    assert result.ok


@pytest.mark.parametrize(
    "reply", [known_servers.byte_by_byte, in_groups(DEPTH), in_groups(2), *(cut_anywhere(seed) for seed in range(5))]
)
def test_answers_are_right_however_they_are_cut(reply: Reply) -> None:
    """Each byte alone, several answers at once, or a half here and one and a half there."""
    with known_server(reply) as server:
        result = piped(server.address)
    assert result.ok
    assert result.completed == REQUESTS
    assert (result.request("bytes") == 64).all()


def test_a_hundred_answers_in_one_segment_are_told_apart() -> None:
    """The rows of such a group have one time at which they were done."""
    with known_server(in_groups(100)) as server:
        result = piped(server.address, pipeline=100)
    assert result.ok
    assert len(set(result.request("done_ns").tolist())) <= 8  # a segment may come in two parts


@pytest.mark.parametrize("pipeline", [1000, 10_000])
def test_a_deep_pipeline_is_kept_full(pipeline: int) -> None:
    """Thousands in flight, of which the socket buffers have room for some."""
    with known_server() as server:
        result = piped(server.address, pipeline=pipeline, requests=3 * pipeline, size=500)
    assert result.ok


def test_large_lines_wait_for_room_in_their_order() -> None:
    """What does not fit is sent when there is room, and the requests after it after it."""
    with known_server() as server:
        result = piped(server.address, requests=48, pipeline=16, size=1_000_000, connections=2, timeout=30.0)
    assert result.ok
    assert (result.request("bytes") == 1_000_000).all()


@pytest.mark.parametrize("size", [64, 100_000])
def test_pipelines_go_over_tls(tmp_path: Path, size: int) -> None:
    """Several answers may come in one record, and one in several."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    tls = {"tls": True, "ca": str(tmp_path / "ca.pem"), "size": size}
    with known_server(tls=context) as server:
        assert piped(server.address, **tls).ok
        wrong = at(FAULTY, lambda line: (line[:3] + b"?" + line[4:],))
    with known_server(wrong, tls=context) as server:
        assert outcomes(piped(server.address, **tls))["wrong-bytes"] == 1


@pytest.mark.parametrize("pieces", [1, 2, 64])
def test_a_corrupted_byte_is_a_wrong_answer(pieces: int) -> None:
    """One answer has it, whether it comes whole or in parts; those behind are abandoned."""

    def corrupted(line: bytes) -> Iterable[bytes]:
        wrong = line[:40] + b"?" + line[41:]
        return (wrong[begin : begin + 64 // pieces] for begin in range(0, 64, 64 // pieces))

    with known_server(at(FAULTY, corrupted)) as server:
        result = piped(server.address)
    assert outcomes(result) == {"answered": REQUESTS - DEPTH, "wrong-bytes": 1, "abandoned": DEPTH - 1}
    assert result.errors == {"wrong-bytes": 1, "abandoned": DEPTH - 1}
    assert "byte 40 of 64" in result.error_examples["wrong-bytes"]
    assert result.failed == DEPTH


def test_a_dropped_request_is_skipped() -> None:
    """The answer to the next one comes in its place, and that is what is told."""
    with known_server(at(FAULTY, lambda _line: ())) as server:
        result = piped(server.address)
    assert outcomes(result) == {"answered": REQUESTS - DEPTH, "skipped": 1, "abandoned": DEPTH - 1}
    assert result.errors == {"skipped": 1, "abandoned": DEPTH - 1}
    assert "the answer to the next request came in its place" in result.error_examples["skipped"]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_doubled_answer_is_told_as_that(at_once: bool) -> None:
    """The request after it gets the answer before a second time, in one piece with it or alone."""
    with known_server(at(FAULTY, lambda line: (line + line,) if at_once else (line, line))) as server:
        result = piped(server.address)
    assert outcomes(result) == {"answered": REQUESTS - DEPTH, "doubled": 1, "abandoned": DEPTH - 1}
    assert result.errors == {"doubled": 1, "abandoned": DEPTH - 1}


@pytest.mark.parametrize("at_once", [True, False])
def test_the_last_answer_may_be_doubled(at_once: bool) -> None:
    """No request comes after it: the fault is counted all the same, as its own where both come in one piece."""
    with known_server(at(REQUESTS, lambda line: (line + line,) if at_once else (line, line))) as server:
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
    with known_server(at(FAULTY, fault, responding(known_servers.echo)), reader=known_servers.web_requests) as server:
        result = piped(server.address, protocol="http")
    assert outcomes(result) == {"answered": REQUESTS - DEPTH, told: 1, "abandoned": DEPTH - 1}
    assert result.errors == {told: 1, "abandoned": DEPTH - 1}


@retried
def test_where_all_answers_are_alike_a_dropped_one_is_missed_at_the_end() -> None:
    """Nobody can tell which it was: the last request waits in vain."""
    with known_server(at(FAULTY, lambda _answer: (), known_servers.work)) as server:
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

    with known_server(at(FAULTY, close)) as server:
        result = piped(server.address)
    found = outcomes(result)
    assert found.pop("closed", 0) + found.pop("reset", 0) == 1
    assert found == {"answered": REQUESTS - DEPTH, "abandoned": DEPTH - 1}


def test_a_half_answer_before_the_end_is_told() -> None:
    """The bytes that came are in its row."""

    def half(line: bytes) -> Iterable[bytes]:
        yield line[:20]
        raise HangUp

    with known_server(at(REQUESTS, half)) as server:
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


@retried
def test_an_open_loop_in_pipelines_has_every_request_once() -> None:
    """Requests spread over the connections and wait on them, in place of waiting for one to be free."""
    with serving("selector", "--protocol", "work") as server:
        address = Address(server.listening["host"], server.listening["port"])
        parameters: dict[str, Any] = {"protocol": "work", "work": "64 sleep=0.004", "connections": 2, "rate": 400}
        result = load(address, duration=1.0, warmup=0.0, pipeline=50, **parameters)
    check_accounts(result)
    assert result.ok
    assert np.median(result.request("sent_ns") - result.request("ready_ns")) < 1e6, "there was always a place"
    shares = np.bincount(result.request("connection"))
    assert abs(shares[0] - shares[1]) <= 4
