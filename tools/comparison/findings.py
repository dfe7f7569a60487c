"""What is known of a cell while it is measured, and the record that is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clients.littles_law import littles_law
from clients.verdict import judge
from tools.accounting.resources import FaultCounter, Faults, SwitchCounter, Switches
from tools.host.cpus import host_between
from tools.host.threads import working
from tools.saved.cells import Admission, Counts, Cpu, Life, Load, Peaks

if TYPE_CHECKING:
    import resource
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from clients.result import LoadResult
    from clients.verdict import KnownCeiling
    from tools.accounting.processes import Process
    from tools.accounting.readings import CpuReading
    from tools.accounting.sampling import Sampler
    from tools.host.canary import Canaries
    from tools.host.cpus import CpuLook
    from tools.host.listening import Mark
    from tools.host.threads import ThreadTimes
    from tools.machine import Division
    from tools.processes.announcements import StoppedLine
    from tools.saved.cells import Host, Working


@dataclass(frozen=True, slots=True)
class Edge:
    """What is read when a window opens or closes; `own_cpu` is CPU seconds of this process, and of looking in it."""

    cpu: CpuReading
    cpus: CpuLook
    queue: Mark
    threads: ThreadTimes
    own_cpu: float


@dataclass(frozen=True, slots=True)
class Before:
    """What the kernel had counted of a server and its children when it listened: of starting, and of no request."""

    switches: Switches
    faults: Faults

    @classmethod
    def of(cls, processes: Sequence[Process]) -> Before:
        """Read it now."""
        switches, faults = SwitchCounter(since_birth=True), FaultCounter(since_birth=True)
        return cls(switches.update(processes), faults.update(processes))


@dataclass(slots=True)
class CellFindings:
    """What is known of a cell, as far as it came. `error` is one line, empty where all went well.

    `life` is the meter's reading after the server's end, `usage` what wait4 said of it, of which some was `before` it
    listened.
    """

    error: str = ""
    load: LoadResult | None = None
    ceiling: KnownCeiling | None = None
    opened: Edge | None = None
    closed: Edge | None = None
    peaks: Peaks | None = None
    admission: Admission | None = None
    stopped: StoppedLine | None = None
    life: CpuReading | None = None
    usage: resource.struct_rusage | None = None
    before: Before | None = None
    counts_complete: bool = False
    spin_before: float | None = None
    spin_after: float | None = None

    def latencies_ns(self) -> NDArray[np.int64]:
        """Nanoseconds from due to done of every request that ended in the window, sorted."""
        if self.load is None:
            return np.empty(0, dtype=np.int64)
        return np.rint(self.load.latencies() * 1e9).astype(np.int64)

    def load_record(self) -> Load | None:
        """What the clients saw, for the files."""
        load = self.load
        if load is None:
            return None
        verdict, little = judge(load, self.ceiling), littles_law(load)
        return Load(
            window=load.duration,
            requests=load.completed,
            connections=load.plan.connections,
            served=load.connections_served,
            unfinished=load.unfinished,
            errors=dict(load.errors),
            examples=dict(load.error_examples),
            client_cpu=load.client_cpu_seconds,
            failed=load.failed,
            opened=_opened(load),
            offered=load.offered,
            achieved=load.achieved,
            in_flight=load.mean_in_flight,
            little=little["ratio"] if little else None,
            connect_p99=_connect_p99(load),
            client_busy=load.client_busy,
            guest_cpu=load.guest_cpu_seconds,
            client_waiting=load.client_waiting,
            client_limit=verdict.limit,
            client_reasons=verdict.reasons,
            guests=dict(load.guests),
        )

    def cpu_record(self) -> Cpu | None:
        """What the server used between the two readings, for the files."""
        if self.opened is None or self.closed is None:
            return None
        used = self.closed.cpu.since(self.opened.cpu)
        return Cpu(
            total=used.total,
            user=used.user,
            system=used.system,
            interval=self._interval,
            method=used.method,
            complete=used.complete,
            reason=used.reason,
        )

    def life_record(self) -> Life | None:
        """The server's CPU from its start to its end, by the meter and by its own last line."""
        if self.life is None:
            return None
        own = self.stopped.cpu.plus(self.stopped.cpu_of_children).total if self.stopped else 0.0
        return Life(self.life.total, self.life.user, self.life.system, own or None)

    def working_record(self) -> Working | None:
        """Which of the server's processes and threads used the CPU in the window."""
        if self.opened is None or self.closed is None or self._interval <= 0:
            return None
        return working(self.opened.threads, self.closed.threads, self._interval)

    def host_record(self, division: Division, canaries: Canaries) -> Host | None:
        """What the machine gave in the window."""
        opened, closed = self.opened, self.closed
        if opened is None or closed is None or self.load is None:
            return None
        server = closed.cpu.since(opened.cpu)
        return host_between(
            opened.cpus,
            closed.cpus,
            division,
            server_cpu_seconds=server.total if server.complete else None,  # what it misses would be that of others
            client_cpu_seconds=self.load.client_cpu_seconds + self.load.guest_cpu_seconds,
            measuring_cpu_seconds=closed.own_cpu - opened.own_cpu,
            canaries=canaries,
            began_ns=opened.cpu.at_ns,
            ended_ns=closed.cpu.at_ns,
            spin_before=self.spin_before,
            spin_after=self.spin_after,
        )

    def counts_record(self) -> Counts | None:
        """Context switches and page faults of the server and of the children that it waited for, since it listened."""
        if self.usage is None or self.before is None:
            return None
        usage, switches, faults = self.usage, self.before.switches, self.before.faults
        return Counts(
            voluntary_switches=max(0, usage.ru_nvcsw - switches.voluntary),
            involuntary_switches=max(0, usage.ru_nivcsw - switches.involuntary),
            minor_faults=max(0, usage.ru_minflt - faults.minor),
            major_faults=max(0, usage.ru_majflt - faults.major),
            complete=self.counts_complete,
        )

    def note_peaks(self, sampler: Sampler, canary_cpu: float) -> None:
        """Take what sampling has seen, and what it has cost."""
        self.counts_complete = not (sampler.sigchld_ignored or sampler.orphaned)
        opened, closed = self.opened, self.closed
        self.peaks = Peaks(
            pss_bytes=sampler.peaks.pss_bytes,
            processes=sampler.peaks.processes,
            threads=sampler.peaks.threads,
            descriptors=sampler.peaks.descriptors,
            samples=len(sampler.samples),
            own_cpu=closed.own_cpu - opened.own_cpu if opened and closed else 0.0,
            canary_cpu=canary_cpu,
        )

    @property
    def _interval(self) -> float:
        assert self.opened is not None
        assert self.closed is not None
        return (self.closed.cpu.at_ns - self.opened.cpu.at_ns) / 1e9


def load_fault(load: LoadResult) -> str:
    """Why a load was another than the planned one, so that its figures are none; empty where all is well."""
    if load.missing:
        return f"part of the load was lost: {'; '.join(load.missing)}"
    if load.gave_up:
        return f"the load was given up: no right answer came for three timeouts of {load.plan.timeout:g} s"
    if load.completed and load.duration > 0:
        return ""
    errors = [f"{count} {kind}" for kind, count in load.errors.items()]
    examples = [f"an example of {kind}: {text}" for kind, text in load.error_examples.items() if kind in load.errors]
    return f"no request was answered in the window ({'; '.join([*errors, *examples]) or 'no answer came in time'})"


def _opened(load: LoadResult) -> int:
    """Connections that were begun in the window."""
    began = load.connection("began_ns")
    return int(np.count_nonzero((began >= load.opened_ns) & (began < load.closed_ns)))


def _connect_p99(load: LoadResult) -> float | None:
    """Seconds within which 99 of 100 connects stood, or the longest where they are too few to tell."""
    connect = load.connect()
    return connect["max"] if connect["p99"] is None else connect["p99"]
