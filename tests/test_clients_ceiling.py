"""The client's ceiling: measured once, remembered, and never in the way."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from clients import ceiling as ceilings
from clients import ceiling_cache
from clients.addresses import Address
from clients.ceiling import Ceiling, ceiling, closed_loop, configuration
from clients.plan import LoadPlan
from clients.process import LoadError
from tests.load_runs import retried
from tools.processes.children import on_cpus

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("prestarted")

NOBODY = Address("127.0.0.1", 1)  # a plan's own server has no part in its ceiling
PLAN = LoadPlan(NOBODY, connections=2)
FOUND = Ceiling(50_000.0, 18e-6, limited_by_client=True, measured_at="2025-01-31")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test; return where its file will be."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "serverlab" / "ceilings.json"


@pytest.fixture
def measurements(monkeypatch: pytest.MonkeyPatch) -> list[LoadPlan]:
    """The plans that were measured, without measuring them: each attempt finds FOUND, undisturbed."""
    plans: list[LoadPlan] = []

    def measured(plan: LoadPlan, _seconds: float) -> ceilings._Attempt:
        plans.append(plan)
        return ceilings._Attempt(FOUND, undisturbed=True)

    monkeypatch.setattr(ceilings, "_measured", measured)
    return plans


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"churn": True},
        {"churn": True, "close": "reset"},
        {"protocol": "upper"},
        {"protocol": "work", "work": "64 sleep=5"},
        {"protocol": "frames"},
        {"protocol": "http"},
        {"udp": True},
        {"processes": 2},
        {"pipeline": 8},
        {"size": "64..4096"},
        {"protocol": "work", "mix": "90% work 64; 10% work exp(500) sleep=0.5 cpu=exp(0.5)"},
        {"protocol": "http", "mix": "50% http 64; 50% http work 1..4096 sleep=9", "churn": True},
        {"rate": 1.0, "timeout": 0.001},
        {"think": "5"},
        {"hold": 3},
    ],
)
@retried
def test_whatever_the_client_does_has_a_ceiling(parameters: dict[str, Any]) -> None:
    """Throughput and CPU per request agree with each other: no process used more than a CPU."""
    found = ceiling(replace(PLAN, **parameters), seconds=0.1)
    assert found is not None
    assert found.requests_per_second > 1
    assert 0 < found.client_cpu_per_request * found.requests_per_second < 1.1 * parameters.get("processes", 1)
    assert found.measured_at[:2] == "20"


def test_a_unix_socket_has_a_ceiling_of_its_own() -> None:
    """Which costs less than TCP, and is measured over one."""
    plan = LoadPlan(Address(path="/nowhere"), connections=2)
    assert ceiling(plan, seconds=0.5) is not None
    assert configuration(plan) != configuration(PLAN)


def test_with_tls_there_is_none() -> None:
    """The null server does not speak it."""
    assert ceiling(replace(PLAN, tls=True, insecure=True)) is None


def test_it_is_measured_once(measurements: list[LoadPlan]) -> None:
    """And then remembered, for a plan against another server too, until it is forgotten."""
    assert ceiling(PLAN) == FOUND
    assert ceiling(replace(PLAN, address=Address("127.0.0.2", 9), duration=3, timeout=1)) == FOUND
    assert len(measurements) == 1
    ceilings.forget()
    assert ceiling(PLAN) == FOUND
    assert len(measurements) == 2


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"connections": 33}, {"connections": 64}, True),
        ({"connections": 32}, {"connections": 33}, False),
        ({"connections": 1}, {"connections": 2}, False),
        ({"connections": 3}, {"connections": 4}, False),
        ({"size": 64}, {"size": 65}, False),
        ({}, {"churn": True}, False),
        ({"churn": True}, {"churn": True, "close": "reset"}, False),
        ({}, {"protocol": "upper"}, False),
        ({}, {"udp": True}, False),
        ({}, {"processes": 2}, False),
        ({"protocol": "work", "work": "64"}, {"protocol": "work", "work": "64 sleep=0.1 cpu=1"}, True),
        ({"protocol": "work", "work": "64"}, {"protocol": "work", "work": "65"}, False),
        ({"duration": 1}, {"duration": 2}, True),
        ({"rate": 5.0, "seed": 7}, {"think": "exp(1)", "hold": 3}, True),
        ({}, {"pipeline": 2}, False),
        ({"size": 64}, {"size": "64..65"}, False),
        (
            {"protocol": "work", "mix": "90% work 64; 10% work 9 cpu=exp(0.5) sleep=1"},
            {"protocol": "work", "mix": "90% work 64 cpu=0.001; 10% work 9"},
            True,
        ),
        ({"protocol": "work", "mix": "90% work 64; 10% work 9"}, {"protocol": "work", "work": "64"}, False),
        ({"requests": 10}, {"warmup": 0.5}, True),
    ],
)
def test_plans_that_ask_in_the_same_way_share_a_ceiling(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    """And others do not."""
    assert (configuration(replace(PLAN, **one)) == configuration(replace(PLAN, **other))) is same


def test_another_machine_or_interpreter_has_other_ceilings(
    measurements: list[LoadPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of settings that travels does not mislead."""
    ceiling(PLAN)
    monkeypatch.setattr(ceiling_cache, "fingerprint", lambda: "another machine")
    ceiling(PLAN)
    assert len(measurements) == 2


