"""`serverlab doctor`: verdicts from findings as tables, probes with known answers, and the command on this machine."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.machines import FAST, FIT, HOG
from tests.serving import ROOT
from tools.cli import run
from tools.commands import doctor
from tools.fitness import judging, looking, probes, watching
from tools.fitness.checks import Verdict, graded
from tools.fitness.findings import Busy, Spin, Wakes
from tools.fitness.judging import judged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.fitness.checks import Check
    from tools.fitness.findings import MachineFindings


def checks(**changes: Any) -> dict[str, Check]:
    """The checks of a fit machine with these changes, by name."""
    return {check.name: check for check in judged(replace(FIT, **changes))}


def test_a_fit_machine_has_nothing_to_mend() -> None:
    """All good, each with its reason and none with a fix."""
    found = checks()
    assert {check.verdict for check in found.values()} == {Verdict.GOOD}
    assert all(check.why and check.found and not check.fix for check in found.values())
    assert len(found) == len(judging.JUDGES)


@pytest.mark.parametrize(
    ("name", "changes", "verdict", "found", "fix"),
    [
        ("CPUs", {"usable_cpus": 1}, "bad", "1 of 4", "taskset"),
        ("CPUs", {"usable_cpus": 1, "cpus": 1}, "bad", "1 of 1", "a machine with two"),
        ("CPUs", {"usable_cpus": 2}, "good", "2 of 4", ""),
        ("cores", {"shared_cores": ((1, 0), (3, 2))}, "warning", "CPUs 1 and 0, 3 and 2 share a core", "--server-cpus"),
        ("CPU quota", {"quota": 1.5}, "bad", "1.5 of 4 CPUs", "--cpus"),
        ("CPU quota", {"quota": 2.0}, "warning", "2 of 4 CPUs", "CPUQuota"),
        ("CPU quota", {"quota": 4.0}, "good", "4 of 4 CPUs", ""),
        ("turbo", {"turbo": True}, "warning", "on", "no_turbo"),
        ("turbo", {"turbo": None}, "good", "does not tell", ""),
        ("clock", {"clock_source": "hpet", "clock_cost": 1.4e-6}, "bad", "hpet, 1400 ns", "tsc"),
        ("clock", {"clock_source": "", "clock_cost": 5e-7}, "warning", "does not tell, 500 ns", "tsc"),
        ("memory", {"memory_available": 300 << 20}, "warning", "300 MiB", "fewer connections"),
        ("memory", {"memory_available": 100 << 20}, "bad", "100 MiB", "end what fills it"),
        ("memory", {"memory_available": None}, "good", "does not tell", ""),
        ("frequency governor", {"governors": ("powersave",)}, "warning", "powersave", "cpupower"),
        ("frequency governor", {"governors": ("performance", "powersave")}, "warning", "powersave", "cpupower"),
        ("frequency governor", {"governors": ()}, "warning", "does not tell", "firmware"),
        ("frequency governor", {"governors": (), "virtual": True}, "good", "does not tell", ""),
        ("accept queue", {"somaxconn": 128}, "bad", "128", "sysctl -w net.core.somaxconn=4096"),
        ("accept queue", {"somaxconn": 1024}, "warning", "1024", "sysctl"),
        ("accept queue", {"somaxconn": None}, "warning", "does not tell", "sysctl"),
        ("client ports", {"ports": 500}, "bad", "500", "ip_local_port_range"),
        ("client ports", {"ports": 5000}, "warning", "5000", "ip_local_port_range"),
        ("client ports", {"tw_reuse": 0}, "warning", "tcp_tw_reuse 0", "sysctl -w net.ipv4.tcp_tw_reuse=2"),
        ("client ports", {"tw_reuse": 1}, "good", "tcp_tw_reuse 1", ""),
        ("client ports", {"ports": None}, "warning", "does not tell", "close reset"),
        ("descriptors", {"hard_descriptors": 64, "soft_descriptors": 64}, "bad", "64, at most 64", "ulimit"),
        ("descriptors", {"hard_descriptors": 4096}, "warning", "1024, at most 4096", "ulimit"),
        ("descriptors", {"hard_descriptors": None}, "good", "1024, at most unlimited", ""),
        ("control group", {"cgroup": "", "cgroup_fault": "read-only"}, "warning", "read-only", "systemd-run"),
        ("CPU when wanted", {"spins": (Spin(0, 1.0), Spin(7, 0.5))}, "bad", "50% of CPU 7", "quota"),
        ("CPU when wanted", {"spins": (Spin(0, 0.92),)}, "warning", "92% of CPU 0", "hypervisor"),
        ("CPU when wanted", {"spins": (Spin(0, 0.5),), "others": (HOG,)}, "bad", "50%", "other processes"),
        ("CPU when wanted", {"spins": (Spin(0, 0.5),), "steal": 0.2}, "bad", "50%", "the hypervisor gave it"),
        ("CPU when wanted", {"spins": ()}, "bad", "no loop", "hypervisor"),
        ("other processes", {"others": (HOG,)}, "bad", "hog (pid 4711) 50%", "end those that are yours"),
        ("other processes", {"others": (HOG,), "usable_cpus": 64}, "warning", "hog", "end those that are yours"),
        ("other processes", {"others": (Busy("sshd", 7, 0.03),)}, "good", "sshd (pid 7) 3%", ""),
        ("other processes", {"load_average": 9.0}, "warning", "load average 9", "wait"),
        ("virtualisation", {"virtual": True, "steal": 0.02}, "warning", "a virtual machine; steal 2.0%", "measure"),
        ("virtualisation", {"steal": 0.2}, "bad", "steal 20.0%", "measure"),
        ("virtualisation", {"steal": None}, "good", "does not tell", ""),
        ("timers", {"wakes": Wakes(0.0005, 0.02)}, "warning", "0.50 ms late, at worst 20.0 ms", "free the CPUs"),
        ("timers", {"wakes": Wakes(0.004, 0.02)}, "bad", "4.00 ms", "high-resolution"),
        ("timers", {"clock_resolution": 0.004}, "bad", "tells 4e+06 ns", "high-resolution"),
        ("loopback round trip", {"round_trip": 0.0002}, "warning", "200 us between two CPUs", "idle=poll"),
        ("loopback round trip", {"round_trip": 0.002, "apart": False}, "bad", "2000 us on one CPU", "free"),
        ("loopback round trip", {"round_trip": None}, "bad", "no byte", "free"),
        ("swap", {"swap_used_bytes": 1 << 20}, "good", "1 MiB", ""),
        ("swap", {"swap_used_bytes": 4 << 30}, "warning", "4096 MiB", "swapoff"),
        ("swap", {"swap_used_bytes": 1 << 20, "swapped_in_pages": 3}, "bad", "3 pages came back", "memory"),
        ("client's ceiling, keepalive", {"keepalive": None}, "bad", "could not be measured", "mend"),
        ("client's ceiling, keepalive", {"keepalive": None, "keepalive_fault": "why"}, "bad", "why", "mend"),
        (
            "client's ceiling, keepalive",
            {"keepalive": replace(FAST, limited_by_client=False)},
            "warning",
            "at least 60,000 requests/s",
            "doctor --again",
        ),
        (
            "client's ceiling, churn",
            {"churn": replace(FAST, requests_per_second=900.0)},
            "warning",
            "900 requests/s",
            "--processes 2",
        ),
    ],
)
def test_each_finding_has_its_verdict_and_its_fix(
    name: str, changes: dict[str, Any], verdict: str, found: str, fix: str
) -> None:
    """And a fix exactly where it is not good."""
    check = checks(**changes)[name]
    assert check.verdict.value == verdict
    assert found in check.found
    assert fix in check.fix
    assert bool(check.fix) == (verdict != "good")


@pytest.mark.parametrize(
    ("value", "good", "bad", "verdict"),
    [
        (4096, 4096, 1024, "good"),
        (4095, 4096, 1024, "warning"),
        (1024, 4096, 1024, "warning"),
        (1023, 4096, 1024, "bad"),
        (0.1, 0.1, 0.3, "good"),
        (0.2, 0.1, 0.3, "warning"),
        (0.4, 0.1, 0.3, "bad"),
    ],
)
def test_a_figure_is_graded_from_either_side(value: float, good: float, bad: float, verdict: str) -> None:
    """More may be better, or worse; the thresholds themselves are on the better side."""
    assert graded(value, good, bad).value == verdict


@pytest.mark.parametrize(
    ("changes", "status", "verdict"),
    [({}, 0, "good"), ({"somaxconn": 2048}, 0, "warning"), ({"usable_cpus": 1, "somaxconn": 2048}, 1, "bad")],
)
def test_the_status_is_1_where_figures_would_mislead(
    changes: dict[str, Any],
    status: int,
    verdict: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A warning is none of that; JSON and table say the same."""
    monkeypatch.setattr(doctor, "look", lambda **_: replace(FIT, **changes))
    assert run(["doctor", "--json"]) == status
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["fit"], told["verdict"]) == (status == 0, verdict)
    assert told["findings"]["spins"] == [{"cpu": 0, "share": 1.0}, {"cpu": 1, "share": 0.99}]
    assert run(["doctor"]) == status
    shown = capsys.readouterr().out
    assert doctor.CONCLUSIONS[Verdict(verdict)] in shown
    for check in told["checks"]:
        assert check["name"].split()[0] in shown
        assert set(check) == {"name", "found", "verdict", "why", "fix"}


