"""What a large run takes of memory: a million records, from the rows of the loop to the figures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_BYTES = 100_000_000

PEAK = """
def peak():  # ru_maxrss would begin with what the parent had
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
"""
# As a load process fills its rows and hands them in: with all that it imports, and without numpy.
LOAD_PROCESS = f"""{PEAK}
import sys
from clients import worker
from clients.records import CONNECTION_ROW, Rows

rows, connections = Rows(), Rows(CONNECTION_ROW)
for number in range(1_000_000):
    due = 1_000_000_000 + number * 1000
    rows.add(due, due + 10, due + 20, due + 90_000, due + 100_000 + number % 1000, number % 50, 0, 64, 0, 0)
for number in range(50):
    connections.add(number, number, 1, 2, 0, 3_000_000_000, 0, 0, 0)
for chunk in rows.chunks() + connections.chunks():
    worker.write_all(chunk)
print(peak(), file=sys.stderr)
"""
# As its parent reads them, gathers them, and says what it all means.
PARENT = f"""{PEAK}
import os, subprocess, sys
from clients.addresses import Address
from clients.evidence import Evidence
from clients.gathering import gather
from clients.plan import LoadPlan
from clients.process import Recorded
from clients.records import ROW
from clients.summary import describe

heard = bytearray()
with subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE) as child:
    while data := os.read(child.stdout.fileno(), 1 << 20):
        heard += data
size = 1_000_000 * ROW.size
evidence = Evidence().to_json() | {{"mean_in_flight": 2.0}}
report = {{
    "errors": {{}}, "examples": {{}}, "late": 0, "duplicates": 0, "idle_closed": 0, "ended_ns": 2_200_000_000,
    "gave_up": False, "guests": {{}}, "evidence": evidence,
}}
recorded = Recorded(memoryview(heard)[:size], memoryview(heard)[size:], report)
for rate in (None, 1_000_000.0):
    plan = LoadPlan(Address("127.0.0.1", 9), duration=1.0, warmup=0.0, rate=rate, connections=50)
    result = gather(plan, [recorded], (1_000_000_000, 2_000_100_000), interrupted=False)
    assert result.completed > 990_000
    assert result.summary()["latency"]["p999"] > 0
    describe(result)
    del result
print(peak(), file=sys.stderr)
"""


def test_a_million_records_are_held_and_summed_up_in_100_mb() -> None:
    """By the load process, and by the parent with its numpy; in a closed loop, and then in an open one."""
    command = [sys.executable, "-c", PARENT, LOAD_PROCESS]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    of_child, of_parent = (int(line) for line in done.stderr.split())
    print(f"load process {of_child / 1e6:.1f} MB, parent {of_parent / 1e6:.1f} MB")
    assert 56_000_000 < of_child < MOST_BYTES
    assert 56_000_000 < of_parent < MOST_BYTES
