"""Load over HTTP: what is asked, what is taken for a right response, and what is told of a wrong one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clients.addresses import Address
from clients.conversations import exchanges
from clients.failures import WrongAnswerError
from clients.http_answers import HttpAnswer
from clients.plan import LoadPlan
from clients.records import Outcome
from clients.swarm import run_load
from tests import known_servers
from tests.known_servers import known_server, responding, response

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from clients.result import LoadResult
    from tests.known_servers import KnownServer, Reply

pytestmark = pytest.mark.usefixtures("prestarted")

BODY = b"hello, world"
OK = b"HTTP/1.1 200 OK\r\n"
SIZED = OK + b"Content-Length: 12\r\n\r\n" + BODY
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7;note=x\r\n, world\r\n0\r\nTrailer: y\r\n\r\n"


def hear(*parts: bytes) -> list[bool]:
    """What the judge of BODY says to each part of one response."""
    judge = HttpAnswer(BODY)
    begin, said = 0, []
    for part in parts:
        said.append(judge.hear(begin, part))
        begin += len(part)
    return said


@pytest.mark.parametrize(
    "whole",
    [
        SIZED,
        CHUNKED,
        OK + b"content-LENGTH:12\r\nDate: now\r\n\r\n" + BODY,
        b"HTTP/1.0 200 \r\nContent-Length: \t12 \t\r\n\r\n" + BODY,
    ],
)
def test_a_response_is_right_however_it_is_cut(whole: bytes) -> None:
    """At every place in two, and byte by byte: it is whole with its last byte and not before."""
    assert hear(whole) == [True]
    for at in range(1, len(whole)):
        assert hear(whole[:at], whole[at:]) == [False, True]
    assert hear(*(whole[at : at + 1] for at in range(len(whole)))) == [False] * (len(whole) - 1) + [True]


@pytest.mark.parametrize(
    ("whole", "outcome", "words"),
    [
        (b"hello, world", Outcome.HTTP_MALFORMED, "the answer begins with b'hello, world'"),
        (b"HTTP/2 200 OK\r\nContent-Length: 12\r\n\r\n", Outcome.HTTP_MALFORMED, "the status line is b'HTTP/2 200 OK'"),
        (b"HTTP/1.2 200 OK\r\nContent-Length: 12\r\n\r\n", Outcome.HTTP_MALFORMED, "the status line"),
        (b"HTTP/1.1 200\r\nContent-Length: 12\r\n\r\n", Outcome.HTTP_MALFORMED, "the status line"),
        (b"HTTP/1.1 200 OK\nContent-Length: 12\r\n\r\n", Outcome.HTTP_MALFORMED, "the status line"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", Outcome.HTTP_STATUS, "503 Busy"),
        (OK + b"Content-Length: 11\r\n\r\n" + BODY, Outcome.WRONG_BYTES, "Content-Length: 11 where 12"),
        (OK + b"Content-Length: 12\r\n\r\nhello, warld", Outcome.WRONG_BYTES, "byte 8 of 12: b'arld' where b'orld'"),
        (SIZED + b"!", Outcome.EXTRA_BYTES, "1 bytes after the whole answer: b'!'"),
        (SIZED + SIZED, Outcome.EXTRA_BYTES, "after the whole answer"),
        (CHUNKED + CHUNKED, Outcome.EXTRA_BYTES, "bytes after the last chunk"),
        (OK + b"\r\n", Outcome.HTTP_MALFORMED, "the body's length is unknown"),
        (OK + b"Content-Length: 12\r\nContent-Length: 12\r\n\r\n", Outcome.HTTP_MALFORMED, "2 x Content-Length"),
        (OK + b"Content-Length: +12\r\n\r\n", Outcome.HTTP_MALFORMED, "Content-Length: b'+12'"),
        (OK + b"Content-Length: 12\r\nTransfer-Encoding: chunked\r\n\r\n", Outcome.HTTP_MALFORMED, "both"),
        (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", Outcome.HTTP_MALFORMED, "gzip, chunked"),
        (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Outcome.HTTP_MALFORMED, "in HTTP/1.0"),
        (OK + b"Content-Length : 12\r\n\r\n", Outcome.HTTP_MALFORMED, "a header line"),
        (OK + b"X: y\r\n folded\r\nContent-Length: 12\r\n\r\n", Outcome.HTTP_MALFORMED, "a header line"),
        (OK + b"X: y\nContent-Length: 12\r\n\r\n", Outcome.HTTP_MALFORMED, "a header line"),
        (OK + b"X: \0\r\nContent-Length: 12\r\n\r\n", Outcome.HTTP_MALFORMED, "a header line"),
        (OK + b"X: " + b"y" * 70_000, Outcome.HTTP_MALFORMED, "no end of the head"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello", Outcome.HTTP_MALFORMED, "the size of a chunk is b'-5'"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n", Outcome.HTTP_MALFORMED, "followed by b'X"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhell0\r\n", Outcome.WRONG_BYTES, "byte 4 of 12"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Outcome.WRONG_BYTES, "after 5 of 12"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nwhat?\r\n\r\n", Outcome.HTTP_MALFORMED, "a trailer is b'what?'"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 2000, Outcome.HTTP_MALFORMED, "longer than 1024"),
    ],
)
def test_a_response_that_is_wrong_is_told_as_what_it_is(whole: bytes, outcome: Outcome, words: str) -> None:
    """A status, a body, a length that is another; more than was due; and what two readers could read in two ways."""
    with pytest.raises(WrongAnswerError) as wrong:
        hear(whole)
    assert wrong.value.outcome == outcome
    assert words in str(wrong.value)
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize(
    ("head", "last"),
    [
        (b"HTTP/1.1 200 OK\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: Keep-Alive, Close\r\n", True),
        (b"HTTP/1.0 200 OK\r\n", True),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", False),
    ],
)
def test_a_last_response_says_so(head: bytes, last: bool) -> None:
    """By its Connection, or by its version."""
    judge = HttpAnswer(BODY)
    assert judge.hear(0, head + b"Content-Length: 12\r\n\r\n" + BODY)
    assert judge.last is last


def test_requests_are_what_a_web_server_expects() -> None:
    """A body is posted to /echo, work is asked of /work, the Host is the server's."""
    post, other = exchanges("http", 7, 20, "", authority="[::1]:80")
    head, _, body = post.request.partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[:2] == [b"POST /echo HTTP/1.1", b"Host: [::1]:80"]
    assert b"Content-Length: 20" in head
    assert body == post.answer != other.answer
    get, same = exchanges("http", 7, 64, "5 sleep=0.01 cpu=2", close=True)
    assert get is same
    assert get.request.startswith(b"GET /work?size=5&sleep=0.01&cpu=2 HTTP/1.1\r\nHost: localhost\r\n")
    assert get.request.endswith(b"\r\nConnection: close\r\n\r\n")
    assert get.answer == b"xxxxx"


