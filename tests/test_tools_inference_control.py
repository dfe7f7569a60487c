"""The control, on simulated sessions whose truth is known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.intervals import excludes
from tools.inference.control import FALSE_ALARMS, chance, control, strongest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Noise = Callable[[np.random.Generator, int], NDArray[np.float64]]

WORKLOADS = ("churn", "keepalive", "waiting", "computing")


def quiet(generator: np.random.Generator, rounds: int) -> NDArray[np.float64]:
    """Each entry with noise of 5 %."""
    return generator.normal(0, 0.05 * math.sqrt(2), rounds)


def hogged(generator: np.random.Generator, rounds: int) -> NDArray[np.float64]:
    """A busy neighbour halves every other cell's figure."""
    hit = generator.random((2, rounds)) < 0.5
    slowed: NDArray[np.float64] = math.log(2) * (hit[0].astype(float) - hit[1]) + generator.normal(0, 0.03, rounds)
    return slowed


def wild(generator: np.random.Generator, rounds: int) -> NDArray[np.float64]:
    """Noise without even a variance."""
    return 0.02 * generator.standard_cauchy(rounds)


def alarms(noise: Noise, workloads: int, sessions: int, effect: float = 0.0, figures: int = 1) -> float:
    """The share of sessions of five rounds in which the entries differ more than chance is allowed.

    Figures beyond the first mirror it, as CPU per request does throughput.
    """
    generator = np.random.default_rng(11)
    alarmed = 0
    for _ in range(sessions):
        drawn = {name: noise(generator, 5) + effect for name in WORKLOADS[:workloads]}
        pairs = {(name, str(it)): (logs * (-1) ** it).tolist() for name, logs in drawn.items() for it in range(figures)}
        found = strongest(pairs)
        assert found is not None
        alarmed += found.chance <= FALSE_ALARMS
    return alarmed / sessions


@pytest.mark.parametrize("noise", [quiet, hogged, wild])
def test_a_sound_session_of_one_workload_is_called_unsound_in_at_most_one_of_a_hundred(noise: Noise) -> None:
    """Of three thousand, whether it is quiet, shares its machine with a hog, or knows no bounds."""
    assert alarms(noise, workloads=1, sessions=3000) <= 0.01


@pytest.mark.parametrize("noise", [quiet, hogged, wild])
def test_a_sound_session_of_four_workloads_is_called_unsound_in_at_most_one_of_a_hundred(noise: Noise) -> None:
    """Of six hundred, two figures each, which say the same thing twice."""
    assert alarms(noise, workloads=4, sessions=600, figures=2) <= 0.01


def test_what_is_tested_together_shares_one_chance_of_a_false_alarm() -> None:
    """A figure beside two others counts as three times as likely by chance; beside a workload, twice."""
    logs, nothing = [0.1, 0.12, 0.09, 0.11, 0.08], [0.01, -0.01, 0.0, 0.02, -0.02]
    alone = strongest({("churn", "a"): logs})
    three = strongest({("churn", "a"): logs, ("churn", "b"): nothing, ("churn", "c"): nothing})
    assert alone is not None
    assert three is not None
    assert alone.chance == chance(logs)
    assert three.chance == pytest.approx(3 * alone.chance)
    both = strongest({("churn", "a"): logs, ("waiting", "a"): logs})
    assert both is not None
    assert both.where == "a on churn and waiting"
    assert both.chance == pytest.approx(2 * chance(logs + logs))


def test_twelve_pairs_are_judged_by_flips_of_their_signs_and_fewer_by_students_t() -> None:
    """Of 4096 flips two leave all on one side, however alike the pairs are; by hand t is 2.8284 for 1 to 5, less 1."""
    assert chance([1.0, 1.001] * 6) == pytest.approx(2 / 4096, abs=4e-4)
    assert chance([1.0, 1.001] * 6) > 0
    assert chance([1.0, -1.0] * 6) == 1
    assert chance([0.0, 1.0, 2.0, 3.0, 4.0]) == pytest.approx(0.0474, abs=1e-4)


def test_a_systematic_difference_of_ten_percent_is_found() -> None:
    """In noise of 5 %, on four workloads in five rounds; in one workload alone it takes one of a third."""
    assert alarms(quiet, workloads=4, sessions=100, effect=math.log(1.1)) > 0.9
    assert alarms(quiet, workloads=4, sessions=100, effect=math.log(1.1), figures=2) > 0.9
    assert alarms(quiet, workloads=1, sessions=100, effect=math.log(1.35)) > 0.9


def test_a_control_that_differs_says_in_what_and_by_how_much() -> None:
    """Six rounds of surely 20 % more in one figure, nothing in the other."""
    more = [math.log(1.2) + 0.01 * it for it in (-2, 2, -1, 1, 0, 0)]
    found = control({("churn", "throughput"): more, ("churn", "CPU per request"): [0.1, -0.1, 0.05, -0.05, 0.0, 0.0]})
    assert found.sound is False
    assert found.ratio is not None
    assert found.ratio.estimate == pytest.approx(1.2)
    assert excludes(found.ratio, 1)
    assert (
        found.reason
        == "the control differs from itself: the second entry reached 1.200 of the first in throughput on churn"
    )


def test_a_control_that_differs_on_one_workload_alone_is_found_there() -> None:
    """A third more on one of four, which all four together would not show so surely."""
    pairs = {(name, "throughput"): [0.02, -0.01, 0.005, -0.02, 0.004] for name in WORKLOADS}
    pairs["waiting", "throughput"] = [0.30, 0.29, 0.31, 0.3, 0.31]
    found = control(pairs)
    assert found.sound is False
    assert found.reason.endswith("throughput on waiting")


def test_five_pairs_that_were_all_hit_alike_do_not_stand_out_where_the_others_are_hit_too() -> None:
    """They look sure of themselves; but the other workloads show what the noise is."""
    alike = [0.69, 0.7, 0.69, 0.68, 0.7]
    assert strongest({("churn", "throughput"): alike}) is not None
    assert control({("churn", "throughput"): alike}).sound is False
    others = {(name, "throughput"): [0.69, -0.69, 0.0, 0.7, -0.7] for name in WORKLOADS[1:]}
    assert control({("churn", "throughput"): alike, **others}).sound


def test_a_control_that_does_not_differ_is_sound_and_says_so() -> None:
    """With the ratio all the same."""
    found = control({("churn", "throughput"): [0.02, -0.03, 0.01, 0.0, -0.01]})
    assert found.sound
    assert not found.slight
    assert found.ratio is not None
    assert not excludes(found.ratio, 1)
    assert found.reason.startswith("the control differs from itself by no more than chance explains: ")


def test_a_difference_below_one_percent_marks_nothing_unsound() -> None:
    """However sure it is: nobody takes it for one."""
    found = control({("churn", "throughput"): [0.005, 0.0051, 0.0049, 0.005, 0.005]})
    assert found.sound
    assert found.slight
    assert "less than 1 %" in found.reason
    beside = control({("churn", "a"): [0.005] * 5, ("churn", "b"): [0.3, 0.31, 0.29, 0.3, 0.32]})
    assert beside.sound is False
    assert beside.reason.endswith("in b on churn")


def test_a_control_of_too_few_rounds_is_not_known() -> None:
    """Three, or none at all; and entries that are equal to the last digit are sound."""
    assert control({("churn", "throughput"): [0.5, 0.5, 0.5]}).sound is None
    assert control({}).sound is None
    assert control({("churn", "throughput"): [0.0] * 5}).sound
    assert chance([0.3] * 5) == 0
