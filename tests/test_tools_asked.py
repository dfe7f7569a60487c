"""From options to a plan: what is entered, where it runs, and what is refused in one line."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from servers.registry import MODELS
from tools.cli import run
from tools.comparison.asked import HELD, MEMORY_ROUNDS_IN_FULL, Asked, AskedError, asked_plan
from tools.comparison.capacity import DEFAULT_OBJECTIVE
from tools.comparison.planning import DEFAULT_TIMING, FULL, MAX_ROUNDS, QUICK
from tools.comparison.progress import described
from tools.comparison.remaining import Remaining
from tools.comparison.undone import not_scaled, not_searched
from tools.machine import divided, usable_cpus
from tools.variants.choosing import DEFAULT
from tools.workloads import WORKLOADS

if TYPE_CHECKING:
    from pathlib import Path

CPUS = ",".join(map(str, usable_cpus()))
UNUSABLE = str(max(usable_cpus()) + 1)


def names(asked: Asked) -> list[str]:
    """The servers of a plan, by name."""
    return [model.name for model in asked_plan(asked).plan.models]


def controls(asked: Asked) -> list[str]:
    """Which of them stand for the control."""
    return [model.control_of for model in asked_plan(asked).plan.models if model.control_of]


def test_without_options_there_are_rounds_a_control_and_memory_probes() -> None:
    """Six models and one of them again, on four workloads, in at least five rounds and some 90 s."""
    found = asked_plan(Asked())
    plan = found.plan
    in_order = [name for name in MODELS if name in DEFAULT]
    assert [model.name for model in plan.models] == [*in_order, "selector (again)"]
    assert [workload.name for workload in plan.workloads] == ["churn", "keepalive", "waiting", "computing"]
    assert plan.timing == DEFAULT_TIMING.with_room_for(len(plan.models))
    assert plan.timing.rounds >= 5
    assert (plan.held, plan.memory_rounds, plan.objective, plan.until_width) == (HELD, 1, "", None)
    assert plan.max_rounds == plan.timing.rounds
    assert found.plan.division == divided(usable_cpus())
    assert found.interpreters == {}


def test_quick_has_no_control_no_intervals_and_no_probes() -> None:
    """It is a first look."""
    plan = asked_plan(Asked(quick=True)).plan
    assert (plan.timing.rounds, plan.timing.duration) == (QUICK.rounds, QUICK.duration)
    assert (plan.held, plan.memory_rounds) == (0, 0)
    assert controls(Asked(quick=True)) == []


def test_full_has_all_there_is() -> None:
    """Long windows, memory in several rounds, a capacity, and two workloads at other numbers of connections."""
    plan = asked_plan(Asked(full=True)).plan
    assert plan.timing == FULL
    assert (plan.held, plan.memory_rounds, plan.objective) == (HELD, MEMORY_ROUNDS_IN_FULL, str(DEFAULT_OBJECTIVE))
    assert {workload.scaling_of for workload in plan.workloads} == {"", "waiting", "computing"}


def test_full_with_options_of_ones_own_keeps_the_rest() -> None:
    """What is given counts, whatever else is asked for."""
    plan = asked_plan(Asked(full=True, rounds=4, held=0, objective="p50=1ms", workloads=("churn",))).plan
    assert (plan.timing.rounds, plan.timing.duration, plan.timing.limit) == (4, FULL.duration, None)
    assert (plan.held, plan.memory_rounds, plan.objective) == (0, 0, "p50=1ms")
    assert len(plan.workloads) == 1


@pytest.mark.parametrize(("rounds", "entered"), [(1, False), (3, False), (4, True), (5, True)])
def test_the_control_is_entered_where_there_are_rounds_to_tell_by(rounds: int, *, entered: bool) -> None:
    """A difference from itself in three rounds means nothing."""
    assert controls(Asked(rounds=rounds)) == (["selector"] if entered else [])


def test_rounds_that_may_become_enough_have_a_control() -> None:
    """It is in all rounds or in none."""
    assert controls(Asked(rounds=2, until_width="5%")) == ["selector"]
    assert controls(Asked(rounds=2, until_width="5%", max_rounds=3)) == []


def test_no_control_is_none() -> None:
    """However many rounds there are."""
    assert controls(Asked(rounds=10, control=False)) == []
    assert names(Asked(models=("threaded",), control=False)) == ["threaded"]


@pytest.mark.parametrize(("text", "width"), [("5%", 0.05), ("0.05", 0.05), ("0.1%", 0.001), ("100%", 1.0), ("1", 1.0)])
def test_a_width_is_a_share(text: str, width: float) -> None:
    """As per cent or as a number; there is no limit of time then, and a limit of rounds."""
    plan = asked_plan(Asked(until_width=text)).plan
    assert plan.until_width == pytest.approx(width)
    assert plan.max_rounds == MAX_ROUNDS
    assert plan.timing.limit is None


def test_there_are_no_more_rounds_than_were_allowed() -> None:
    """Where no number of rounds was asked for, those of the default are."""
    plan = asked_plan(Asked(until_width="5%", max_rounds=3)).plan
    assert (plan.timing.rounds, plan.max_rounds) == (3, 3)
    plan = asked_plan(Asked(rounds=3, until_width="5%", max_rounds=3)).plan
    assert (plan.timing.rounds, plan.max_rounds) == (3, 3)
    plan = asked_plan(Asked(until_width="5%", max_rounds=9)).plan
    assert (plan.timing.rounds, plan.max_rounds) == (DEFAULT_TIMING.rounds, 9)


def test_a_backlog_is_every_servers() -> None:
    """It takes the place of a workload's own, and its other options stay."""
    plan = asked_plan(Asked(workloads=("burst", "churn", "upload"), backlog=5)).plan
    assert [workload.server["backlog"] for workload in plan.workloads] == [5, 5, 5]
    assert next(workload for workload in plan.workloads if workload.name == "upload").server["max_line"] > 0


