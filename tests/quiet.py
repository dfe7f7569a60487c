"""Whether the machine is quiet enough for tests whose timing is their subject, and runs made again until it is.

A canary is a process that spins on one CPU for a moment, and tells how much of it the CPU was its own.
"""

from __future__ import annotations

import select
import subprocess
import time
from contextlib import ExitStack
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from tests.load_runs import CPUS
from tests.measured import python

if TYPE_CHECKING:
    from collections.abc import Callable

Arguments = ParamSpec("Arguments")
Found = TypeVar("Found")
SPIN = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
began, used = time.monotonic(), time.process_time()
while (took := time.monotonic() - began) < 0.2:
    pass
print((time.process_time() - used) / took)
"""
QUIET = 0.9  # of a CPU that a canary gets
MOST_WAITING = 20.0  # seconds between two runs
LOOK_SECONDS = 0.5  # between two looks, in which something else may end
MOST_RUNS = 12
PATIENCE = 180.0  # seconds after which no run is begun


def free_shares() -> list[float]:
    """How much of each CPU a process that wants it gets at present, by spinning there for 0.2 s."""
    with ExitStack() as stack:
        started = [
            stack.enter_context(subprocess.Popen(python(SPIN, str(cpu)), stdout=subprocess.PIPE, text=True))
            for cpu in CPUS
        ]
        return [float(process.communicate(timeout=60)[0]) for process in started]


def wait_for_quiet(seconds: float) -> bool:
    """Wait until every CPU is free, at most so many `seconds`; return whether it came to that."""
    deadline = time.monotonic() + seconds
    while min(free_shares()) < QUIET:
        if time.monotonic() >= deadline:
            return False
        select.select([], [], [], LOOK_SECONDS)
    return True


def until_true_in_quiet(run: Callable[[], Found]) -> Found:
    """Return what `run` does; where it fails an assertion, it is run again once the machine is quiet.

    Between two runs that is waited for up to 20 s, then it is run all the same. The last failure is raised: after 12
    runs, or where one fails that began 180 s after the first, or later.
    """
    ends = time.monotonic() + PATIENCE
    for number in range(1, MOST_RUNS + 1):
        is_last = number == MOST_RUNS or time.monotonic() >= ends
        try:
            return run()
        except AssertionError as failure:
            if is_last:
                raise
            print(f"once more, because {failure}")
            wait_for_quiet(min(MOST_WAITING, max(0.0, ends - time.monotonic())))
    raise AssertionError("the last run returns or raises")


def made_again_in_quiet(test: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Make a test again, as `until_true_in_quiet` does."""

    @wraps(test)
    def repeat(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        until_true_in_quiet(lambda: test(*args, **kwargs))

    return repeat
