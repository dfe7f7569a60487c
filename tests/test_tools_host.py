"""What was used of the CPUs, by whom, and whether that disturbed a cell."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.hogs import hog
from tools.accounting.processes import TICK
from tools.host.cpus import CpuLook, Ticks, Use, host_between, look, used
from tools.host.judging import disturbed
from tools.machine import Division, usable_cpus
from tools.saved.cells import Host

if TYPE_CHECKING:
    from collections.abc import Collection

    from tools.host.canary import Canaries

CPU = usable_cpus()[-1]
SECOND = 1_000_000_000
APART = Division((2, 3), (0, 1), "")
QUIET = Host(
    server_busy=0.9,
    client_busy=0.5,
    server_others=0.02,
    client_others=0.03,
    steal=0.001,
    spin_before=0.99,
    spin_after=0.97,
    server_speed=70.0,
    client_speed=60.0,
)
NOTHING_KNOWN = Host(None, None, None, None, None, None, None, None, None)


def ticks(seconds: float) -> int:
    """Return how many ticks that is."""
    return round(seconds / TICK)


def looks(**cpus: tuple[float, float]) -> tuple[CpuLook, CpuLook]:
    """Return two looks, two seconds apart, between which CPUs were idle and stolen for so many seconds."""
    numbers = {int(name[3:]): times for name, times in cpus.items()}
    early = CpuLook(SECOND, {cpu: Ticks(1000, 50) for cpu in numbers})
    late = {cpu: Ticks(1000 + ticks(idle), 50 + ticks(steal)) for cpu, (idle, steal) in numbers.items()}
    return early, CpuLook(3 * SECOND, late)


def host(early: CpuLook, late: CpuLook, division: Division, server: float | None, **changes: float) -> Host:
    """Return what the machine gave, with a load that used 0.8 s and measuring that used 0.1 s."""
    return host_between(
        early,
        late,
        division,
        server_cpu_seconds=server,
        client_cpu_seconds=changes.get("client", 0.8),
        measuring_cpu_seconds=0.1,
        canaries=None,
        began_ns=early.at_ns,
        ended_ns=late.at_ns,
        spin_before=0.99,
        spin_after=None,
    )


def test_busy_is_what_was_neither_idle_nor_stolen() -> None:
    """Of two CPUs for two seconds each: 1 s idle and 0.2 s stolen."""
    early, late = looks(cpu0=(1.0, 0.0), cpu1=(0.0, 0.2), cpu2=(2.0, 0.0))
    assert used(early, late, [0, 1]) == pytest.approx(Use(0.7, 0.05))
    assert used(early, late, [2]) == pytest.approx(Use(0.0, 0.0))


def test_a_counter_that_is_off_by_a_tick_makes_no_share_beyond_all_or_nothing() -> None:
    """Ticks are cut: an idle CPU can have been idle for longer than the window, and lose what it had."""
    early, late = looks(cpu0=(2.01, 0.0), cpu1=(-0.01, 0.0))
    assert used(early, late, [0]) == Use(0.0, 0.0)
    assert used(early, late, [1]) == Use(1.0, 0.0)


def test_a_cpu_that_is_not_told_of_makes_the_use_unknown() -> None:
    """Half an answer would look like a whole one; nor is there any between a look and itself."""
    early, late = looks(cpu0=(1.0, 0.0))
    assert used(early, late, [0, 1]) is None
    assert used(early, early, [0]) is None
    assert used(early, late, []) is None


def test_others_are_what_was_used_beyond_our_own() -> None:
    """The server's CPUs: 3 of 4 s, 2.6 ours; the clients': 1 of 4 s, of which the load and measuring used 0.9."""
    early, late = looks(cpu0=(1.5, 0), cpu1=(1.5, 0), cpu2=(1, 0), cpu3=(0, 0))
    found = host(early, late, APART, 2.6)
    assert (found.server_busy, found.client_busy) == pytest.approx((0.75, 0.25))
    assert (found.server_others, found.client_others) == pytest.approx((0.1, 0.025))
    assert (found.steal, found.spin_before, found.spin_after) == (0, 0.99, None)


def test_others_are_never_negative() -> None:
    """What we used is told to the nanosecond and what was busy in ticks."""
    early, late = looks(cpu0=(2, 0), cpu1=(1.2, 0), cpu2=(1, 0), cpu3=(0, 0))
    found = host(early, late, APART, 3.01)
    assert (found.server_others, found.client_others) == (0, 0)


@pytest.mark.parametrize("division", [Division((0, 1), (1,), ""), Division((), (), "only one")])
def test_a_server_and_clients_that_can_meet_have_the_figures_of_all_cpus(
    division: Division, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which of the two used a CPU cannot be told there: 4 s, of which 3 were used, 2.5 of them ours."""
    monkeypatch.setattr("tools.host.cpus.usable_cpus", lambda: [0, 1])
    early, late = looks(cpu0=(1, 0), cpu1=(0, 0))
    found = host(early, late, division, 1.6)
    assert found.server_busy == found.client_busy == pytest.approx(0.75)
    assert found.server_others == found.client_others == pytest.approx(0.125)


