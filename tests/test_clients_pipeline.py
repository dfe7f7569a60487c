"""Several requests in flight on each connection: right answers, however they are cut and in whatever protocol."""

from __future__ import annotations

import random
import ssl
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import trustme

from clients.addresses import Address
from tests import known_servers
from tests.known_servers import known_server
from tests.load_runs import DEPTH, REQUESTS, check_accounts, load, outcomes, piped, retried
from tests.serving import serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.known_servers import Reply

pytestmark = pytest.mark.usefixtures("prestarted")


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
        wrong = known_servers.at_request(50, lambda line: (line[:3] + b"?" + line[4:],))
    with known_server(wrong, tls=context) as server:
        assert outcomes(piped(server.address, **tls))["wrong-bytes"] == 1


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