@pytest.mark.parametrize(
    "parameters",
    [
        {"requests": 7},
        {"rate": 1.0, "final_rate": 9.0, "steps": 3, "arrivals": "constant", "seed": 5, "max_waiting": 2},
        {"think": "1", "hold": 3, "sources": ("127.0.0.2",)},
    ],
)
def test_it_is_measured_as_a_closed_loop_that_never_waits(parameters: dict[str, Any]) -> None:
    """For the time that was asked, whatever the plan's own length; how a client asks stays."""
    plan = closed_loop(replace(PLAN, churn=True, close="reset", **parameters), NOBODY, 0.5)
    think = "0" if {"rate", "think"} & parameters.keys() else ""  # the same way through the loop, and no waiting
    expected = replace(PLAN, churn=True, close="reset", duration=plan.duration, warmup=plan.warmup, think=think)
    assert plan == expected
    assert plan.duration - plan.warmup_seconds == pytest.approx(0.5)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "\0", "[" * 100_000, '{"a": 1}', "every value is wrong"],
)
def test_a_cache_that_cannot_be_understood_is_replaced(content: str, cache: Path, measurements: list[LoadPlan]) -> None:
    """As if it were empty."""
    ceiling(PLAN)
    if content == "every value is wrong":
        content = json.dumps({key: {"requests_per_second": "fast"} for key in json.loads(cache.read_text())})
    cache.write_text(content)
    assert ceiling(PLAN) == ceiling(PLAN) == FOUND
    assert len(measurements) == 2
    assert FOUND.to_json() in json.loads(cache.read_text()).values()