@pytest.mark.parametrize(
    ("address", "authority"),
    [
        (Address("localhost", 80), "localhost:80"),
        (Address("fe80::1%lo", 8080), "[fe80::1]:8080"),
        (Address("bücher.example", 1), "xn--bcher-kva.example:1"),
        (Address(path="a/socket"), "localhost"),
    ],
)
def test_the_host_is_named_as_http_wants_it(address: Address, authority: str) -> None:
    """With brackets, without an interface, in ASCII."""
    assert address.authority == authority


def load(server: KnownServer, **parameters: Any) -> LoadResult:
    """Run a small plan over HTTP."""
    return run_load(LoadPlan(server.address, protocol="http", **{"connections": 2, **parameters}))


def web_server(reply: Reply = known_servers.echo, *fields: str) -> AbstractContextManager[KnownServer]:
    """A server that responds with what `reply` makes of a body."""
    return known_server(responding(reply, *fields), reader=known_servers.web_requests)


@pytest.mark.parametrize("churn", [False, True])
@pytest.mark.parametrize("parameters", [{"size": 2}, {"size": 64}, {"size": 200_000}, {"work": "300000 sleep=0"}])
def test_every_response_is_read(parameters: dict[str, Any], churn: bool) -> None:
    """Bodies of any size, posted or asked for; each head has another Date, and that changes nothing."""
    with web_server() as server:
        result = load(server, requests=30, churn=churn, timeout=30.0, **parameters)
    assert result.ok, (result.errors, result.error_examples)
    assert server.requests == result.completed == 30
    assert server.connections == (30 if churn else 2)


