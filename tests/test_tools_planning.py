"""The plan of a comparison: which cells, in which order, how long each; nothing runs here."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from tests.comparisons import MODELS
from tools.comparison.planning import (
    CAPACITY,
    CELL,
    DEFAULT_TIMING,
    FULL,
    MEMORY,
    MEMORY_SECONDS,
    QUICK,
    REPEATS,
    SHORTEST,
    Left,
    Plan,
    Step,
    Timing,
    without,
)
from tools.comparison.progress import described
from tools.comparison.remaining import Remaining
from tools.machine import Division, divided, parsed_cpu_list
from tools.saved.header import Variant
from tools.variants.choosing import DEFAULT, chosen_models, places_left, serves_all, with_control
from tools.variants.starting import command_of
from tools.workloads import WORKLOADS, chosen_workloads

if TYPE_CHECKING:
    from tools.workloads import Workload

BRIEF = Timing(rounds=1, warm_up=0.1, duration=0.2)
SHARED = Division((), (), "a test does not need them apart")


def note(name: str, **options: int) -> Variant:
    """A model as a comparison names it."""
    return Variant(name, "", "", "", "", options=options, model=name)


def plan(rounds: int = 4, seed: int = 7, models: tuple[str, ...] = tuple(MODELS), *workloads: str) -> Plan:
    """A plan for these models on these workloads, all by default."""
    return Plan(tuple(map(note, models)), chosen_workloads(workloads), replace(BRIEF, rounds=rounds), seed)


def as_by_default() -> Plan:
    """What is compared where nothing is asked for."""
    models = with_control(chosen_models((), {}).models)
    timing = DEFAULT_TIMING.with_room_for(len(models))
    return Plan(models, chosen_workloads(()), timing, 7, held=40, memory_rounds=1)


def order(steps: tuple[Step, ...], number: int) -> list[tuple[str, str, str]]:
    """Kind, workload and model of each step of one round."""
    return [
        (step.kind, step.workload.name if step.workload else "", step.model.name)
        for step in steps
        if step.round == number
    ]


def test_rounds_run_forwards_and_then_backwards() -> None:
    """A B C D, D C B A, and so on with another order; memory probes come in their rounds' order, too."""
    steps = replace(plan(rounds=4), held=8, memory_rounds=4).steps()
    assert order(steps, 2) == order(steps, 1)[::-1]
    assert order(steps, 4) == order(steps, 3)[::-1]
    assert order(steps, 3) != order(steps, 1)