def test_a_cache_that_cannot_be_written_means_measuring_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measurements: list[LoadPlan]
) -> None:
    """And no error: here the folder is a file."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert ceiling(PLAN) == ceiling(PLAN) == FOUND
    assert len(measurements) == 2
    ceilings.forget()


def test_the_cache_stays_small_and_leaves_no_other_file(cache: Path) -> None:
    """The last ones are kept."""
    for number in range(ceiling_cache.MOST + 5):
        ceiling_cache.keep(f"number {number}", FOUND.to_json())
    assert len(json.loads(cache.read_text())) == ceiling_cache.MOST
    assert ceiling_cache.find("number 4") is None
    assert ceiling_cache.find(f"number {ceiling_cache.MOST + 4}") == FOUND.to_json()
    assert list(cache.parent.iterdir()) == [cache]


def test_a_relative_cache_folder_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As the standard of these folders has it; then it is ~/.cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ceiling_cache.path() == tmp_path / ".cache" / "serverlab" / "ceilings.json"


def test_a_figure_from_a_disturbed_machine_is_a_lower_bound_and_not_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The best of a few attempts, which end with the first that was not disturbed."""
    slow, fast = replace(FOUND, requests_per_second=1.0), replace(FOUND, requests_per_second=2.0)
    attempts = [ceilings._Attempt(figure, undisturbed=False) for figure in (slow, fast)]
    attempts += [ceilings._Attempt(slow, undisturbed=False), ceilings._Attempt(FOUND, undisturbed=True)]
    monkeypatch.setattr(ceilings, "_measured", lambda *_: attempts.pop(0))
    assert ceiling(PLAN) == fast
    assert ceiling(PLAN) == FOUND  # measured
    assert ceiling(PLAN) == FOUND  # remembered
    assert attempts == []


@pytest.mark.parametrize(
    ("parameters", "client", "server", "undisturbed"),
    [
        ({"connections": 50}, 0.95, 0.9, True),
        ({"connections": 50}, 0.3, 0.95, True),
        ({"connections": 50}, 0.4, 0.4, False),
        ({"connections": 1}, 0.4, 0.4, True),
        ({"connections": 10, "processes": 2}, 0.64, 0.64, True),
    ],
)
def test_cpus_that_nobody_used_were_somebody_elses(
    parameters: dict[str, Any], client: float, server: float, undisturbed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With enough in flight, one of the two is busy, or there are too few CPUs for all."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert ceilings._is_undisturbed(replace(PLAN, **parameters), client, server) is undisturbed


def test_client_and_server_that_share_a_cpu_are_not_disturbed_by_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Together they use it."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0})
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert ceilings._is_undisturbed(replace(PLAN, connections=50), 0.55, 0.45)


@pytest.mark.parametrize("error", [LoadError("no"), OSError("no")])
def test_what_cannot_be_measured_is_no_error(error: Exception, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """A load run must not fail for want of its ceiling, and nothing is remembered."""

    def measured(*_: object) -> None:
        raise error

    monkeypatch.setattr(ceilings, "_measured", measured)
    assert ceiling(PLAN) is None
    assert not cache.exists()


def test_no_null_server_that_comes_up_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here it ends at once."""
    monkeypatch.setattr("clients.ceiling.sys.executable", "/bin/false")
    began = time.monotonic()
    assert ceiling(PLAN) is None
    assert time.monotonic() - began < ceilings.PATIENCE


def test_the_null_server_runs_away_from_the_clients_cpus() -> None:
    """Where there are others, and also where it was the whole client that was confined."""
    usable = sorted(os.sched_getaffinity(0))
    with ceilings.null_server(replace(PLAN, cpus=(usable[0],))) as (_, pid):
        assert os.sched_getaffinity(pid) == set(usable[1:] or usable)
    with ceilings.null_server(PLAN) as (_, pid):
        assert os.sched_getaffinity(pid) == set(usable)
    with on_cpus(usable[:1]), ceilings.null_server(PLAN) as (_, pid):
        assert os.sched_getaffinity(pid) == set(usable[1:] or usable)


def test_a_ceiling_is_read_as_it_was_written() -> None:
    """And nothing else is."""
    assert Ceiling.from_json(json.loads(json.dumps(FOUND.to_json()))) == FOUND
    almost = FOUND.to_json()
    wrongs: list[object] = [None, {}, [], {**almost, "more": 1}, {**almost, "requests_per_second": 0.0}]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="not a ceiling"):
            Ceiling.from_json(wrong)


def test_words_say_where_it_is_only_a_lower_bound() -> None:
    """For the reader of a sentence."""
    assert str(FOUND) == "50,000 requests/s"
    assert str(replace(FOUND, limited_by_client=False)) == "at least 50,000 requests/s"
