"""Finding out by trying: what a loop gets of a CPU, how late a sleep ends, how long a byte takes there and back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING

from clients.checkout import with_checkout
from tools.fitness.findings import Spin, Wakes
from tools.fitness.probe import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_SPINS = 16  # CPUs that are tried, all at the same time: enough to meet any quota
SPIN_SECONDS = 1.0
SLEEPS = 150
SLEEP_SECONDS = 0.001
TRIP_SECONDS = 0.3


@contextmanager
def probe(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Start a process of `tools.fitness.probe`; on the way out it is ended."""
    command = [sys.executable, "-m", "tools.fitness.probe", *map(str, arguments)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=with_checkout(os.environ),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def figure(process: subprocess.Popen[str]) -> float | None:
    """Wait for what a probe prints; None where it prints nothing that is a number."""
    try:
        said, _ = process.communicate(timeout=2 * PATIENCE)
        return float(json.loads(said))
    except (subprocess.TimeoutExpired, ValueError):
        return None


def spin(cpus: Sequence[int], seconds: float = SPIN_SECONDS) -> tuple[Spin, ...]:
    """Compute on each of these CPUs, on all at the same time, and return what each loop got."""
    chosen = cpus[:MOST_SPINS]
    if not chosen:
        return ()
    with probe("spin", chosen[0], seconds) as process:
        rest = spin(chosen[1:], seconds)
        share = figure(process)
    return rest if share is None else (Spin(chosen[0], share), *rest)


def round_trip(cpus: tuple[int, int] | None, seconds: float = TRIP_SECONDS) -> float | None:
    """Return the median round trip of a byte over loopback, in seconds; its ends on these CPUs, or anywhere."""
    near, far = cpus or (-1, -1)
    with probe("pong", far) as server:
        assert server.stdout
        port = server.stdout.readline().strip()
        if not port:
            return None
        with probe("ping", near, port, seconds) as client:
            return figure(client)


def wakes(count: int = SLEEPS) -> Wakes:
    """Sleep for a millisecond so many times, and return how much later than that each ended."""
    late = []
    for _ in range(count):
        began = time.monotonic()
        time.sleep(SLEEP_SECONDS)
        late.append(time.monotonic() - began - SLEEP_SECONDS)
    return Wakes(median(late), max(late))
