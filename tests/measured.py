"""Commands whose cost is known, for tests of the measuring tools."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from tools.accounting.meters import metering
from tools.failure import Failure
from tools.processes.children import Child, start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.accounting.meters import Meter

BURN = """
import time
def burn(seconds):
    began = time.thread_time()
    while time.thread_time() - began < seconds:
        pass
"""

FORKS = """
import os, signal, sys
number, ignored = int(sys.argv[1]), sys.argv[2] == "ignored"
if ignored:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(number):
    pid = os.fork()
    if pid == 0:
        burn(0.005)
        os._exit(0)
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:  # nobody waits where SIGCHLD is ignored
        pass
"""

READY = """
import sys
def ready():
    print("ready", flush=True)
    sys.stdin.read()
"""


def python(script: str, *arguments: str) -> list[str]:
    """Return the command that runs a script, with a start that is as short as it can be."""
    return [sys.executable, "-I", "-S", "-c", script, *arguments]


def burner(seconds: float) -> list[str]:
    """Return a command that burns so many seconds of CPU beside its start."""
    return python(f"{BURN}\nburn({seconds})")


def forker(number: int, *, ignored: bool) -> list[str]:
    """Return a command that forks children of 5 ms of CPU, one after another, and waits for them or ignores them."""
    return python(BURN + FORKS, str(number), "ignored" if ignored else "waited")


def holder(script: str) -> list[str]:
    """Return a command that runs a script, prints `ready`, and stays as it is until its stdin ends."""
    return python(f"{READY}\n{script}\nready()")


def works(method: str) -> bool:
    """Tell whether a CPU method can be had on this machine by this user."""
    try:
        with metering(method):
            return True
    except Failure:
        return False


class Held:
    """A command that answers each line on its stdin with a line."""

    def __init__(self, child: Child, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self.child = child
        self.pid = child.pid
        self._stdin = stdin
        self._stdout = stdout

    def line(self) -> str:
        """Wait for the next line that it prints."""
        return self._stdout.readline().decode().strip()

    def ask(self) -> str:
        """Send it an empty line, and wait for its answer."""
        self._stdin.write(b"\n")
        self._stdin.flush()
        return self.line()

    def let_go(self) -> None:
        """End its stdin, which ends it."""
        self._stdin.close()


@contextmanager
def held(command: list[str], meter: Meter | None = None) -> Iterator[Held]:
    """Start a command with its stdin and stdout in our hands, and end it in the end."""
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
    with open(ours_out, "wb") as stdin, open(ours_in, "rb") as stdout:  # noqa: PTH123 - they are descriptors
        child = start(command, meter=meter, stdin=theirs_in, stdout=theirs_out)
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            yield Held(child, stdin, stdout)
        finally:
            child.end()
