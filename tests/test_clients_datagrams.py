"""`load --udp` and `talk --udp`: datagrams that are answered, lost, late, doubled, wrong, or refused."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from clients.addresses import Address
from clients.datagram_lines import LARGEST_DATAGRAM, SMALLEST_DATAGRAM, Lines, number_of
from clients.plan import LoadPlan, PlanError
from clients.records import Outcome
from clients.summary import describe
from clients.swarm import NobodyListensError, run_load
from tests import known_servers
from tests.known_servers import LOOPBACKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clients.result import LoadResult
    from tests.known_servers import Reply

pytestmark = pytest.mark.usefixtures("prestarted")

CLIENTS = [sys.executable, "-m", "clients"]
PROBE = b"0" * 10  # the datagram ahead of the run is number 0, and no request


class DatagramServer:
    """Answers datagrams as its reply says (see `known_servers`); `requests` counts them, without the one ahead."""

    def __init__(self, reply: Reply, endpoint: socket.socket) -> None:
        self.requests = 0
        self.address = Address(*endpoint.getsockname()[:2])
        self._reply, self._endpoint = reply, endpoint
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            data, client = self._endpoint.recvfrom(1 << 16)
            if data == b"end":
                return
            if data.startswith(PROBE):
                self._send((data,), client)
            else:
                self.requests += 1
                self._send(self._reply(self.requests, data), client)

    def _send(self, answers: Any, client: Any) -> None:
        with suppress(ConnectionRefusedError):  # a client that has gone
            for answer in answers:
                self._endpoint.sendto(answer, client)

    def end(self) -> None:
        """Stop serving; from then on datagrams are refused."""
        if self._thread.is_alive():
            with socket.socket(self._endpoint.family, socket.SOCK_DGRAM) as last:
                last.sendto(b"end", self._endpoint.getsockname())
            self._thread.join(10)
        assert not self._thread.is_alive()
        self._endpoint.close()


@contextmanager
def datagram_server(reply: Reply = known_servers.echo, host: str = "127.0.0.1") -> Iterator[DatagramServer]:
    """Serve `reply` on a UDP port of `host`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    endpoint = socket.socket(family, socket.SOCK_DGRAM)
    endpoint.bind((host, 0))
    server = DatagramServer(reply, endpoint)
    try:
        yield server
    finally:
        server.end()


@contextmanager
def refusing_datagrams() -> Iterator[Address]:
    """An address whose datagrams are refused: the port is taken by a socket that is connected elsewhere."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.connect(("127.0.0.1", bound.getsockname()[1]))
        yield Address("127.0.0.1", bound.getsockname()[1])


def load(server: DatagramServer, **parameters: Any) -> LoadResult:
    """Run a small plan over UDP."""
    return run_load(LoadPlan(server.address, udp=True, **{"connections": 2, "timeout": 5.0, **parameters}))


def test_a_datagram_bears_its_number_and_has_its_size() -> None:
    """The number stands first in the request and in the answer, whose upper case has another size."""
    for protocol in ("echo", "upper"):
        for size in (SMALLEST_DATAGRAM, 17, 64, 5000):
            lines = Lines(protocol, 1234, size)
            for number in (1, 2, 10**9):
                request, answer = lines.request(number), lines.answer(number)
                assert len(request) == size
                assert number_of(request) == number_of(answer) == number
                text = request.decode()
                assert answer.decode() == (text if protocol == "echo" else text.upper())
    assert [number_of(data) for data in (b"", b"1", b"12345x7890 ")] == [0, 0, 0]


@pytest.mark.parametrize("churn", [False, True])
@pytest.mark.parametrize("size", [SMALLEST_DATAGRAM, 64, LARGEST_DATAGRAM])
def test_every_datagram_is_answered(size: int, churn: bool) -> None:
    """From the smallest to the largest, over one socket or a new one for each."""
    with datagram_server() as server:
        result = load(server, requests=40, size=size, churn=churn)
    assert result.ok
    assert (result.lost, result.loss, result.late, result.duplicates) == (0, 0.0, 0, 0)
    assert result.completed == server.requests == 40
    assert (result.request("bytes") == size).all()
    assert len(result.connections) == (40 if churn else 2)


def test_every_address_and_protocol_and_several_processes() -> None:
    """IPv6, a host's name whose first address refuses, upper case, and a run by time."""
    for host in LOOPBACKS:
        with datagram_server(known_servers.upper, host) as server:
            assert load(server, requests=40, protocol="upper", size=1000, processes=2).ok
    with datagram_server() as server:
        there = Address("localhost", server.address.port)
        by_time = run_load(LoadPlan(there, udp=True, connections=3, duration=0.3))
    assert by_time.ok
    assert by_time.completed > 0
    assert by_time.unfinished == 3


