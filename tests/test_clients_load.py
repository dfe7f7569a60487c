"""Load runs against right servers: counts, records, the window, every kind of address and protocol."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest

from clients.addresses import Address
from clients.events import Progress, WindowClosed, WindowOpened
from clients.percentiles import percentiles
from clients.plan import LoadPlan
from clients.process import LoadError, LoadProcess
from clients.records import Outcome
from clients.summary import findings
from clients.swarm import run_load
from tests import known_servers
from tests.known_servers import LOOPBACKS, KnownServer, known_server
from tests.serving import stat_of

if TYPE_CHECKING:
    from pathlib import Path

    from clients.events import Event, Listener
    from clients.result import LoadResult


def load(server: KnownServer, on_event: Listener | None = None, **parameters: Any) -> LoadResult:
    """Run a small plan against `server`."""
    return run_load(LoadPlan(server.address, **{"connections": 4, **parameters}), on_event)


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("churn", [False, True])
@pytest.mark.parametrize("requests", [3, 101])
def test_a_counted_run_sends_exactly_so_many_requests(requests: int, churn: bool, processes: int) -> None:
    """The server and the records agree on the count, however it is shared out."""
    with known_server() as server:
        result = load(server, requests=requests, churn=churn, processes=processes)
    assert result.completed == server.requests == len(result.requests) == requests
    assert result.unfinished == 0
    assert server.connections == len(result.connections) == (requests if churn else 4)
    assert result.ok


def test_the_records_are_in_order_of_time() -> None:
    """Due <= sent <= first byte <= done for every answer, one after the other on each connection."""
    with known_server() as server:
        result = load(server, requests=500, processes=2)
    due, sent, first, done = (result.request(name) for name in ("due_ns", "sent_ns", "first_byte_ns", "done_ns"))
    assert (due > 0).all()
    assert ((due <= sent) & (sent <= first) & (first <= done)).all()
    for connection in np.unique(result.request("connection")):
        mine = result.request("connection") == connection
        assert (done[mine][:-1] <= sent[mine][1:]).all()
    assert (result.request("bytes") == 64).all()
    assert (result.request("outcome") == Outcome.ANSWERED).all()


@pytest.mark.parametrize("churn", [False, True])
def test_a_connection_is_begun_then_connected_then_answered(churn: bool) -> None:
    """Each connection's row has its times in order, and admission is the first answer's first byte."""
    with known_server() as server:
        result = load(server, requests=100, churn=churn, processes=2)
    names = ("began_ns", "connected_ns", "first_answer_ns", "ended_ns")
    began, connected, first, ended = (result.connection(name) for name in names)
    assert ((began <= connected) & (connected <= first) & (first <= ended)).all()
    assert len(np.unique(result.connection("connection"))) == len(result.connections)
    assert set(result.connection("client")) == {0, 1, 2, 3}


def test_what_is_measured_ended_within_the_window() -> None:
    """The warm-up is left out, throughput is answers by the window's real length."""
    with known_server() as server:
        result = load(server, duration=0.6, warmup=0.2)
    done = result.request("done_ns")
    inside = np.count_nonzero((done >= result.opened_ns) & (done <= result.closed_ns))
    assert result.duration == pytest.approx(0.4)
    assert result.completed == inside < len(result.requests)
    assert result.throughput == pytest.approx(inside / 0.4)
    assert len(result.latencies()) == inside
    assert 0 < result.unfinished <= 4  # one may be between an answer and its next request
    assert 0 < result.client_cpu_seconds <= 2 * 0.4


def test_the_caller_hears_of_the_window_and_of_progress() -> None:
    """One opening, one closing, in this order and at the times that the result tells; progress in between."""
    events: list[Event] = []
    with known_server() as server:
        result = load(server, events.append, duration=0.7, warmup=0.1)
    [opened] = [event for event in events if isinstance(event, WindowOpened)]
    [closed] = [event for event in events if isinstance(event, WindowClosed)]
    assert events.index(opened) < events.index(closed)
    assert (opened.at_ns, closed.at_ns) == (result.opened_ns, result.closed_ns)
    progress = [event for event in events if isinstance(event, Progress)]
    assert progress
    assert progress[-1].errors == 0


