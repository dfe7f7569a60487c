"""A search for the highest rate, against a server whose capacity is known: 1 ms each, one at a time, 1000 a second."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from clients.searching.objective import Objective
from clients.searching.probing import findings_of
from tests.exact_server import serving_exactly
from tests.load_runs import two_cpus
from tests.quiet import until_true_in_quiet
from tests.test_clients_verdict_tables import run_of

COMMAND = [sys.executable, "-m", "clients", "load"]


@pytest.mark.alone
@pytest.mark.timeout(420)
def test_the_rate_that_is_found_is_the_one_that_the_server_can_do() -> None:
    """Half of the answers within 25 ms is held nearly up to the capacity, and not beyond it."""
    mine, other = two_cpus()
    arguments = ["--find-rate", "p50=25ms", "--rate", "860", "--duration", "0.5", "--connections", "64", "--json"]

    def run() -> None:
        with serving_exactly(0.001) as (port, pid):
            os.sched_setaffinity(pid, {other})
            command = [*COMMAND, f"127.0.0.1:{port}", "--cpus", str(mine), *arguments]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.stderr == ""
        found = json.loads(done.stdout)["find_rate"]
        print([(trial["rate"], trial["held"]) for trial in found["trials"]])
        assert found["confirmed"]
        assert done.returncode == 0
        assert 750 <= found["rate"] <= 1024

    until_true_in_quiet(run)


def test_a_part_of_the_load_that_was_lost_is_an_error() -> None:
    """What is left offers less than was asked: such a trial has not held."""
    objective = Objective(0.5, 0.05)
    run = run_of(rate=1000.0)
    assert findings_of(run, objective).errors == 0
    lost = replace(run, missing=("clients 0 to 4: the worker is gone",))
    assert findings_of(lost, objective).errors == 1
