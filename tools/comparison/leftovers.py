"""A note in the results folder of who measures and of the server, so that what outlived a kill can be ended."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tools.accounting.cgroups import remove_those_of
from tools.accounting.processes import descendants, read_all, read_process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.accounting.processes import Process

NOTE = "server.json"
PATIENCE = 5.0  # seconds in which what was killed is gone
INTERVAL = 0.01


@contextmanager
def noting(folder: Path) -> Iterator[None]:
    """Keep a note in the folder of who measures there, and of its last server, for as long as the block runs."""
    _note(folder, None)
    try:
        yield
    finally:
        (folder / NOTE).unlink(missing_ok=True)


def note_server(folder: Path, pid: int) -> None:
    """Let the note tell of this server, and of when it was born."""
    _note(folder, read_process(pid))


def _note(folder: Path, server: Process | None) -> None:
    note = {"boot": boot(), "owner": os.getpid()}
    if server is not None:
        note |= {"pid": server.key.pid, "started_ticks": server.key.started_ticks}
    with suppress(OSError):  # a full disk is told where a cell is written
        new = folder / f"{NOTE}.new"  # a kill leaves the old note or the new one
        new.write_text(json.dumps(note))
        new.replace(folder / NOTE)


def end_leftover(folder: Path) -> int:
    """End the server that a note tells of, with all of its session, if it still runs; return how many there were.

    A process that has only got its number is told by its birth, and left alone. The control groups go, too. To be
    called where nobody measures into the folder any more.
    """
    path = folder / NOTE
    try:
        note = json.loads(path.read_text())
        booted, owner, pid, born = note["boot"], int(note["owner"]), int(note.get("pid", 0)), note.get("started_ticks")
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    path.unlink(missing_ok=True)
    if booted != boot():
        return 0
    leader = read_process(pid) if pid else None
    ended = 0 if not pid or (leader is not None and leader.key.started_ticks != born) else _ended(pid)
    if read_process(owner) is None:
        remove_those_of(owner)
    return ended


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