@pytest.mark.parametrize("churn", [False, True])
@pytest.mark.parametrize("size", [1, 2, 7, 64, 5000, 300_000])
def test_lines_of_any_size_come_back_right(size: int, churn: bool) -> None:
    """One byte or more than any buffer takes: sent whole, received whole."""
    with known_server() as server:
        result = load(server, requests=12, size=size, churn=churn)
    assert result.ok
    assert (result.request("bytes") == size).all()


def test_a_line_larger_than_the_socket_buffers_passes_both_ways() -> None:
    """16 MiB do not fit into the kernel: the rest is sent when there is room again."""
    with known_server() as server:
        result = load(server, requests=2, size=16 * 1024 * 1024, connections=1, timeout=30)
    assert result.ok


def test_an_answer_in_single_bytes_is_put_together() -> None:
    """However an answer is cut, it is one answer, whose first byte came before its last."""
    with known_server(known_servers.byte_by_byte) as server:
        result = load(server, requests=40)
    assert result.ok
    assert (result.request("first_byte_ns") <= result.request("done_ns")).all()


def test_upper_is_known_to_change_the_length() -> None:
    """The answer due is str.upper's, which has another number of bytes than the line."""
    with known_server(known_servers.upper) as server:
        result = load(server, requests=40, protocol="upper")
        wrong = load(server, requests=40, protocol="echo")
    assert result.ok
    assert (result.request("bytes") > 64).all()
    assert wrong.errors == {"wrong-bytes": 40}


@pytest.mark.parametrize("line", ["1", "4000 sleep=0.01", "200000 sleep=0 cpu=0.0"])
def test_work_answers_are_so_many_x(line: str) -> None:
    """SIZE bytes, whatever else the line asks for."""
    with known_server(known_servers.work) as server:
        result = load(server, requests=20, protocol="work", work=line, churn=True)
    assert result.ok
    assert (result.request("bytes") == int(line.split(maxsplit=1)[0])).all()


def test_ipv6_and_unix_sockets_are_served_alike(tmp_path: Path) -> None:
    """The kind of address makes no difference, kept alive or not."""
    for host, path in (*((host, "") for host in LOOPBACKS), ("", str(tmp_path / "socket"))):
        with known_server(host=host, path=path) as server:
            assert load(server, requests=100).ok
            assert load(server, requests=100, churn=True).ok


def test_every_address_of_a_host_is_tried() -> None:
    """The name localhost has ::1 and 127.0.0.1; the server is at the second alone."""
    with known_server() as server:
        result = run_load(LoadPlan(Address("localhost", server.address.port), requests=10, connections=2))
    assert result.ok


def test_a_unix_socket_with_a_short_backlog_serves_many(tmp_path: Path) -> None:
    """A full backlog is waited for, as TCP would, and every request is answered."""
    with known_server(path=str(tmp_path / "socket"), concurrent=False) as server:
        result = load(server, requests=600, connections=300, churn=True, timeout=30.0)
    assert result.ok, (result.errors, result.error_examples)


def test_churn_with_resets_is_an_option() -> None:
    """Closing with a reset gives the same answers."""
    with known_server() as server:
        assert load(server, requests=100, churn=True, close="reset").ok


def test_no_process_is_left() -> None:
    """Neither after a run nor after one that broke in the middle."""
    with known_server() as server:
        load(server, requests=10, processes=2)
        assert psutil.Process().children() == []

        def break_off(_event: Event) -> None:
            raise RuntimeError("broken off")

        with pytest.raises(RuntimeError, match="broken off"):
            load(server, break_off, duration=60, warmup=0)
    assert psutil.Process().children() == []


def test_a_load_process_that_dies_is_told() -> None:
    """The run ends with one clear line when a load process is killed."""
    with known_server() as server:
        server.enough = 100

        def kill() -> None:
            server.had_enough.wait(10)
            for child in psutil.Process().children():
                child.kill()

        killer = threading.Thread(target=kill)
        killer.start()
        with pytest.raises(LoadError, match="a load process ended early"):
            load(server, duration=60)
        killer.join()


def began(process: psutil.Process) -> tuple[int, int]:
    """What orders processes by when they began, in ticks since the boot: pids alone begin anew at their highest."""
    return int(stat_of(process.pid)[19]), process.pid


