"""Was it the client? A client that is slow on purpose is named as the limit, and a slow server is not blamed on it."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from clients.addresses import Address
from clients.littles_law import littles_law
from clients.summary import describe, findings
from clients.verdict import judge
from tests.known_servers import known_server
from tests.load_runs import load, two_cpus
from tests.measured import python
from tests.quiet import until_true_in_quiet
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

HOG = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
print("ready", flush=True)
end = time.monotonic() + 30
while time.monotonic() < end:
    pass
"""
alone = pytest.mark.alone
patient = pytest.mark.timeout(300)


@contextmanager
def hogged(cpu: int) -> Iterator[None]:
    """Have something else take all it can of a CPU."""
    with subprocess.Popen(python(HOG, str(cpu)), stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()


@contextmanager
def working(cpu: int) -> Iterator[Address]:
    """A server of ours that does work, on its own CPU."""
    with serving("selector", "--protocol", "work") as server:
        os.sched_setaffinity(server.pid, {cpu})
        yield Address(server.listening["host"], server.listening["port"])


@alone
@patient
@pytest.mark.parametrize("discipline", [{}, {"rate": 5000.0}])
def test_a_client_beside_a_hog_is_the_limit(discipline: dict[str, float]) -> None:
    """It waits for its CPU, the kernel tells for how long, and the verdict names that."""
    mine, other = two_cpus()
    plan: dict[str, Any] = {"protocol": "work", "work": "64", "duration": 1.0, "cpus": (mine,), **discipline}
    with working(other) as address:

        def run() -> None:
            free = load(address, **plan)
            with hogged(mine):
                result = load(address, **plan)
            verdict = judge(result)
            assert verdict.limit == "client"
            assert discipline or "waited for a CPU" in " ".join(verdict.reasons)
            assert (result.client_wait_seconds or 0) > (free.client_wait_seconds or 0)
            assert any("the client was the limit" in line for line in findings(result))
            [told] = [line for line in describe(result) if line.startswith("  client ")]
            assert told.endswith(": the limit, or may have been")
            assert "waited for a CPU for" in told

        until_true_in_quiet(run)


@alone
@patient
@pytest.mark.parametrize("work", ["64 sleep=0.005", "64 cpu=0.005"])
@pytest.mark.parametrize("discipline", [{}, {"rate": 150.0}, {"rate": 1000.0, "connections": 1}])
def test_a_slow_server_is_not_blamed_on_the_client(work: str, discipline: dict[str, float]) -> None:
    """Whether it sleeps or computes, and whether more is due than it can do or not."""
    mine, other = two_cpus()
    with working(other) as address:

        def run() -> None:
            plan: dict[str, Any] = {"duration": 1.0, "timeout": 0.5, "cpus": (mine,), **discipline}
            result = load(address, protocol="work", work=work, **plan)
            assert judge(result).limit == ("connections" if discipline.get("connections") else "")
            assert not any("the client was the limit" in line for line in findings(result))
            [told] = [line for line in describe(result) if line.startswith("  client ")]
            assert told.endswith("not the limit")

        until_true_in_quiet(run)


@alone
@patient
def test_the_loop_sees_as_many_in_flight_as_littles_law_says() -> None:
    """Ten clients of a server that takes 20 ms: ten in flight, at a rate by the time that each takes."""
    mine, other = two_cpus()
    with working(other) as address:

        def run() -> None:
            plan: dict[str, Any] = {"connections": 10, "duration": 1.0, "cpus": (mine,)}
            little = littles_law(load(address, protocol="work", work="64 sleep=0.02", **plan))
            assert little is not None
            assert little["ratio"] == pytest.approx(1, abs=0.02)
            assert little["seen"] == pytest.approx(10, abs=0.2)
            assert little["expected"] == pytest.approx(10, abs=0.2)

        until_true_in_quiet(run)


def test_answers_that_were_read_together_are_in_flight_no_longer() -> None:
    """While the client goes through 32 answers that came at once, its loop counts them no more than the records do."""
    with serving("selector", "--protocol", "echo") as server:
        address = Address(server.listening["host"], server.listening["port"])
        little = littles_law(load(address, connections=4, pipeline=32, duration=0.5))
    assert little is not None
    assert little["ratio"] == pytest.approx(1, abs=0.2)
    assert little["expected"] < 4 * 32


def test_what_a_real_run_shows_is_judged_by_what_it_has() -> None:
    """The evidence of a small run is whole: CPU, waiting, lateness of the loop, requests in flight."""
    with known_server() as server:
        result = load(server.address, duration=0.5)
    assert result.client_cpu_seconds > 0
    assert result.client_wait_seconds is None or result.client_wait_seconds >= 0
    assert len(result.loop_late_ns) > 0
    assert 0 < (result.mean_in_flight or 0) <= 4
    summary = result.summary()
    assert summary["limit"] in {None, "client"}
    assert isinstance(summary["limit_reasons"], list)
