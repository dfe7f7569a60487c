"""HTTP without I/O: what is answered, what is refused, and that nothing ambiguous is let through."""

from __future__ import annotations

import json
from email.utils import formatdate
from typing import NamedTuple

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.protocols import load
from servers.protocols.effects import Close, Compute, Sleep
from servers.protocols.http_date import imf_fixdate
from servers.protocols.http_routes import METHODS, ROUTES
from servers.protocols.session import Limits
from tests.serving import ROOT
from tests.test_house import imports
from tests.test_protocols import converse

NOON = 784111777  # the date in the examples of RFC 9110
LIMITS = Limits(max_line=1000, max_size=200_000, max_sleep=2.0, max_cpu=1.0, now=lambda: NOON)
SMUGGLED = b"GET /echo?text=smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


class Answer(NamedTuple):
    """An answer as an independent reader sees it."""

    status: int
    fields: dict[str, str]
    body: bytes


def request(line: str, *fields: str, body: bytes = b"") -> bytes:
    """Return a request of HTTP/1.1 with a Host and these fields."""
    return "\r\n".join((f"{line} HTTP/1.1", "Host: a", *fields, "", "")).encode("latin-1") + body


def post(path: str, body: bytes, *fields: str) -> bytes:
    """Return a POST with a sized body."""
    return request(f"POST {path}", f"Content-Length: {len(body)}", *fields, body=body)


def read(stream: bytes, method: str = "GET") -> tuple[Answer, bytes]:
    """Read one answer with h11 as the client, and return it with what is left of the stream."""
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(stream)
    body, head = b"", None
    while type(event := client.next_event()) is not h11.EndOfMessage:
        assert event is not h11.NEED_DATA, f"not whole: {stream!r}"
        if type(event) is h11.Response:
            head = event
        elif type(event) is h11.Data:
            body += event.data
    assert head
    fields = {name.decode(): value.decode() for name, value in head.headers}
    return Answer(head.status_code, fields, body), client.trailing_data[0]


def answers(sent: bytes, limits: Limits = LIMITS) -> tuple[list[Answer], str | None]:
    """Return all answers to what was sent, and the kind of error with which it was closed; None where it was not."""
    effects, requests = converse("http", [sent] if sent else [], limits)
    closed = effects[-1].error if effects and isinstance(effects[-1], Close) else None
    stream = b"".join(effect for effect in effects if isinstance(effect, bytes))
    found = []
    while stream:
        answer, stream = read(stream)
        found.append(answer)
    assert requests == sum(answer.status == 200 for answer in found)
    assert all(isinstance(effect, bytes | Sleep | Compute) for effect in effects[:-1])
    return found, closed


@pytest.mark.parametrize(
    ("sent", "content_type", "body"),
    [
        (request("GET /echo?text=hello"), "text/plain; charset=utf-8", b"hello"),
        (request("GET /echo?text="), "text/plain; charset=utf-8", b""),
        (request("GET /echo?text=a+b%20c%2Bd%26%C3%A9%00=/?"), "text/plain; charset=utf-8", "a b c+d&é\0=/?".encode()),
        (request("GET /upper?text=stra%C3%9Fe"), "text/plain; charset=utf-8", b"STRASSE"),
        (request("GET /work?size=4000"), "application/octet-stream", b"x" * 4000),
        (request("GET /work?size=200000"), "application/octet-stream", b"x" * 200_000),
        (request("GET http://A/echo?text=absolute"), "text/plain; charset=utf-8", b"absolute"),
        (post("/echo", b"\0\xff" * 50_000), "application/octet-stream", b"\0\xff" * 50_000),
        (post("/upper", "grüß \N{ROCKET}".encode()), "text/plain; charset=utf-8", "GRÜSS \N{ROCKET}".encode()),
        (request("POST /echo"), "application/octet-stream", b""),
        (request("GET /echo?text=a", "Upgrade: h2c", "Connection: Upgrade"), "text/plain; charset=utf-8", b"a"),
    ],
)  # fmt: skip
def test_a_request_is_answered(sent: bytes, content_type: str, body: bytes) -> None:
    """The body with its type, its length and a date, and the connection stays open."""
    fields = {"date": "Sun, 06 Nov 1994 08:49:37 GMT", "content-type": content_type, "content-length": str(len(body))}
    assert answers(sent) == ([Answer(200, fields, body)], None)
    assert answers(sent * 3) == ([Answer(200, fields, body)] * 3, None), "and so are three, one behind the other"


