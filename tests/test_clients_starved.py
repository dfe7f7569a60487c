"""A load process that could not run is named as the limit: one among several, and one whose loop stood still."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from clients.addresses import Address
from clients.events import WindowOpened
from clients.result import ClientProcess
from clients.summary import findings
from clients.verdict import judge
from tests import known_servers
from tests.known_servers import known_server
from tests.load_runs import load, opened, retried
from tests.serving import serving
from tests.test_clients_verdict_tables import run_of

if TYPE_CHECKING:
    from clients.events import Event
    from clients.result import LoadResult

FREE = ClientProcess(0.4, 0.0, 0.0)
ONE = "one of its processes"


@pytest.mark.parametrize(
    ("processes", "words"),
    [
        ((FREE, FREE), ""),
        ((FREE, ClientProcess(1.5, 0.0, 0.0)), ""),
        ((FREE, ClientProcess(1.7, 0.0, 0.0)), f"{ONE} worked for 85% of the time, and waited for a CPU for 0%"),
        ((ClientProcess(0.3, 1.4, 0.0), FREE), f"{ONE} worked for 15% of the time, and waited for a CPU for 70%"),
        ((ClientProcess(0.3, 0.5, 0.0), FREE), f"{ONE} worked for 15% of the time, and waited for a CPU for 25%"),
        ((ClientProcess(0.3, 0.3, 0.0), FREE), ""),
        ((ClientProcess(1.7, None, 0.0), FREE), f"{ONE} worked for 85% of the time"),
        ((FREE, ClientProcess(0.4, 0.0, 0.19)), ""),
        ((FREE, ClientProcess(0.4, 0.0, 0.5)), "its loop stood still for 500 ms of 2"),
        ((ClientProcess(0.4, 0.0, 0.5),), "its loop stood still for 500 ms of 2"),
    ],
)
def test_one_process_without_time_is_named_among_several(processes: tuple[ClientProcess, ...], words: str) -> None:
    """Two seconds: the mean over all says nothing of one that could not run."""
    run = replace(run_of(processes=len(processes)), client_processes=processes, cpus=tuple(range(4)))
    verdict = judge(run)
    assert verdict.limit == ("client" if words else "")
    assert words in " ".join(verdict.reasons)


def stopped_for(seconds: float, address: Address, **parameters: Any) -> tuple[LoadResult, float]:
    """A run whose one load process is stopped for so long when its window has opened; for how long it really was."""
    timers: list[threading.Timer] = []
    stopped = 0.0

    def stop(event: Event) -> None:
        if isinstance(event, WindowOpened):
            [pid] = [child.pid for child in psutil.Process().children() if "clients.worker" in child.cmdline()]
            os.kill(pid, signal.SIGSTOP)
            timers.append(threading.Timer(seconds, go_on, (pid, time.monotonic())))
            timers[0].start()

    def go_on(pid: int, since: float) -> None:
        nonlocal stopped
        stopped = time.monotonic() - since
        os.kill(pid, signal.SIGCONT)

    try:
        return load(address, stop, **parameters), stopped
    finally:
        timers[0].join()


@retried
def test_a_closed_loop_whose_process_stood_still_names_it() -> None:
    """Stopped for 0.8 of 2 s: nothing was due that could have been late, and a small part of the answers took long."""
    with serving("selector", "--protocol", "work") as server:
        address = Address(server.listening["host"], server.listening["port"])
        plan: dict[str, Any] = {"protocol": "work", "work": "64 sleep=0.01", "duration": 2.0}
        result, seconds = stopped_for(0.8, address, **plan)
    assert [process.late for process in result.client_processes] == [pytest.approx(seconds - 0.05, abs=0.15)]
    verdict = judge(result)
    assert verdict.limit == "client"
    assert "its loop stood still for " in " ".join(verdict.reasons)
    assert any("the client was the limit" in line for line in findings(result))


@retried
def test_lateness_at_a_low_rate_is_judged_by_the_percentile_that_there_is() -> None:
    """150 a second for 2 s are too few for a 99th percentile: the 90th tells of the client that was stopped."""
    with known_server() as server:
        result, _ = stopped_for(0.6, server.address, rate=150.0, duration=2.0)
    assert result.latency()["p99"] is None
    verdict = judge(result)
    assert verdict.limit == "client"
    assert "it was late itself with what was due: p90 " in " ".join(verdict.reasons)


@retried
def test_a_server_that_refuses_is_not_called_slow_for_so_few_connections() -> None:
    """Requests wait because nobody can connect, and not because every connection waits for an answer."""
    with known_server(known_servers.hang_up_every(50)) as server:
        server.on_hang_up = server.stop_listening
        result = opened(server.address, churn=True, rate=500)
    assert result.errors["refused"] > 0
    assert result.unsent > 0.01 * len(result.requests)
    assert judge(result).limit != "connections"
    assert "slow for so few connections" not in " ".join(findings(result))
