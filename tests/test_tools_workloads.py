"""The workloads that a comparison knows: which there are, what load follows from them, and that they run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from clients.addresses import Address
from clients.plan import PlanError
from clients.records import Outcome
from clients.swarm import run_load
from tests.load_runs import until_true
from tests.serving import ROOT
from tools.saved.records import as_json, record_from
from tools.variants.choosing import chosen_models
from tools.variants.starting import started
from tools.workloads import (
    DEFAULT,
    WORKLOADS,
    UnknownWorkloadError,
    Workload,
    WorkloadError,
    chosen_workloads,
    file_of,
    read_workload,
    upgraded,
)

if TYPE_CHECKING:
    from pathlib import Path

SERVER = Address("127.0.0.1", 9000)
LATER = [name for name in WORKLOADS if name not in DEFAULT]
FEW_HELD = 20  # where the number of those who only hold a connection is not the point
SLOW = {"timeout", "connect-timeout", "unanswered"}
"""Errors that a machine with other things to do may cause; all others are a workload's own."""


def names(*asked: str) -> list[str]:
    """What is chosen for these names."""
    return [workload.name for workload in chosen_workloads(asked)]


def test_no_name_stands_for_the_four_that_separate_models() -> None:
    """In their own order."""
    assert names() == ["churn", "keepalive", "waiting", "computing"]


def test_workloads_keep_their_order_however_they_are_asked_for() -> None:
    """Two comparisons of the same workloads look alike, and a name given twice counts once."""
    assert names("http", "computing", "churn", "computing") == ["churn", "computing", "http"]


def test_an_unknown_workload_is_refused_with_the_known_ones() -> None:
    """One line that helps."""
    with pytest.raises(UnknownWorkloadError, match=r"unknown workload 'chrun': choose from churn, .*, or give a file"):
        chosen_workloads(["churn", "chrun"])


def test_every_file_of_the_folder_is_a_workload_and_every_workload_has_a_file() -> None:
    """None is forgotten in the list of names, which is their order."""
    folder = file_of("churn").parent
    assert sorted(path.stem for path in folder.glob("*.toml")) == sorted(WORKLOADS)
    assert "nothing" not in WORKLOADS


def test_churn_is_stevens_own_workload() -> None:
    """Ten connections at a time, one request each, 4000 bytes back."""
    plan = WORKLOADS["churn"].load_plan(SERVER, warm_up=0.2, duration=0.5)
    assert (plan.protocol, plan.connections, plan.churn, plan.work) == ("work", 10, True, "4000")


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_a_built_in_workload_is_a_file_that_explains_itself(workload: Workload) -> None:
    """It can be copied as it is; it says what it asks and shows in a sentence, and why in comments."""
    assert read_workload(file_of(workload.name)) == workload
    assert workload.asks.endswith(".")
    assert workload.shows.endswith(".")
    assert file_of(workload.name).read_text().startswith("# ")


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_a_workload_says_what_a_request_is_in_one_way(workload: Workload) -> None:
    """By a size, a work line or a mix."""
    assert [bool(workload.size), bool(workload.work), bool(workload.mix)].count(True) == 1


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_a_workload_is_read_back_from_a_results_file_as_it_was(workload: Workload) -> None:
    """With its tables of hostile clients and of server options."""
    assert record_from(Workload, json.loads(json.dumps(as_json(workload)))) == workload


def test_a_workload_of_an_older_results_file_gets_what_came_later() -> None:
    """Its size was a number, 0 where there was a work line."""
    old = {"name": "a", "protocol": "echo", "connections": 3, "churn": False, "work": "", "asks": "A.", "shows": "B."}
    read = record_from(Workload, upgraded({**old, "size_bytes": 64}))
    assert read == Workload("a", "echo", 3, size="64", asks="A.", shows="B.")
    assert record_from(Workload, upgraded({**old, "size_bytes": 0})).size == ""


def test_what_no_older_version_wrote_is_not_mended() -> None:
    """Whoever reads the record says what is wrong with it."""
    for data in ({"name": "a", "size": "64"}, {"name": "a", "size_bytes": "64"}):
        assert upgraded(data) == data
    assert "protocol" not in upgraded({"name": "a", "size_bytes": 64})


