"""Figures at one speed of the CPUs, on simulated sessions whose truth is known."""

from __future__ import annotations

import math
from dataclasses import astuple
from typing import NamedTuple

import numpy as np
import pytest

from tools.inference.adjusting import MOST, UNADJUSTED, Exponents, adjusted
from tools.inference.ratios import log_ratios

Figures = dict[str, dict[int, float]]

MODELS = 6
COMPUTES, ASKED = Exponents(server=1.0, client=0.2), Exponents(server=0.2, client=1.0)
EXPECTED = {f"model-{place}": COMPUTES if place < MODELS // 2 else ASKED for place in range(MODELS)}


class Session(NamedTuple):
    """Figures, and the speeds of both sides' CPUs, by model and round."""

    figures: Figures
    server: Figures
    client: Figures


def session(
    generator: np.random.Generator, truth: dict[str, Exponents], rounds: int = 5, noise: float = 0.03, sign: int = 1
) -> Session:
    """CPUs with phases at 60 % of their speed, each model's figures 20 % below those of the last, and noise."""
    made = Session({}, {}, {})
    for place, (name, powers) in enumerate(truth.items()):
        speeds = 1 - 0.4 * generator.random((2, rounds)) ** 1.5
        logs = 7 - 0.2 * place + generator.normal(0, noise, rounds)
        logs += sign * (powers.server * np.log(speeds[0]) + powers.client * np.log(speeds[1]))
        made.figures[name] = dict(enumerate(np.exp(logs).tolist()))
        made.server[name] = dict(enumerate((80 * speeds[0]).tolist()))
        made.client[name] = dict(enumerate((60 * speeds[1]).tolist()))
    return made


def error_of(figures: Figures, one: int, other: int) -> float:
    """By how much the logarithm of a ratio over all rounds is beside the truth."""
    logs = log_ratios(figures[f"model-{one}"], figures[f"model-{other}"])
    return float(np.mean(logs)) - 0.2 * (other - one)


@pytest.mark.parametrize("sign", [1, -1])
def test_adjusted_figures_are_as_they_would_be_at_one_speed(sign: int) -> None:
    """Ratios of five rounds scatter less than half as much, around the same truth; of throughput and of CPU seconds."""
    generator = np.random.default_rng(12)
    before, after = [], []
    for _ in range(60):
        made = session(generator, EXPECTED, sign=sign)
        found = adjusted(*made, EXPECTED, sign)
        before += [error_of(made.figures, 0, 1), error_of(made.figures, 2, 3)]
        after += [error_of(found.figures, 0, 1), error_of(found.figures, 2, 3)]
    assert np.std(after) < np.std(before) / 2
    assert np.mean(after) == pytest.approx(0, abs=0.01)


def test_exponents_are_what_the_rounds_say_where_there_are_many_and_what_is_expected_where_few() -> None:
    """By the weight of a normal prior: the truth is 0.3 beside it."""
    truth = dict.fromkeys(EXPECTED, Exponents(server=1.3, client=0.5))
    expected = dict.fromkeys(EXPECTED, COMPUTES)
    many = adjusted(*session(np.random.default_rng(13), truth, rounds=60), expected).exponents["model-0"]
    few = adjusted(*session(np.random.default_rng(13), truth, rounds=2), expected).exponents["model-0"]
    assert (many.server, many.client) == pytest.approx((1.3, 0.5), abs=0.05)
    assert 1.0 < few.server < 1.25
    assert 0.2 < few.client < 0.45


def test_models_share_an_exponent_where_the_same_is_expected_of_them() -> None:
    """And only there."""
    found = adjusted(*session(np.random.default_rng(14), EXPECTED), EXPECTED).exponents
    assert len({found[name] for name, kind in EXPECTED.items() if kind == COMPUTES}) == 1
    assert len(set(found.values())) == 2


def test_speeds_that_mean_nothing_leave_the_figures_nearly_alone() -> None:
    """Where the CPUs were no limit nothing is expected of them, and the rounds do not say otherwise."""
    generator = np.random.default_rng(15)
    waits = dict.fromkeys(EXPECTED, UNADJUSTED)
    for _ in range(20):
        made = session(generator, waits)
        found = adjusted(*made, waits)
        assert max(max(each.server, each.client) for each in found.exponents.values()) < 0.15
        changes = [
            found.figures[name][it] / value for name, rounds in made.figures.items() for it, value in rounds.items()
        ]
        assert max(changes) < 1.09


def test_figures_that_held_still_while_speeds_did_not_are_left_alone() -> None:
    """Whatever was expected: rounds within 1 % of each other show that the speeds meant nothing to them."""
    generator = np.random.default_rng(21)
    made = session(generator, dict.fromkeys(EXPECTED, UNADJUSTED), rounds=4, noise=0.005)
    found = adjusted(*made, EXPECTED)
    for name, rounds in made.figures.items():
        for number, value in rounds.items():
            assert found.figures[name][number] == pytest.approx(value, rel=0.02)


def test_an_exponent_is_neither_below_nothing_nor_beyond_belief() -> None:
    """Figures that fall as the CPUs get faster are no effect of the speed."""
    backwards = dict.fromkeys(EXPECTED, Exponents(server=-1.0, client=4.0))
    found = adjusted(*session(np.random.default_rng(20), backwards, rounds=20), EXPECTED).exponents["model-0"]
    assert found == Exponents(server=0.0, client=MOST)


def test_a_canary_that_the_models_slow_is_no_present_to_them() -> None:
    """Model 5 slows it to a sixth, and would be six times as good; ups and downs within models are taken out still."""
    made = session(np.random.default_rng(17), EXPECTED)
    slowed = {
        name: {it: speed * 0.7**place for it, speed in rounds.items()}
        for place, (name, rounds) in enumerate(made.server.items())
    }
    found = adjusted(made.figures, slowed, made.client, EXPECTED)
    undisturbed = adjusted(*made, EXPECTED)
    assert found.reason == (
        "the speed of the server's CPUs went with the models, and each was brought to the fastest of its own"
    )
    assert not undisturbed.reason
    assert astuple(found.exponents["model-0"]) == pytest.approx(astuple(undisturbed.exponents["model-0"]))
    for name, rounds in undisturbed.figures.items():
        assert list(found.figures[name].values()) == pytest.approx(list(rounds.values()), rel=0.15)
    assert "the server's and of the clients' CPUs" in adjusted(made.figures, slowed, slowed, EXPECTED).reason


def test_the_speed_to_which_figures_are_brought_is_a_fast_one_that_was_seen() -> None:
    """The 95th percentile of a side's; without noise figures are what they are at that speed."""
    speeds = {name: {it: 40.0 + (it * step) % 7 for it in range(6)} for name, step in (("a", 2), ("b", 3), ("c", 5))}
    still = {name: dict.fromkeys(rounds, 70.0) for name, rounds in speeds.items()}
    figures = {name: {it: speed**1.0 for it, speed in rounds.items()} for name, rounds in speeds.items()}
    found = adjusted(figures, speeds, still, dict.fromkeys(figures, COMPUTES))
    assert (found.exponents["a"].server, found.exponents["a"].client) == pytest.approx((1, 0.2))
    seen = [value for rounds in found.figures.values() for value in rounds.values()]
    assert seen == pytest.approx([46.0] * 18, rel=0.01)


def test_what_cannot_be_adjusted_says_why_and_is_as_it_was() -> None:
    """Too few cells, a speed that is not known, a figure of nothing, no model seen twice."""
    figures, server, client = session(np.random.default_rng(18), EXPECTED)
    few = {"model-0": figures["model-0"]}
    found = adjusted(few, server, client, EXPECTED)
    assert found.reason == "5 cells are too few to tell what the CPUs' speed did: 12 are needed"
    assert (found.figures, found.exponents) == (few, {})
    unknown = adjusted(figures, server, {**client, "model-0": {}}, EXPECTED)
    assert unknown.reason == "the CPUs' speed is not known in 5 of 30 cells"
    nothing = {**figures, "model-0": {0: 0.0}}
    assert adjusted(nothing, server, client, EXPECTED).reason == "a figure is not above 0"
    once = {str(it): {0: 1.0 + it} for it in range(12)}
    assert adjusted(once, once, once, dict.fromkeys(once, COMPUTES)).reason == "no model ran in more than one round"
    assert not math.isnan(error_of(figures, 0, 1))