def test_again_forgets_what_was_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """And without it, a ceiling that is remembered stays."""
    asked: list[bool] = []

    def look(*, again: bool) -> MachineFindings:
        asked.append(again)
        return FIT

    monkeypatch.setattr(doctor, "look", look)
    run(["doctor", "--again"])
    run(["doctor"])
    assert asked == [True, False]
    assert "fit to measure on." in capsys.readouterr().out


# The probes


HOG_CODE = """
import os, sys, time
if pid := os.fork():
    print(pid, flush=True)
    os._exit(0)
os.sched_setaffinity(0, {int(sys.argv[1])})
os.close(1)
end = time.monotonic() + 50
while time.monotonic() < end:
    pass
"""


@pytest.fixture
def hog() -> Iterator[tuple[int, int]]:
    """A process, not below ours, that computes for a minute at most on a CPU that we may use; its pid and the CPU."""
    cpu = max(os.sched_getaffinity(0))
    done = subprocess.run([sys.executable, "-c", HOG_CODE, str(cpu)], stdout=subprocess.PIPE, check=True)
    pid = int(done.stdout)  # whole once it runs there: it has closed what it could print to
    try:
        yield pid, cpu
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_cpu_that_has_to_be_shared_is_seen_and_the_other_process_named(hog: tuple[int, int]) -> None:
    """A loop beside one that computes gets about half of the CPU, and the other at least as much."""
    pid, cpu = hog
    watch = watching.Watch()
    assert probes.spin([cpu], 0.5)[0].share < 0.8
    busy = {other.pid: other for other in watch.busy()}
    assert busy[pid].share >= watching.NOTICED
    assert busy[pid].name.startswith("python")
    assert os.getpid() not in busy


