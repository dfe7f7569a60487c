"""What monitoring a command or a process found, in JSON and in words."""

from __future__ import annotations

import shlex
import signal
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tools.accounting.resources import Switches
from tools.words import MEBIBYTE

if TYPE_CHECKING:
    import resource

    from tools.accounting.readings import CpuReading
    from tools.accounting.sampling import Sampler


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process tree cost, from the start of monitoring to its end.

    `cpu_seconds` includes the dead; `cpu_complete` is false where some of it can be missing, and `cpu_reason`
    says why. `context_switches` and the faults are as complete as `counts_complete` says: the kernel tells
    those of a child only to a parent that waits for it, so that they are incomplete once a process was seen
    whose parent had left it. A peak is None where no look saw it. `exit_status` is -N where signal N ended the
    command, and None where a running process was monitored. `survivors` are the pids that outlived the
    command.
    """

    command: list[str] | None
    pid: int
    duration: float
    exit_status: int | None
    survivors: list[int]
    cpu_seconds: float
    cpu_user_seconds: float
    cpu_system_seconds: float
    cpu_method: str
    cpu_complete: bool
    cpu_reason: str
    peak_pss_bytes: int | None
    peak_uss_bytes: int | None
    peak_rss_upper_bound_bytes: int | None
    memory_complete: bool
    peak_processes: int | None
    peak_zombies: int | None
    peak_threads: int | None
    peak_descriptors: int | None
    context_switches: Switches
    minor_faults: int
    major_faults: int
    counts_complete: bool
    samples: int
    monitor_cpu_seconds: float

    def to_json(self) -> dict[str, object]:
        """Return the fields as JSON values."""
        return asdict(self)

    def in_words(self) -> list[str]:
        """Return the lines of a summary for a reader."""
        lines = {
            "monitored": f"{self._target()} for {self.duration:.3f} s",
            "CPU": self._cpu(),
            "by": f"{self.cpu_method}, " + ("complete" if self.cpu_complete else f"INCOMPLETE: {self.cpu_reason}"),
            "memory": self._memory(),
            "at most": self._peaks(),
            "counted": self._counts(),
            "monitor": f"{self.monitor_cpu_seconds:.3f} s of CPU for {self.samples} samples",
        }
        if self.survivors:
            lines["survivors"] = f"{len(self.survivors)} outlived the command: {self.survivors}"
        return [f"{name:<10} {text}" for name, text in lines.items()]

    def _cpu(self) -> str:
        """Say how much CPU."""
        share = f", {self.cpu_seconds / self.duration:.0%} of a CPU" if self.duration else ""
        split = f"user {self.cpu_user_seconds:.3f}, system {self.cpu_system_seconds:.3f}"
        return f"{self.cpu_seconds:.3f} s ({split}){share}"

    def _memory(self) -> str:
        """Say how much memory."""
        pss, rss = mebibytes(self.peak_pss_bytes), mebibytes(self.peak_rss_upper_bound_bytes)
        refused = "" if self.memory_complete else " of the processes that we may read"
        return f"{pss} at its peak (PSS{refused}); RSS at most {rss}"

    def _peaks(self) -> str:
        """Say how many processes, threads and descriptors."""
        if self.peak_processes is None:
            return "unknown numbers of processes, threads and descriptors: it ended before the first look"
        open_files = "unknown" if self.peak_descriptors is None else self.peak_descriptors
        return f"{self.peak_processes} processes, {self.peak_threads} threads, {open_files} descriptors"

    def _counts(self) -> str:
        """Say how many context switches and faults."""
        at_least = "" if self.counts_complete else "at least "
        switches = f"{self.context_switches.voluntary} + {self.context_switches.involuntary}"
        faults = f"{self.minor_faults} + {self.major_faults}"
        return f"{at_least}{switches} context switches (waited + preempted), {faults} faults (minor + major)"

    def _target(self) -> str:
        """Say what was monitored, and how it ended."""
        if self.command is None:
            return f"process {self.pid}"
        return f"{shlex.join(self.command)} ({ending(self.exit_status or 0)})"


def ending(exit_status: int) -> str:
    """Say how a command ended."""
    if exit_status >= 0:
        return f"exit status {exit_status}"
    known = {number.value: number.name for number in signal.Signals}
    return f"ended by {known.get(-exit_status, f'signal {-exit_status}')}"


def mebibytes(size_bytes: int | None) -> str:
    """Return a size for a reader."""
    return "unknown" if size_bytes is None else f"{size_bytes / MEBIBYTE:.1f} MiB"


def cost_of(
    *,
    command: list[str] | None,
    pid: int,
    duration: float,
    exit_status: int | None,
    survivors: list[int],
    cpu: CpuReading,
    sampler: Sampler,
    usage: resource.struct_rusage | None,
    monitor_cpu_seconds: float,
) -> Cost:
    """Put together what the meter, the sampler and wait4 (of a command) have told."""
    seen, peaks = sampler.last, sampler.peaks
    switches, minor, major = sampler.switches, 0, 0
    if seen is not None:
        minor, major = seen.minor_faults, seen.major_faults
    if usage is not None:  # it knows all threads, and the children that were waited for
        switches = Switches(max(switches.voluntary, usage.ru_nvcsw), max(switches.involuntary, usage.ru_nivcsw))
        minor, major = max(minor, usage.ru_minflt), max(major, usage.ru_majflt)
    return Cost(
        command=command,
        pid=pid,
        duration=duration,
        exit_status=exit_status,
        survivors=survivors,
        cpu_seconds=cpu.total,
        cpu_user_seconds=cpu.user,
        cpu_system_seconds=cpu.system,
        cpu_method=cpu.method,
        cpu_complete=cpu.complete,
        cpu_reason=cpu.reason,
        peak_pss_bytes=peaks.pss_bytes,
        peak_uss_bytes=peaks.uss_bytes,
        peak_rss_upper_bound_bytes=peaks.rss_upper_bound_bytes,
        memory_complete=sampler.memory_complete,
        peak_processes=peaks.processes or None,
        peak_zombies=peaks.zombies,
        peak_threads=peaks.threads or None,
        peak_descriptors=peaks.descriptors,
        context_switches=switches,
        minor_faults=minor,
        major_faults=major,
        counts_complete=usage is not None
        and cpu.complete
        and not (sampler.sigchld_ignored or sampler.orphaned or survivors),
        samples=sampler.taken,
        monitor_cpu_seconds=monitor_cpu_seconds,
    )
