"""Servers whose answers are known are compared, and the comparison's files and tables have these answers."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.known_service import BURN_SECONDS, EXACT_SECONDS, NTH, PAGES, SLEEPS, STALL_AT, STALL_SECONDS
from tests.load_runs import two_cpus, until_true
from tests.quiet import made_again_in_quiet
from tools.accounting.cgroups import CgroupUnavailableError, cgroup_of_its_own
from tools.accounting.meters import TreeMeter, metering
from tools.analysis.workers import pools
from tools.cli import run
from tools.comparison import measuring
from tools.comparison.measuring import Bench, cell_of, measured
from tools.host.canary import Canaries
from tools.machine import Division
from tools.saved.header import Variant
from tools.saved.results import read_results
from tools.tables.of_comparison import tables_of
from tools.variants.commands import foreign_variants
from tools.workloads import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.accounting.cgroups import Cgroup
    from tools.accounting.meters import Meter
    from tools.comparison.findings import CellFindings
    from tools.saved.cells import Cell, Load

SERVICE = Path(__file__).with_name("known_service.py")
ONE = """
name = "one"
asks = "One client sends lines of 64 bytes."
shows = "Whether known answers come out."
protocol = "echo"
connections = 1
size = 64
"""
BRIEF = ("--rounds", "1", "--duration", "0.6", "--warmup", "0.1", "--held", "0", "--json")


def commands(*kinds: str) -> list[str]:
    """The options that enter services of these kinds; one that starts without the packages of its Python."""
    return [word for kind in kinds for word in ("--serve-command", f"{kind}={sys.executable} -S -P {SERVICE} {kind}")]


def compared(folder: Path, workload: str, *kinds: str) -> dict[str, dict[str, Any]]:
    """Compare these services, and the selector beside them; the rows of the table as `--json` has them, by name."""
    arguments = ["compare", "selector", *commands(*kinds), "--workload", workload, *BRIEF, "--output", str(folder)]
    with pytest.MonkeyPatch.context() as patch, (folder.parent / "stdout").open("w+") as output:
        patch.setattr(sys, "stdout", output)
        assert run(arguments) == 0
        output.seek(0)
        (found,) = json.load(output)["workloads"].values()
    rows: dict[str, dict[str, Any]] = found["models"]
    assert set(rows) == {"selector", *kinds}
    return rows


Compared = tuple[Path, dict[str, dict[str, Any]]]
"""A comparison's folder, and its rows."""


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """Services that one client asks, one request after the other."""
    folder = tmp_path_factory.mktemp("one")
    (folder / "one.toml").write_text(ONE, encoding="utf-8")
    kinds = ("corrupt", "sleeps", "touches")
    return folder / "results", compared(folder / "results", str(folder / "one.toml"), *kinds)


