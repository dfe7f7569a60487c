"""Canaries tell how fast a CPU computes, cost little, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from tests.hogs import hog, is_running, until
from tests.serving import ROOT
from tools.host.canary import INTERVAL, KEPT, ROUNDS, Canaries, Canary, canaries
from tools.host.spinning import spin
from tools.machine import usable_cpus

if TYPE_CHECKING:
    from numpy.typing import NDArray

CPU = usable_cpus()[-1]
MILLISECOND = 1_000_000
A_FLOCK = """
import sys, time
from tools.host.canary import canaries
from tools.machine import usable_cpus
with canaries(usable_cpus()[:2]) as birds:
    print(*(bird.process.pid for bird in birds._flock.values()), flush=True)
    sys.stdin.read()
"""


class Scripted:
    """A canary of which the samples are given: when each loop ended, in ms, and how long it took, in us."""

    def __init__(self, *loops: tuple[int, int]) -> None:
        self.loops = list(loops)

    def samples(self) -> NDArray[np.int64]:
        """Return them as a canary does; between two of them it used 10 us beside the loop."""
        used = np.cumsum([10_000 + took * 1000 for _, took in self.loops])
        rows = [(at * MILLISECOND, total, took * 1000) for (at, took), total in zip(self.loops, used, strict=True)]
        return np.array(rows, dtype=np.int64).reshape(-1, 3)


def flock(**birds: Scripted) -> Canaries:
    """Return canaries that are scripted, each on the CPU with its number in its name."""
    return Canaries({int(name[3:]): cast(Canary, bird) for name, bird in birds.items()})


def test_a_speed_is_the_mean_of_the_loops_that_ended_in_the_window() -> None:
    """5000 rounds in 100 us are 50 millions a second, in 200 us 25; what ended before and after does not count."""
    birds = flock(cpu0=Scripted((10, 50), (30, 100), (50, 200), (70, 1000)), cpu1=Scripted())
    assert ROUNDS == 5000
    assert birds.speeds(10 * MILLISECOND, 60 * MILLISECOND) == {0: pytest.approx(37.5), 1: None}
    assert birds.speed([0, 1, 2], 10 * MILLISECOND, 60 * MILLISECOND) == pytest.approx(37.5)
    assert birds.speed([1], 0, 60 * MILLISECOND) is None


def test_what_canaries_used_in_a_window_is_by_their_own_clocks() -> None:
    """All that they used between the last loop before it and the last loop in it, on the CPUs asked for."""
    birds = flock(cpu0=Scripted((10, 50), (30, 100), (50, 200)), cpu1=Scripted((20, 90)))
    assert birds.cpu_seconds(10 * MILLISECOND, 60 * MILLISECOND) == pytest.approx(0.000_320 + 0.000_100)
    assert birds.cpu_seconds(10 * MILLISECOND, 60 * MILLISECOND, [1]) == pytest.approx(0.000_100)
    assert birds.cpu_seconds(60 * MILLISECOND, 90 * MILLISECOND) == 0


def test_a_window_older_than_what_is_kept_has_no_more_than_what_is_kept() -> None:
    """What the canary used in all its life before the oldest loop is not of the window."""
    loops = Scripted(*((number, 90) for number in range(1, KEPT + 1001)))
    whole = loops.samples()
    loops.samples = lambda: whole[1000:]  # type: ignore[method-assign]
    birds = flock(cpu0=loops)
    assert birds.cpu_seconds(500 * MILLISECOND, (KEPT + 1000) * MILLISECOND) == pytest.approx((KEPT - 1) * 0.0001)
    assert birds.cpu_seconds(100 * MILLISECOND, 500 * MILLISECOND) == 0


def test_the_fastest_is_of_the_whole_session() -> None:
    """One loop of a hundred that was told much too fast does not count; one that is kept no longer does."""
    steady = Scripted(*((number, 100) for number in range(1, 100)), (100, 10))
    birds = flock(cpu0=steady, cpu1=Scripted())
    assert birds.fastest == {0: pytest.approx(50, rel=0.01), 1: None}
    assert birds.fastest_of([0, 1, 2]) == birds.fastest[0]
    assert birds.fastest_of([1]) is None
    steady.loops = [(number, 200) for number in range(101, 150)]
    assert birds.fastest[0] == pytest.approx(50, rel=0.01)
    steady.loops = [(number, 50) for number in range(150, 400)]
    assert birds.fastest[0] == pytest.approx(100, rel=0.01)


def test_a_real_canary_tells_its_speed_and_its_cost() -> None:
    """A window of ten loops; ten of them with all around them take at most 2 % of the time that they are apart."""
    with canaries([CPU]) as birds:
        until(lambda: len(birds._flock[CPU].samples()) >= 1)
        began = time.monotonic_ns()
        until(lambda: len(birds._samples(CPU, began, time.monotonic_ns())) >= 10)
        ended = time.monotonic_ns()
        (speed,) = birds.speeds(began, ended).values()
        loops = len(birds._samples(CPU, began, ended))
        fastest = birds.fastest[CPU]
        used = birds.cpu_seconds(began, ended)
    assert speed is not None
    assert fastest is not None
    assert 0 < speed <= 1.1 * fastest
    assert loops * ROUNDS / 1e6 / fastest / 2 < used < 0.02 * INTERVAL * loops


def test_a_canary_on_a_cpu_that_is_busy_tells_the_same_cpu() -> None:
    """It waits for its turn beside a process that wants the CPU, and its speed leaves that out.

    The loop's CPU time is some 0.1 ms; waiting for a time slice of the other is some 3 ms.
    """
    with canaries([CPU]) as birds, hog(CPU):
        began = time.monotonic_ns()
        until(lambda: len(birds._samples(CPU, began, time.monotonic_ns())) >= 10)
        speed, fastest = birds.speeds(began, time.monotonic_ns())[CPU], birds.fastest[CPU]
    assert speed
    assert fastest
    assert speed > fastest / 8


def test_a_dead_canary_is_no_error() -> None:
    """Nothing is known of its CPU from then on; another goes on."""
    cpus = usable_cpus()[:2]
    with canaries(cpus) as birds:
        victim = birds._flock[cpus[0]].process
        victim.kill()
        victim.wait()
        began = time.monotonic_ns()
        until(lambda: all(birds.speeds(began, time.monotonic_ns())[cpu] for cpu in cpus[1:]))
        assert birds.speeds(began, time.monotonic_ns())[cpus[0]] is None
        assert birds.cpu_seconds(began, time.monotonic_ns(), cpus[:1]) == 0


def test_a_cpu_that_is_not_there_has_no_canary_to_tell_of_it() -> None:
    """It ends at once, and its CPU is not known."""
    with canaries([4000]) as birds:
        birds._flock[4000].process.wait()
        assert birds.speeds(0, time.monotonic_ns()) == {4000: None}
        assert birds.fastest == {4000: None}


def test_canaries_are_gone_after_the_block() -> None:
    """Ended and reaped; what they told is still there."""
    with canaries([CPU]) as birds:
        pid = birds._flock[CPU].process.pid
        assert is_running(pid)
        until(lambda: birds.fastest[CPU] is not None)
    assert not is_running(pid)
    assert birds.speeds(0, time.monotonic_ns())[CPU]


def test_canaries_end_with_a_parent_that_is_killed() -> None:
    """SIGKILL leaves a process no time to tell them."""
    command = [sys.executable, "-c", A_FLOCK]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert pids
        assert all(is_running(pid) for pid in pids)
        parent.send_signal(signal.SIGKILL)
    until(lambda: not any(is_running(pid) for pid in pids))


def test_where_nothing_can_be_pinned_there_are_no_canaries(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nobody spins."""
    monkeypatch.setattr("tools.host.canary.CAN_PIN", False)
    monkeypatch.setattr("tools.host.spinning.CAN_PIN", False)
    with canaries([CPU]) as birds:
        assert birds.speeds(0, time.monotonic_ns()) == {}
        assert birds.speed([CPU], 0, time.monotonic_ns()) is None
    assert spin([CPU]) is None


def test_a_spin_beside_a_hog_gets_less_of_the_cpu() -> None:
    """The least of all CPUs is told, and the thread may run in the end where it might before."""
    before = os.sched_getaffinity(0)
    with hog(CPU):
        share = spin(usable_cpus(), seconds=0.03)
    assert share is not None
    assert 0 < share < 0.9
    assert os.sched_getaffinity(0) == before


def test_a_spin_on_a_cpu_that_is_not_there_is_not_known() -> None:
    """And the thread is put back."""
    before = os.sched_getaffinity(0)
    assert spin([4000]) is None
    assert os.sched_getaffinity(0) == before
