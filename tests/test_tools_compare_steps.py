"""Steps beside cells, and the files that steps leave: a whole comparison is carried out, and nothing is measured."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.comparisons import WORKLOADS
from tests.made_up_cells import SEED, Comparing, Told
from tools.comparison import comparing
from tools.comparison.planning import Plan, Timing
from tools.saved.cells import Capacity, MemoryProbe
from tools.saved.header import Variant
from tools.workloads import chosen_workloads

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tools.comparison.planning import Step

LIMITED = Timing(2, warm_up=0.1, duration=0.2, limit=20)


def plan(*models: str, timing: Timing = LIMITED) -> Plan:
    """A plan for these models on `keepalive`."""
    notes = tuple(Variant(name, "", "", "", "", model=name) for name in models)
    return Plan(notes, chosen_workloads(("keepalive",)), timing, SEED)


def probed(_bench: object, step: Step, _protocol: str, _most: int) -> MemoryProbe:
    """A probe that found nothing."""
    return MemoryProbe(step.model.name, step.round, 0, "", 0.0, "", (), (), (), (), "", ())


def searched(
    _bench: object,
    step: Step,
    objective: str,
    _seed: int,
    *,
    closed_rate: float,
    on_try: Callable[[float, float], None],
) -> Capacity:
    """A search that found half of what the closed loop did, at the first try."""
    on_try(closed_rate / 2, 0.8)
    assert step.workload is not None
    return Capacity(
        step.workload.name,
        step.model.name,
        0,
        "",
        0.0,
        "",
        objective,
        closed_rate / 2,
        confirmed=True,
        limit="",
        trials=(),
    )


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Comparing:
    """What carries out plans without measuring."""
    monkeypatch.setattr(comparing, "probed", probed)
    monkeypatch.setattr(comparing, "searched", searched)
    return Comparing(monkeypatch, tmp_path / "results")


def test_searches_and_probes_need_no_window_where_time_is_limited(made: Comparing) -> None:
    """They come when no cell is left whose window could be chosen."""
    asked = replace(plan("selector", "threaded"), objective="p50=200ms", held=8, memory_rounds=2)
    told = Told()
    results = made.carry_out(asked, told)
    assert len(results.cells) == 4
    assert told.tried == [(500, 0.8)] * 2
    assert len(results.memory) == 4
    assert {each.model: each.rate for each in results.capacities} == {"selector": 500, "threaded": 500}


def test_a_model_that_is_asked_in_one_round_alone_ends_a_limited_comparison(made: Comparing) -> None:
    """All the time that is left is its only cell's."""
    results = made.carry_out(plan("iterative", timing=replace(LIMITED, rounds=5)))
    assert [cell.round for cell in results.cells] == [1]


def test_cells_whose_names_read_alike_have_samples_of_their_own(
    made: Comparing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workload `x` of model `y-mixed`, and workload `x-y` of model `mixed`."""
    (keepalive,) = chosen_workloads(("keepalive",))
    workloads = tuple(replace(keepalive, name=name) for name in ("x", "x-y"))
    for workload in workloads:
        monkeypatch.setitem(WORKLOADS, workload.name, workload)
    results = made.carry_out(replace(plan("mixed", "y-mixed"), workloads=workloads))
    assert len(results.cells) == len({cell.samples for cell in results.cells}) == 8