def test_a_duration_is_that_of_each_window() -> None:
    """Weights are for windows that are chosen for the user."""
    plan = asked_plan(Asked(duration=2.0)).plan
    assert {workload.weight for workload in plan.workloads} == {1.0}
    assert plan.timing.limit is None
    assert len({workload.weight for workload in asked_plan(Asked(rounds=3)).plan.workloads}) > 1


def test_scaling_has_each_workload_at_other_numbers_of_connections() -> None:
    """From one to the workload's own and beyond, whatever their number is called."""
    plan = asked_plan(Asked(workloads=("computing",), scaling=True)).plan
    assert plan.workloads[0].name == "computing"
    scaled = plan.workloads[1:]
    assert {workload.scaling_of for workload in scaled} == {"computing"}
    assert [workload.connections for workload in scaled] == sorted({workload.connections for workload in scaled})
    assert scaled[0].connections == 1


def test_what_has_a_rate_of_its_own_is_not_scaled() -> None:
    """Its requests come as they come, whatever its connections are; nor is what has one connection."""
    plan = asked_plan(Asked(workloads=("burst", "computing"), scaling=True)).plan
    assert {workload.scaling_of for workload in plan.workloads} == {"", "computing"}
    assert not_scaled(replace(WORKLOADS["churn"], connections=1)) == "it has one connection"
    assert not_scaled(replace(WORKLOADS["churn"], connections=2)) == ""


def test_what_is_not_scaled_is_told() -> None:
    """Workloads that have no other number of connections, and models that have no place for the higher ones."""
    asked = Asked(models=("pooled", "selector"), workloads=("mixed", "computing", "keepalive"), scaling=True)
    found = asked_plan(asked)
    dropped = [step.workload for step in found.plan.steps() if step.workload and step.workload.scaling_of]
    assert {workload.scaling_of for workload in dropped} == {"computing", "keepalive"}
    assert set(found.unscaled) == {
        "no scaling is measured on mixed: it has a rate of its own, whatever its connections are",
        "scaling is measured on keepalive of pooled only with as many connections as would be served at a time",
    }
    assert asked_plan(replace(asked, scaling=False)).unscaled == ()


def test_what_full_does_not_scale_is_told() -> None:
    """It is said which option would."""
    for workloads, named in (((), "churn, keepalive"), (("churn",), "churn")):
        (clause,) = asked_plan(Asked(models=("selector",), workloads=workloads, full=True)).unscaled
        assert clause.startswith(f"no scaling is measured on {named}: --full has it on waiting and computing alone")
    assert asked_plan(Asked(models=("selector",), full=True, scaling=True)).unscaled == ()


def test_what_is_not_searched_is_told() -> None:
    """By workload, with the models that have no place for its clients."""
    plan = asked_plan(Asked(models=("iterative", "selector"), workloads=("churn", "keepalive", "burst"))).plan
    assert not_searched(plan) == ()
    told = not_searched(replace(plan, objective="p95=50ms"))
    assert told == (
        "no capacity is searched on keepalive of iterative: not all of its 50 clients would be served at a time",
        "no capacity is searched on burst, which has a rate of its own",
    )
    asked = replace(plan, objective="p95=50ms")
    said = described(asked, plan.division, Remaining(asked, asked.steps()))
    assert "\nNo capacity is searched on burst, which has a rate of its own.\n" in said


