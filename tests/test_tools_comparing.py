"""Cells with real servers: what is measured is what was known before; and signals that break a comparison off."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from clients.swarm import run_load
from tests.test_clients_verdict_tables import run_of
from tools.analysis.statistics import per_request
from tools.comparison import measuring
from tools.comparison.carrying_out import carried_out
from tools.comparison.findings import load_fault
from tools.comparison.interruption import Interruption
from tools.comparison.measuring import Bench, measured
from tools.comparison.planning import Plan, Timing
from tools.host.canary import Canaries
from tools.machine import Division, usable_cpus
from tools.saved.cells import Cell
from tools.saved.header import Variant
from tools.saved.results import read_results
from tools.variants.commands import foreign_variants
from tools.workloads import WORKLOADS, Workload, chosen_workloads

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tools.comparison.comparing import Done
    from tools.comparison.findings import CellFindings
    from tools.comparison.planning import Step

BENCH = Bench(Division((), (), "a test does not need them apart"), {}, Canaries({}), nullcontext)
KNOWN = replace(WORKLOADS["computing"], name="known", connections=1, work="8 cpu=0.005")


def note(name: str) -> Variant:
    """A model as a comparison names it."""
    return Variant(name, "", "", "", "", model=name)


def plan(rounds: int, models: tuple[Variant, ...], workload: str) -> Plan:
    """A plan of brief cells."""
    return Plan(models, chosen_workloads((workload,)), Timing(rounds, warm_up=0.1, duration=0.2), seed=7)


def test_a_signal_waits_until_breaking_off_is_allowed() -> None:
    """A server's start is not broken off; the load after it is, before it begins."""
    interruption = Interruption()
    with interruption.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt), interruption.allowed():
            pytest.fail("the load must not begin")
    assert interruption.signal == signal.SIGTERM


def test_a_second_signal_does_not_break_off_the_cleaning_up() -> None:
    """The first one raises at once, the second is only heard."""
    interruption = Interruption()
    with interruption.listening():
        with pytest.raises(KeyboardInterrupt), interruption.allowed():
            os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    assert interruption.signal == signal.SIGINT


def once(workload: Workload, model: str) -> CellFindings:
    """One short cell on CPUs that the two sides share."""
    return measured(BENCH, workload, note(model), warm_up=0.1, duration=0.4)


def cost_of(findings: CellFindings) -> float | None:
    """CPU seconds for a request, None where the method could not see all."""
    load, cpu = findings.load_record(), findings.cpu_record()
    assert load is not None
    assert cpu is not None
    return per_request(cpu.total, cpu.interval, load.requests, load.window) if cpu.complete else None


@pytest.mark.parametrize("model", ["threaded", "forking", "preforked"])
def test_five_milliseconds_of_cpu_a_request_are_found(model: str) -> None:
    """In the server, in children that die and in those that stay; noise gets three tries rather than wider margins."""
    costs = []
    for _ in range(3):
        costs.append(cost_of(once(KNOWN, model)))
        if costs[-1] is None:
            pytest.skip("no method sees all of the CPU here")
        if 0.0048 <= costs[-1] <= 0.0065:
            return
    pytest.fail(f"a request that burns 5 ms was charged {costs} s")


def test_context_switches_and_page_faults_of_starting_are_no_requests() -> None:
    """An interpreter that comes up touches thousands of pages, however few requests follow."""
    findings = once(replace(WORKLOADS["keepalive"], connections=2), "selector")
    counts = findings.counts_record()
    assert counts is not None
    assert findings.usage is not None
    assert findings.before is not None
    assert findings.before.faults.minor > 1000
    assert 0 < counts.minor_faults < findings.usage.ru_minflt / 2
    assert 0 < counts.voluntary_switches < findings.usage.ru_nvcsw


