"""Look at a process tree again and again: cheap counters about ten times a second, memory about once.

Looking costs, and disturbs what is looked at: the more there is to read, the rarer the looks become, so
that they take at most SHARE of a CPU; what they took is in the result. The first looks come in quick
succession, so that a command of twenty milliseconds is seen too.

    with metering() as meter, running(command, meter=meter) as server, sampling(meter) as sampler:
        ...
    sampler.peaks, sampler.samples, sampler.cpu_seconds
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from tools.accounting.resources import FaultCounter, Memory, SwitchCounter, Switches, descriptors, memory
from tools.accounting.samples import Peaks, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.accounting.meters import Meter
    from tools.accounting.processes import Process

INTERVAL = 0.1
MEMORY_INTERVAL = 1.0
SHARE = 0.03
"""Of a CPU, at most, for the cheap counters, and as much again for memory and context switches."""

FIRST_INTERVAL = 0.002
"""Seconds from the first look to the second; the intervals then double until they are the ones asked for."""


class Sampler:
    """Samples of what a meter meters: call `sample` when `due` has come, or let `sampling` do it in a thread.

    `last` is the latest sample, `taken` their number, `samples` has all if they are kept, `peaks` the highest
    values, `cpu_seconds` what sampling has cost, and `memory_complete` is false where a process would not let
    us read its memory. `sigchld_ignored` is true once a process was seen that waits for no child, `orphaned`
    once one was seen whose parent is not in the tree. Faults and context switches count from the processes'
    birth, or else from the first sample. While `sparing`, memory and context switches are looked at only when asked for
    and where there are more processes than at any such look before.
    """

    def __init__(
        self,
        meter: Meter,
        interval: float = INTERVAL,
        memory_interval: float = MEMORY_INTERVAL,
        *,
        since_birth: bool = True,
        keep: bool = True,
    ) -> None:
        self.samples: list[Sample] = []
        self.last: Sample | None = None
        self.taken = 0
        self.peaks = Peaks()
        self.switches = Switches(0, 0)
        self.cpu_seconds = 0.0
        self.memory_complete = True
        self.sigchld_ignored = False
        self.orphaned = False
        self.sparing = False
        self.due = time.monotonic()
        self._began = self.due
        self._memory_due = self.due
        self._most_looked_at = 0
        self._interval = interval
        self._memory_interval = memory_interval
        self._meter = meter
        self._faults = FaultCounter(since_birth=since_birth)
        self._switches = SwitchCounter(since_birth=since_birth)
        self._keep = keep
        self._lock = threading.Lock()

    def sample(self, *, memory_too: bool = False) -> Sample:
        """Look at the tree now; at its memory and context switches too, if that is due or asked for."""
        with self._lock:
            began = time.thread_time()
            look = self._meter.look()
            sample = self._counts(look.cpu.user, look.cpu.system, look.processes)
            due = time.monotonic() >= self._memory_due
            memory_too |= due and (not self.sparing or sample.processes > self._most_looked_at)
            looked = time.thread_time()
            if memory_too:
                self._most_looked_at = max(self._most_looked_at, sample.processes)
                sample = self._with_memory(sample, look.processes)
            ended = time.thread_time()
            self._plan(looked - began, ended - looked if memory_too else None)
            self.cpu_seconds += ended - began
            self._record(sample, look.processes)
            return sample

    def _counts(self, user: float, system: float, processes: Sequence[Process]) -> Sample:
        """Make the sample that every look gives."""
        # One that ends has given back its memory and its descriptors before it is a zombie.
        alive = [process for process in processes if not process.zombie and process.rss_bytes]
        faults = self._faults.update(processes)
        open_now = [descriptors(process.key.pid) for process in alive]
        return Sample(
            at=time.monotonic() - self._began,
            cpu_user_seconds=user,
            cpu_system_seconds=system,
            processes=len(alive),
            zombies=None if self._meter.cgroup else self._zombies(processes),
            threads=sum(process.threads for process in alive),
            descriptors=total(open_now),
            minor_faults=faults.minor,
            major_faults=faults.major,
            rss_upper_bound_bytes=sum(process.rss_bytes for process in alive),
        )

    def _zombies(self, processes: Sequence[Process]) -> int:
        """Count the dead that nobody has waited for; the command itself waits for us."""
        return sum(process.zombie and process.key.pid != self._meter.pid for process in processes)

    def _with_memory(self, sample: Sample, processes: Sequence[Process]) -> Sample:
        """Add to a sample what is slower to read."""
        found = [self._memory(process.key.pid) for process in processes if not process.zombie]
        self.switches = self._switches.update(processes)
        return replace(
            sample,
            pss_bytes=total([each.pss_bytes if each else None for each in found]),
            uss_bytes=total([each.uss_bytes if each else None for each in found]),
            voluntary_switches=self.switches.voluntary,
            involuntary_switches=self.switches.involuntary,
        )

    def _memory(self, pid: int) -> Memory | None:
        """Return the memory of a process, or None where it is gone or we may not know."""
        try:
            return memory(pid)
        except PermissionError:
            self.memory_complete = False
            return None

    def _plan(self, cost: float, memory_cost: float | None) -> None:
        """Decide when the next look is due, given what this one cost."""
        now = time.monotonic()
        doubled = max(now - self._began, FIRST_INTERVAL)
        self.due = now + max(min(self._interval, doubled), cost / SHARE)
        if memory_cost is not None:
            self._memory_due = now + max(min(self._memory_interval, doubled), memory_cost / SHARE)

    def _record(self, sample: Sample, processes: Sequence[Process]) -> None:
        """Remember a sample."""
        self.last = sample
        self.taken += 1
        self.sigchld_ignored |= any(process.sigchld_ignored for process in processes)
        tree = {process.key.pid for process in processes}
        self.orphaned |= any(process.parent not in tree and process.key.pid != self._meter.pid for process in processes)
        if sample.processes:
            self.peaks.include(sample, sum(process.peak_rss_bytes for process in processes))
        if self._keep:
            self.samples.append(sample)


def total(values: Sequence[int | None]) -> int | None:
    """Return the sum of what is known, or None where there is something and nothing is known."""
    known = [value for value in values if value is not None]
    return sum(known) if known or not values else None


@contextmanager
def sampling(meter: Meter, interval: float = INTERVAL, memory_interval: float = MEMORY_INTERVAL) -> Iterator[Sampler]:
    """Sample what the meter meters in a thread of its own, from now until the end of the block.

    The caller may call `sample` at checkpoints. What goes wrong in the thread is raised at the end.
    """
    sampler = Sampler(meter, interval, memory_interval)
    sampler.sample()
    stop = threading.Event()
    failures: list[Exception] = []
    thread = threading.Thread(target=keep_sampling, args=(sampler, stop, failures), name="sampling", daemon=True)
    thread.start()
    try:
        yield sampler
    finally:
        stop.set()
        thread.join()
    if failures:
        raise failures[0]


def keep_sampling(sampler: Sampler, stop: threading.Event, failures: list[Exception]) -> None:
    """Sample whenever it is due, until told to stop."""
    try:
        while not stop.wait(max(0.0, sampler.due - time.monotonic())):
            sampler.sample()
    except Exception as error:
        failures.append(error)  # raised where the block ends, which is where somebody can see it
