"""Which process of a server used the CPU, and which of its threads: what tells the GIL from a CPU that is full.

A process that keeps one CPU busy with several threads that work waits for its GIL; with one that works, for its CPU.

The kernel's counter of a process has all its threads, those that have ended too, to the nanosecond. The counters of its
threads are those of threads that are there: what lived between two looks is in its process and nowhere else. That of
a thread that runs is as of the kernel's last tick, some milliseconds ago.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tools.accounting.processes import TICK, VANISHED, read_file
from tools.saved.cells import Working

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_THREADS = 2000  # that are read in one look, those of the busiest processes first
WORKED = 0.02  # of a window: a thread that did less has only waited


class ThreadKey(NamedTuple):
    """A thread of a process."""

    pid: int
    tid: int


@dataclass(frozen=True, slots=True)
class ThreadTimes:
    """CPU nanoseconds so far, of each process by its pid and of each thread of those that were `read`."""

    processes: dict[int, int]
    threads: dict[ThreadKey, int]
    read: frozenset[int]


def thread_times(pids: Iterable[int]) -> ThreadTimes:
    """Look at these processes and at their threads; those that are gone are left out.

    Costs about 2 us for each process and 10 us for each thread; beyond 2000 threads, those of the processes that have
    used least are not read.
    """
    processes = {pid: total for pid in pids if (total := _process_ns(pid)) is not None}
    threads: dict[ThreadKey, int] = {}
    read = set()
    for pid in sorted(processes, key=lambda pid: -processes[pid]):
        tids = _tids(pid)
        if len(threads) + len(tids) > MOST_THREADS:
            break
        read.add(pid)
        threads.update({ThreadKey(pid, tid): used for tid in tids if (used := _thread_ns(pid, tid)) is not None})
    return ThreadTimes(processes, threads, frozenset(read))


def working(early: ThreadTimes, late: ThreadTimes, seconds: float) -> Working | None:
    """Return who worked between two looks that are so far apart; None where no process is left to tell of.

    A process or a thread that is in the second look alone began after the first one.
    """
    used = {pid: _went_on(early.processes.get(pid, 0), total) for pid, total in late.processes.items()}
    if not used or seconds <= 0:
        return None
    busiest = max(used, key=lambda pid: used[pid])
    shares = [
        _went_on(early.threads.get(key, 0), total) / 1e9 / seconds
        for key, total in late.threads.items()
        if key.pid == busiest and (busiest in early.read or busiest not in early.processes)
    ]
    return Working(
        busiest_process=used[busiest] / 1e9 / seconds,
        busiest_thread=max(shares, default=0.0),
        threads=sum(share > WORKED for share in shares),
    )


def _went_on(early: int, late: int) -> int:
    """How far a counter went on; one that went back is another's, who got the same number."""
    return late - early if late >= early else late


def _process_ns(pid: int) -> int | None:
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)  # the clock that clock_getcpuclockid(3) makes of the pid
    except OSError:
        return None


def _tids(pid: int) -> list[int]:
    with suppress(*VANISHED, PermissionError):
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]  # noqa: PTH208 - names are enough
    return []


def _thread_ns(pid: int, tid: int) -> int | None:
    """Return its CPU time by the scheduler's clock, or in ticks where the kernel keeps no such books."""
    if content := read_file(f"/proc/{pid}/task/{tid}/schedstat"):
        return int(content.split()[0])
    if content := read_file(f"/proc/{pid}/task/{tid}/stat"):
        fields = content.rpartition(b")")[2].split()
        return round((int(fields[11]) + int(fields[12])) * TICK * 1e9)
    return None
