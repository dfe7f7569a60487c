"""What is read of a machine without a probe: from files with known contents, and of this machine as it is."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tools.accounting.cgroups import CgroupUnavailableError
from tools.fitness import glancing, watching
from tools.fitness.findings import Busy
from tools.fitness.glancing import glance, look_cost, memory_in, quota, shared_cores, turbo
from tools.machine import Division, divided, usable_cpus

if TYPE_CHECKING:
    from pathlib import Path

GROUPS = ("outer", "outer/inner", "outer/inner/own")


def groups(folder: Path, patch: pytest.MonkeyPatch, version: int, *contents: dict[str, str]) -> None:
    """Have these control groups of one version, one in the other, of which we are in the last."""
    for name, files in zip(GROUPS, contents, strict=False):
        (folder / name).mkdir()
        for file, text in files.items():
            (folder / name / file).write_text(text, encoding="utf-8")

    def own_folder(asked: int, controller: str) -> Path:
        if asked != version:
            raise CgroupUnavailableError("not mounted")
        assert controller == "cpu"
        return folder / GROUPS[len(contents) - 1]

    patch.setattr(glancing, "own_folder", own_folder)


@pytest.mark.parametrize(
    ("version", "contents", "cpus"),
    [
        (2, [{}], None),
        (2, [{"cpu.max": "max 100000\n"}, {"cpu.max": "max 100000\n"}], None),
        (2, [{"cpu.max": "150000 100000\n"}, {"cpu.max": "max 100000\n"}], 1.5),
        (2, [{"cpu.max": "150000 100000\n"}, {"cpu.max": "50000 100000\n"}, {}], 0.5),
        (1, [{"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}], None),
        (1, [{"cpu.cfs_quota_us": "20000\n", "cpu.cfs_period_us": "10000\n"}, {}], 2.0),
    ],
)
def test_the_strictest_quota_of_all_groups_that_we_are_in_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, contents: list[dict[str, str]], cpus: float | None
) -> None:
    """Ours may have none, and the one around it some."""
    groups(tmp_path, monkeypatch, version, *contents)
    assert quota() == cpus


@pytest.mark.parametrize(
    ("name", "text", "on"),
    [
        ("intel_pstate/no_turbo", "0\n", True),
        ("intel_pstate/no_turbo", "1\n", False),
        ("cpufreq/boost", "1\n", True),
        ("cpufreq/boost", "0\n", False),
        ("cpufreq/other", "1\n", None),
    ],
)
def test_turbo_is_told_by_either_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, on: bool | None
) -> None:
    """One says that there is none, the other that there is."""
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(glancing, "CPUS", tmp_path)
    assert turbo() is on


def test_cores_are_shared_where_both_sides_have_a_cpu_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU that both sides have is another matter, and so is a core whose CPUs are on one side."""
    monkeypatch.setattr(glancing, "siblings", lambda cpu: frozenset({cpu & ~1, cpu | 1}))
    assert shared_cores(Division((2, 3), (0, 1), "")) == ()
    assert shared_cores(Division((1, 3), (0, 2), "")) == ((1, 0), (3, 2))
    assert shared_cores(Division((0,), (0,), "")) == ()
    assert shared_cores(Division((), (), "one CPU")) == ()


def test_this_machine_is_seen_at_a_glance() -> None:
    """With what is known of it anyway; what others used is of at least the time that a glance takes."""
    began = time.monotonic()
    seen = glance(divided(usable_cpus()))
    assert time.monotonic() - began >= glancing.GLANCE_SECONDS
    assert (seen.cpus, seen.usable_cpus) == (os.cpu_count(), len(usable_cpus()))
    assert seen.memory_available is not None
    assert 0 < seen.memory_available <= seen.memory_bytes
    assert bool(seen.cgroup) != bool(seen.cgroup_fault)
    assert os.getpid() not in {other.pid for other in seen.others}
    assert memory_in("NoSuchMemory") is None


def test_a_look_at_the_clock_costs_something() -> None:
    """A Python call at the least, and not a millisecond."""
    assert 1e-9 < look_cost() < 1e-3


def test_what_was_used_since_the_watch_began_is_told_by_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """The busiest first; who came meanwhile counts from its birth, who is next to idle or younger than its pid not."""
    clock = iter((100.0, 102.0))
    used = iter(({-1: 5.0, -2: 7.0, -3: 1.0, -5: 9.0}, {-1: 5.5, -2: 7.001, -3: 2.0, -4: 1.5, -5: 0.1}))
    monkeypatch.setattr(watching, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(watching, "_used", lambda: next(used))
    watch = watching.Watch()
    assert watch.busy() == (Busy("?", -4, 0.75), Busy("?", -3, 0.5), Busy("?", -1, 0.25))
