"""Processes as /proc shows them at one instant; Linux only.

A process can vanish between any two reads, so every function here answers `None` (or leaves it out) for one
that is gone, and never raises for it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tools.accounting.readings import Times

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

TICK = 1 / os.sysconf("SC_CLK_TCK")
"""Seconds in a tick, the unit of the times in /proc/PID/stat."""

SIGCHLD_BIT = 1 << 16
"""Signal 17 in the masks of /proc/PID/status, where bit 0 is signal 1."""

VANISHED = (FileNotFoundError, ProcessLookupError)
"""What reading /proc raises for a process that is gone."""


class Key(NamedTuple):
    """What tells a process from a later one that was given the same pid."""

    pid: int
    started_ticks: int


@dataclass(frozen=True, slots=True)
class Process:
    """One process: what it has used, and how it stands.

    `own` is its CPU so far, of all its threads, dead ones too; `reaped` is the CPU of its dead children, and
    theirs, as far as they were waited for, in ticks (10 ms on most machines). Faults are of both. `rss_bytes`
    and its peak count pages that it shares with others in full. A zombie has its times and nothing else.
    """

    key: Key
    parent: int
    session: int
    zombie: bool
    threads: int
    own: Times
    reaped: Times
    minor_faults: int
    major_faults: int
    rss_bytes: int
    peak_rss_bytes: int
    sigchld_ignored: bool

    @property
    def times(self) -> Times:
        """Its CPU and that of its reaped children."""
        return self.own.plus(self.reaped)


def read_file(path: str) -> bytes | None:
    """Return a file of /proc, or None where the process is gone."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - ten times a second for every process
            return file.read()
    except VANISHED:
        return None


def stat_fields(pid: int) -> list[bytes] | None:
    """Return the fields of /proc/PID/stat after the name (which may hold anything): the state first."""
    content = read_file(f"/proc/{pid}/stat")
    return content.rpartition(b")")[2].split() if content else None


def own_seconds(pid: int, ticks: Times) -> Times:
    """Return a process's own CPU, exact, in the proportion of its ticks.

    The kernel has a clock for each process (`clock_getcpuclockid`), whose number is made from the pid; it
    counts nanoseconds, where /proc counts ticks.
    """
    try:
        return ticks.scaled_to(time.clock_gettime((~pid << 3) | 2))
    except OSError:  # gone meanwhile
        return ticks


def read_process(pid: int) -> Process | None:
    """Return a process as it is now, or None where there is none (any more)."""
    fields = stat_fields(pid)
    status = read_file(f"/proc/{pid}/status")
    if fields is None or not status:
        return None
    return Process(
        key=Key(pid, int(fields[19])),
        parent=int(fields[1]),
        session=int(fields[3]),
        zombie=fields[0] in b"ZX",
        threads=int(fields[17]),
        own=own_seconds(pid, Times(int(fields[11]) * TICK, int(fields[12]) * TICK)),
        reaped=Times(int(fields[13]) * TICK, int(fields[14]) * TICK),
        minor_faults=int(fields[7]) + int(fields[8]),
        major_faults=int(fields[9]) + int(fields[10]),
        rss_bytes=1024 * int(status_value(status, b"VmRSS:") or b"0"),
        peak_rss_bytes=1024 * int(status_value(status, b"VmHWM:") or b"0"),
        sigchld_ignored=bool(int(status_value(status, b"SigIgn:") or b"0", 16) & SIGCHLD_BIT),
    )


def status_value(status: bytes, name: bytes) -> bytes:
    """Return the first word after a name in /proc/PID/status, or nothing where the name is not there."""
    _, found, rest = status.partition(b"\n" + name)
    return rest.split(None, 1)[0] if found else b""


def read_all(pids: Iterable[int]) -> dict[Key, Process]:
    """Return those of these processes that are there."""
    found = (read_process(pid) for pid in pids)
    return {process.key: process for process in found if process is not None}


class Relation(NamedTuple):
    """Where a process belongs."""

    key: Key
    parent: int
    session: int


def everyone() -> dict[int, Relation]:
    """Return every process of the machine by its pid."""
    stats = ((int(name), stat_fields(int(name))) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 - names are enough
    return {pid: Relation(Key(pid, int(fields[19])), int(fields[1]), int(fields[3])) for pid, fields in stats if fields}


def descendants(roots: Iterable[Key], sessions: Collection[int] = ()) -> set[int]:
    """Return the pids of the roots that are there, of their descendants, and of the sessions' members.

    A process that was reparented is found as long as it stays in its session.
    """
    relations = everyone()
    members = {key.pid for key in roots if key.pid in relations and relations[key.pid].key == key}
    members |= {pid for pid, relation in relations.items() if relation.session in sessions}
    size = -1
    while size != len(members):
        size = len(members)
        members |= {pid for pid, relation in relations.items() if relation.parent in members}
    return members
