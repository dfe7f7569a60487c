"""Which cells a comparison runs: rounds until intervals are narrow, and repeats of what was disturbed."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from clients.ceiling import Ceiling
from tests.made_up_cells import SEED, Comparing, Told
from tools.analysis.narrowing import cells_wanted, widths
from tools.analysis.summary import summarized
from tools.comparison import carrying_out
from tools.comparison.planning import FEWEST_REPEATS, REPEATS, Plan, Timing
from tools.saved.cells import Host
from tools.saved.header import Variant
from tools.tables.belief import belief_table
from tools.workloads import chosen_workloads

if TYPE_CHECKING:
    from pathlib import Path

    from clients.plan import LoadPlan

QUIET = Host(0.5, 0.5, 0.0, 0.0, 0.0, 1.0, 1.0, 30.0, 30.0)
NOISY = replace(QUIET, server_others=0.5)


def plan(rounds: int, *models: str, width: float | None = None, most: int = 30) -> Plan:
    """A plan for these models on `keepalive`."""
    notes = tuple(Variant(name, "", "", "", "", model=name) for name in models)
    timing = Timing(rounds, warm_up=0.1, duration=0.2)
    return Plan(notes, chosen_workloads(("keepalive",)), timing, SEED, until_width=width, max_rounds=most)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Comparing:
    """What carries out plans without measuring."""
    return Comparing(monkeypatch, tmp_path / "results")


def settling(_workload: str, model: str, number: int) -> int:
    """The selector is noisy in the first five rounds, and steady from then on; threaded is steady from the first."""
    return 1000 + (300 if number % 2 else -300) if model == "selector" and number <= 5 else 1000


def test_rounds_go_on_until_all_intervals_are_narrow(made: Comparing) -> None:
    """And no longer: it is said before each further round what is too wide."""
    told = Told()
    made.requests = settling
    results = made.carry_out(plan(5, "selector", "threaded", width=0.05), told)
    rounds = max(cell.round for cell in results.cells)
    assert 5 < rounds < 30
    assert len(results.cells) == 2 * rounds
    assert told.wide == [(2, ("keepalive",))] * (rounds - 5)
    told_of_it = belief_table(results, summarized(results)).notes
    assert any(f"at most 5.0% wide for each of them, which it was after {rounds}." in note for note in told_of_it)


def test_rounds_that_are_narrow_at_once_are_no_more(made: Comparing) -> None:
    """Those that are certain are enough."""
    told = Told()
    results = made.carry_out(plan(5, "selector", width=0.05), told)
    assert max(cell.round for cell in results.cells) == 5
    assert told.wide == []


def test_rounds_end_where_there_are_as_many_as_allowed_and_say_so(made: Comparing) -> None:
    """An interval that stays wide is told."""
    made.requests = lambda _workload, _model, number: 1000 + (300 if number % 2 else -300)
    results = made.carry_out(plan(4, "selector", width=0.05, most=7))
    assert sorted(cell.round for cell in results.cells) == [1, 2, 3, 4, 5, 6, 7]
    notes = belief_table(results, summarized(results)).notes
    assert cells_wanted(results) == 7
    not_reached = (
        "NOT REACHED: after 7 rounds the interval of what ranks the models is wider than 5.0% for some of them "
    )
    (note,) = (note for note in notes if note.startswith(not_reached))
    (width,) = widths(results).values()
    assert width is not None
    assert note.endswith(f"on keepalive (selector: {width:.1%}).")


def test_a_model_that_serves_only_some_clients_asks_for_no_more_rounds(made: Comparing) -> None:
    """It has no throughput whose interval could be narrow."""
    made.requests = lambda _workload, model, number: 1000 + (number * 100 if model == "iterative" else 0)
    made.served = lambda model: 1 if model == "iterative" else 50
    results = made.carry_out(plan(5, "iterative", "selector", width=0.05))
    assert max(cell.round for cell in results.cells) == 5


def test_only_workloads_with_wide_intervals_go_on(made: Comparing) -> None:
    """The others have all that they need."""
    asked = replace(plan(4, "selector", width=0.05, most=6), workloads=chosen_workloads(("churn", "keepalive")))
    made.requests = lambda workload, _model, number: 1000 + (200 * number if workload == "churn" else 0)
    results = made.carry_out(asked)
    assert {cell.round for cell in results.cells if cell.workload == "keepalive"} == {1, 2, 3, 4}
    assert {cell.round for cell in results.cells if cell.workload == "churn"} == {1, 2, 3, 4, 5, 6}


def test_a_disturbed_cell_is_run_again_at_once_and_the_second_attempt_counts(made: Comparing) -> None:
    """Both are kept, in their order."""
    told = Told()
    made.host = iter((NOISY, QUIET, QUIET, QUIET))
    results = made.carry_out(plan(3, "selector"), told)
    assert [(number, attempt) for _, _, number, attempt in told.steps] == [(1, 1), (1, 2), (2, 1), (3, 1)]
    assert [cell.position for cell in results.attempts] == [1, 2, 3, 4]
    assert "other processes used 50%" in results.attempts[0].disturbed
    assert [(cell.round, cell.attempt, cell.disturbed) for cell in results.cells] == [
        (1, 2, ""),
        (2, 1, ""),
        (3, 1, ""),
    ]
    assert len({cell.samples for cell in results.attempts}) == 4
    assert results.header.planned == 3


def test_a_machine_that_is_never_quiet_is_not_waited_for(made: Comparing) -> None:
    """A cell is run twice at most, and one in twenty of all cells again; what stays disturbed is marked and counts."""
    made.host = iter(lambda: NOISY, None)
    results = made.carry_out(plan(40, "selector"))
    assert len(results.attempts) == 40 + REPEATS * 40
    assert max(cell.attempt for cell in results.attempts) == 2
    assert len(results.cells) == 40
    assert all(cell.disturbed for cell in results.cells)


def test_a_few_cells_are_run_again_also_where_there_are_few(made: Comparing) -> None:
    """A tenth of two cells would be none."""
    made.host = iter(lambda: NOISY, None)
    results = made.carry_out(plan(4, "selector"))
    assert len(results.attempts) == 4 + FEWEST_REPEATS


def test_a_repeat_that_was_due_when_all_was_broken_off_comes_first(made: Comparing) -> None:
    """As it would have without the signal."""
    made.host = iter((QUIET, NOISY, QUIET, QUIET))
    told = Told(at_end=lambda count: os.kill(os.getpid(), signal.SIGTERM) if count == 2 else None)
    results = made.carry_out(plan(3, "selector"), told)
    assert [(cell.round, cell.attempt) for cell in results.attempts] == [(1, 1), (2, 1)]
    results = made.resume()
    assert [(cell.round, cell.attempt) for cell in results.attempts] == [(1, 1), (2, 1), (2, 2), (3, 1)]
    assert not results.cells[1].disturbed


@pytest.mark.parametrize(("broken_off_after", "wanted"), [(1, 10), (4, 10), (5, 10), (9, 10), (11, 12), (12, 14)])
def test_rounds_until_narrow_go_on_where_they_were_broken_off(
    made: Comparing, broken_off_after: int, wanted: int
) -> None:
    """The cells and their order are those of a comparison that was not; and how many are needed, as known by then."""
    made.requests = settling
    told = Told(at_end=lambda count: os.kill(os.getpid(), signal.SIGTERM) if count == broken_off_after else None)
    asked = plan(5, "selector", "threaded", width=0.05)
    begun = made.carry_out(asked, told)
    assert len(begun.cells) == broken_off_after
    assert cells_wanted(begun) == wanted
    told_of_it = f"{broken_off_after} of {wanted} cells were measured: the comparison was broken off."
    assert told_of_it in belief_table(begun, summarized(begun)).notes
    results = made.resume()
    assert cells_wanted(results) == len(results.cells)
    made.folder = made.folder.with_name("another")
    whole = made.carry_out(asked)
    assert [(cell.model, cell.round, cell.position) for cell in results.cells] == [
        (cell.model, cell.round, cell.position) for cell in whole.cells
    ]


def test_ceilings_whose_measuring_was_broken_off_are_measured_when_it_is_gone_on_with(
    made: Comparing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the clients would never be found to have been the limit; what was known already stays."""
    asked = replace(plan(2, "selector"), workloads=chosen_workloads(("churn", "keepalive", "waiting")))

    def broken_off_at_the_second(of: LoadPlan, **_: float) -> Ceiling:
        if not of.churn:
            os.kill(os.getpid(), signal.SIGINT)
        return Ceiling(1000.0, 0.0, limited_by_client=True, measured_at="")

    monkeypatch.setattr(carrying_out, "ceiling", broken_off_at_the_second)
    begun = made.carry_out(asked)
    assert (begun.header.ceilings, begun.cells) == ({"churn": 1000.0}, ())
    monkeypatch.setattr(carrying_out, "ceiling", lambda *_, **__: Ceiling(2000.0, 0.0, True, ""))
    results = made.resume()
    assert results.header.ceilings == dict.fromkeys(("churn", "keepalive", "waiting"), 2000.0)
    assert replace(results.header, ceilings={}) == replace(begun.header, ceilings={})
    assert len(results.cells) == 6


def test_a_comparison_that_has_all_it_needs_measures_no_more(made: Comparing) -> None:
    """However often it is gone on with."""
    made.requests = settling
    results = made.carry_out(plan(5, "selector", width=0.05))
    told = Told()
    assert made.resume(told).cells == results.cells
    assert (told.certain, told.steps, told.wide) == (0, [], [])
