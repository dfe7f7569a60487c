"""The null server: it gives the right answers, more cheaply than the client asks, and never outlives its parent."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from clients import null_answers
from clients.addresses import Address
from clients.conversations import exchanges
from clients.events import WindowClosed, WindowOpened
from clients.plan import LoadPlan
from clients.swarm import run_load
from tests.serving import PATIENCE, ROOT, read_all, read_exactly

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clients.events import Event
    from clients.result import LoadResult

pytestmark = pytest.mark.usefixtures("prestarted")


@contextmanager
def null_server(protocol: str = "echo", **settings: Any) -> Iterator[tuple[Address, subprocess.Popen[bytes]]]:
    """Run one for the length of a with statement."""
    command = [sys.executable, "-m", "clients.null_server", json.dumps({"protocol": protocol, **settings})]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        try:
            assert process.stdout
            port = json.loads(process.stdout.readline())["port"]
            yield Address(path=settings["path"]) if "path" in settings else Address("127.0.0.1", port), process
        finally:
            process.kill()


def load(protocol: str = "echo", *, path: str = "", **parameters: Any) -> LoadResult:
    """Run a small plan against a null server."""
    where = {"path": path} if path else {}
    with null_server(protocol, udp=parameters.get("udp", False), **where) as (address, _):
        return run_load(LoadPlan(address, protocol=protocol, **{"connections": 4, **parameters}))


@pytest.mark.parametrize("churn", [False, True])
@pytest.mark.parametrize(
    ("protocol", "parameters"),
    [
        ("echo", {}),
        ("echo", {"close": "reset"}),
        ("echo", {"size": 65536}),
        ("upper", {}),
        ("upper", {"size": 300_000, "requests": 12}),
        ("work", {"work": "64 sleep=9 cpu=9"}),
        ("work", {"work": "3000000", "requests": 12}),
        ("frames", {}),
        ("frames", {"size": 200_000, "requests": 12}),
        ("http", {}),
        ("http", {"size": 200_000, "requests": 12}),
        ("http", {"work": "64 sleep=9"}),
        ("http", {"work": "2500000", "requests": 12}),
    ],
)
def test_every_answer_is_right(protocol: str, parameters: dict[str, Any], churn: bool) -> None:
    """Byte for byte, for each protocol, with kept connections and with one per request, of any size, at once."""
    result = load(protocol, churn=churn, **{"requests": 60, **parameters})
    assert result.ok, result.error_examples
    assert result.completed == parameters.get("requests", 60)
    assert result.connections_served == 4


@pytest.mark.parametrize("churn", [False, True])
@pytest.mark.parametrize("protocol", ["echo", "upper"])
def test_datagrams_are_answered(protocol: str, churn: bool) -> None:
    """Each by the right one."""
    result = load(protocol, udp=True, requests=200, churn=churn)
    assert result.ok, result.error_examples
    assert result.completed == 200


def test_a_line_larger_than_all_buffers_passes_both_ways() -> None:
    """The server waits with the rest until the client has read."""
    assert load(size=16 * 1024 * 1024, requests=2, connections=1, timeout=30).ok


def test_a_unix_socket_is_served_too(tmp_path: Any) -> None:
    """At the path that the settings name."""
    assert load(path=str(tmp_path / "null"), requests=100).ok


@pytest.mark.parametrize(
    ("protocol", "sent", "due"),
    [
        ("work", b"3\n1 sleep=1\n2\n", b"xxxxxx"),
        ("frames", b"^a$ between ^bc$^", b"*bcd"),
        ("upper", "né\nß\n".encode(), "NÉ\nSS\n".encode()),
    ],
)
def test_requests_that_come_together_are_all_answered(protocol: str, sent: bytes, due: bytes) -> None:
    """In their order, up to the client's end."""
    with null_server(protocol) as (address, _), socket.create_connection((address.host, address.port)) as client:
        client.settimeout(PATIENCE)
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == due


def test_one_who_speaks_something_else_is_hung_up_on_and_the_others_are_served() -> None:
    """No error of a client ends it."""
    with null_server("work") as (address, _), socket.create_connection((address.host, address.port)) as stranger:
        stranger.settimeout(PATIENCE)
        stranger.sendall(b"no number\n")
        assert read_all(stranger) == b""
        with socket.create_connection((address.host, address.port), timeout=PATIENCE) as client:
            client.sendall(b"4\n")
            assert read_exactly(client, 4) == b"xxxx"


@pytest.mark.parametrize("udp", [False, True])
def test_it_ends_when_its_standard_input_does(udp: bool) -> None:
    """As it does when its parent dies, whoever is connected."""
    with null_server(udp=udp) as (address, process):
        kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as client:
            client.connect((address.host, address.port))
            assert process.stdin
            process.stdin.close()
            assert process.wait(PATIENCE) == 0


def test_it_ends_after_its_time_whatever_happens() -> None:
    """Should even its input stay open for ever."""
    with null_server(seconds=0.2) as (_, process):
        assert process.wait(PATIENCE) < 0


def cost_ratio(**parameters: Any) -> float:
    """CPU per request of the null server as a share of its client's, in one short run on CPUs of their own."""
    *_, client_cpu = cpus = sorted(os.sched_getaffinity(0))
    marks: list[float] = []
    with null_server("echo", cpus=cpus[:1]) as (address, process):

        def note(event: Event) -> None:
            if isinstance(event, WindowOpened | WindowClosed):
                marks.append(time.clock_gettime((~process.pid << 3) | 2))

        plan = LoadPlan(address, duration=0.5, warmup=0.1, cpus=(client_cpu,), **parameters)
        result = run_load(plan, note)
    assert result.ok
    return (marks[1] - marks[0]) / result.client_cpu_seconds


@pytest.mark.parametrize("parameters", [{"connections": 50}, {"connections": 10, "churn": True}])
def test_it_is_cheaper_than_the_client(parameters: dict[str, Any]) -> None:
    """Else it would be the limit, and what is measured against it no ceiling; noise may take all runs but one."""
    ratios: list[float] = []
    while len(ratios) < 8 and not (ratios and ratios[-1] < 1):
        ratios.append(cost_ratio(**parameters))
    assert ratios[-1] < 1, ratios


@pytest.mark.parametrize("protocol", ["upper", "frames", "http"])
@pytest.mark.parametrize("cut", [1, 2, 3, 7, 1000])
def test_a_session_answers_alike_however_its_requests_are_cut(protocol: str, cut: int) -> None:
    """Into bytes, in the middle of a character or a head, or not at all; it is clean at the end of a request alone."""
    first, second = exchanges(protocol, 3, 200, "")
    stream = first.request + second.request + first.request
    session = null_answers.SESSIONS[protocol]()
    answer = b"".join(b"".join(session.hear(stream[at : at + cut])) for at in range(0, len(stream), cut))
    if protocol == "http":
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n"
        assert answer == head + first.answer + head + second.answer + head + first.answer
    else:
        assert answer == first.answer + second.answer + first.answer
    assert session.clean
    session.hear("^é".encode()[:2] if protocol != "http" else b"GET")
    assert not session.clean


def test_a_session_of_upper_refuses_what_is_no_text() -> None:
    """It would else wait for the rest of a character for ever."""
    with pytest.raises(ValueError, match="utf-8"):
        null_answers.Upper().hear(b"\xff\xff\xff\xff\xff")