@pytest.mark.parametrize("churn", [False, True])
def test_what_is_dropped_is_lost_and_no_error(churn: bool) -> None:
    """Counted, with its share, and in the latency as the timeout; the run is a success all the same."""
    with datagram_server(known_servers.drop_every(10)) as server:
        result = load(server, requests=20, timeout=1.0, churn=churn)
    assert (result.lost, result.completed, result.failed, result.errors) == (2, 18, 0, {})
    assert result.loss == pytest.approx(0.1)
    assert (result.latencies()[-2:] >= 1.0).all()
    assert (result.request("outcome") == Outcome.LOST).sum() == 2
    assert result.ok
    words = "\n".join(describe(result))
    assert "lost      2 of the datagrams, 10.00%; answers: 0 late, 0 twice" in words
    assert "lost datagrams count as the timeout (1 s)" in words


def test_a_server_that_never_answers_is_a_failure() -> None:
    """Whether the end comes by count or by time: nothing at all was answered."""
    with datagram_server(known_servers.never) as server:
        counted = load(server, requests=4, timeout=0.1)
        timed = load(server, duration=0.5, timeout=0.1)
    for result in (counted, timed):
        assert not result.ok
        assert result.completed == 0
        assert result.errors == {}
        assert result.lost >= 2


def late_every(nth: int) -> Reply:
    """Hold every nth answer back, and send it ahead of the next."""
    held: list[bytes] = []

    def reply(number: int, data: bytes) -> tuple[bytes, ...]:
        if number % nth == 0:
            held.append(data)
            return ()
        return (held.pop(), data) if held else (data,)

    return reply


def test_a_late_answer_is_not_taken_for_another() -> None:
    """Its number says what it answers: the datagram was lost, the answer is late, and the wait goes on."""
    with datagram_server(late_every(10)) as server:
        result = load(server, requests=20, connections=1, timeout=1.0)
    assert (result.lost, result.late, result.duplicates) == (2, 1, 0)  # the last is held back for ever
    assert (result.completed, result.errors) == (18, {})
    assert result.ok


def test_a_doubled_answer_is_counted() -> None:
    """In the midst and at the very end; it answers nothing a second time."""
    with datagram_server(known_servers.double_every(10, at_once=False)) as server:
        result = load(server, requests=40, connections=1)
    assert (result.lost, result.late, result.duplicates) == (0, 0, 4)
    assert (result.completed, result.errors) == (40, {})


@pytest.mark.parametrize("churn", [False, True])
def test_a_wrong_answer_is_told_with_its_place(churn: bool) -> None:
    """A byte that is another, a datagram that was cut, two answers in one, an error of the server."""
    wrong = {
        11: lambda data: data[:20] + b"?" + data[21:],
        12: lambda data: data[:30],
        13: lambda data: data + data,
        14: lambda _: b"error: not UTF-8\n",
        15: lambda _: b"",
    }
    for nth, change in wrong.items():

        def reply(number: int, data: bytes, nth: int = nth, change: Any = change) -> tuple[bytes, ...]:
            return (change(data) if number == nth else data,)

        with datagram_server(reply) as server:
            result = load(server, requests=20, connections=1, churn=churn)
        [(kind, count)] = result.errors.items()
        assert (kind, count) == ("extra-bytes" if nth == 13 else "wrong-bytes", 1)
        [example] = result.error_examples.values()
        words = {11: "byte 20 of 64: b'?", 12: "cut off after 30 of 64", 14: "not UTF-8", 15: "cut off after 0"}
        assert words.get(nth, "64 bytes after the whole answer") in example
        assert (result.completed, result.failed, result.lost) == (19, 1, 0)
        assert not result.ok