def test_a_load_is_what_the_workload_and_the_cell_say() -> None:
    """The window comes after the warm-up, on the clients' CPUs, with the cell's seed."""
    cpu = min(os.sched_getaffinity(0))
    plan = WORKLOADS["burst"].load_plan(SERVER, warm_up=0.5, duration=2.0, cpus=(cpu,), seed=7)
    assert (plan.address, plan.duration, plan.warmup, plan.cpus, plan.seed) == (SERVER, 2.5, 0.5, (cpu,), 7)
    assert (plan.rate, plan.arrivals, plan.hostile) == (100.0, "constant", (("burst", 100),))
    assert WORKLOADS["mixed"].load_plan(SERVER, warm_up=0, duration=1).mix == "95% work 64; 5% work 64 cpu=0.05"
    assert WORKLOADS["idle"].load_plan(SERVER, warm_up=0, duration=1).hold == 2000
    assert WORKLOADS["upload"].load_plan(SERVER, warm_up=0, duration=1).size == 65536


def test_a_client_waits_longer_than_the_load_lasts_unless_the_workload_says_how_long() -> None:
    """So that waiting is told as waiting; and at least five seconds."""
    keepalive = WORKLOADS["keepalive"]
    assert keepalive.load_plan(SERVER, warm_up=0.1, duration=1).timeout == 5
    assert keepalive.load_plan(SERVER, warm_up=1, duration=8).timeout == 10
    assert replace(keepalive, timeout=0.5).load_plan(SERVER, warm_up=1, duration=8).timeout == 0.5


def test_a_workload_at_another_number_of_connections_says_of_which_it_is() -> None:
    """Its server may use every CPU, and no load process is without a client."""
    fewer = replace(WORKLOADS["computing"], processes=4).at_once(2)
    assert (fewer.name, fewer.scaling_of, fewer.connections) == ("computing x 2", "computing", 2)
    assert (fewer.cpus, fewer.processes, fewer.work) == ("all", 2, WORKLOADS["computing"].work)
    assert fewer.asks == "What computing asks, of 2 clients at a time."


def test_a_workload_that_this_machine_cannot_carry_out_is_refused_when_it_is_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And not before: the others can be."""
    limits = (1024, 1024)
    monkeypatch.setattr("clients.plan_checks.resource.getrlimit", lambda _kind: limits)
    with pytest.raises(WorkloadError, match=r"^idle: hold: 2000 held and hostile clients .* the limit is 1024"):
        chosen_workloads(["idle"])
    with pytest.raises(PlanError):
        WORKLOADS["idle"].load_plan(SERVER, warm_up=0, duration=1)


@pytest.mark.parametrize("workload", [WORKLOADS[name] for name in LATER], ids=LATER)
def test_a_workload_is_answered_rightly(workload: Workload) -> None:
    """By a server with the options that the workload gives it; its guests are told of."""
    small = replace(workload, hold=min(workload.hold, FEW_HELD))
    (selector,) = chosen_models(["selector"], {}).models
    with started(selector, small.protocol, options=small.server) as server:
        plan = small.load_plan(Address("127.0.0.1", server.listening["port"]), warm_up=0.0, duration=0.4)

        def answers() -> None:
            result = run_load(plan)
            assert (result.request("outcome") == Outcome.ANSWERED).any()
            assert result.errors.keys() <= SLOW, result.error_examples
            assert result.guests.keys() == {*small.hostile, *(["hold"] if small.hold else [])}

        until_true(answers)


def test_the_installed_package_finds_its_workloads(tmp_path: Path) -> None:
    """The wheel has their files."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "installed")
    asked = "from tools.workloads import WORKLOADS, file_of; print(*map(file_of, WORKLOADS), sep='\\n')"
    told = subprocess.run(
        [sys.executable, "-P", "-c", asked],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    lines = told.stdout.splitlines()
    assert len(lines) == len(WORKLOADS)
    assert all(line.startswith(str(tmp_path)) for line in lines)
