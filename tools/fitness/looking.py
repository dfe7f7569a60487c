"""Looking at a machine: reading what the system tells, and starting the probes one after the other."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clients.addresses import Address
from clients.ceiling import ceiling, forget
from clients.plan import LoadPlan, PlanError
from clients.ports import port_count
from tools.accounting.cgroups import CgroupUnavailableError, cgroup_of_its_own
from tools.accounting.meters import CGROUP_METHODS
from tools.accounting.processes import read_file, status_value
from tools.failure import Failure
from tools.fitness.findings import Findings
from tools.fitness.probes import Watch, round_trip, spin, wakes
from tools.machine import divided, this_machine, usable_cpus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clients.ceiling import Ceiling
    from tools.fitness.findings import Busy, Spin
    from tools.machine import Machine

KEPT_CONNECTIONS = 50
CHURNING_CLIENTS = 10
CEILING_SECONDS = 0.4
NOWHERE = Address("127.0.0.1", 1)  # a ceiling's plan brings a server of its own
STEAL = 8  # the field of the first line of /proc/stat, after its name and those of other uses


def look(*, again: bool = False) -> Findings:
    """Find out all; takes about 4 s, and up to 8 where something else takes the CPUs.

    With `again`, ceilings that are remembered are forgotten first. Raises Failure where there is no /proc to read.
    """
    if not Path("/proc/stat").exists():
        raise Failure("doctor reads Linux's /proc, which is not here")
    machine, cpus = this_machine(), usable_cpus()
    while_spinning = _spun(cpus)
    division = divided(cpus)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    cgroup, cgroup_fault = accounting()
    if again:
        forget()
    keepalive, keepalive_fault = ceiling_of(KEPT_CONNECTIONS, division.client)
    churn, churn_fault = ceiling_of(CHURNING_CLIENTS, division.client, churn=True)
    return Findings(
        cpus=machine.cpus,
        usable_cpus=machine.usable_cpus,
        governors=governors(cpus),
        virtual=is_virtual(),
        somaxconn=setting(machine, "net.core.somaxconn"),
        ports=port_count(),
        tw_reuse=setting(machine, "net.ipv4.tcp_tw_reuse"),
        soft_descriptors=None if soft == resource.RLIM_INFINITY else soft,
        hard_descriptors=None if hard == resource.RLIM_INFINITY else hard,
        cgroup=cgroup,
        cgroup_fault=cgroup_fault,
        spins=while_spinning.spins,
        steal=while_spinning.steal,
        load_average=machine.load_average,
        others=while_spinning.others,
        clock_resolution=time.get_clock_info("monotonic").resolution,
        wakes=wakes(),
        round_trip=round_trip((division.client[0], division.server[0]) if division.disjoint else None),
        apart=division.disjoint,
        memory_bytes=machine.memory_bytes,
        swap_used_bytes=swap_used(),
        swapped_in_pages=while_spinning.swapped_in_pages,
        keepalive=keepalive,
        keepalive_fault=keepalive_fault,
        churn=churn,
        churn_fault=churn_fault,
    )


@dataclass(frozen=True, slots=True)
class _WhileSpinning:
    """What was seen in the second in which every CPU was wanted."""

    spins: tuple[Spin, ...]
    others: tuple[Busy, ...]
    steal: float | None
    swapped_in_pages: int


def _spun(cpus: Sequence[int]) -> _WhileSpinning:
    watch, times, swapped = Watch(), cpu_times(), swapped_in()
    spins = spin(cpus)
    return _WhileSpinning(spins, watch.busy(), stolen(times, cpu_times()), swapped_in() - swapped)


def ceiling_of(connections: int, cpus: tuple[int, ...], *, churn: bool = False) -> tuple[Ceiling | None, str]:
    """Return the ceiling of a client on these CPUs, or None and the reason, as far as there is a known one."""
    try:
        plan = LoadPlan(NOWHERE, connections=connections, churn=churn, cpus=cpus)
    except PlanError as error:
        return None, str(error)
    return ceiling(plan, seconds=CEILING_SECONDS), ""


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
    paths = (f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor" for cpu in cpus)
    return tuple(sorted({text.strip() for path in paths if (text := text_of(path))}))


def is_virtual() -> bool:
    """Tell whether the processor says that a hypervisor runs it; some say nothing."""
    return " hypervisor" in text_of("/proc/cpuinfo") or Path("/sys/hypervisor/type").exists()


def setting(machine: Machine, name: str) -> int | None:
    """Return a setting of the kernel that is a number."""
    value = machine.sysctls.get(name, "")
    return int(value) if value.isdigit() else None


def cpu_times() -> list[int]:
    """Return the ticks of all CPUs together, by use, from the first line of /proc/stat."""
    return [int(word) for word in text_of("/proc/stat").partition("\n")[0].split()[1:] if word.isdigit()]


def stolen(before: Sequence[int], after: Sequence[int]) -> float | None:
    """Return the share of the ticks between two `cpu_times` that the hypervisor gave to others."""
    spent = [late - early for early, late in zip(before, after, strict=True)]
    total = sum(spent[:STEAL])  # what guests used, which follows, is in the user's time already
    return spent[STEAL - 1] / total if len(spent) >= STEAL and total > 0 else None


def swap_used() -> int:
    """Return the bytes of swap in use."""
    memory = b"\n" + (read_file("/proc/meminfo") or b"")
    return 1024 * (int(status_value(memory, b"SwapTotal:") or 0) - int(status_value(memory, b"SwapFree:") or 0))


def swapped_in() -> int:
    """Return the pages that have come back from swap since the machine was started."""
    return int(status_value(b"\n" + (read_file("/proc/vmstat") or b""), b"pswpin ") or 0)


def text_of(path: str) -> str:
    """Return a file's text; nothing where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