def test_a_wrong_answer_to_an_earlier_datagram_ends_nothing() -> None:
    """It is an error of the server's bytes; the datagram that is out is still waited for."""
    before: list[bytes] = [b""]

    def reply(number: int, data: bytes) -> tuple[bytes, ...]:
        before.append(data)
        return (before[-2][:-1] + b"?", data) if number == 5 else (data,)

    with datagram_server(reply) as server:
        result = load(server, requests=10, connections=1)
    assert result.errors == {"wrong-bytes": 1}
    assert "in an answer to an earlier datagram" in result.error_examples["wrong-bytes"]
    assert (result.completed, result.failed, result.duplicates) == (10, 0, 0)


def test_a_datagram_that_nothing_asked_for_is_told() -> None:
    """After the last answer, something else."""

    def reply(number: int, data: bytes) -> tuple[bytes, ...]:
        return (data, b"and more") if number == 10 else (data,)

    with datagram_server(reply) as server:
        result = load(server, requests=10, connections=1)
    assert result.errors == {"extra-bytes": 1}
    assert result.completed == 10


def test_nobody_listening_is_told_before_the_run() -> None:
    """The refusal of the one datagram ahead."""
    with refusing_datagrams() as address, pytest.raises(NobodyListensError, match=f"nobody listens at {address}"):
        run_load(LoadPlan(address, udp=True, duration=60.0))


@pytest.mark.parametrize("churn", [False, True])
def test_a_server_that_goes_away_refuses_without_a_storm(churn: bool) -> None:
    """ICMP tells the client, each of whose refused datagrams is an error; it pauses before the next."""

    def leave(number: int, data: bytes) -> tuple[bytes, ...]:
        if number == 50:
            endpoint.close()
            raise known_servers.HangUp
        return (data,)

    endpoint = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    endpoint.bind(("127.0.0.1", 0))
    address = Address(*endpoint.getsockname())
    thread = threading.Thread(target=_serve_until, args=(endpoint, leave), daemon=True)
    thread.start()
    result = run_load(LoadPlan(address, udp=True, connections=1, duration=0.6, timeout=0.2, churn=churn))
    thread.join(10)
    assert set(result.errors) == {"refused"}
    assert 1 <= result.errors["refused"] <= 13
    assert "nobody listens (ICMP port unreachable)" in result.error_examples["refused"]
    assert not result.ok


def _serve_until(endpoint: socket.socket, reply: Reply) -> None:
    number = -1
    with suppress(known_servers.HangUp):
        while True:
            data, client = endpoint.recvfrom(1 << 16)
            number += 1
            for answer in reply(number, data):
                endpoint.sendto(answer, client)


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"size": LARGEST_DATAGRAM + 1}, f"size of a datagram must be from 16 to {LARGEST_DATAGRAM}, not 65508"),
        ({"size": 15}, "size of a datagram must be from 16"),
        ({"size": 65_507, "protocol": "upper"}, "the answer to a datagram of 65507 bytes would have"),
        ({"protocol": "work", "work": "64"}, "over udp the protocol is one of echo, upper, not 'work'"),
        ({"protocol": "http"}, "over udp the protocol is one of"),
        ({"tls": True}, "tls is for streams"),
        ({"close": "reset"}, "no connection to reset"),
        ({"address": Address(path="x")}, "udp needs HOST:PORT"),
    ],
)
def test_what_makes_no_sense_over_udp_is_refused(parameters: dict[str, Any], complaint: str) -> None:
    """When the plan is made, before anything is sent."""
    with pytest.raises(PlanError, match=complaint):
        LoadPlan(**{"address": Address("127.0.0.1", 9), "udp": True, **parameters})