@pytest.fixture(scope="module")
def churned(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """Services of Stevens' workload, with their folder."""
    folder = tmp_path_factory.mktemp("churned") / "results"
    return folder, compared(folder, "churn", "shares", "burns")


def load_of(folder: Path, kind: str) -> Load:
    """What the clients saw of a service in its one cell."""
    (cell,) = (cell for cell in read_results(folder).cells if cell.model == kind)
    assert cell.load is not None
    return cell.load


def is_every_hundredth(load: Load) -> bool:
    """Tell whether so many failed; the window can begin and end anywhere between two of them."""
    return load.failed >= 1 and NTH * (load.failed - 1) <= load.requests + load.failed <= NTH * (load.failed + 1)


def test_every_hundredth_answer_that_is_wrong_is_counted(one: Compared) -> None:
    """Under its name, and no other."""
    folder, rows = one
    load = load_of(folder, "corrupt")
    assert set(rows["corrupt"]["errors"]) == {"wrong-bytes"}
    assert rows["corrupt"]["errors"]["wrong-bytes"] >= load.failed
    assert is_every_hundredth(load)


def test_every_hundredth_answer_that_does_not_come_is_counted() -> None:
    """Each takes a second, for which no machine keeps an answer back that comes; the window has more than one."""
    _, cell = found(service("drop"), Workload("known", "echo", 1, size="64", timeout=1.0), duration=2.5)
    assert cell.load is not None
    assert set(cell.load.errors) == {"timeout"}
    assert is_every_hundredth(cell.load)


def test_a_server_without_a_fault_has_no_errors(one: Compared) -> None:
    """Nor has any other that the same clients asked."""
    assert [one[1][kind]["errors"] for kind in ("selector", "sleeps", "touches")] == [{}, {}, {}]


def test_context_switches_are_those_that_the_server_made(one: Compared) -> None:
    """It waits so many times in each request, and once for the next one."""
    assert one[1]["sleeps"]["voluntary_switches_per_request"] == pytest.approx(SLEEPS + 1, rel=0.1)


def test_page_faults_are_those_that_the_server_made(one: Compared) -> None:
    """Beside those of its start, which are some 2000."""
    folder, rows = one
    row = rows["touches"]
    assert PAGES <= row["minor_faults_per_request"] <= PAGES + 4000 / load_of(folder, "touches").requests
    assert row["major_faults_per_request"] < 1


def test_children_that_nobody_waits_for_are_paid_for_all_the_same(churned: Compared) -> None:
    """By the control group; what the server itself can tell lacks them, and that is flagged."""
    row = churned[1]["burns"]
    if not row["cpu_method"].startswith("cgroup"):
        pytest.skip("no control group can be made here")
    assert row["cpu_blind"] is None
    assert BURN_SECONDS <= row["cpu_per_connection"]["estimate"] <= 2 * BURN_SECONDS
    assert row["cpu_per_request"]["estimate"] == pytest.approx(row["cpu_per_connection"]["estimate"], rel=0.1)
    assert row["cpu_apart"] > 0.4
    told = [note for table in tables_of(read_results(churned[0])) for note in table.notes]
    assert any(note.startswith("burns: the server's own account of its CPU and cgroup") for note in told), told


def test_fairness_is_that_of_the_counts_that_the_server_tells(churned: Compared) -> None:
    """Three of four connections for one of two workers: 1 / (2 x (9 + 1) / 16)."""
    (pool,) = (each for each in pools(read_results(churned[0])) if each.model == "shares")
    assert pool.fairness.median == pytest.approx(0.8, abs=0.01)
    assert pool.ranked == pytest.approx((3750, 1250), abs=20)


def service(kind: str) -> Variant:
    """A service as a comparison knows it."""
    (variant,) = foreign_variants(commands(kind)[1::2], {})
    return variant


def found(
    variant: Variant, workload: Workload, *, warm_up: float = 0.1, duration: float = 0.6
) -> tuple[CellFindings, Cell]:
    """One cell, with the server and the clients on CPUs of their own."""
    mine, other = two_cpus()
    bench = Bench(Division((other,), (mine,), ""), {}, Canaries({}), nullcontext)
    findings = measured(bench, workload, variant, warm_up=warm_up, duration=duration)
    return findings, cell_of(findings, bench, workload, variant)


def test_where_only_the_tree_can_be_read_children_that_nobody_waits_for_are_said_to_be_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There is no figure then, and never a wrong one."""
    monkeypatch.setattr(measuring, "metering", lambda: metering("process-tree"))
    _, cell = found(service("burns"), Workload("churned", "work", 4, churn=True, work="64"))
    assert cell.error == ""
    assert cell.cpu is not None
    assert (cell.cpu.method, cell.cpu.complete) == ("process-tree", False)
    assert "SIGCHLD" in cell.cpu.reason
    assert cell.counts is not None
    assert not cell.counts.complete


@pytest.mark.alone
@pytest.mark.timeout(300)
@made_again_in_quiet
def test_a_server_that_serves_in_exactly_five_milliseconds_is_found_to() -> None:
    """One client waits for that long, and the second of two for the first as well."""
    for clients in (1, 2):
        findings, cell = found(service("exact"), Workload("known", "echo", clients, size="64"))
        assert cell.load is not None
        p50 = float(np.median(findings.latencies_ns())) / 1e9
        assert clients * EXACT_SECONDS <= p50 <= clients * EXACT_SECONDS * 1.1
        assert cell.load.requests / cell.load.window <= 1.01 / EXACT_SECONDS
        assert cell.load.in_flight == pytest.approx(clients, rel=0.02)
        assert cell.load.little == pytest.approx(1.0, abs=0.02)


@pytest.mark.alone
@pytest.mark.timeout(300)
@made_again_in_quiet
def test_a_server_that_stalls_for_a_second_after_two_is_found_to() -> None:
    """Who was due in that second waits for its end: of 300 requests the last third, and each for so much less."""
    open_loop = Workload("known", "echo", 200, size="64", rate=100.0, arrivals="constant")
    findings, cell = found(service("stall"), open_loop, warm_up=0.3, duration=3.0)
    assert cell.load is not None
    assert cell.load.errors == {}
    waited = findings.latencies_ns() / 1e9
    assert waited.max() == pytest.approx(STALL_SECONDS, abs=0.03)
    assert np.count_nonzero(waited > 0.1) == pytest.approx(100.0 * (STALL_SECONDS - 0.1), abs=3)
    assert np.median(waited) < 0.02
    assert STALL_AT < 0.3 + 3.0 - STALL_SECONDS


FORKING = Variant("forking", "", "", "", "", model="forking")


@contextmanager
def tree_in(cgroup: Cgroup) -> Iterator[Meter]:
    """A meter that adds up the tree of a server that runs in a control group of the test's."""
    meter = TreeMeter("rusage")
    meter.cgroup = cgroup
    yield meter


@pytest.mark.alone
def test_the_cpu_of_the_forking_model_is_that_of_the_control_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a whole cell: by the tree's books, and by the server's own account, beside the kernel's counter."""
    churn = Workload("churned", "work", 10, churn=True, work="4000")

    def both() -> None:
        with ExitStack() as stack:
            cgroup = a_cgroup(stack)
            before = cgroup.used().total
            monkeypatch.setattr(measuring, "metering", lambda: tree_in(cgroup))
            _, cell = found(FORKING, churn, duration=1.0)
            counted = cgroup.used().total - before
        assert cell.error == ""
        assert cell.life is not None
        assert cell.life.stopped is not None
        assert cell.cpu is not None
        assert cell.cpu.complete
        assert cell.life.total == pytest.approx(counted, rel=0.03)
        assert cell.life.stopped == pytest.approx(counted, rel=0.05)
        assert cell.cpu.total < counted

    until_true(both, times=3)


def a_cgroup(stack: ExitStack) -> Cgroup:
    """A control group of the test's own, of the version that can be had."""
    for version in (1, 2):
        try:
            return stack.enter_context(cgroup_of_its_own(version))
        except CgroupUnavailableError:
            continue
    pytest.skip("no control group can be made here")