def test_the_index_tells_the_routes() -> None:
    """As JSON; each of them is there."""
    (answer,), _ = answers(request("GET /"))
    assert answer.fields["content-type"] == "application/json"
    index = json.loads(answer.body)
    assert index["name"] == "serverlab"
    assert {line.split()[1].partition("?")[0].encode() for line in index["routes"]} == set(ROUTES)
    for line in index["routes"]:
        (found,), _ = answers(request(line.replace("text=", "text=a").replace("size=&sleep=&cpu=", "size=1")))
        assert found.status == 200, line


@pytest.mark.parametrize(
    ("query", "effects"),
    [
        ("size=1&sleep=0.25", [Sleep(0.25)]),
        ("cpu=.5&sleep=2&size=1", [Compute(0.5), Sleep(2.0)]),
        ("size=1&sleep=2&cpu=1e-3", [Sleep(2.0), Compute(0.001)]),
    ],
)
def test_work_waits_and_computes_before_it_answers(query: str, effects: list[object]) -> None:
    """In the order given, as in the work protocol."""
    found, requests = converse("http", [request(f"GET /work?{query}")], LIMITS)
    assert found[:-1] == effects
    assert isinstance(found[-1], bytes)
    assert requests == 1


@pytest.mark.parametrize("line", ["GET / HTTP/1.1", "GET /work?size=70000 HTTP/1.1", "GET /nowhere HTTP/1.1"])
def test_head_is_answered_with_the_fields_that_get_would_have(line: str) -> None:
    """And with no body, also where the answer is a refusal."""
    sent = f"{line}\r\nHost: a\r\n\r\n".encode()
    (expected,), _ = answers(sent)
    effects, _ = converse("http", [sent.replace(b"GET", b"HEAD")], LIMITS)
    assert isinstance(effects[0], bytes)
    answer, rest = read(effects[0], "HEAD")
    assert answer == expected._replace(body=b"")
    assert rest == b""


def test_only_the_answer_to_head_has_no_body() -> None:
    """The next one has, even if it refuses what is no request at all."""
    effects, _ = converse("http", [request("HEAD /") + b"\0"], LIMITS)
    assert isinstance(effects[0], bytes)
    _, rest = read(effects[0], "HEAD")
    assert read(rest)[0].body.startswith(b"error: a line ends with CR LF")


@pytest.mark.parametrize("path", ["/echo", "/upper"])
@pytest.mark.parametrize("sizes", [[], [1], [3, 1, 65536, 100_000]])
def test_a_chunked_body_is_answered_in_chunks(path: str, sizes: list[int]) -> None:
    """Extensions and trailers are read and dropped."""
    chunks = b"".join(b"%x;name=value\r\n%s\r\n" % (size, b"a" * size) for size in sizes)
    sent = request(f"POST {path}", "Transfer-Encoding: Chunked", body=chunks + b"0\r\nX-Sum: 1\r\n\r\n")
    (answer, last), closed = answers(sent + request("GET /echo?text=next"))
    assert answer.fields["transfer-encoding"] == "chunked"
    assert "content-length" not in answer.fields
    assert answer.body == (b"a" if path == "/echo" else b"A") * sum(sizes)
    assert (last.body, closed) == (b"next", None)


