"""HTTP and frames over real servers, with the clients that people have: http.client, curl, wrk."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from http.client import HTTPConnection, HTTPResponse
from typing import TYPE_CHECKING

import pytest

from tests.serving import PATIENCE, Server, is_silent, read_all, read_exactly, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("prestarted")

MODELS = ("iterative", "forking", "threaded", "selector")  # both drivers, and each way to give a client its own
LARGE = b"0123456789abcdef" * 125_000  # more than all buffers between two programs hold
ONE = b"GET /echo?text=%d HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(params=MODELS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of each model that serves HTTP."""
    with serving(request.param, "--protocol", "http") as running:
        yield running


def connection_to(server: Server) -> HTTPConnection:
    """Return a client of the standard library."""
    return HTTPConnection(server.listening["host"], server.listening["port"], timeout=PATIENCE)


def url(server: Server, path: str) -> str:
    """Return what a browser would be given."""
    return f"http://{server.listening['host']}:{server.listening['port']}{path}"


def test_many_requests_go_over_one_connection(server: Server) -> None:
    """With bodies of either framing, with none, and with HEAD between them."""
    client = connection_to(server)
    for method, path, body, answer in (
        ("GET", "/echo?text=hello", None, b"hello"),
        ("POST", "/upper", "grüß".encode(), "GRÜSS".encode()),
        ("POST", "/echo", iter([b"one", b"two"]), b"onetwo"),
        ("HEAD", "/work?size=5000", None, b""),
        ("GET", "/work?size=3&sleep=0.01&cpu=0.01", None, b"xxx"),
        ("POST", "/echo", b"", b""),
        ("POST", "/echo", LARGE, LARGE),
        ("GET", "/work?size=5000000", None, b"x" * 5_000_000),
    ):
        client.request(method, path, body)
        response = client.getresponse()
        assert (response.status, response.read()) == (200, answer)
    client.close()
    stopped = server.stop()
    assert (stopped["connections"], stopped["requests"], stopped["errors"]) == (1, 8, {})


def test_a_hundred_requests_in_one_segment_are_answered_in_order(server: Server) -> None:
    """Pipelined, byte by byte, and with the client's half-close behind them."""
    with server.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in ONE % 7:
            client.send(bytes([byte]))
        first = HTTPResponse(client)
        first.begin()
        assert first.read() == b"7"
        client.sendall(b"".join(ONE % number for number in range(100)))
        client.shutdown(socket.SHUT_WR)
        answers = read_all(client)
    bodies = re.findall(rb"\r\n\r\n([0-9]+)(?=HTTP/1.1 200 OK|$)", answers)
    assert bodies == [b"%d" % number for number in range(100)]
    assert server.stop()["requests"] == 101


def test_what_is_refused_is_told_before_the_connection_is_closed(server: Server) -> None:
    """Also where the client still sends a body that nobody will read; the next client is served."""
    client = connection_to(server)
    client.request("GET", "/nowhere")
    response = client.getresponse()
    assert (response.status, response.getheader("Connection")) == (404, "close")
    assert response.read().startswith(b"error: no such route")
    with server.connect() as late:
        late.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n" + LARGE[:100_000])
        late.shutdown(socket.SHUT_WR)
        assert read_all(late).startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
    assert server.ask(b"GET / HTTP/1.1\n").startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert server.ask(b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")
    stopped = server.stop()
    assert (stopped["requests"], stopped["errors"]) == (1, {"bad-request": 3})


def test_a_client_that_expects_to_be_told_is_told_to_go_on(server: Server) -> None:
    """It holds its body back until then."""
    with server.connect() as client:
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        go_on = b"HTTP/1.1 100 Continue\r\n\r\n"
        assert read_exactly(client, len(go_on)) == go_on
        assert is_silent(client, seconds=0.1)
        client.sendall(b"hello")
        response = HTTPResponse(client)
        response.begin()
        assert response.read() == b"hello"
    assert server.stop()["errors"] == {}


@pytest.mark.parametrize("model", MODELS)
def test_frames_greets_whom_it_serves(model: str) -> None:
    """Only a greeting shows that the server itself, and not its kernel, has taken the client."""
    with serving(model, "--protocol", "frames") as server:
        with server.connect() as client:
            assert read_exactly(client, 1) == b"*"
            client.sendall(b"ignored^abc")
            assert read_exactly(client, 3) == b"bcd"
            client.sendall(b"\xff$ignored^" + LARGE[:100_000])
            assert read_exactly(client, 1) == b"\0"
            client.shutdown(socket.SHUT_WR)
            assert len(read_all(client)) == 100_000
        stopped = server.stop()
    assert (stopped["requests"], stopped["errors"]) == (1, {})


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_works_against_it(server: Server) -> None:
    """Its GET, POST, HEAD, chunked upload, HTTP/1.0, and two URLs over one connection."""
    assert json.loads(curl(url(server, "/")))["name"] == "serverlab"
    assert curl(url(server, "/echo"), "--get", "--data-urlencode", "text=a b&é") == "a b&é".encode()
    assert curl(url(server, "/upper"), "--data-binary", "@-", sent=LARGE) == LARGE.upper()
    assert curl(url(server, "/echo"), "-X", "POST", "-T", "-", sent=LARGE) == LARGE, "chunked"
    assert b"Content-Length: 4000\r\n" in curl(url(server, "/work?size=4000"), "--head")
    assert curl(url(server, "/work?size=4"), "--http1.0") == b"xxxx"
    twice = curl(url(server, "/echo?text=a"), url(server, "/echo?text=b"), "--write-out", "%{num_connects}")
    assert twice == b"a1b0"


def curl(*arguments: str, sent: bytes = b"") -> bytes:
    """Return what curl prints, with `sent` as its input."""
    command = ["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", str(PATIENCE), *arguments]
    done = subprocess.run(command, input=sent, capture_output=True, timeout=PATIENCE * 2, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
def test_wrk_works_against_it(server: Server) -> None:
    """It finds no error in a second of load, of one connection where one is served at a time."""
    connections = "1" if server.listening["model"] == "iterative" else "4"
    command = ["wrk", "-t1", f"-c{connections}", "-d1", "--timeout=20", url(server, "/echo?text=hello")]
    said = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    assert re.search(r"\n *[1-9]\d* requests in ", said), said
    assert "Non-2xx" not in said
    assert "Socket errors" not in said
    assert server.stop()["requests"] > 0