def run(*words: str, said: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run([*CLIENTS, *words], input=said, capture_output=True, text=True, timeout=50, check=False)


def test_the_command_counts_what_is_lost_and_succeeds() -> None:
    """In the JSON beside the errors, of which there is none; a larger datagram than there is, is one line."""
    with datagram_server(known_servers.drop_every(10)) as server:
        address = str(server.address)
        options = ("--udp", "--requests", "20", "--connections", "2")
        done = run("load", address, *options, "--json")
        large = run("load", address, "--udp", "--size", "70000")
        plain = run("load", address, "--udp", "--duration", "0.3")
    summary = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert (summary["lost"], summary["loss"], summary["errors"], summary["failed"]) == (2, 0.1, {}, 0)
    assert (summary["transport"], summary["tls"], summary["parameters"]["udp"]) == ("udp", False, True)
    assert (summary["requests"], summary["late"], summary["duplicates"]) == (18, 0, 0)
    assert (large.returncode, large.stderr.count("\n")) == (2, 1)
    assert "size of a datagram must be from 16 to 65507, not 70000" in large.stderr
    assert "10 clients, one socket each, echo, datagrams of 64 bytes, over UDP" in plain.stdout


def test_talk_sends_a_line_as_a_datagram() -> None:
    """Without its newline, which is printed after the answer; also an empty one, and a last one that has none."""
    seen: list[bytes] = []

    def reply(_number: int, data: bytes) -> tuple[bytes, ...]:
        seen.append(data)
        return (data.upper(),)

    for host in LOOPBACKS:
        seen.clear()
        with datagram_server(reply, host) as server:
            done = run("talk", "--udp", str(server.address), said="one\n\nthree\nfour")
        assert (done.returncode, done.stdout, done.stderr) == (0, "ONE\n\nTHREE\nFOUR\n", "")
        assert seen == [b"one", b"", b"three", b"four"]


def test_talk_says_where_no_answer_comes_and_goes_on() -> None:
    """It does not wait for ever; status 1 where nothing at all was answered."""
    with datagram_server(known_servers.drop_every(2)) as server:
        some = run("talk", "--udp", str(server.address), said="one\ntwo\nthree\n")
    with datagram_server(known_servers.never) as server:
        none = run("talk", "--udp", str(server.address), said="one\n")
    assert (some.returncode, some.stdout) == (0, "one\nthree\n")
    assert some.stderr == none.stderr == "serverlab talk: no answer in 1 s\n"
    assert (none.returncode, none.stdout) == (1, "")


def test_talk_tries_every_address_and_tells_where_nobody_listens() -> None:
    """A refusal has the line sent to the host's next address; the last one is told."""
    with datagram_server() as server:
        found = run("talk", "--udp", f"localhost:{server.address.port}", said="here\n")
    with refusing_datagrams() as address:
        nobody = run("talk", "--udp", str(address), said="anybody?\n")
        long = run("talk", "--udp", str(address), said="x" * 70_000)
    assert (found.returncode, found.stdout, found.stderr) == (0, "here\n", "")
    assert (nobody.returncode, nobody.stderr) == (1, f"serverlab talk: nobody listens at {address}\n")
    assert (long.returncode, long.stderr.count("\n")) == (1, 1)
    assert "a datagram holds at most 65507 bytes, and this line has 70000" in long.stderr


def test_talk_refuses_what_does_not_go_together() -> None:
    """One line, status 2."""
    for words in (("--udp", "--unix", "x"), ("--udp", "--tls", "h:1"), ("--insecure", "h:1"), ("--ca", "x", "h:1")):
        done = run("talk", *words)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
