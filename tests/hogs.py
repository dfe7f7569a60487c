"""Processes that want a CPU, for tests of what tells that something has it."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.measured import python
from tools.accounting.processes import read_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

PATIENCE = 40.0  # seconds; the machine may be busy with much else
LOOK_SECONDS = 0.002

HOG = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
print("on its CPU", flush=True)
while os.getppid() == int(sys.argv[2]):
    for _ in range(10000):
        pass
"""


def until(happened: Callable[[], bool]) -> None:
    """Wait until something has happened; fail where it does not within 40 s."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(LOOK_SECONDS)


@contextmanager
def running(script: str, *arguments: str) -> Iterator[int]:
    """Run a script until the end of the block, from when it has printed a line; yield its pid.

    It is given the arguments, and then the pid of its parent, to end by itself where that has gone.
    """
    with subprocess.Popen(python(script, *arguments, str(os.getpid())), stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline()
            yield process.pid
        finally:
            process.kill()


def hog(cpu: int) -> AbstractContextManager[int]:
    """Keep a CPU busy with a process that computes there until the end of the block; its value is the pid."""
    return running(HOG, str(cpu))


def is_running(pid: int) -> bool:
    """Tell whether a process is there and is no zombie."""
    process = read_process(pid)
    return process is not None and not process.zombie