@pytest.mark.parametrize(
    ("sent", "status", "reason"),
    [
        (request("GET /nowhere"), 404, "no such route"),
        (request("GET /echo/"), 404, "no such route"),
        (request("GET /ech%6f?text=a"), 404, "no such route"),
        (request("GET /work"), 400, "the query must give size="),
        (request("GET /echo"), 400, "the query must give text="),
        (request("GET /work?size=0"), 400, "SIZE is a number from 1 to 200000"),
        (request("GET /work?size=200001"), 400, "SIZE is a number from 1 to 200000"),
        (request("GET /work?size=1&sleep=inf"), 400, "sleep= is a number of seconds from 0 to 2"),
        (request("GET /work?size=1&cpu=-1"), 400, "cpu= is a number of seconds from 0 to 1"),
        (request("GET /work?size=1%20cpu=1"), 400, "size, sleep and cpu are a number each"),
        (request("GET /work?size=1%1Fcpu=1"), 400, "size, sleep and cpu are a number each"),
        (request("GET /work?size="), 400, "size, sleep and cpu are a number each"),
        (request("GET /work?size=1&sleeep=1"), 400, "the query of this route gives once each: size, sleep, cpu"),
        (request("GET /work?size=1&size=1"), 400, "the query of this route gives once each: size, sleep, cpu"),
        (request("GET /?x=1"), 400, "the query of this route gives once each: nothing"),
        (post("/echo?text=a", b"b"), 400, "the query of this route gives once each: nothing"),
        (request("GET /echo?text=%4"), 400, "malformed request target"),
        (request("GET /echo?text=a|b"), 400, "malformed request target"),
        (request("GET /echo#top"), 400, "malformed request target"),
        (request("GET echo"), 400, "malformed request target"),
        (request("GET a:80"), 400, "malformed request target"),
        (request("GET *"), 400, "malformed request target"),
        (request("GET ftp://a/echo"), 400, "malformed request target"),
        (request("GET http://b/echo?text=a"), 400, "Host is another than that of the request target"),
        (b"GET http://u@b/ HTTP/1.0\r\n\r\n", 400, "malformed Host"),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "malformed Host"),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "malformed Host"),
        (request("GET /", "Content-Length: 1", body=b"x"), 400, "only a POST carries a body"),
        (request("GET /", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400, "only a POST carries a body"),
        (request("POST /echo", "Content-Length: 1", "Expect: miracles", body=b"x"), 417, "the only expectation"),
        (request("BREW /"), 501, "this method is served nowhere"),
        (request("get /"), 501, "this method is served nowhere"),
        (request("OPTIONS *"), 501, "this method is served nowhere"),
        (request("CONNECT a:80"), 501, "this method is served nowhere"),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "only HTTP/1.1 and HTTP/1.0 are served"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "only HTTP/1.1 and HTTP/1.0 are served"),
        (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505, "only HTTP/1.1 and HTTP/1.0 are served"),
        (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505, "only HTTP/1.1 and HTTP/1.0 are served"),
    ],
)  # fmt: skip
def test_what_is_not_served_is_refused_with_its_reason(sent: bytes, status: int, reason: str) -> None:
    """A whole answer, then a close; what came before is answered, what comes behind is not."""
    found, closed = answers(request("GET /echo?text=before") + sent + SMUGGLED)
    assert [answer.status for answer in found] == [200, status]
    refused = found[1]
    assert refused.body.startswith(f"error: {reason}".encode())
    assert refused.body.endswith(b"\n")
    assert refused.fields["connection"] == "close"
    assert refused.fields["date"] == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert closed == "bad-request"


@pytest.mark.parametrize(
    ("path", "method", "allow"),
    [("/", "POST", "GET, HEAD"), ("/work", "DELETE", "GET, HEAD"), ("/echo", "PUT", "GET, POST, HEAD")],
)
def test_a_method_that_a_route_lacks_is_told_which_it_has(path: str, method: str, allow: str) -> None:
    """405 with Allow."""
    (answer,), closed = answers(request(f"{method} {path}", "Content-Length: 0"))
    assert (answer.status, answer.fields["allow"], closed) == (405, allow, "bad-request")
    assert set(allow.split(", ")) < {known.decode() for known in METHODS}


def head(*lines: bytes, body: bytes = b"") -> bytes:
    """Return the raw lines of a request, each ended as it should be."""
    return b"\r\n".join((*lines, b"", b"")) + body


