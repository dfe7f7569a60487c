"""What a comparison ran on: facts without which its figures mean little and two runs do not compare.

Nothing here names the machine or its user: a report is made to be passed on.
"""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import sys
import sysconfig
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from clients.processor import processor
from servers.registry import MODELS

if TYPE_CHECKING:
    from collections.abc import Sequence

MEASURE = ("serverlab", "numpy", "psutil", "plotly")
SERVE = ("h11", *sorted({entry.requires for entry in MODELS.values() if entry.requires}))
"""The packages that figures can depend on: those that measure, and those that servers are built on."""

CAN_PIN = hasattr(os, "sched_setaffinity")  # not on macOS
SYSCTLS = (
    "net.core.somaxconn",  # the longest accept queue that `listen` may ask for
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.ip_local_port_range",  # how many connections may be opened before a port must be used again
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_syncookies",
    "kernel.pid_max",
    "kernel.threads-max",
)


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine as far as it can change a figure; what the platform does not tell is empty or 0.

    `load_average` is that of the last minute when the description was made. `sysctls` holds the kernel's
    settings by their names, without those that this kernel lacks.
    """

    system: str
    kernel: str
    architecture: str
    processor: str
    cpus: int
    usable_cpus: int
    memory_bytes: int
    governor: str
    load_average: float
    open_files_limit: int
    sysctls: dict[str, str]


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that ran clients or servers.

    `packages` are those that figures can depend on, with their versions. `gil` tells whether the global
    interpreter lock was on when it was asked: in a free-threaded build it can be, and an extension can turn it on.
    """

    implementation: str
    version: str
    compiler: str
    free_threaded: bool
    packages: dict[str, str]
    gil: bool = True

    @property
    def words(self) -> str:
        """By its version and by what its global interpreter lock did."""
        build = "free-threaded build, " if self.free_threaded else ""
        return f"{self.implementation} {self.version}, {build}GIL {'on' if self.gil else 'off'}"


def this_machine() -> Machine:
    """Describe the machine that this process runs on."""
    return Machine(
        system=platform.system(),
        kernel=platform.release(),
        architecture=platform.machine(),
        processor=processor() or platform.processor(),
        cpus=os.cpu_count() or 0,
        usable_cpus=len(usable_cpus()),
        memory_bytes=psutil.virtual_memory().total,
        governor=_line_of(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        load_average=round(os.getloadavg()[0], 2),
        open_files_limit=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        sysctls={name: value for name in SYSCTLS if (value := _sysctl(name))},
    )


def this_interpreter() -> Interpreter:
    """Describe the interpreter that runs this."""
    packages = {}
    for name in (*MEASURE, *SERVE):
        with contextlib.suppress(metadata.PackageNotFoundError):  # a checkout need not be installed
            packages[name] = metadata.version(name)
    return Interpreter(
        implementation=platform.python_implementation(),
        version=platform.python_version(),
        compiler=platform.python_compiler(),
        free_threaded=bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        packages=packages,
        gil=getattr(sys, "_is_gil_enabled", lambda: True)(),
    )


def usable_cpus() -> list[int]:
    """The CPUs that this process may run on, in order."""
    if CAN_PIN:
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@dataclass(frozen=True, slots=True)
class Division:
    """Which CPUs serve and which ask; empty tuples mean that nothing was pinned and `reason` says why."""

    server: tuple[int, ...]
    client: tuple[int, ...]
    reason: str

    @property
    def disjoint(self) -> bool:
        """True where the server and the clients never ran on the same CPU."""
        return bool(self.server and self.client) and not {*self.server} & {*self.client}

    def serving(self, *, everywhere: bool) -> tuple[int, ...]:
        """The CPUs of a server, or of one that may run `everywhere`; empty where nothing was pinned."""
        return tuple(sorted({*self.server, *self.client})) if everywhere and self.server else self.server


def divided(cpus: Sequence[int], siblings: dict[int, frozenset[int]] | None = None) -> Division:
    """Give the server one half of the cores and the clients the other.

    CPUs that are `siblings` share a core's execution units and stay on the same side, unless all share one
    core.
    """
    if not CAN_PIN:
        return Division((), (), "this platform cannot pin a process to a CPU")
    if len(cpus) < 2:
        return Division((), (), "there is only one CPU, which the server and the clients had to share")
    cores = sorted({tuple(sorted(_siblings(cpu, siblings) & set(cpus))) for cpu in cpus})
    if len(cores) == 1:
        cores = [(cpu,) for cpu in cores[0]]
    half = len(cores) // 2
    serving = tuple(sorted(cpu for core in cores[half:] for cpu in core))
    asking = tuple(sorted(cpu for core in cores[:half] for cpu in core))
    return Division(serving, asking, "")


def _siblings(cpu: int, known: dict[int, frozenset[int]] | None) -> frozenset[int]:
    return siblings(cpu) if known is None else known.get(cpu, frozenset({cpu}))


def siblings(cpu: int) -> frozenset[int]:
    """The CPUs that are one core with this one, itself among them."""
    text = _line_of(Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"))
    return parsed_cpu_list(text) | {cpu}


def parsed_cpu_list(text: str) -> frozenset[int]:
    """The kernel's way of writing a set of CPUs: `0-2,5` is 0, 1, 2 and 5."""
    numbers: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return frozenset(numbers)


def _sysctl(name: str) -> str:
    # Not every dot separates: kernel.threads-max has none inside a part, which holds for all that are asked
    # for.
    return " ".join(_line_of(Path("/proc/sys") / name.replace(".", "/")).split())


def _line_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