@pytest.mark.parametrize("guests", [0, 3])
def test_a_run_goes_on_without_a_load_process_that_dies(guests: int) -> None:
    """Its part is told as missing, and what it should have asked was due all the same."""
    with known_server() as server:
        server.enough = 50 + guests

        def kill_the_last() -> None:
            server.had_enough.wait(10)
            max(psutil.Process().children(), key=began).kill()

        killer = threading.Thread(target=kill_the_last)
        killer.start()
        result = load(server, duration=2.0, warmup=0, rate=200, processes=1 if guests else 2, hold=guests)
        killer.join()
    whose = "the held and hostile clients" if guests else "2 clients"
    assert result.missing == (f"{whose}: a load process ended early: killed by SIGKILL",)
    assert not result.ok
    assert result.offered == pytest.approx(200)
    assert result.achieved == pytest.approx(1.0 if guests else 0.5, abs=0.05)
    assert psutil.Process().children() == []


def test_an_interrupt_ends_the_run_and_reports_it() -> None:
    """What was measured until then is in the result."""

    def interrupt(event: Event) -> None:
        if isinstance(event, Progress) and event.completed:
            os.kill(os.getpid(), signal.SIGINT)

    with known_server() as server:
        began = time.monotonic()
        result = load(server, interrupt, duration=60, warmup=0)
        assert time.monotonic() - began < 30
    assert result.interrupted
    assert result.completed > 0
    assert not result.ok


def test_a_load_process_ends_with_its_parent() -> None:
    """The end of its input is the order to stop, so that none outlives a parent that was killed."""
    from clients.spec import divide  # noqa: PLC0415 - the one test that looks beneath run_load

    with known_server() as server:
        plan = LoadPlan(server.address)
        with LoadProcess(divide(plan, plan.address.resolve())[0]) as process:
            assert [event["event"] for event in process.hear()] == ["ready"]
            assert process._process.stdin is not None
            process._process.stdin.close()
            process._process.wait(10)
            process._process.stdin = None


def test_a_client_that_may_have_been_the_limit_is_told() -> None:
    """From 80 % of its CPUs on: the server may have had more to give."""
    with known_server() as server:
        result = load(server, duration=0.4)
    for share, told in ((0.79, False), (0.81, True)):
        cpu_seconds = share * result.duration
        alone = replace(result, client_cpu_seconds=cpu_seconds, client_wait_seconds=0.0, client_processes=())
        lines = findings(alone)
        assert any("the client was the limit, or may have been" in line for line in lines) is told


def test_a_percentile_is_a_sample_and_not_between_two() -> None:
    """The smallest that so many do not exceed, as in a comparison's tables."""
    samples = np.arange(1, 101)
    assert list(percentiles(samples, [0.5, 0.99, 0.999])) == [50, 99, 100]


def test_percentiles_are_refused_from_too_few_requests() -> None:
    """The median from one request, the 90th from a hundred, the 99th from a thousand."""
    with known_server() as server:
        one = load(server, requests=1).latency()
        hundred = load(server, requests=100).latency()
        thousand = load(server, requests=1000).latency()
    assert [name for name, value in one.items() if value is None] == ["p90", "p99", "p999"]
    assert [name for name, value in hundred.items() if value is None] == ["p99", "p999"]
    assert [name for name, value in thousand.items() if value is None] == ["p999"]


@pytest.mark.parametrize(("protocol", "work"), [("work", "64"), ("work", "4000"), ("upper", ""), ("http", "")])
def test_a_server_that_echoes_where_something_else_is_asked_for_is_told_as_one(protocol: str, work: str) -> None:
    """A user's own server that speaks another protocol than the workload is a mistake that the bytes give away."""
    with known_server() as server:
        result = load(server, protocol=protocol, work=work, duration=0.3)
    (example,) = result.error_examples.values()
    told = f"the answer is the request itself, as of an echo, and not that of the protocol {protocol}: "
    assert told in example


def test_wrong_bytes_of_an_echo_are_no_echo_of_another() -> None:
    """Where echo is asked for, the request itself is right, and what is wrong is told as it is."""
    with known_server(lambda _number, line: (line.swapcase(),)) as server:
        result = load(server, duration=0.3)
    assert all("as of an echo" not in example for example in result.error_examples.values())
    assert result.error_examples
