"""What a comparison says of its machine, from readings as tables: in its file, tables, report and first lines."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.comparisons import header, made_up
from tests.comparisons import saved as saved_cells
from tests.machines import FIT, HOG
from tests.made_up_cells import SEED, Comparing
from tools.analysis.summary import summarized
from tools.cli import run
from tools.comparison import fitness
from tools.comparison.asked import Asked, asked_plan
from tools.comparison.fitness import in_a_line, judged_for
from tools.report.page import report_page
from tools.saved.header import Amiss
from tools.saved.results import CELLS, read_results
from tools.tables.belief import belief_table
from tools.tables.summary_file import summary_of

if TYPE_CHECKING:
    from pathlib import Path

    from tools.comparison.planning import Plan

SLOW = Amiss("frequency governor", "warning", "powersave", "because <of> this", "change that")
NARROW = Amiss("CPUs", "bad", "1 of 4 usable", "another reason", "take another machine")


def plan(*workloads: str, **options: Any) -> Plan:
    """A plan for the selector on these workloads."""
    return asked_plan(Asked(models=("selector",), workloads=workloads, **options)).plan


def found(asked: Plan, **changes: Any) -> dict[str, Amiss]:
    """What is amiss for the plan on a fit machine with these changes, by name."""
    return {each.name: each for each in judged_for(asked, replace(FIT, **changes))}


def test_on_a_fit_machine_nothing_is_amiss() -> None:
    """And nothing is said."""
    assert found(plan("churn", "keepalive", "idle")) == {}
    assert in_a_line(()) == ""


@pytest.mark.parametrize(
    ("changes", "name", "verdict", "fix"),
    [
        ({"usable_cpus": 1}, "CPUs", "bad", "taskset"),
        ({"shared_cores": ((1, 0),)}, "cores", "warning", "--server-cpus"),
        ({"quota": 1.0}, "CPU quota", "bad", "--cpus"),
        ({"others": (HOG,)}, "other processes", "bad", "doctor names them"),
        ({"governors": ("powersave",)}, "frequency governor", "warning", "cpupower"),
        ({"turbo": True}, "turbo", "warning", "no_turbo"),
        ({"clock_cost": 2e-6}, "clock", "bad", "tsc"),
        ({"cgroup": ""}, "control group", "warning", "systemd-run"),
        ({"memory_available": 1 << 20}, "memory", "bad", "fewer connections"),
        ({"swap_used_bytes": 1, "swapped_in_pages": 3}, "swap", "bad", "swapoff"),
        ({"somaxconn": 8}, "accept queue", "bad", "somaxconn=1024"),
        ({"ports": 500}, "client ports", "bad", "ip_local_port_range"),
        ({"hard_descriptors": 41}, "descriptors", "bad", "ulimit"),
    ],
)
def test_each_thing_that_is_amiss_has_its_fix(changes: dict[str, Any], name: str, verdict: str, fix: str) -> None:
    """And it alone is told."""
    told = found(plan("churn"), **changes)
    assert list(told) == [name]
    assert told[name].verdict == verdict
    assert fix in told[name].fix


@pytest.mark.parametrize(
    ("workloads", "options", "changes", "names"),
    [
        (("keepalive",), {}, {"somaxconn": 50}, set()),
        (("keepalive",), {}, {"somaxconn": 49}, {"accept queue"}),
        (("keepalive",), {"backlog": 5}, {"somaxconn": 49}, set()),
        (("keepalive", "idle"), {}, {"somaxconn": 1024}, {"accept queue"}),
        (("keepalive",), {}, {"tw_reuse": 0}, set()),
        (("keepalive", "churn"), {}, {"tw_reuse": 0}, {"client ports"}),
        (("keepalive",), {}, {"hard_descriptors": 1024}, set()),
        (("keepalive", "idle"), {}, {"hard_descriptors": 2041}, {"descriptors"}),
        (("keepalive", "idle"), {}, {"hard_descriptors": 2042}, set()),
        (("burst",), {}, {"hard_descriptors": 231}, {"descriptors"}),
        (("idle",), {}, {"soft_descriptors": 1024}, set()),
        (("idle",), {"serve_commands": ("true",)}, {"soft_descriptors": 1024}, {"descriptors"}),
        (("idle",), {"serve_commands": ("true",)}, {"soft_descriptors": None}, set()),
    ],
)
def test_what_is_enough_depends_on_what_is_asked_for(
    workloads: tuple[str, ...], options: dict[str, Any], changes: dict[str, Any], names: set[str]
) -> None:
    """Places for all clients, where servers ask for so many; ports where connections come and go."""
    assert set(found(plan(*workloads, **options), **changes)) == names


def test_what_ran_before_is_not_amiss() -> None:
    """A comparison that has just ended leaves a load average behind, and harms nobody."""
    assert found(plan("churn"), load_average=9.0) == {}


def test_a_record_names_neither_processes_nor_folders() -> None:
    """It is made to be passed on; the doctor tells them to the one whose they are."""
    told = found(plan("churn"), others=(HOG,), cgroup="", cgroup_fault="cannot make a cgroup in /somewhere")
    assert told["other processes"].found == "50% of a CPU used by others"
    assert told["control group"].found == "none"


def test_the_worst_is_told_first_and_all_in_one_line() -> None:
    """In the singular, too."""
    worst, other = judged_for(plan("churn"), replace(FIT, governors=("powersave",), memory_available=1))
    assert (worst.name, other.name) == ("memory", "frequency governor")
    assert in_a_line((worst, other)) == (
        "This machine: 2 things make figures less sure: memory, frequency governor; serverlab doctor says more."
    )
    assert in_a_line((other,)) == (
        "This machine: 1 thing makes figures less sure: frequency governor; serverlab doctor says more."
    )


def test_what_is_amiss_stands_in_the_report_the_summary_and_among_the_doubts(tmp_path: Path) -> None:
    """With what to change, the words of a file escaped."""
    results = saved_cells(tmp_path / "results", (), header(amiss=(NARROW, SLOW)))
    assert results.header.amiss == (NARROW, SLOW)
    page = report_page(results)
    assert page.index('<section id="belief">') < page.index('<section id="fitness">')
    assert page.index('<section id="fitness">') < page.index('<section id="machine">')
    for words in ("frequency governor (warning)", "because &lt;of&gt; this", "change that", "take another machine"):
        assert words in page
    assert [each["fix"] for each in summary_of(results)["amiss"]] == [NARROW.fix, SLOW.fix]
    notes = " ".join(belief_table(results, summarized(results)).notes)
    assert "less sure: CPUs: 1 of 4 usable; frequency governor: powersave. The report" in notes


def test_a_folder_from_before_a_comparison_looked_is_read(tmp_path: Path) -> None:
    """Nothing is amiss then, as far as is known, and the report has no section of it."""
    folder = made_up(tmp_path / "results")
    first, _, rest = (folder / CELLS).read_text(encoding="utf-8").partition("\n")
    old = json.loads(first)
    assert old.pop("amiss") == []
    (folder / CELLS).write_text(f"{json.dumps(old)}\n{rest}", encoding="utf-8")
    results = read_results(folder)
    assert results.header.amiss == ()
    assert 'id="fitness"' not in report_page(results)


@pytest.mark.parametrize(
    ("changes", "line"),
    [({}, ""), ({"turbo": True}, "This machine: 1 thing makes figures less sure: turbo; serverlab doctor says more.")],
)
def test_a_comparison_begins_with_what_is_amiss(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    line: str,
) -> None:
    """At most a line, after what will be done, and in the file."""
    folder = tmp_path / "results"
    Comparing(monkeypatch, folder)
    monkeypatch.setattr(fitness, "glance", lambda _: replace(FIT, **changes))
    brief = ["--workload", "churn", "--rounds", "1", "--duration", "0.1", "--held", "0", "--seed", str(SEED)]
    assert run(["compare", "selector", *brief, "--output", str(folder)]) == 0
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("Comparing selector on churn")
    assert [each for each in told if "This machine" in each] == [line] * bool(line)
    assert [each.name for each in read_results(folder).header.amiss] == list(changes)


def test_a_workload_for_which_ports_are_too_few_is_named_before_anything_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, and no folder is made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("clients.ports.port_count", lambda: 2)
    assert run(["compare", "selector", "--workload", "idle", "--workload", "keepalive"]) == 2
    told = capsys.readouterr().err
    assert "idle cannot be run here: 2,010 ports would be in use at a time, more than the 2 ports" in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
