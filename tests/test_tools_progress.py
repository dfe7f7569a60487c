"""What a user is told while a comparison runs, and how long it is said that the rest takes."""

from __future__ import annotations

import io
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from tests.comparisons import cell
from tools.comparison.planning import CAPACITY_SECONDS, FIXED_COST, MEMORY_SECONDS, Plan, Timing
from tools.comparison.progress import LINE_INTERVAL, Watching
from tools.comparison.remaining import Remaining
from tools.machine import Division
from tools.saved.cells import Capacity, MemoryProbe
from tools.saved.header import Variant
from tools.workloads import chosen_workloads

if TYPE_CHECKING:
    from collections.abc import Iterator

APART = Division((1,), (0,), "")
SELECTOR, THREADED = (Variant(name, "", "", "", "", model=name) for name in ("selector", "threaded"))
PLAN = Plan(
    (SELECTOR, THREADED),
    chosen_workloads(("churn", "waiting")),
    Timing(2, warm_up=0.1, duration=0.5),
    seed=7,
    held=8,
    memory_rounds=1,
    objective="p95=50ms",
)
STEPS = PLAN.steps()
CELLS, PROBES, SEARCHES = ([step for step in STEPS if step.kind == kind] for kind in ("cell", "memory", "capacity"))
SHORTER = PLAN.seconds_of(0.3) / PLAN.seconds_of(1.0)  # a cell of waiting, by one of churn


def search(workload: str, took: float) -> Capacity:
    """A search that took so many seconds."""
    return Capacity(workload, "selector", 1, "", took, "", "p95=50ms", 100.0, confirmed=True, limit="", trials=())


