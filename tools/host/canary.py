"""How fast each CPU computes: a process on each that runs the same short loop again and again.

Two cells that ran an hour apart can differ because the CPUs did: another guest on the same core, a frequency, a cache
that is shared. No counter of the kernel tells of it, and a loop whose work is known does.

    with canaries(usable_cpus()) as birds:
        ...
        birds.speeds(opened_ns, closed_ns)

A canary writes into memory that it shares with the one who started it, so neither waits for the other. It counts its
thread's time, which leaves out what it waited for the CPU: a speed tells of the CPU, not of who else wants it.
"""

from __future__ import annotations

import math
import mmap
import os
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from tools.machine import CAN_PIN

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from numpy.typing import NDArray

MOST_CANARIES = 16  # CPUs that have one, at half a percent of each; the others' speeds are not known
INTERVAL = 0.02  # seconds that a canary sleeps: some samples in the shortest window that is of use
ROUNDS = 5000  # of an empty loop: some 0.1 ms, long beside a look at the clock and short beside a time slice
KEPT = 1 << 14  # samples of each canary: the last five minutes, of which a longer window has its speed
FASTEST = 0.95  # of all samples were slower; the very fastest of many tells more of the clock than of the CPU
STEP = 0.01  # by which speeds are told apart where all of a session are counted

# Run without site and with nothing imported that the interpreter does not hold already. It ends by itself once its
# parent is another one than it was, which no kind of death of the first can prevent.
SOURCE = """
import os, sys, time
def sing(cpu, parent, file, rounds, kept, interval):
    os.sched_setaffinity(0, {cpu})
    count = 0
    while os.getppid() == parent:
        began = time.thread_time_ns()
        for _ in range(rounds):
            pass
        used = time.thread_time_ns()
        sample = (time.monotonic_ns(), used, used - began)
        os.pwrite(file, b"".join(value.to_bytes(8, sys.byteorder) for value in sample), count % kept * 24)
        count += 1
        time.sleep(interval / 1e9)
sing(*map(int, sys.argv[1:]))
"""


class Canary:
    """The process on one CPU, as the one who started it sees it: `samples`, and how to end it."""

    def __init__(self, cpu: int) -> None:
        """Start it; OSError where there can be none."""
        file = os.memfd_create("canary")
        try:
            os.ftruncate(file, KEPT * 24)
            self._shared = mmap.mmap(file, KEPT * 24, prot=mmap.PROT_READ)
            numbers = (cpu, os.getpid(), file, ROUNDS, KEPT, int(INTERVAL * 1e9))
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", SOURCE, *map(str, numbers)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[file],
                process_group=0,  # a terminal's Ctrl-C is for the parent
                cwd="/",
            )
        finally:
            os.close(file)

    def samples(self) -> NDArray[np.int64]:
        """Return a row for each loop that is kept, in no order: when it ended, thread time until then, and of it."""
        rows = np.frombuffer(self._shared, dtype=np.int64).reshape(KEPT, 3).copy()
        return rows[rows[:, 0] > 0]

    def end(self) -> None:
        """End it, if it has not ended; its samples stay."""
        self.process.kill()
        self.process.wait()


class Canaries:
    """The canaries of a session. A window is told in nanoseconds of the monotonic clock."""

    def __init__(self, flock: dict[int, Canary]) -> None:
        self._flock = flock
        self._seen = {cpu: Counter[int]() for cpu in flock}  # speeds by the step of their logarithm
        self._seen_until = dict.fromkeys(flock, 0)

    def speeds(self, began_ns: int, ended_ns: int) -> dict[int, float | None]:
        """Return how fast each CPU computed, in millions of rounds a second: the mean over the loops of a window.

        None where none ended in it, as where the canary is dead.
        """
        return {cpu: _mean(_speeds(self._samples(cpu, began_ns, ended_ns))) for cpu in self._flock}

    def speed(self, cpus: Collection[int], began_ns: int, ended_ns: int) -> float | None:
        """Return the mean speed of these CPUs, of those that are known."""
        found = self.speeds(began_ns, ended_ns)
        return _mean([speed for cpu in cpus if (speed := found.get(cpu)) is not None])

    def cpu_seconds(self, began_ns: int, ended_ns: int, cpus: Collection[int] | None = None) -> float:
        """Return the CPU seconds that the canaries themselves used in a window, on these CPUs or on all."""
        return sum(self._used(cpu, began_ns, ended_ns) for cpu in self._flock if cpus is None or cpu in cpus)

    @property
    def fastest(self) -> dict[int, float | None]:
        """How fast each CPU is when nothing slows it: the 95th percentile of all its loops so far, to 1 %."""
        return {cpu: self._fastest(cpu) for cpu in self._flock}

    def fastest_of(self, cpus: Collection[int]) -> float | None:
        """Return the mean of the fastest of these CPUs, of those that are known: what their `speed` is measured by."""
        found = self.fastest
        return _mean([speed for cpu in cpus if (speed := found.get(cpu)) is not None])

    def _samples(self, cpu: int, began_ns: int, ended_ns: int) -> NDArray[np.int64]:
        rows = self._flock[cpu].samples()
        return rows[(rows[:, 0] > began_ns) & (rows[:, 0] <= ended_ns)]

    def _used(self, cpu: int, began_ns: int, ended_ns: int) -> float:
        """What the thread's own clock went on from the last loop before the window to the last in it.

        Of a window that began before the oldest loop that is kept, only what came from that loop on is known.
        """
        rows = self._flock[cpu].samples()
        first = int(rows[:, 1].min()) if len(rows) == KEPT else 0
        until = rows[rows[:, 0] <= ended_ns, 1].max(initial=first)
        before = rows[rows[:, 0] <= began_ns, 1].max(initial=first)
        return float(until - before) / 1e9

    def _fastest(self, cpu: int) -> float | None:
        rows = self._samples(cpu, self._seen_until[cpu], sys.maxsize)
        if len(rows):
            self._seen[cpu].update(round(math.log(speed) / STEP) for speed in _speeds(rows))
            self._seen_until[cpu] = int(rows[:, 0].max())
        left = FASTEST * self._seen[cpu].total()
        for step, count in sorted(self._seen[cpu].items()):
            left -= count
            if left <= 0:
                return math.exp(step * STEP)
        return None


def _speeds(rows: NDArray[np.int64]) -> NDArray[np.float64]:
    return ROUNDS * 1e3 / rows[:, 2]


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float | None:
    return fmean(values) if len(values) else None


@contextmanager
def canaries(cpus: Sequence[int]) -> Iterator[Canaries]:
    """Keep a canary on each of these CPUs, at most 16; where the platform cannot pin, there are none.

    Where one cannot be started, or dies, nothing is known of its CPU, and all else goes on. They end with the block, or
    within some milliseconds of the end of this process, whatever ended it.
    """
    flock: dict[int, Canary] = {}
    with ExitStack() as stack:
        for cpu in cpus[:MOST_CANARIES] if CAN_PIN else ():
            try:
                flock[cpu] = Canary(cpu)
            except OSError:
                continue
            stack.callback(flock[cpu].end)
        yield Canaries(flock)