def test_our_own_processes_are_not_others() -> None:
    """A probe computes, and is not blamed for it."""
    watch = watching.Watch()
    with probes.probe("spin", -1, 0.2) as process:
        share = probes.figure(process)
        assert share is not None
        assert process.pid not in {other.pid for other in watch.busy()}
    assert 0 < share < 1.1


def test_all_cpus_are_tried_at_the_same_time() -> None:
    """In their order; none where there is none."""
    cpus = sorted(os.sched_getaffinity(0))
    assert [spin.cpu for spin in probes.spin(cpus, 0.1)] == cpus[: probes.MOST_SPINS]
    assert probes.spin([], 0.1) == ()


def test_a_byte_goes_there_and_back() -> None:
    """On CPUs of their own or anywhere, in less than a second and more than nothing."""
    cpus = sorted(os.sched_getaffinity(0))
    for pair in ((cpus[0], cpus[-1]), None):
        trip = probes.round_trip(pair, 0.05)
        assert trip is not None
        assert 1e-6 < trip < 1


def test_a_probe_that_fails_is_no_figure() -> None:
    """A CPU that is not there: nothing is printed, and nobody waits."""
    assert probes.spin([100_000], 0.1) == ()
    assert probes.round_trip((100_000, 100_000), 0.1) is None