def probe(took: float) -> MemoryProbe:
    """A probe that took so many seconds."""
    return MemoryProbe("selector", 1, 1, "", took, "", (), (), (), (), "", ())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The time that it is for a comparison."""
    made = SimpleNamespace(now=1000.0)
    made.monotonic = lambda: made.now
    monkeypatch.setattr("tools.comparison.remaining.time", made)
    monkeypatch.setattr("tools.comparison.progress.time", made)
    return made


def test_what_was_planned_is_what_is_left_before_anything_is_measured() -> None:
    """With a limit of time, too."""
    for asked in (PLAN, replace(PLAN, timing=replace(PLAN.timing, limit=6.0))):
        assert Remaining(asked, asked.steps()).seconds() + FIXED_COST == pytest.approx(asked.seconds)
    limited = replace(PLAN, timing=replace(PLAN.timing, limit=6.0), objective="")
    assert limited.seconds == pytest.approx(FIXED_COST + 6.0)


def test_each_kind_of_step_has_a_pace_of_its_own() -> None:
    """A search takes far longer than a cell, and is not counted as one."""
    left = Remaining(PLAN, STEPS)
    for step in CELLS:
        left.began(step)
        left.ended(replace(cell(), took=2.0))
    assert left.seconds() == pytest.approx(2 * MEMORY_SECONDS + 4 * CAPACITY_SECONDS)
    left.began(PROBES[0])
    left.ended(probe(3.0))
    assert left.seconds() == pytest.approx(3.0 + 4 * CAPACITY_SECONDS)
    assert (left.done, left.total) == (len(CELLS) + 1, len(STEPS))


def test_with_a_limit_of_time_no_more_is_left_than_that(clock: SimpleNamespace) -> None:
    """Whatever the first cells took: the windows of the others are as long as the limit leaves them."""
    left = Remaining(replace(PLAN, timing=replace(PLAN.timing, limit=6.0)), CELLS)
    left.began(CELLS[0])
    clock.now += 2
    left.ended(replace(cell(), took=2.0))
    assert 2.0 * (len(CELLS) - 1) > 4.0
    assert left.seconds() == pytest.approx(4.0)


def test_what_was_done_before_is_part_of_the_time_that_is_limited(clock: SimpleNamespace) -> None:
    """And once it is used up, cells are as short as they can be."""
    assert clock.now > 0
    limited = replace(PLAN, timing=replace(PLAN.timing, limit=7.0))
    assert Remaining(limited, CELLS[4:], [replace(cell(), took=4.0)]).seconds() == pytest.approx(3.0)
    assert Remaining(limited, CELLS[4:], [replace(cell(), took=9.0)]).seconds() == pytest.approx(
        len(CELLS[4:]) * PLAN.seconds_of(0.0)
    )


def test_a_search_takes_as_long_as_those_before_it_did() -> None:
    """Those of its own workload where there are any: at low rates a percentile takes long to tell."""
    assert [step.workload.name for step in SEARCHES if step.workload] == ["churn", "churn", "waiting", "waiting"]
    left = Remaining(PLAN, SEARCHES)
    left.began(SEARCHES[0])
    left.ended(search("churn", 20.0))
    assert left.seconds() == pytest.approx(3 * 20.0)
    left.began(SEARCHES[1])
    left.ended(search("churn", 30.0))
    assert left.seconds() == pytest.approx(2 * 25.0)
    left.began(SEARCHES[2])
    left.ended(search("waiting", 180.0))
    assert left.seconds() == pytest.approx(180.0)


def test_a_search_that_failed_is_no_pace() -> None:
    """A server that did not start is known at once, and the next one may."""
    left = Remaining(PLAN, SEARCHES)
    left.began(SEARCHES[0])
    left.ended(replace(search("churn", 0.1), error="it did not start"))
    assert left.done == 1
    assert left.seconds() == pytest.approx(3 * CAPACITY_SECONDS)


def test_what_was_done_before_a_comparison_was_broken_off_counts() -> None:
    """For the pace, and not for what is left."""
    left = Remaining(PLAN, SEARCHES[1:], (replace(cell(), took=9.0), search("churn", 20.0), search("churn", 40.0)))
    assert left.seconds() == pytest.approx(3 * 30.0)
    assert (left.done, left.total) == (0, 3)


def test_the_time_of_a_step_that_runs_passes(clock: SimpleNamespace) -> None:
    """Until it has taken as long as it was to take: no longer."""
    left = Remaining(PLAN, SEARCHES[:2])
    left.began(SEARCHES[0])
    clock.now += 5
    assert left.seconds() == pytest.approx(2 * CAPACITY_SECONDS - 5)
    clock.now += 500
    assert left.seconds() == pytest.approx(CAPACITY_SECONDS)


def test_a_cell_that_is_run_again_is_one_step_that_took_longer() -> None:
    """Also where its first attempt was before the comparison was broken off."""
    first, again = replace(cell(), took=2.0), replace(cell(), took=3.0, attempt=2)
    left = Remaining(PLAN, CELLS[:2])
    left.began(CELLS[0])
    left.ended(first)
    left.began(CELLS[0])
    left.ended(again)
    assert left.done == 1
    assert left.seconds() == pytest.approx(5.0)
    left = Remaining(PLAN, CELLS[:2], (first,))
    left.began(CELLS[0])
    left.ended(again)
    assert left.done == 1
    assert left.seconds() == pytest.approx(5.0)


def test_rounds_that_are_added_are_left() -> None:
    """At the pace of the cells before them."""
    left = Remaining(PLAN, CELLS[:1])
    left.began(CELLS[0])
    left.ended(replace(cell(), took=2.0))
    left.more(CELLS[1:3])
    assert [step.workload.name for step in CELLS[:3] if step.workload] == ["churn"] * 2 + ["waiting"]
    assert (left.done, left.total) == (1, 3)
    assert left.seconds() == pytest.approx(2.0 * (1 + SHORTER))


def watched(*, terminal: bool) -> tuple[Watching, io.StringIO]:
    """What tells of a comparison that goes on, and what it has told."""
    told = io.StringIO()
    console = Console(file=told, force_terminal=terminal, width=100, color_system=None)
    return Watching(console), told


def test_a_search_tells_the_rates_that_it_tries(clock: SimpleNamespace) -> None:
    """A line now and then where there is no terminal, with the time of a trial that is long."""
    watching, told = watched(terminal=False)
    with watching:
        watching.began(PLAN, APART, SEARCHES, ())
        told.truncate(0)
        watching.next(SEARCHES[2], 1)
        watching.tries(500.0, 0.8)
        assert told.getvalue() == ""
        clock.now += LINE_INTERVAL
        watching.tries(1000.0, 0.8)
        watching.tries(2000.0, 0.8)
        clock.now += LINE_INTERVAL
        watching.tries(8.25, 60.0)
    lines = told.getvalue().strip("\0").splitlines()
    assert lines == [
        "waiting: selector, 1,000/s: 0 of 4 done, about 135 s left",
        "waiting: selector, 8.25/s for 60 s: 0 of 4 done, about 130 s left",
    ]


def test_on_a_terminal_the_bar_names_the_rate_and_then_the_next_step() -> None:
    """It is drawn as each trial begins."""
    watching, told = watched(terminal=True)
    with watching:
        watching.began(PLAN, APART, (*CELLS, *SEARCHES), ())
        watching.next(CELLS[0], 2)
        assert f"{CELLS[0].model.name}, round 1 again" in told.getvalue()
        watching.next(SEARCHES[0], 1)
        assert "churn: selector, " not in told.getvalue().rpartition("again")[2]
        watching.tries(12345.0, 0.8)
        assert "churn: selector, 12,345/s " in told.getvalue()
        watching.ended(search("churn", 3.0))
        watching.next(SEARCHES[1], 1)
        watching.tries(77.0, 12.0)
        assert "churn: threaded, 77.0/s for 12 s" in told.getvalue()
        assert "1 of 12 done, about" in told.getvalue()


def test_lines_in_a_file_are_not_folded() -> None:
    """Whoever reads a log, or searches it, has them whole."""
    told = io.StringIO()
    with Watching(Console(file=told, force_terminal=False, width=20)) as watching:
        watching.began(PLAN, APART, SEARCHES, ())
        watching.next(SEARCHES[0], 1)
        watching.ended(replace(search("churn", 1.0), error="the server ended with status 3 before it listened"))
        watching.goes_on(CELLS[4:], ["churn", "waiting"])
    lines = told.getvalue().splitlines()
    assert "the capacity of selector on churn failed: the server ended with status 3 before it listened" in lines
    assert "Intervals are still too wide on churn, waiting: another round." in lines