def test_every_cell_has_the_same_mean_place_in_time() -> None:
    """A machine that slows down steadily harms all alike."""
    steps = plan(rounds=4).steps()
    places: dict[tuple[str, str], list[int]] = {}
    for position, step in enumerate(steps, start=1):
        assert step.workload
        places.setdefault((step.workload.name, step.model.name), []).append(position)
    assert len(places) == 16
    assert {sum(positions) for positions in places.values()} == {4 * (len(steps) + 1) // 2}


def test_every_cell_is_planned_once_in_a_round() -> None:
    """None is left out, none comes twice, also in an odd number of rounds."""
    steps = plan(rounds=3).steps()
    assert len({step.key for step in steps}) == len(steps) == 48
    assert {step.kind for step in steps} == {CELL}


def test_the_order_follows_from_the_seed() -> None:
    """The same seed gives the same order, another seed another one."""
    assert plan(seed=7).steps() == plan(seed=7).steps()
    assert plan(seed=7).steps() != plan(seed=8).steps()


def test_more_rounds_begin_with_the_same_ones() -> None:
    """What is added until intervals are narrow changes nothing of what was certain."""
    few, many = plan(rounds=3).steps(), plan(rounds=7).steps()
    assert many[: len(few)] == few
    endless = [step for steps in islice(plan(rounds=1).rounds(), 7) for step in steps]
    assert tuple(endless) == many


def test_what_is_done_is_left_out_in_the_same_order() -> None:
    """A comparison that was broken off goes on with the rest as it was planned."""
    steps = replace(plan(rounds=2), held=8, memory_rounds=1, objective="p99=50ms").steps()
    done = {step.key for step in steps[:7]} | {steps[20].key}
    assert without(steps, done) == (*steps[7:20], *steps[21:])
    assert without(steps, {step.key for step in steps}) == ()


def test_memory_is_probed_in_its_rounds_and_capacities_are_searched_for_last() -> None:
    """Neither with the control, and no capacity of a model that cannot serve all clients of a workload."""
    models = with_control((note("iterative"), note("selector")))
    certain = Plan(
        models,
        chosen_workloads(("churn", "keepalive")),
        replace(BRIEF, rounds=3),
        7,
        held=8,
        memory_rounds=2,
        objective="p99=50ms",
    ).steps()
    probes = [(step.model.name, step.round) for step in certain if step.kind == MEMORY]
    assert sorted(probes) == [("iterative", 1), ("iterative", 2), ("selector", 1), ("selector", 2)]
    assert [(step.kind, step.workload and step.workload.name, step.model.name) for step in certain[-3:]] == [
        (CAPACITY, "churn", "iterative"),
        (CAPACITY, "churn", "selector"),
        (CAPACITY, "keepalive", "selector"),
    ]
    assert all(step.kind != CAPACITY for step in certain[:-3])


def test_where_time_is_limited_a_model_with_too_few_places_is_measured_once() -> None:
    """That it cannot serve all clients shows in one round; where nobody stays connected it is measured in all."""
    few = plan(5, 7, ("iterative", "selector"), "churn", "keepalive")
    limited = replace(few, timing=replace(few.timing, limit=60.0))

    def rounds(asked: Plan, workload: str, model: str) -> list[int]:
        return [
            each.round
            for each in asked.steps()
            if (each.workload and each.workload.name, each.model.name) == (workload, model)
        ]

    every = [1, 2, 3, 4, 5]
    assert rounds(limited, "keepalive", "iterative") == [1]
    assert rounds(few, "keepalive", "iterative") == every
    for asked in (limited, few):
        assert rounds(asked, "churn", "iterative") == rounds(asked, "keepalive", "selector") == every


def test_a_pool_with_room_for_all_is_measured_in_every_round() -> None:
    """Places are those of its options."""
    workloads = chosen_workloads(("computing",))  # eight clients that stay
    for workers, rounds in ((7, 1), (8, 5)):
        pool = Plan((note("preforked", workers=workers),), workloads, replace(BRIEF, rounds=5, limit=60.0), 7)
        assert len(pool.steps()) == rounds


@pytest.mark.parametrize(
    ("workload", "threads", "all_served"),
    [
        (WORKLOADS["slow-clients"], 29, False),  # twenty ordinary ones, and ten that stay
        (WORKLOADS["slow-clients"], 30, True),
        (WORKLOADS["burst"], 1, True),  # who comes and goes takes turns
        (replace(WORKLOADS["churn"], hold=4), 4, False),  # all places are kept, and none is left to take turns in
        (replace(WORKLOADS["churn"], hold=4), 5, True),
    ],
)
def test_guests_that_stay_need_places_of_their_own(workload: Workload, threads: int, all_served: bool) -> None:
    """Those that hold, and hostile ones that only the server ends."""
    pooled = note("pooled", threads=threads)
    assert serves_all(pooled, workload, divided([0, 1])) is all_served
    assert places_left(pooled, workload, 1) == threads - workload.staying
    assert places_left(note("selector"), workload, 1) is None


def test_a_pool_of_a_worker_for_each_cpu_has_places_by_the_plans_division_whatever_is_free_now() -> None:
    """A process that keeps off the server's CPUs sees fewer of them than there were when the plan was made."""
    (workload,) = chosen_workloads(("keepalive",))  # fifty clients that stay; a worker here has places for 25
    before = os.sched_getaffinity(0)
    for server, cpus, rounds in (((0,), "apart", 1), ((0, 1), "apart", 5), ((0,), "all", 5)):
        asked = (replace(workload, cpus=cpus),)
        division = Division(server, (2,), "")
        pool = Plan((note("hybrid"),), asked, replace(BRIEF, rounds=5, limit=60.0), 7, division=division)
        os.sched_setaffinity(0, {min(before)})
        try:
            assert len(pool.steps()) == rounds
        finally:
            os.sched_setaffinity(0, before)


def left(cells: int, weight: float = 1.0, memory: int = 0) -> Left:
    """So many cells of a weight."""
    return Left((weight,) * cells, memory, 0)


def test_windows_are_as_planned_while_there_is_time() -> None:
    """And as planned always, where there is no limit; each as long as its workload's weight says."""
    timing = replace(DEFAULT_TIMING, limit=85)
    assert timing.window(1.0, elapsed=0, overhead=0.3, left=left(60)) == timing.duration
    assert timing.window(0.5, elapsed=0, overhead=0.3, left=left(60)) == timing.duration / 2
    assert FULL.window(4.0, elapsed=1000, overhead=3, left=left(64)) == 4 * FULL.duration


def test_windows_shrink_on_a_slow_machine_but_never_to_nothing() -> None:
    """So that the comparison ends near its limit, with the memory probes and the repeats that are still to come."""
    timing = Timing(rounds=2, warm_up=0.1, duration=0.5, limit=20)
    repeats = 1 + REPEATS
    assert timing.window(1.0, elapsed=4, overhead=0.2, left=left(20)) == pytest.approx(16 / repeats / 20 - 0.3)
    with_memory = timing.window(1.0, elapsed=4, overhead=0.2, left=left(20, memory=2))
    assert with_memory == pytest.approx((16 - 2 * MEMORY_SECONDS) / repeats / 20 - 0.3)
    assert timing.window(1.0, elapsed=30, overhead=0.2, left=left(20)) == SHORTEST


def test_a_window_that_cannot_be_shorter_takes_from_those_that_can() -> None:
    """Ten light cells keep their least, and ten heavy ones share what is left."""
    both = Left((1.0,) * 10 + (0.1,) * 10, 0, 0)
    assert both.unit(6.0) == pytest.approx((6.0 - 10 * SHORTEST) / 10)
    assert both.unit(1.0) <= SHORTEST


def test_searches_alone_are_left_without_a_window() -> None:
    """What is no cell has none, and nothing is divided by it."""
    assert DEFAULT_TIMING.window(1.0, elapsed=0, overhead=0.3, left=Left((), 0, 3)) >= SHORTEST


def test_the_default_and_the_quick_plan_fit_their_time() -> None:
    """About 90 s and at most 25 s for the six default models on four workloads; the quick one has two rounds."""
    assert QUICK.rounds >= 2
    assert DEFAULT_TIMING.rounds >= 5
    assert len(DEFAULT) == 6
    default = as_by_default()
    assert default.seconds < 96
    quick = replace(default, models=default.models[:-1], timing=QUICK, memory_rounds=0, held=0)
    assert quick.seconds < 25


def test_more_models_get_more_time_and_fewer_no_less() -> None:
    """Windows stay as long as they are, however many models there are."""
    assert DEFAULT_TIMING.limit is not None
    everyone = len(DEFAULT) + 1  # with the control
    assert DEFAULT_TIMING.with_room_for(2 * everyone).limit == 2 * DEFAULT_TIMING.limit
    assert DEFAULT_TIMING.with_room_for(1) == DEFAULT_TIMING
    assert BRIEF.with_room_for(100) == BRIEF


def test_rounds_that_go_on_have_a_longest_time() -> None:
    """It is that of all the rounds that there may be; without a width there is nothing more to come."""
    certain = plan(rounds=5)
    going_on = replace(certain, until_width=0.05, max_rounds=10)
    assert certain.seconds_at_most == certain.seconds == going_on.seconds
    assert going_on.seconds_at_most == pytest.approx(plan(rounds=10).seconds)
    assert "at most about" in described(going_on, SHARED, Remaining(going_on, going_on.steps()))


def test_a_model_is_started_with_its_own_options() -> None:
    """Beside what is the same for all."""
    command = command_of(note("preforked", workers=15), "work")
    assert command[command.index("preforked") :] == [
        *("preforked", "--protocol", "work", "--port", "0", "--grace", "2", "--workers", "15")
    ]


def test_the_plan_says_what_is_left_out_and_which_options_are_passed() -> None:
    """Before anything runs."""
    pool = replace(
        plan(1, 7, ("iterative",)), models=(note("preforked", workers=15),), left_out={"uvloop": "no uvloop"}
    )
    told = described(pool, SHARED, Remaining(pool, pool.steps()))
    assert told.startswith("Left out: no uvloop.\nComparing preforked --workers 15 on churn")


def test_the_plan_of_what_is_left_says_what_is_done() -> None:
    """And that nothing is left, where nothing is."""
    asked = plan(2, 7, ("selector",), "churn")
    none, one, both = (described(asked, SHARED, Remaining(asked, asked.steps()[done:])) for done in range(3))
    assert "done already" not in none
    assert "Of these, 1 cell is done already." in one
    assert "All of these are done already: nothing is left to be measured." in both


def test_what_is_done_is_told_by_its_kind() -> None:
    """A memory probe or a search is no cell, so that no more cells are done than there are."""
    asked = replace(plan(2, 7, ("selector",), "churn"), held=40, memory_rounds=1, objective="p95=50ms")
    left = [step for step in asked.steps() if step.kind == CELL][:1]
    told = described(asked, SHARED, Remaining(asked, left))
    assert "2 cells in 2 rounds" in told
    assert "Of these, 1 cell, 1 memory probe and 1 search are done already." in told


@pytest.mark.parametrize(
    ("cpus", "siblings", "server", "client"),
    [
        ([0, 1], {}, (1,), (0,)),
        ([0, 1], {0: {0, 1}, 1: {0, 1}}, (1,), (0,)),
        ([0, 1, 2, 3], {0: {0, 2}, 1: {1, 3}, 2: {0, 2}, 3: {1, 3}}, (1, 3), (0, 2)),
        ([2, 5, 7], {}, (5, 7), (2,)),
    ],
)
def test_server_and_clients_get_cores_of_their_own(
    cpus: list[int], siblings: dict[int, set[int]], server: tuple[int, ...], client: tuple[int, ...]
) -> None:
    """CPUs that share a core stay together, unless there is only one core."""
    known = {cpu: frozenset(group) for cpu, group in siblings.items()}
    assert divided(cpus, known) == Division(server, client, "")


def test_one_cpu_is_shared_and_said_so() -> None:
    """Nothing is pinned then."""
    division = divided([0], {})
    assert not division.disjoint
    assert "only one CPU" in division.reason


def test_the_kernels_lists_of_cpus_are_understood() -> None:
    """Ranges, single numbers, and nothing."""
    assert parsed_cpu_list("0-2,5") == {0, 1, 2, 5}
    assert parsed_cpu_list("") == frozenset()


def test_the_sum_of_what_is_left_follows_the_weights() -> None:
    """A memory probe and a search are no cells."""
    workloads = (WORKLOADS["churn"], replace(WORKLOADS["keepalive"], weight=0.5))
    asked = Plan(
        (note("selector"),), workloads, replace(BRIEF, rounds=2), 7, held=8, memory_rounds=1, objective="p99=1s"
    )
    assert asked.left(asked.steps()) == Left(weights=(1.0, 0.5, 0.5, 1.0), memory=1, capacity=2)
