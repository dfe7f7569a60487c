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
def hog(cpu: int) -> Iterator[int]:
    """Keep a CPU busy with a process that computes there until the end of the block; yield its pid."""
    with subprocess.Popen(python(HOG, str(cpu), str(os.getpid())), stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline()
            yield process.pid
        finally:
            process.kill()


def is_running(pid: int) -> bool:
    """Tell whether a process is there and is no zombie."""
    process = read_process(pid)
    return process is not None and not process.zombie