POST, HOST, CHUNKED = b"POST /echo HTTP/1.1", b"Host: a", b"Transfer-Encoding: chunked"
AMBIGUOUS = {
    "both lengths": head(POST, HOST, b"Content-Length: 5", CHUNKED, body=b"0\r\n\r\n"),
    "both lengths, the other way round": head(POST, HOST, CHUNKED, b"Content-Length: 5", body=b"0\r\n\r\n"),
    "two lengths": head(POST, HOST, b"Content-Length: 5", b"Content-Length: 0", body=b"hello"),
    "the same length twice": head(POST, HOST, b"Content-Length: 5", b"content-length: 5", body=b"hello"),
    "a list of lengths": head(POST, HOST, b"Content-Length: 5, 5", body=b"hello"),
    "a list of differing lengths": head(POST, HOST, b"Content-Length: 5, 0", body=b"hello"),
    "a length with a sign": head(POST, HOST, b"Content-Length: +5", body=b"hello"),
    "a negative length": head(POST, HOST, b"Content-Length: -5", body=b"hello"),
    "a hexadecimal length": head(POST, HOST, b"Content-Length: 0x5", body=b"hello"),
    "an empty length": head(POST, HOST, b"Content-Length:", body=b"hello"),
    "a length of other digits": head(POST, HOST, b"Content-Length: \xd9\xa5", body=b"hello"),
    "a length without end": head(POST, HOST, b"Content-Length: " + b"0" * 30 + b"5", body=b"hello"),
    "chunked in HTTP/1.0": head(b"POST /echo HTTP/1.0", HOST, CHUNKED, body=b"0\r\n\r\n"),
    "chunked twice": head(POST, HOST, CHUNKED, CHUNKED, body=b"0\r\n\r\n"),
    "chunked, identity": head(POST, HOST, b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
    "identity": head(POST, HOST, b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    "xchunked": head(POST, HOST, b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "gzip, chunked": head(POST, HOST, b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    "chunked in quotes": head(POST, HOST, b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"),
    "an empty coding": head(POST, HOST, b"Transfer-Encoding:", body=b"0\r\n\r\n"),
    "a control character before chunked": head(POST, HOST, b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    "a space before the colon": head(POST, HOST, b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"),
    "a tab before the colon": head(POST, HOST, b"Content-Length\t: 5", body=b"hello"),
    "a space before the name": head(POST, HOST, b"A: b", b" Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "a folded value": head(POST, HOST, b"Transfer-Encoding:", b" chunked", body=b"0\r\n\r\n"),
    "a first field that is folded": head(POST, b" Host: a"),
    "a field without a name": head(POST, HOST, b": b"),
    "a field without a colon": head(POST, HOST, b"Content-Length 5", body=b"hello"),
    "a name with a parenthesis": head(POST, HOST, b"(A): b"),
    "LF alone": b"POST /echo HTTP/1.1\nHost: a\n\n",
    "LF alone behind a field": head(POST, HOST, b"A: b\nContent-Length: 5", body=b"hello"),
    "LF alone at the end": b"POST /echo HTTP/1.1\r\nHost: a\r\n\n",
    "CR alone": head(POST, HOST, b"A: b\rContent-Length: 5", body=b"hello"),
    "CR CR LF": head(POST, HOST + b"\r", b"A: b"),
    "NUL in a value": head(POST, HOST, b"A: \0"),
    "NUL in a name": head(POST, HOST, b"A\0: b"),
    "NUL in the target": head(b"GET /\0 HTTP/1.1", HOST),
    "DEL in a value": head(POST, HOST, b"A: \x7f"),
    "no Host": head(b"GET / HTTP/1.1"),
    "two Hosts": head(b"GET / HTTP/1.1", HOST, HOST),
    "two Hosts in HTTP/1.0": head(b"GET / HTTP/1.0", HOST, b"Host: b"),
    "an empty line first": b"\r\n" + head(b"GET / HTTP/1.1", HOST),
    "no version": head(b"GET /", HOST),
    "a long version": head(b"GET / HTTP/1.10", HOST),
    "a small http": head(b"GET / http/1.1", HOST),
    "two spaces": head(b"GET  / HTTP/1.1", HOST),
    "a tab": head(b"GET\t/ HTTP/1.1", HOST),
    "a space in the target": head(b"GET /echo?text=a b HTTP/1.1", HOST),
    "a space at the end": head(b"GET / HTTP/1.1 ", HOST),
    "a target that is not ASCII": head(b"GET /echo?text=\xc3\xa9 HTTP/1.1", HOST),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "another protocol": b"hello\n",
}
CHUNKS = {
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "a size with 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a negative size": b"-5\r\nhello\r\n0\r\n\r\n",
    "a size with a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "a size with an underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "a size that is no number": b"g\r\nhello\r\n0\r\n\r\n",
    "a size of 17 digits": b"00000000000000005\r\nhello\r\n0\r\n\r\n",
    "a space behind the size": b"5 \r\nhello\r\n0\r\n\r\n",
    "a space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "LF behind the size": b"5\nhello\r\n0\r\n\r\n",
    "LF behind an extension": b"5;a\nhello\r\n0\r\n\r\n",
    "CR in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "NUL in an extension": b"5;\0\r\nhello\r\n0\r\n\r\n",
    "a chunk that is too short": b"6\r\nhello\r\n0\r\n\r\n",
    "a chunk that is too long": b"4\r\nhello\r\n0\r\n\r\n",
    "LF behind a chunk": b"5\r\nhello\n0\r\n\r\n",
    "LF at the end": b"5\r\nhello\r\n0\r\n\n",
    "LF behind a trailer": b"5\r\nhello\r\n0\r\nA: b\n\r\n",
    "a folded trailer": b"5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n",
    "a trailer that is a request": b"5\r\nhello\r\n0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a trailer with a space before the colon": b"5\r\nhello\r\n0\r\nA : b\r\n\r\n",
    "a length in the trailer": b"5\r\nhello\r\n0\r\nContent-Length: x\r\n\r\n",
}


@pytest.mark.parametrize(
    "sent", [*AMBIGUOUS.values(), *(head(POST, HOST, CHUNKED, body=body) for body in CHUNKS.values())],
    ids=[*AMBIGUOUS, *CHUNKS],
)  # fmt: skip
def test_nothing_ambiguous_is_accepted(sent: bytes) -> None:
    """One refusal and a close, so that what two readers might read in two ways is read by none."""
    (answer,), closed = answers(sent + SMUGGLED)
    in_pieces = [bytes([byte]) for byte in sent + SMUGGLED]
    assert converse("http", in_pieces, LIMITS) == converse("http", [sent + SMUGGLED], LIMITS)
    assert answer.status in {400, 501}
    assert answer.fields["connection"] == "close"
    assert b"smuggled" not in answer.body
    assert closed == "bad-request"


@pytest.mark.parametrize("size", [999, 1000, 1001, 5000])
def test_a_head_may_be_as_long_as_the_limit_and_no_longer(size: int) -> None:
    """Past it, 431, whether or not it would ever end."""
    whole = request("GET /echo?text=", "A: ")
    sent = whole.replace(b"A: ", b"A: " + b"a" * (size - len(whole)))
    (answer,), closed = answers(sent)
    assert (answer.status, closed) == ((200, None) if size <= 1000 else (431, "line-too-long"))
    (answer,), closed = answers(b"G" * size)
    assert (answer.status, closed) == ((400, "bad-request") if size < 1000 else (431, "line-too-long"))


@pytest.mark.parametrize("size", [200_000, 200_001, 10**19])
def test_a_body_may_be_as_large_as_the_limit_and_no_larger(size: int) -> None:
    """Past it, 413 as soon as its length is told; a chunked one no differently."""
    body = b"a" * min(size, 300_000)
    chunks = b"5\r\nhello\r\n%x\r\n" % (size - 5) + body[5:] + b"\r\n0\r\n\r\n"
    for sent in (
        request("POST /echo", f"Content-Length: {size}", body=body),
        request("POST /echo", "Transfer-Encoding: chunked", body=chunks),
    ):
        (answer,), closed = answers(sent)
        assert (answer.status, closed) == ((200, None) if size <= 200_000 else (413, "line-too-long"))


@pytest.mark.parametrize(
    "body",
    [
        b"1;" + b"e" * 999 + b"\r\na\r\n0\r\n\r\n",
        b"1;" + b"e" * 1000 + b"\r\na\r\n0\r\n\r\n",
        b"1;" + b"e" * 3000,
        b"1;0123456789\r\na\r\n" * 100 + b"0\r\n\r\n",
        b"0\r\nA:" + b"e" * 997,
        b"0\r\n" + b"A: 0123456789\r\n" * 100 + b"\r\n",
    ],
)
def test_extensions_and_trailers_are_bounded_together(body: bytes) -> None:
    """They carry nothing, so a client cannot keep us busy with them."""
    (answer,), closed = answers(request("POST /echo", "Transfer-Encoding: chunked", body=body))
    if b"e" * 1000 in body or b"0123456789" in body:
        assert (answer.status, closed) == (431, "line-too-long")
    else:
        assert answer.status == (200 if body.endswith(b"\r\n\r\n") else 400)


def test_an_upper_that_is_not_utf_8_is_refused() -> None:
    """It is counted as what it is."""
    for sent in (post("/upper", b"\xff"), request("GET /upper?text=%FF")):
        (answer,), closed = answers(sent)
        assert (answer.status, answer.body, closed) == (400, b"error: not UTF-8\n", "not-utf-8")


def test_a_client_that_waits_is_told_to_go_on() -> None:
    """Expect: 100-continue is answered before the body, once, and not where the request is refused anyway."""
    session = load("http")(LIMITS)
    asked = request("POST /echo", "Content-Length: 5", "Expect: 100-Continue")
    assert list(session.received(asked)) == [b"HTTP/1.1 100 Continue\r\n\r\n"]
    assert list(session.received(b"he")) == []
    assert session.pending
    (sent,) = session.received(b"llo")
    assert isinstance(sent, bytes)
    assert read(sent)[0].body == b"hello"
    assert not session.pending
    refused, _ = answers(request("POST /nowhere", "Content-Length: 5", "Expect: 100-continue"))
    assert [answer.status for answer in refused] == [404]
    old = load("http")(LIMITS)
    assert list(old.received(b"POST /echo HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")) == []


@pytest.mark.parametrize(
    "sent",
    [
        request("GET /echo?text=last", "Connection: close"),
        request("GET /echo?text=last", "Connection: keep-alive, Close"),
        b"GET /echo?text=last HTTP/1.0\r\n\r\n",
        b"GET /echo?text=last HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    ],
)
def test_the_connection_is_closed_when_the_client_wants_it(sent: bytes) -> None:
    """Connection: close and HTTP/1.0; what comes behind is no longer read."""
    (answer,), closed = answers(sent + SMUGGLED)
    assert (answer.status, answer.body) == (200, b"last")
    assert answer.fields["connection"] == "close"
    assert closed == ""
    session = load("http")(LIMITS)
    list(session.received(sent + SMUGGLED))
    assert not session.pending, "a reset from here on is no loss"


@pytest.mark.parametrize("sent", [b"G", b"GET / HTTP/1.1\r\nHost: a\r\n", post("/echo", b"hello")[:-1]])
def test_a_request_that_will_never_be_whole_is_refused(sent: bytes) -> None:
    """Its deadline runs while it is awaited; at the half-close it gets a 400."""
    session = load("http")(LIMITS)
    assert not session.pending
    assert list(session.received(sent)) == []
    assert session.pending
    answer, close = session.ended()
    assert isinstance(answer, bytes)
    assert read(answer)[0].status == 400
    assert close == Close("bad-request")
    assert session.requests == 0


def test_a_hundred_requests_are_answered_lazily() -> None:
    """A server holds no more than the part that it is sending, however much one segment asks for."""
    session = load("http")(Limits())
    effects = iter(session.received(request("GET /work?size=16000000") * 100))
    parts = [next(effects) for _ in range(10)]
    assert all(isinstance(part, bytes) and len(part) < 70_000 for part in parts)
    assert session.requests == 0, "the first answer alone has 245 parts"


PIECES = [
    *AMBIGUOUS.values(),
    SMUGGLED,
    post("/upper", b"a"),
    head(POST, HOST, CHUNKED),
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
]


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4), st.integers(0), st.integers(0), st.binary(max_size=3))
def test_whatever_a_client_sends_gets_whole_answers(pieces: list[bytes], at: int, length: int, other: bytes) -> None:
    """Never an exception; all answers can be read, at most the last is a refusal, and then the connection is closed."""
    sent = b"".join(pieces)
    at %= len(sent) + 1
    found, closed = answers(sent[:at] + other + sent[at + length % 5 :])
    assert all(answer.status == 200 for answer in found[:-1])
    assert bool(found and found[-1].status != 200) == bool(closed)


@given(st.integers(0, 253402300799))
def test_the_date_is_that_of_the_standard_library(seconds: int) -> None:
    """From 1970 to 9999."""
    assert imf_fixdate(seconds).decode() == formatdate(seconds, usegmt=True)


def test_only_http_imports_h11() -> None:
    """A server of another protocol has none of it in its memory."""
    having = {path for path in (ROOT / "servers").rglob("*.py") if any(n.split(".")[0] == "h11" for n in imports(path))}
    assert having == {ROOT / "servers/protocols/http.py"}
