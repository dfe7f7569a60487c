"""What was used of each CPU, from /proc/stat, and how much of it was neither the server nor the clients.

The kernel adds up by its clock how long a CPU was idle; who used the rest it only samples, at its timer's ticks. So
busy is what was not idle: that has interrupts too, also those that came while nothing ran. The counters are told in
ticks of 10 ms: the share of one CPU is good to 10 ms by the window, 1 % of a second and 3 % of 0.3 s.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tools.accounting.processes import TICK, read_file
from tools.machine import usable_cpus
from tools.saved.cells import Host

if TYPE_CHECKING:
    from collections.abc import Collection

    from tools.host.canary import Canaries
    from tools.machine import Division

IDLE, WAITING_FOR_DISKS, STEAL = 3, 4, 7  # of the numbers of a line of /proc/stat: user, nice, system, these, ...


class Ticks(NamedTuple):
    """What the kernel has counted of one CPU since the machine was started, in ticks."""

    idle: int
    steal: int


@dataclass(frozen=True, slots=True)
class CpuLook:
    """All CPUs at one instant of the monotonic clock; `ticks` is empty where the system does not tell."""

    at_ns: int
    ticks: dict[int, Ticks] = field(default_factory=dict)


class Use(NamedTuple):
    """Shares of the time of some CPUs: used by anything here, and given by the hypervisor to other machines."""

    busy: float
    steal: float


def look() -> CpuLook:
    """Look at all CPUs; takes some 30 us for two, and 5 us more for each further one."""
    content = read_file("/proc/stat")
    at_ns = time.monotonic_ns()
    lines = (line.split() for line in (content or b"").partition(b"\nintr")[0].splitlines()[1:])
    return CpuLook(at_ns, {int(words[0][3:]): _ticks(words[1:]) for words in lines})


def _ticks(numbers: list[bytes]) -> Ticks:
    return Ticks(int(numbers[IDLE]) + int(numbers[WAITING_FOR_DISKS]), int(numbers[STEAL]))


def used(early: CpuLook, late: CpuLook, cpus: Collection[int]) -> Use | None:
    """Return what was used of these CPUs, all of them together, between two looks; None where it is not known."""
    passed = (late.at_ns - early.at_ns) / 1e9 * len(cpus)
    if passed <= 0 or not all(cpu in early.ticks and cpu in late.ticks for cpu in cpus):
        return None
    idle, steal = (
        sum(late.ticks[cpu][which] - early.ticks[cpu][which] for cpu in cpus) * TICK / passed for which in range(2)
    )
    return Use(_share(1 - idle - steal), _share(steal))


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def host_between(
    early: CpuLook,
    late: CpuLook,
    division: Division,
    *,
    server_cpu_seconds: float | None,
    client_cpu_seconds: float,
    measuring_cpu_seconds: float,
    canaries: Canaries | None,
    began_ns: int,
    ended_ns: int,
    spin_before: float | None,
    spin_after: float | None,
) -> Host:
    """Return what the machine gave between two looks, and in the window of the canaries, which is all but the same.

    CPU seconds are those between the looks, None where they are not known: then its others are not. What measures is
    counted where it runs, on the clients' CPUs. Where the server and the clients can meet on a CPU, both have the
    figures of all their CPUs together.
    """
    clients = client_cpu_seconds + measuring_cpu_seconds
    window = _Window(early, late, canaries, began_ns, ended_ns)
    if division.disjoint:
        server = window.side(division.server, server_cpu_seconds)
        client = window.side(division.client, clients)
    else:
        ours = None if server_cpu_seconds is None else server_cpu_seconds + clients
        server = client = window.side(sorted({*division.server, *division.client}) or usable_cpus(), ours)
    every = used(early, late, sorted({*server.cpus, *client.cpus}))
    return Host(
        server_busy=server.busy,
        client_busy=client.busy,
        server_others=server.others,
        client_others=client.others,
        steal=every.steal if every else None,
        spin_before=spin_before,
        spin_after=spin_after,
        server_speed=server.speed,
        client_speed=client.speed,
    )


class _Side(NamedTuple):
    """The CPUs of one side, as they were in a window."""

    cpus: Collection[int]
    busy: float | None
    others: float | None
    speed: float | None


class _Window(NamedTuple):
    """The time between two looks, with the canaries that sang in it."""

    early: CpuLook
    late: CpuLook
    canaries: Canaries | None
    began_ns: int
    ended_ns: int

    def side(self, cpus: Collection[int], ours: float | None) -> _Side:
        """Return what was used of these CPUs, of which we know to have used so many seconds beside the canaries."""
        speed, own = None, 0.0
        if self.canaries:
            speed = self.canaries.speed(cpus, self.began_ns, self.ended_ns)
            own = self.canaries.cpu_seconds(self.began_ns, self.ended_ns, cpus)
        use = used(self.early, self.late, cpus)
        if use is None:
            return _Side(cpus, None, None, speed)
        passed = (self.late.at_ns - self.early.at_ns) / 1e9 * len(cpus)
        others = None if ours is None else _share(use.busy - (ours + own) / passed)
        return _Side(cpus, use.busy, others, speed)
