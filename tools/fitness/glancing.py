"""Reading what the system tells of itself without a probe, and who is busy meanwhile, in a twentieth of a second."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING

from clients.ports import port_count
from tools.accounting.cgroups import CgroupUnavailableError, cgroup_of_its_own, own_folder
from tools.accounting.meters import CGROUP_METHODS
from tools.accounting.processes import read_file, status_value
from tools.fitness.findings import Glance
from tools.fitness.watching import Watch
from tools.machine import siblings, this_machine, usable_cpus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.machine import Division, Machine

GLANCE_SECONDS = 0.05  # in which others are watched: five ticks, of which who is busy gets most
QUOTAS = {2: ("cpu.max",), 1: ("cpu.cfs_quota_us", "cpu.cfs_period_us")}
"""The files that hold a quota and its period in microseconds, by the version of control groups."""
LOOKS, BATCHES = 200, 5  # at the clock: 50 us in all, and the fastest batch was not interrupted
CPUS = Path("/sys/devices/system/cpu")


def glance(division: Division, watch: Watch | None = None) -> Glance:
    """Look at a machine on which servers and clients are to be divided like this.

    Others are those that were busy since `watch` began, or else for some 50 ms, which this then takes.
    """
    began = time.monotonic()
    watched = watch or Watch()
    machine = this_machine()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    cgroup, cgroup_fault = accounting()
    clock_source, clock_cost = text_of("/sys/devices/system/clocksource/clocksource0/current_clocksource"), look_cost()
    if watch is None:
        time.sleep(max(0.0, began + GLANCE_SECONDS - time.monotonic()))
    return Glance(
        cpus=machine.cpus,
        usable_cpus=machine.usable_cpus,
        shared_cores=shared_cores(division),
        quota=quota(),
        governors=governors(usable_cpus()),
        turbo=turbo(),
        virtual=is_virtual(),
        somaxconn=setting(machine, "net.core.somaxconn"),
        ports=port_count(),
        tw_reuse=setting(machine, "net.ipv4.tcp_tw_reuse"),
        soft_descriptors=None if soft == resource.RLIM_INFINITY else soft,
        hard_descriptors=None if hard == resource.RLIM_INFINITY else hard,
        cgroup=cgroup,
        cgroup_fault=cgroup_fault,
        load_average=machine.load_average,
        others=watched.busy(),
        clock_source=clock_source.strip(),
        clock_resolution=time.get_clock_info("monotonic").resolution,
        clock_cost=clock_cost,
        memory_bytes=machine.memory_bytes,
        memory_available=memory_in("MemAvailable"),
        swap_used_bytes=(memory_in("SwapTotal") or 0) - (memory_in("SwapFree") or 0),
        swapped_in_pages=watched.swapped_in(),
    )


def shared_cores(division: Division) -> tuple[tuple[int, int], ...]:
    """Return the pairs of a CPU of the server and another one of the clients that are one core."""
    return tuple(
        (server, client)
        for server in division.server
        for client in division.client
        if client != server and client in siblings(server)
    )


def quota() -> float | None:
    """Return how many CPUs' time the control groups that we are in allow, the strictest of them; None for any."""
    found: list[float] = []
    for version, names in QUOTAS.items():
        try:
            folder = own_folder(version, "cpu")
        except (CgroupUnavailableError, OSError):
            continue
        for each in (folder, *folder.parents):
            words = " ".join(text_of(str(each / name)) for name in names).split()
            if len(words) == len(QUOTAS[1]) and words[0].isdigit():  # else "max", or -1
                found.append(int(words[0]) / int(words[1]))
    return min(found, default=None)


def accounting() -> tuple[str, str]:
    """Return the method of accounting that a control group of our own gives, or nothing and the reason."""
    reason = ""
    for method, version in CGROUP_METHODS.items():
        try:
            with cgroup_of_its_own(version):
                return method, ""
        except (CgroupUnavailableError, OSError) as error:
            reason = str(error)
    return "", reason


def governors(cpus: Sequence[int]) -> tuple[str, ...]:
    """Return what governs the frequency of these CPUs, each once; nothing where the system does not tell."""
    paths = (CPUS / f"cpu{cpu}/cpufreq/scaling_governor" for cpu in cpus)
    return tuple(sorted({text.strip() for path in paths if (text := text_of(str(path)))}))


def turbo() -> bool | None:
    """Tell whether CPUs may be faster than their nominal frequency while there is room for it."""
    for name, on in (("intel_pstate/no_turbo", "0"), ("cpufreq/boost", "1")):
        if text := text_of(str(CPUS / name)).strip():
            return text == on
    return None


def is_virtual() -> bool:
    """Tell whether the processor says that a hypervisor runs it; some say nothing."""
    return " hypervisor" in text_of("/proc/cpuinfo") or Path("/sys/hypervisor/type").exists()


def look_cost() -> float:
    """Return the seconds that a look at the clock takes where nothing interrupts it."""
    return min(_looked() for _ in range(BATCHES)) / LOOKS


def _looked() -> float:
    began = time.monotonic()
    for _ in range(LOOKS):
        time.monotonic_ns()
    return time.monotonic() - began


def setting(machine: Machine, name: str) -> int | None:
    """Return a setting of the kernel that is a number."""
    value = machine.sysctls.get(name, "")
    return int(value) if value.isdigit() else None


def memory_in(name: str) -> int | None:
    """Return the bytes of this kind of memory, by its name in /proc/meminfo."""
    value = status_value(b"\n" + (read_file("/proc/meminfo") or b""), name.encode() + b":")
    return 1024 * int(value) if value else None


def text_of(path: str) -> str:
    """Return a file's text; nothing where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