@pytest.mark.parametrize("complete", [True, False])
def test_what_a_blind_meter_misses_and_what_guests_use_is_not_of_others(
    complete: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's CPU is not known where its meter cannot see all, and a load process of guests is ours."""
    findings = once(replace(WORKLOADS["keepalive"], connections=2, hold=3), "selector")
    assert findings.load is not None
    assert findings.closed is not None
    assert findings.load.guest_cpu_seconds > 0
    record = findings.load_record()
    assert record is not None
    assert record.guest_cpu == findings.load.guest_cpu_seconds
    findings.closed = replace(findings.closed, cpu=replace(findings.closed.cpu, complete=complete))
    told: dict[str, float | None] = {}
    monkeypatch.setattr("tools.comparison.findings.host_between", lambda *_, **figures: told.update(figures))
    findings.host_record(BENCH.division, BENCH.canaries)
    assert (told["server_cpu_seconds"] is not None) == complete
    assert told["client_cpu_seconds"] == findings.load.client_cpu_seconds + findings.load.guest_cpu_seconds


ENDS_WITH_ITS_FIRST_CLIENT = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
listener.accept()
sys.exit("no luck today")
"""


def test_a_server_that_ends_as_the_clients_come_is_told_and_not_that_nobody_listens(tmp_path: Path) -> None:
    """Which is what the clients see of it."""
    (tmp_path / "mine.py").write_text(ENDS_WITH_ITS_FIRST_CLIENT, encoding="utf-8")
    [mine] = foreign_variants([f"mine={sys.executable} {tmp_path / 'mine.py'} {{port}}"], {})
    findings = measured(BENCH, WORKLOADS["keepalive"], mine, warm_up=0.1, duration=0.4)
    assert findings.error == "the server ended by itself, with status 1: no luck today"


def test_an_iterative_server_serves_one_of_many_that_stay() -> None:
    """The findings say so, and it is no failure."""
    findings = once(replace(WORKLOADS["keepalive"], connections=3), "iterative")
    load = findings.load_record()
    assert findings.error == ""
    assert load is not None
    assert (load.served, load.connections) == (1, 3)
    assert load.requests > 0


def test_a_cell_of_which_part_of_the_load_was_lost_has_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who were left asked for less than the workload does: what they saw is another workload's."""
    lost = ("2 clients: a load process ended early: killed by SIGKILL",)
    monkeypatch.setattr(measuring, "run_load", lambda *one, **two: replace(run_load(*one, **two), missing=lost))
    findings = once(replace(WORKLOADS["keepalive"], connections=2), "selector")
    assert findings.error == f"part of the load was lost: {lost[0]}"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, ""),
        ({"gave_up": True}, "the load was given up: no right answer came for three timeouts of 5 s"),
        ({"opened_ns": 1, "closed_ns": 1}, "no request was answered in the window (3 timeout)"),
    ],
)
def test_a_load_that_was_another_than_planned_says_why(changes: dict[str, Any], fault: str) -> None:
    """And one that had no answer at all tells its errors."""
    assert load_fault(replace(run_of(), errors={"timeout": 3}, **changes)) == fault


def test_a_cell_has_all_that_a_row_needs() -> None:
    """Memory, processes, threads and descriptors at their peaks, the server's last line, and latencies."""
    findings = once(replace(WORKLOADS["keepalive"], connections=4), "forking")
    assert findings.error == ""
    assert findings.peaks is not None
    assert findings.peaks.processes == findings.peaks.threads == 5
    assert findings.peaks.pss_bytes is not None
    assert findings.stopped is not None
    assert findings.stopped.fields["connections"] == 4
    latencies = findings.latencies_ns()
    assert len(latencies) > 0
    assert (latencies[:-1] <= latencies[1:]).all()
    assert latencies[0] > 0


DYING = """
import socket
listener = socket.create_server(("127.0.0.1", {port}))
listener.accept()
raise SystemExit("out of breath")
"""


def command(script: str) -> Variant:
    """A server of the user's that is this script."""
    (variant,) = foreign_variants((f"broken={sys.executable} -c '{script}'",), {})
    return variant


def test_a_server_that_dies_is_told_with_its_last_words() -> None:
    """And nothing is raised."""
    findings = measured(BENCH, WORKLOADS["keepalive"], command(DYING), warm_up=0.1, duration=0.4)
    assert "out of breath" in findings.error or "nobody listens" in findings.error
    assert "\n" not in findings.error


class Recorder:
    """An observer that remembers, and that can send a signal when a step has ended."""

    def __init__(self, signal_after: int = 0) -> None:
        self.done: list[Done] = []
        self._signal_after = signal_after

    def began(self, plan: Plan, division: Division, steps: Sequence[Step], done: Sequence[Done]) -> None:
        """Nothing to remember."""

    def next(self, step: Step, attempt: int) -> None:
        """Nothing to remember."""

    def tries(self, rate: float, seconds: float) -> None:
        """Nothing to remember."""

    def ended(self, done: Done) -> None:
        """Remember, and signal."""
        self.done.append(done)
        if len(self.done) == self._signal_after:
            os.kill(os.getpid(), signal.SIGTERM)

    def goes_on(self, steps: Sequence[Step], wide: Sequence[str]) -> None:
        """Nothing to remember."""


def test_a_model_that_cannot_start_fails_its_cells_and_no_others(tmp_path: Path) -> None:
    """The comparison goes on, and the reason is kept."""
    broken = command('raise SystemExit("no such engine") # {port}')
    recorder = Recorder()
    asked = plan(1, (broken, note("selector")), "churn")
    assert carried_out(asked, tmp_path / "r", ("test",), recorder) == 0
    cells = {cell.model: cell for cell in read_results(tmp_path / "r").cells}
    assert "no such engine" in cells["broken"].error
    assert cells["broken"].load is None
    assert cells["selector"].error == ""
    assert cells["selector"].load is not None
    assert {cell.model for cell in recorder.done if isinstance(cell, Cell)} == {"broken", "selector"}


def test_a_signal_ends_a_comparison_after_what_was_measured(tmp_path: Path) -> None:
    """The cells that had ended are in the files, this process may use all its CPUs again, and SIGTERM kills again."""
    cpus = usable_cpus()
    recorder = Recorder(signal_after=1)
    heard = carried_out(plan(50, (note("selector"),), "churn"), tmp_path / "r", ("test",), recorder)
    assert heard == signal.SIGTERM
    results = read_results(tmp_path / "r")
    assert len(results.cells) == 1
    assert results.header.machine.usable_cpus == len(cpus)
    assert usable_cpus() == cpus
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
