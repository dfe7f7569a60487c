"""Who else is busy, and what comes back from swap, between two looks that cost next to nothing.

The kernel has a clock for each process, whose number `clock_getcpuclockid` makes of the pid: a look at it takes a
microsecond, and tells nanoseconds of all its threads, those that run just now too.
"""

from __future__ import annotations

import os
import time

from tools.accounting.processes import descendants, read_file, read_process, status_value
from tools.fitness.findings import Busy

NOTICED = 0.02  # of a CPU: what uses less is part of every machine


class Watch:
    """What other processes use from now on; ours, and those that we started, are left out."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._used = _used()
        self._swapped_in = _swapped_in()

    def busy(self) -> tuple[Busy, ...]:
        """Return those that used more than next to nothing, the busiest first; who has ended meanwhile is not seen."""
        passed = time.monotonic() - self._began
        shares = {pid: (used - self._used.get(pid, 0.0)) / passed for pid, used in _used().items()}
        noticed = {pid: share for pid, share in shares.items() if share >= NOTICED}
        own = read_process(os.getpid())
        ours = descendants([own.key]) if own and noticed else set()
        found = [Busy(_name(pid), pid, share) for pid, share in noticed.items() if pid not in ours]
        return tuple(sorted(found, key=lambda each: -each.share))

    def swapped_in(self) -> int:
        """Return the pages that have come back from swap."""
        return _swapped_in() - self._swapped_in


def _used() -> dict[int, float]:
    """The CPU seconds of every process that is there, by its pid."""
    found = {}
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):  # noqa: PTH208 - names are enough
        try:
            found[pid] = time.clock_gettime((~pid << 3) | 2)
        except OSError:  # gone meanwhile
            continue
    return found


def _swapped_in() -> int:
    """The pages that have come back from swap since the machine was started."""
    return int(status_value(b"\n" + (read_file("/proc/vmstat") or b""), b"pswpin ") or 0)


def _name(pid: int) -> str:
    return (read_file(f"/proc/{pid}/comm") or b"?").decode(errors="replace").strip()
