"""Runs that are made again until the machine is quiet: what fails in the end is told, and it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import quiet
from tests.load_runs import CPUS

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """For how many seconds at most a quiet machine was waited for, which is never."""
    waited: list[float] = []
    monkeypatch.setattr(quiet, "wait_for_quiet", waited.append)
    return waited


def fails_times(count: int) -> tuple[list[int], Callable[[], str]]:
    """A run that fails so often before it goes well, and the numbers of the runs so far."""
    runs: list[int] = []

    def run() -> str:
        runs.append(len(runs) + 1)
        assert len(runs) > count, f"run {len(runs)}"
        return "well"

    return runs, run


@pytest.mark.parametrize("failures", [0, 1, 11])
def test_a_run_is_made_until_it_goes_well(failures: int, waits: list[float]) -> None:
    """Each time after waiting for a quiet machine, for no longer than 20 s."""
    runs, run = fails_times(failures)
    assert quiet.until_true_in_quiet(run) == "well"
    assert len(runs) == failures + 1
    assert waits == [20.0] * failures


def test_the_last_failure_is_raised(waits: list[float]) -> None:
    """A machine that never gets quiet hides nothing."""
    runs, run = fails_times(100)
    with pytest.raises(AssertionError, match="run 12"):
        quiet.until_true_in_quiet(run)
    assert (len(runs), len(waits)) == (12, 11)


def test_no_run_is_begun_when_time_is_over(waits: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole is bounded, however long a run takes: the one that begins at the end of the time is the last."""
    monkeypatch.setattr(quiet, "PATIENCE", 0.0)
    runs, run = fails_times(100)
    with pytest.raises(AssertionError, match="run 1"):
        quiet.until_true_in_quiet(run)
    assert (len(runs), waits) == (1, [])


def test_what_is_no_failed_assertion_is_not_made_again(waits: list[float]) -> None:
    """An error is a bug of the test or of what it tests, and no noise."""

    def run() -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        quiet.until_true_in_quiet(run)
    assert waits == []


def test_a_canary_tells_how_much_of_a_cpu_was_its_own() -> None:
    """One for each CPU that this process may use."""
    shares = quiet.free_shares()
    assert len(shares) == len(CPUS)
    assert all(0 < share <= 1.01 for share in shares)


@pytest.mark.parametrize(("share", "quiet_at_once"), [(0.95, True), (0.5, False)])
def test_a_machine_is_quiet_when_every_cpu_is_free(
    share: float, quiet_at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine tenths of each; where that does not come, the wait ends all the same."""
    monkeypatch.setattr(quiet, "free_shares", lambda: [1.0, share])
    assert quiet.wait_for_quiet(0.0) == quiet_at_once
