"""A mark that all that a command starts inherits in its environment, by which it is found again and ended.

It is found whatever sessions it made and whoever its parents are now, also where there is no cgroup. A guard of a few
lines of shell holds the end of a pipe. When that ends because we were killed, it kills what bears the mark, and the
command's process group: some servers write their titles over their environment.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tools.accounting.processes import read_file
from tools.processes.children import KILL_INTERVAL, KILL_PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK = "SERVERLAB_SERVER"
"""The variable of the environment by which all that a server starts is found again."""

GUARD = f"""
read -r group
read -r _
[ -z "$group" ] || kill -KILL "-$group"
for look in 1 2 3 4 5; do
    for found in $(grep -Flsxz "{MARK}=$1" /proc/[0-9]*/environ); do
        found="${{found#/proc/}}"
        kill -KILL "${{found%/environ}}"
    done
    sleep 0.05
done
"""
"""Looks more than once, because a process that is just being born cannot be seen."""


class Guard:
    """What ends a command with us; the command is to have `environment` beside its own."""

    def __init__(self, process: subprocess.Popen[bytes], mark: str) -> None:
        self.environment = {MARK: mark}
        self._process = process

    def watch(self, group: int) -> None:
        """Let it know the command's process group."""
        assert self._process.stdin
        os.write(self._process.stdin.fileno(), b"%d\n" % group)


@contextmanager
def guarded() -> Iterator[Guard]:
    """Yield the guard of a command; what bears its mark is killed at the end, and also should we be killed."""
    mark = secrets.token_hex(8)
    process = subprocess.Popen(
        ["/bin/sh", "-c", GUARD, "serverlab-guard", mark],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a terminal's Ctrl-C is for us
    )
    try:
        try:
            yield Guard(process, mark)
        finally:
            _kill_marked(mark)
    finally:
        process.kill()
        process.communicate()


def _kill_marked(mark: str) -> None:
    """Kill all that bear the mark, also what they start meanwhile."""
    deadline = time.monotonic() + KILL_PATIENCE
    while (left := marked_processes(mark)) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(KILL_INTERVAL)


def marked_processes(mark: str) -> list[int]:
    """The processes that were started with the mark in their environment and have not ended."""
    entry = f"{MARK}={mark}".encode()
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if entry in _environment_of(pid)]  # noqa: PTH208 - names are enough


def _environment_of(pid: int) -> list[bytes]:
    with suppress(PermissionError):  # another user's, which we could not have started
        return (read_file(f"/proc/{pid}/environ") or b"").split(b"\0")
    return []
