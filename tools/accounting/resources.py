"""What a process holds: memory, descriptors, and the context switches of its threads; from /proc, Linux only.

`None` is what cannot be told: the process is gone, or (descriptors) another user's.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.accounting.processes import VANISHED, read_file, status_value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tools.accounting.processes import Process


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of one process or of several, in bytes.

    `pss` shares out what several processes hold in common, so that it can be summed; `uss` is what would be
    free if the process ended. `pss_file` is the part of `pss` that is pages of files: of programs and libraries, which
    a stranger that starts or ends changes too. 0 where the kernel does not tell it apart.
    """

    pss_bytes: int
    uss_bytes: int
    pss_file_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Switches:
    """Context switches: the process waited for something, or the kernel took the CPU away."""

    voluntary: int
    involuntary: int

    def plus(self, other: Switches) -> Switches:
        """Return the sum, kind by kind."""
        return Switches(self.voluntary + other.voluntary, self.involuntary + other.involuntary)

    def minus(self, other: Switches) -> Switches:
        """Return the difference, kind by kind."""
        return Switches(self.voluntary - other.voluntary, self.involuntary - other.involuntary)


def memory(pid: int) -> Memory | None:
    """Return the memory of a process; reading it takes the kernel milliseconds where the process is big.

    Raises PermissionError where it is not for us to read.
    """
    content = read_file(f"/proc/{pid}/smaps_rollup")
    if not content:
        return None
    return Memory(
        pss_bytes=1024 * int(status_value(content, b"Pss:") or b"0"),
        uss_bytes=1024
        * sum(int(status_value(content, name) or b"0") for name in (b"Private_Clean:", b"Private_Dirty:")),
        pss_file_bytes=1024 * int(status_value(content, b"Pss_File:") or b"0"),
    )


def descriptors(pid: int) -> int | None:
    """Return the number of open descriptors of a process; one that has none is about to end."""
    try:
        # Since Linux 6.2 the folder's size is the number, which costs the same for nine thousand as for nine.
        return os.stat(f"/proc/{pid}/fd").st_size or len(os.listdir(f"/proc/{pid}/fd")) or None  # noqa: PTH116, PTH208
    except (*VANISHED, PermissionError):
        return None


@dataclass(frozen=True, slots=True)
class Faults:
    """Page faults: a page was mapped, or (major) it was read from a disk first."""

    minor: int
    major: int


class FaultCounter:
    """Page faults of a process tree from a series of looks; those of children that nobody waits for are lost.

    They count from the birth of the processes, or else from the first look.
    """

    def __init__(self, *, since_birth: bool) -> None:
        self._before = Faults(0, 0) if since_birth else None
        self._highest = Faults(0, 0)

    def update(self, processes: Iterable[Process]) -> Faults:
        """Return the sum up to now, never less than before."""
        found = list(processes)
        seen = Faults(sum(each.minor_faults for each in found), sum(each.major_faults for each in found))
        before = self._before = self._before or seen
        self._highest = Faults(
            max(self._highest.minor, seen.minor - before.minor),
            max(self._highest.major, seen.major - before.major),
        )
        return self._highest


class SwitchCounter:
    """Context switches of a process tree from a series of looks.

    The kernel counts them for each thread. Those of a thread that has ended count as far as they were seen, so
    the sum is a lower bound: what a thread did after the last look at it, and threads that were never seen,
    are lost. They count from the birth of the threads, or else from the first look.
    """

    def __init__(self, *, since_birth: bool) -> None:
        self._before = Switches(0, 0) if since_birth else None
        self._threads: dict[tuple[int, int, int], Switches] = {}
        self._ended = Switches(0, 0)

    def update(self, processes: Iterable[Process]) -> Switches:
        """Read every thread of these processes, and return the sum up to now."""
        now = {}
        for process in processes:
            for thread in thread_ids(process.key.pid):
                switches = switches_of(process.key.pid, thread)
                if switches is not None:
                    now[*process.key, thread] = switches
        for key in self._threads.keys() - now.keys():
            self._ended = self._ended.plus(self._threads[key])
        self._threads = now
        total = self._ended
        for switches in now.values():
            total = total.plus(switches)
        self._before = self._before or total
        return total.minus(self._before)


def thread_ids(pid: int) -> list[int]:
    """Return the ids of a process's threads."""
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]  # noqa: PTH208 - names are enough
    except VANISHED:
        return []


def switches_of(pid: int, thread: int) -> Switches | None:
    """Return the context switches of one thread."""
    content = read_file(f"/proc/{pid}/task/{thread}/status")
    if not content:
        return None
    return Switches(
        voluntary=int(status_value(content, b"voluntary_ctxt_switches:") or b"0"),
        involuntary=int(status_value(content, b"nonvoluntary_ctxt_switches:") or b"0"),
    )