def test_others_are_not_known_where_the_servers_cpu_is_not() -> None:
    """The clients' are."""
    early, late = looks(cpu0=(1.5, 0), cpu1=(1.5, 0), cpu2=(1, 0), cpu3=(0, 0))
    found = host(early, late, APART, None)
    assert found.server_others is None
    assert found.client_others == pytest.approx(0.025)


def test_canaries_are_no_others() -> None:
    """What they used on these CPUs is taken off, and their speeds are told."""

    class Birds:
        def speed(self, cpus: Collection[int], began_ns: int, ended_ns: int) -> float:
            assert (began_ns, ended_ns) == (SECOND, 3 * SECOND)
            return 10.0 * max(cpus)

        def cpu_seconds(self, _began_ns: int, _ended_ns: int, cpus: Collection[int]) -> float:
            return 0.05 * len(cpus)

    early, late = looks(cpu0=(1.5, 0), cpu1=(1.5, 0), cpu2=(1, 0), cpu3=(0, 0))
    birds: Canaries = Birds()  # type: ignore[assignment]  # all that is asked of them
    found = host_between(
        early,
        late,
        APART,
        server_cpu_seconds=2.5,
        client_cpu_seconds=0.5,
        measuring_cpu_seconds=0.0,
        canaries=birds,
        began_ns=early.at_ns,
        ended_ns=late.at_ns,
        spin_before=None,
        spin_after=None,
    )
    assert (found.server_others, found.client_others) == pytest.approx((0.1, 0.1))
    assert (found.server_speed, found.client_speed) == (30.0, 10.0)


def test_a_system_that_tells_nothing_disturbs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where there is no /proc."""
    monkeypatch.setattr("tools.host.cpus.read_file", lambda _: None)
    found = host(look(), look(), APART, 1.0)
    assert found == replace(NOTHING_KNOWN, spin_before=0.99)
    assert not disturbed(found)
    assert not disturbed(NOTHING_KNOWN, server_fastest=70.0, client_fastest=None)


def test_a_cell_beside_a_hog_is_disturbed_each_time() -> None:
    """Ten windows of 50 ms in which a process of nobody's has a CPU that is to be the server's."""
    division = Division((CPU,), (usable_cpus()[0],), "")
    with hog(CPU):
        for _ in range(10):
            early = look()
            time.sleep(0.05)
            found = host(early, look(), division, 0.0, client=0.0)
            assert found.server_busy is not None
            assert found.steal is not None
            assert "used" in disturbed(found)


def test_a_quiet_cell_is_not_disturbed() -> None:
    """Nor one in which the CPUs are as fast as they ever were."""
    assert not disturbed(QUIET)
    assert not disturbed(QUIET, server_fastest=70.0, client_fastest=61.0)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (replace(QUIET, server_others=0.3), "other processes used 30% of the server's CPUs"),
        (replace(QUIET, client_others=0.25), "other processes used 25% of the clients' CPUs"),
        (replace(QUIET, steal=0.031), "the hypervisor gave 3.1% of the CPUs to others"),
        (replace(QUIET, spin_before=0.7), "just before it, a loop got only 70% of a CPU"),
        (replace(QUIET, spin_after=0.5), "just after it, a loop got only 50% of a CPU"),
        (replace(QUIET, server_speed=35.0), "the server's CPUs computed at 50% of the speed that they can have"),
        (replace(QUIET, client_speed=31.0), "the clients' CPUs computed at 50% of the speed that they can have"),
    ],
)
def test_what_disturbed_a_cell_is_said(seen: Host, reason: str) -> None:
    """One short sentence."""
    assert disturbed(seen, server_fastest=70.0, client_fastest=62.0) == reason
