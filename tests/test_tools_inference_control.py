"""The control and the adjustment, on simulated sessions whose truth is known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.intervals import excludes
from tools.inference.adjusting import adjusted
from tools.inference.control import FALSE_ALARMS, chance, control, strongest
from tools.inference.ratios import log_ratios

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
    assert found.ratio is not None
    assert not excludes(found.ratio, 1)
    assert found.reason.startswith("the control differs from itself by no more than chance explains: ")


def test_a_difference_below_one_percent_marks_nothing_unsound() -> None:
    """However sure it is: nobody takes it for one."""
    found = control({("churn", "throughput"): [0.005, 0.0051, 0.0049, 0.005, 0.005]})
    assert found.sound
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


CELLS = (12, 6)  # models and rounds


def session(generator: np.random.Generator, exponent: float) -> tuple[dict[str, dict[int, float]], ...]:
    """Figures and speeds by model and round: phases at 60 % of the full speed, and noise of 3 %."""
    speed = 1 - 0.4 * generator.random(CELLS) ** 1.5
    effect = np.linspace(5, 9, CELLS[0])[:, np.newaxis]
    figure = np.exp(effect + generator.normal(0, 0.03, CELLS)) * speed**exponent

    def by_model(values: NDArray[np.float64]) -> dict[str, dict[int, float]]:
        return {f"model-{it}": dict(enumerate(row.tolist())) for it, row in enumerate(values)}

    return by_model(figure), by_model(speed * 80)


@pytest.mark.parametrize(("exponent", "sign"), [(0.65, 1), (-0.8, -1)])
def test_adjusted_figures_are_as_they_would_be_at_one_speed(exponent: float, sign: int) -> None:
    """Paired ratios scatter less than half as much, around the same truth; of throughput and of CPU seconds.

    One session in a hundred has slow phases that fell on the same models by chance.
    """
    generator = np.random.default_rng(12)
    before, after, refused = [], [], 0
    for _ in range(60):
        figures, speeds = session(generator, exponent)
        found = adjusted(figures, speeds, sign)
        refused += bool(found.reason)
        assert found.reason or found.exponent == pytest.approx(exponent, abs=0.2)
        assert found.reason or found.explained > 0.5
        before += log_ratios(figures["model-3"], figures["model-4"])
        after += log_ratios(found.figures["model-3"], found.figures["model-4"])
    assert refused <= 3
    assert np.std(after) < np.std(before) / 2
    assert np.mean(after) == pytest.approx((5 - 9) / 11, abs=0.01)


def test_speeds_that_mean_nothing_leave_the_figures_alone() -> None:
    """In all but one or two of a hundred sessions, since the F test may be wrong in one."""
    generator = np.random.default_rng(13)
    found = []
    for _ in range(200):
        figures, speeds = session(generator, 0.0)
        found.append(adjusted(figures, speeds))
        assert found[-1].reason == "" or found[-1].figures == figures
    assert sum(not it.reason for it in found) <= 4
    assert {it.exponent for it in found if it.reason} == {0.0}


def test_an_exponent_of_the_wrong_sign_is_not_believed() -> None:
    """CPU seconds that fall as the CPU gets slower are no effect of the speed."""
    figures, speeds = session(np.random.default_rng(14), 0.65)
    assert adjusted(figures, speeds, -1).reason == "the CPUs' speed explains no more of the figures than chance would"
    figures, speeds = session(np.random.default_rng(14), 2.0)
    assert adjusted(figures, speeds).exponent == 1.2


def test_a_canary_that_the_models_slow_adjusts_nothing() -> None:
    """A model that keeps the sibling busy would be paid for it."""
    figures, speeds = session(np.random.default_rng(15), 0.65)
    slowed = {
        name: {it: speed * 0.9**place for it, speed in its.items()} for place, (name, its) in enumerate(speeds.items())
    }
    assert "they slow what measures it" in adjusted(figures, slowed).reason


def test_the_reference_is_the_speed_at_which_figures_stay_as_they_are() -> None:
    """Without noise a figure is what it was at that speed; without a reference that is a fast one that was seen."""
    speeds = {name: {it: 40.0 + (it * step) % 7 for it in range(6)} for name, step in (("a", 2), ("b", 3), ("c", 5))}
    figures = {name: {it: speed**0.5 for it, speed in its.items()} for name, its in speeds.items()}
    found = adjusted(figures, speeds, reference=49.0)
    assert [value for its in found.figures.values() for value in its.values()] == pytest.approx([7.0] * 18)
    assert found.exponent == pytest.approx(0.5)
    assert found.explained == pytest.approx(1)
    seen = [value for its in adjusted(figures, speeds).figures.values() for value in its.values()]
    assert seen == pytest.approx([math.sqrt(46)] * 18, rel=0.01)


def test_what_cannot_be_adjusted_says_why() -> None:
    """Too few cells, a speed that is not known or never changes, a figure of nothing, no model seen twice."""
    figures, speeds = session(np.random.default_rng(16), 0.65)
    few = {"model-0": figures["model-0"]}
    assert adjusted(few, speeds).reason == "6 cells are too few to tell what the CPUs' speed did: 12 are needed"
    assert adjusted(figures, {**speeds, "model-0": {}}).reason == "the CPUs' speed is not known in 6 of 72 cells"
    same = {name: dict.fromkeys(its, 80.0) for name, its in speeds.items()}
    assert adjusted(figures, same).reason == "the CPUs' speed was the same in all cells"
    assert adjusted({**figures, "model-0": {0: 0.0}}, speeds).reason == "a figure is not above 0"
    once = {str(it): {0: 1.0 + it} for it in range(12)}
    assert adjusted(once, once).reason == "no model ran in more than one round"