def test_sleeps_are_late_and_never_early() -> None:
    """The worst is the worst."""
    late = probes.wakes(20)
    assert 0 <= late.median <= late.worst


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        ([0] * 10, [50, 0, 20, 20, 0, 0, 0, 10, 0, 0], 0.1),
        ([0] * 10, [50, 0, 0, 50, 0, 0, 0, 0, 50, 0], 0.0),
        ([5] * 10, [5] * 10, None),
        ([0] * 4, [1] * 4, None),
        ([], [], None),
    ],
)
def test_steal_is_the_eighth_of_the_kernels_times(before: list[int], after: list[int], share: float | None) -> None:
    """As a share of all that passed; what guests of this machine used is the user's already."""
    assert looking.stolen(before, after) == share


def test_too_few_descriptors_for_a_client_are_told_with_its_words() -> None:
    """In place of a ceiling: under `ulimit -n 64`, 50 connections do not go."""
    code = "from tools.fitness import looking; print(*looking.ceiling_of(50, ()), sep=chr(10))"
    done = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -n 64 && exec "$@"', "sh", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout.startswith("None\n50 connections in 1 load process(es) need 82 descriptors")


# The whole command, on this machine

CONFINED = """
import os, resource, sys
from functools import partial
from tools.cli import run
from tools.commands import doctor
from tools.fitness import looking, probes
os.sched_setaffinity(0, {int(sys.argv[1])})
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
looking.spin, looking.wakes = partial(probes.spin, seconds=0.3), partial(probes.wakes, 20)
looking.ceiling = lambda *_, **__: None  # of the clients that need no more descriptors than there are
sys.exit(run(["doctor", "--json"]))
"""


def as_told(output: str) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The checks by name, and the findings, from what --json prints last."""
    told = json.loads(output.splitlines()[-1])
    return {check["name"]: check for check in told["checks"]}, told["findings"]


def test_a_machine_made_bad_on_purpose_is_seen_through(hog: tuple[int, int]) -> None:
    """One CPU, shared with another process, and 64 descriptors: each is named, and the status is 1."""
    pid, cpu = hog
    done = subprocess.run(
        [sys.executable, "-c", CONFINED, str(cpu)], capture_output=True, text=True, timeout=50, check=False, cwd=ROOT
    )
    assert done.stderr == ""
    assert done.returncode == 1
    told, findings = as_told(done.stdout)
    assert told["descriptors"]["verdict"] == "bad"
    assert told["CPU when wanted"]["verdict"] == "bad"
    assert pid in {other["pid"] for other in findings["others"]}
    assert told["other processes"]["verdict"] != "good"
    assert (told["CPUs"]["verdict"], told["CPUs"]["found"]) == ("bad", f"1 of {os.cpu_count()} usable")
    assert "82 descriptors" in told["client's ceiling, keepalive"]["found"]


def test_this_machine_is_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it is, and however shortly it is looked at: every point has words, and the status agrees with them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(looking, "spin", partial(probes.spin, seconds=0.1))
    monkeypatch.setattr(looking, "wakes", partial(probes.wakes, 20))
    monkeypatch.setattr(looking, "round_trip", partial(probes.round_trip, seconds=0.05))
    monkeypatch.setattr(looking, "CEILING_SECONDS", 0.1)
    status = run(["doctor", "--json", "--again"])
    told, _ = as_told(capsys.readouterr().out)
    assert status == any(check["verdict"] == "bad" for check in told.values())
    assert told["CPUs"]["found"] == f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} usable"
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert hard == resource.RLIM_INFINITY or told["descriptors"]["found"].endswith(f"at most {hard}")
    assert "requests/s" in told["client's ceiling, churn"]["found"]
