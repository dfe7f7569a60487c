"""A note in the results folder of the server that runs, so that one that outlived a killed comparison can be ended."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tools.accounting.processes import descendants, read_all, read_process

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTE = "server.json"
PATIENCE = 5.0  # seconds in which what was killed is gone
INTERVAL = 0.01


@contextmanager
def noted(folder: Path, pid: int) -> Iterator[None]:
    """Keep a note of this server, and of when it was born, in the folder for as long as the block runs."""
    process, path = read_process(pid), folder / NOTE
    if process is None:
        yield
        return
    with suppress(OSError):  # a full disk is told where a cell is written
        path.write_text(json.dumps({"pid": pid, "started_ticks": process.key.started_ticks, "boot": boot()}))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def end_leftover(folder: Path) -> int:
    """End the server that a note tells of, with all of its session, if it still runs; return how many there were.

    A process that has only got its number is told by its birth, and left alone.
    """
    path = folder / NOTE
    try:
        note = json.loads(path.read_text())
        pid, born, booted = int(note["pid"]), int(note["started_ticks"]), note["boot"]
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    path.unlink(missing_ok=True)
    leader = read_process(pid)
    if booted != boot() or (leader is not None and leader.key.started_ticks != born):
        return 0
    return _ended(pid)


def _ended(session: int) -> int:
    """Kill a session, also those that are born meanwhile."""
    ended: set[int] = set()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        alive = [each.key.pid for each in read_all(descendants([], {session})).values() if not each.zombie]
        if not alive:
            break
        for pid in alive:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        ended.update(alive)
        time.sleep(INTERVAL)
    return len(ended)


def boot() -> str:
    """This start of the machine, by the kernel's name for it; after another one, numbers mean others."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
