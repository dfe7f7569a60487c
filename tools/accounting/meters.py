"""Meters of a process tree's CPU, one face for every method; `metering` chooses the most trusted.

    with metering() as meter:
        child = start(command, meter=meter)
        before = meter.read()
        ...
        cost = meter.read().since(before)

A meter can be read from several threads.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tools.accounting.cgroups import Cgroup, CgroupUnavailableError, cgroup_of_its_own
from tools.accounting.ledger import Ledger
from tools.accounting.processes import Key, Process, descendants, read_all, read_process
from tools.accounting.readings import NOTHING, CpuReading, Times
from tools.failure import Failure

if TYPE_CHECKING:
    import resource
    from collections.abc import Iterator

CGROUP_METHODS = {"cgroup-v1": 1, "cgroup-v2": 2}
METHODS = (*CGROUP_METHODS, "rusage", "process-tree")
"""The names of the methods, the most trusted first."""

ESCAPED = "the process left the cgroup that was made for it"


class Look(NamedTuple):
    """A process tree at one instant: its CPU, and its processes, zombies too."""

    cpu: CpuReading
    processes: list[Process]


class Meter(Protocol):
    """CPU of one process and all its descendants."""

    method: str
    pid: int
    cgroup: Cgroup | None
    """What the measured command must be started in, if any."""

    def attach(self, pid: int, *, ours: bool = True) -> None:
        """Begin: `pid` was started by us into `cgroup` just now (ours), or has been running for long."""

    def read(self) -> CpuReading:
        """Return the CPU used since `attach`, as cheaply as the method allows."""

    def look(self) -> Look:
        """Look at each process of the tree, and read; by looking, a meter learns where it is blind."""

    def ended(self, usage: resource.struct_rusage) -> None:
        """Take what wait4 said about the command when we reaped it."""


class CgroupMeter:
    """Reads the kernel's counter of a cgroup of its own; a reading costs three short files."""

    def __init__(self, cgroup: Cgroup) -> None:
        self.method = f"cgroup-v{cgroup.version}"
        self.cgroup: Cgroup | None = cgroup
        self._cgroup = cgroup
        self._before = cgroup.used()  # the trial that showed that it can be entered
        self.pid = 0
        self._used = NOTHING
        self._escaped = False

    def attach(self, pid: int, *, ours: bool = True) -> None:
        """Begin; only a command that was started into the cgroup can be metered by it."""
        if not ours:
            raise Failure("a cgroup cannot tell what a process had used before it entered it: start it as a command")
        self.pid = pid

    def look(self) -> Look:
        """Look at the members of the cgroup, and at the command itself, which as a zombie is no member."""
        members = self._cgroup.pids()
        if self.pid not in members:
            self._escaped |= self._cgroup.left_by(self.pid)
        return Look(self.read(), list(read_all({*members, self.pid}).values()))

    def read(self) -> CpuReading:
        """Return the CPU used in the cgroup."""
        with suppress(FileNotFoundError):  # the cgroup has been removed: what was last read stays
            self._used = self._cgroup.used().minus(self._before)
        return reading(self._used, self.method, ESCAPED if self._escaped else "")

    def ended(self, usage: resource.struct_rusage) -> None:
        """Nothing to learn: the counter has it all."""


class TreeMeter:
    """Adds up a process tree from /proc.

    A reading costs about 50 us for each process of the tree, and 10 us for each of the machine to find them.
    """

    def __init__(self, method: str) -> None:
        self.method = method
        self.cgroup: Cgroup | None = None
        self._ledger = Ledger()
        self._before = NOTHING
        self._correction = NOTHING
        self._highest = 0.0
        self.pid = 0
        self._members: dict[Key, Process] = {}
        self._sessions: set[int] = set()
        self._lock = threading.RLock()

    def attach(self, pid: int, *, ours: bool = True) -> None:
        """Begin: what a command of ours has used since its birth counts, a stranger's past does not."""
        self.pid = pid
        self._sessions = {pid} if ours else set()
        root = read_process(pid)
        self._members = {root.key: root} if root else {}
        self.look()
        if not ours:
            self._before, self._highest = self._ledger.total, 0.0

    def read(self) -> CpuReading:
        """Look at the tree and return its CPU."""
        return self.look().cpu

    def look(self) -> Look:
        """Look at the descendants, and at members of the tree that have been reparented since."""
        with self._lock:
            self._members = read_all(descendants(self._members, self._sessions))
            self._ledger.update(self._members)
            total = self._ledger.total.minus(self._before).plus(self._correction)
            self._highest = max(self._highest, total.total)
            cpu = reading(total.scaled_to(self._highest), self.method, "; ".join(self._ledger.reasons))
            return Look(cpu, list(self._members.values()))

    def ended(self, usage: resource.struct_rusage) -> None:
        """Correct what was seen of the command, cut to ticks, by what wait4 said (the method rusage)."""
        seen = next((process for key, process in self._members.items() if key.pid == self.pid), None)
        if self.method == "rusage" and seen is not None:
            self._correction = Times(usage.ru_utime, usage.ru_stime).minus(seen.times)


def reading(used: Times, method: str, reason: str) -> CpuReading:
    """Return a reading of this instant; the split can be off by some ticks, but neither part is negative."""
    user = min(max(0.0, used.user), used.total)
    return CpuReading(
        at_ns=time.monotonic_ns(),
        user=user,
        system=used.total - user,
        total=used.total,
        method=method,
        complete=not reason,
        reason=reason,
    )


@contextmanager
def metering(method: str | None = None) -> Iterator[Meter]:
    """Make a meter by the most trusted method that works here, or by the one named; clean up in the end.

    Raises Failure where the method that was named does not work here.
    """
    with ExitStack() as stack:
        yield choose(stack, method)


def choose(stack: ExitStack, method: str | None) -> Meter:
    """Make the meter; what must be removed in the end is left to the stack."""
    for name, version in CGROUP_METHODS.items():
        if method in (None, name):
            try:
                return CgroupMeter(stack.enter_context(cgroup_of_its_own(version)))
            except CgroupUnavailableError as error:
                if method == name:
                    raise Failure(f"the CPU method {name} does not work here: {error}") from error
    if method not in (None, *METHODS):
        raise Failure(f"there is no CPU method {method!r}; there are {', '.join(METHODS)}")
    return TreeMeter(method or "rusage")