def test_a_seed_is_the_one_that_was_given_or_another_each_time() -> None:
    """So that a second comparison has another order."""
    assert asked_plan(Asked(seed=0)).plan.seed == 0
    assert len({asked_plan(Asked()).plan.seed for _ in range(5)}) > 1


def test_cpus_are_those_that_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A side that is left open has all that the other leaves, so that they are kept apart."""
    monkeypatch.setattr("tools.comparison.asked.usable_cpus", lambda: [0, 1, 2, 3])
    for asked, server, client in (
        (Asked(server_cpus="0"), (0,), (1, 2, 3)),
        (Asked(server_cpus="0-2"), (0, 1, 2), (3,)),
        (Asked(client_cpus="2,3"), (0, 1), (2, 3)),
        (Asked(server_cpus="1", client_cpus="3"), (1,), (3,)),
    ):
        found = asked_plan(asked).plan.division
        assert (found.server, found.client, found.reason) == (server, client, "as asked")
        assert found.disjoint


def test_cpus_that_leave_none_to_the_other_side_are_shared_and_it_is_said() -> None:
    """Both sides on the same ones are not kept apart."""
    cpus = tuple(usable_cpus())
    for asked in (Asked(server_cpus=CPUS), Asked(client_cpus=CPUS)):
        found = asked_plan(asked).plan.division
        assert (found.server, found.client) == (cpus, cpus)
        assert found.reason == "what was asked for leaves no CPU to the other side"
    found = asked_plan(Asked(server_cpus=CPUS, client_cpus=CPUS)).plan.division
    assert (found.disjoint, found.reason) == (False, "as asked")


def python(folder: Path, name: str, **facts: object) -> str:
    """A program that answers as an interpreter of these facts does."""
    known = {"implementation": "CPython", "compiler": "cc", "free_threaded": False, "gil": True, "packages": {}}
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{json.dumps({**known, **facts})}'\n")
    path.chmod(0o755)
    return str(path)


def test_models_run_under_each_interpreter(tmp_path: Path) -> None:
    """Each is one variant, named by it; the plan knows all of them, and the control is under one."""
    old, free = python(tmp_path, "a", version="3.12.1"), python(tmp_path, "b", version="3.14.0", free_threaded=True)
    found = asked_plan(Asked(models=("threaded", "selector"), pythons=(old, free)))
    under = {(model.model, model.interpreter) for model in found.plan.models}
    assert under == {(model, name) for model in ("threaded", "selector") for name in found.interpreters}
    assert {each.path for each in found.interpreters.values()} == {old, free}
    (control,) = controls(Asked(models=("threaded", "selector"), pythons=(old, free)))
    assert control == f"selector@{next(iter(found.interpreters))}"


def test_a_workload_that_an_interpreter_cannot_speak_is_refused(tmp_path: Path) -> None:
    """HTTP needs a package that this one lacks."""
    with pytest.raises(AskedError, match=r"^http: ") as raised:
        asked_plan(Asked(workloads=("http",), pythons=(python(tmp_path, "a", version="3.12.1"),)))
    assert "\n" not in str(raised.value)


def test_servers_of_the_users_own_come_beside_the_models() -> None:
    """They are never the control where there is a model."""
    asked = Asked(models=("threaded",), serve_commands=("mine=sh ./serve {port}", "other=sh ./other {port}"))
    assert names(asked) == ["threaded", "mine", "other", "threaded (again)"]
    asked = Asked(models=("none",), serve_commands=("mine=sh ./serve {port}", "other=sh ./other {port}"))
    assert names(asked) == ["mine", "other", "mine (again)"]


@pytest.mark.parametrize(
    ("option", "text", "words"),
    [
        ("--python", "FOLDER/none", "no such file"),
        ("--python", "FOLDER", "it is a directory"),
        ("--python", "", "there is no program in ''"),
        ("--python", "FOLDER/old", "it is Python 3.9.1, and they need 3.11 or later"),
        ("--python", "FOLDER/silent", "it is no Python\n"),
        ("--python", "FOLDER/says", "it is no Python, and says: not installed here\n"),
        ("--serve-command", "", "there is no command in ''"),
        ("--serve-command", "mine=", "there is no command in 'mine='"),
        ("--serve-command", "mine='x", "no closing quotation"),
        (
            "--serve-command",
            "no-such-program {port}",
            "cannot start no-such-program: no-such-program: not found in PATH",
        ),
        ("--serve-command", "mine=FOLDER/none {port}", "cannot start mine: FOLDER/none: no such file"),
        ("--serve-command", "mine=cat {prot}", "there is no {prot} to fill in"),
        ("--serve-command", "selector=cat {port}", "'selector' is the name of a model"),
    ],
)
def test_a_server_that_cannot_be_had_is_a_mistake_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, text: str, words: str
) -> None:
    """Status 2 before anything runs, and one line that names the option."""
    python(tmp_path, "old", version="3.9.1")
    for name, script in (("silent", "exit 3"), ("says", "echo 'not installed here' >&2; echo 'and more' >&2")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    assert run(["compare", "selector", option, text.replace("FOLDER", str(tmp_path))]) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"serverlab: {option}: ")
    assert words.replace("FOLDER", str(tmp_path)) in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""


def test_a_model_that_cannot_run_here_is_refused_as_serve_refuses_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the words that mend it, and status 2."""
    monkeypatch.setitem(MODELS, "trio", MODELS["trio"]._replace(requires="no_such_package"))
    assert run(["compare", "trio"]) == 2
    assert "no_such_package" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Asked(quick=True, full=True), "--quick and --full are two lengths of one thing: give one"),
        (Asked(rounds=10, until_width="5%", max_rounds=5), "--max-rounds 5 is fewer than --rounds 10"),
        (Asked(models=("none",)), "none leaves your own servers alone, and there are none: give --serve-command"),
        (Asked(models=("none", "selector"), serve_commands=("x",)), "none stands for no model of ours"),
        (Asked(models=("none",), serve_commands=("x",), pythons=(sys.executable,)), "--python would change nothing"),
        (Asked(max_rounds=9), "--max-rounds bounds --until-width, which is not given"),
        (Asked(until_width="wide"), "--until-width is a share of a figure, as 5%, from 0.1% to 100%, not 'wide'"),
        (Asked(until_width="0"), "--until-width is a share"),
        (Asked(until_width="nan"), "--until-width is a share"),
        (Asked(until_width="200%"), "--until-width is a share"),
        (Asked(until_width="5"), "--until-width is a share"),
        (Asked(until_width="5%%"), "--until-width is a share"),
        (Asked(objective="fast"), "--objective: "),
        (Asked(objective=""), "--objective: an objective is a percentile and a time"),
        (
            Asked(workloads=("burst",), objective="p95=50ms"),
            "--objective would change nothing: no capacity is searched on burst, which has a rate of its own",
        ),
        (
            Asked(models=("iterative",), workloads=("keepalive", "burst"), objective="p95=50ms"),
            "--objective would change nothing: no capacity is searched on keepalive of iterative: not all of its 50 ",
        ),
        (
            Asked(workloads=("burst",), scaling=True),
            "--scaling would change nothing: burst: it has a rate of its own, whatever its connections are",
        ),
        (Asked(serve_commands=(f"{'x' * 61}=cat",)), "a name is at most 60 characters long"),
        (Asked(models=("treaded",)), "unknown model 'treaded'"),
        (Asked(models=("iterative",), options={"workers": 3}), "--workers would change nothing"),
        (Asked(workloads=("chrun",)), "unknown workload 'chrun'"),
        (Asked(workloads=("nowhere.toml",)), "nowhere.toml"),
        (Asked(server_cpus="some"), "--server-cpus: CPUs are given as 0,2 or 0-3, not 'some'"),
        (Asked(client_cpus=""), "--client-cpus: CPUs are given as 0,2 or 0-3, not ''"),
        (Asked(client_cpus="3-1"), "--client-cpus: CPUs are given as 0,2 or 0-3, not '3-1'"),
        (Asked(server_cpus=UNUSABLE), f"--server-cpus: CPU {UNUSABLE} is none that this process may use"),
    ],
)
def test_options_that_are_no_plan_are_refused_in_one_line(asked: Asked, words: str) -> None:
    """With what to give in their place."""
    with pytest.raises(AskedError) as raised:
        asked_plan(asked)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--quick", "--full"], "--quick and --full"),
        (["--max-rounds", "9"], "--max-rounds bounds --until-width"),
        (["--until-width", "x"], "--until-width is a share"),
        (["--backlog", "0"], "--backlog"),
        (["--backlog", "65536"], "--backlog"),
        (["--held", "20001"], "--held"),
        (["--objective", "p99"], "--objective"),
        (["--server-cpus", UNUSABLE], f"CPU {UNUSABLE} is none"),
        (["--resume", ".", "--rounds", "3"], "it takes only --against and --json beside it"),
        (["--resume", ".", "--output", "x"], "--resume goes on with the plan of that folder"),
        (["threaded", "--resume", "."], "--resume goes on with the plan of that folder"),
        (["--resume", ".", "--no-control"], "--resume goes on with the plan of that folder"),
    ],
)
def test_a_command_line_that_is_no_plan_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """With status 2, before anything runs."""
    assert run(["compare", *arguments]) == 2
    told = capsys.readouterr()
    assert words in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""