def test_a_response_in_single_bytes_is_put_together() -> None:
    """However it is cut, it is one answer."""
    with known_server(_in_bytes, reader=known_servers.web_requests) as server:
        assert load(server, requests=10).ok


def _in_bytes(_number: int, body: bytes) -> tuple[bytes, ...]:
    whole = response(body)
    return tuple(whole[at : at + 1] for at in range(len(whole)))


@pytest.mark.parametrize("churn", [False, True])
def test_dropped_corrupted_and_doubled_responses_are_told_apart(churn: bool) -> None:
    """Each by its name, once for each time, also after many that were right."""
    with web_server(known_servers.corrupt_every(10)) as server:
        corrupted = load(server, requests=40, churn=churn)
    with web_server(known_servers.drop_every(20)) as server:
        dropped = load(server, requests=40, churn=churn, timeout=1.0)
    with known_server(_doubled_every_tenth, reader=known_servers.web_requests) as server:
        doubled = load(server, requests=40, churn=churn)
    assert corrupted.errors == {"wrong-bytes": 4}
    assert "byte 3 of 64: b'?" in corrupted.error_examples["wrong-bytes"]
    assert dropped.errors == {"timeout": 2}
    assert doubled.errors == {"doubled": 4}


def _doubled_every_tenth(number: int, body: bytes) -> tuple[bytes, ...]:
    return (response(body) * (1 if number % 10 else 2),)


@pytest.mark.parametrize(("count", "words"), [(10, "10 bytes of the head"), (-54, "10 of 64 bytes of the body")])
def test_a_response_that_ends_early_is_told_with_its_place(count: int, words: str) -> None:
    """In the head and in the body."""

    def cut_short(_number: int, body: bytes) -> Iterator[bytes]:
        yield response(body)[:count]
        raise known_servers.HangUp

    with known_server(cut_short, reader=known_servers.web_requests) as server:
        result = load(server, requests=2)
    assert result.errors == {"closed": 2}
    assert f"hung up after {words}" in result.error_examples["closed"]


def test_errors_of_the_server_are_counted_by_their_kind() -> None:
    """Each 503 is one, with its words; a server that speaks no HTTP is malformed and not waited for."""
    with known_server(_busy_every_tenth, reader=known_servers.web_requests) as server:
        busy = load(server, requests=30)
    with known_server() as server:
        echo = load(server, requests=2, timeout=30.0)
    assert busy.errors == {"http-status": 3}
    assert "503 Busy" in busy.error_examples["http-status"]
    assert echo.errors == {"http-malformed": 2}
    assert "b'POST /echo HTTP/1.1" in echo.error_examples["http-malformed"]


def _busy_every_tenth(number: int, body: bytes) -> tuple[bytes, ...]:
    return (response(body) if number % 10 else response(b"later", status="503 Busy"),)


def test_a_server_that_says_it_will_close_is_connected_to_anew() -> None:
    """Its answer is right, and the next request goes over a new connection, without an error."""
    with web_server(known_servers.echo, "Connection: close") as server:
        result = load(server, requests=20)
    assert result.ok
    assert len(result.requests) == 20 == len(set(result.request("connection")))
