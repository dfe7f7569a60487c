"""Ratios that know their workload's noise: by simulation of sessions of which everything is known."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tools.inference.moderating import Noise, moderated, noise
from tools.inference.ranking import tiers
from tools.inference.ratios import ratio, told_apart

if TYPE_CHECKING:
    from tools.inference.intervals import Interval

ROUNDS = 5
STEPS = 0.15  # from one model to the next
LEAST = 0.05

Figures = dict[str, dict[int, float]]


def session(generator: np.random.Generator, means: list[float], scatter: list[float]) -> Figures:
    """Figures of models with such means, each with its own noise, in rounds that are quick or slow for all."""
    common = generator.normal(0, 0.1, ROUNDS)
    return {
        f"model-{place}": {
            number: mean * math.exp(common[number] + noise)
            for number, noise in enumerate(generator.normal(0, its, ROUNDS))
        }
        for place, (mean, its) in enumerate(zip(means, scatter, strict=True))
    }


def holds(found: Interval | None, truth: float) -> bool:
    """Whether an interval, which must have ends, has the truth."""
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    return found.low <= truth <= found.high


def coverage(seed: int, scatter: list[float], sessions: int = 300) -> float:
    """In which share of sessions the interval of the first model by the second has the truth, which is 1.2."""
    generator = np.random.default_rng(seed)
    means = [1200.0, *[1000.0] * (len(scatter) - 1)]
    held = 0
    for _ in range(sessions):
        made = session(generator, means, scatter)
        found = moderated(made["model-0"], made["model-1"], noise(made).of("model-0", "model-1"))
        held += holds(found, 1.2)
    return held / sessions


def test_where_all_models_are_as_noisy_an_interval_holds_the_truth_as_often_as_it_says() -> None:
    """In 95 of 100 sessions, about."""
    assert 0.92 < coverage(1, [0.05] * 6) < 0.985


def test_where_one_model_is_twice_as_noisy_its_interval_still_holds_the_truth_nine_times_in_ten() -> None:
    """The noise of the others draws its own towards theirs."""
    assert coverage(2, [0.10, *[0.05] * 5]) >= 0.9


def test_tiers_of_models_some_steps_apart_come_out_the_same_more_often() -> None:
    """Five models, each 15 % from the next, measured twice: with five rounds' own spread many differ by chance."""
    generator = np.random.default_rng(3)
    means = [1000 * (1 + STEPS) ** -place for place in range(5)]
    names = [f"model-{place}" for place in range(5)]

    def found(made: Figures, known: Noise) -> dict[str, tuple[int, ...]]:
        return tiers(
            names, lambda one, other: told_apart(moderated(made[one], made[other], known.of(one, other)), LEAST)
        )

    sessions = [session(generator, means, [0.03] * 5) for _ in range(30)]
    with_noise = [found(made, noise(made)) for made in sessions]
    without = [found(made, Noise(None, {})) for made in sessions]
    same, less = (sum(one == other for one, other in pairwise(each)) for each in (with_noise, without))
    assert same > 1.2 * less


def test_the_spread_of_a_pair_is_drawn_to_that_of_all() -> None:
    """A lucky pair gets a wider interval, a wild one a narrower; the estimate stays."""
    theirs = dict.fromkeys(range(ROUNDS), 100.0)
    for scatter, wider in ((0.001, True), (0.3, False)):
        ours = {number: 120 * math.exp(scatter * (number - 2)) for number in theirs}
        alone, known = ratio(ours, theirs), moderated(ours, theirs, 0.05**2)
        assert alone is not None
        assert known is not None
        assert alone.width is not None
        assert known.width is not None
        assert known.estimate == alone.estimate
        assert (known.width > alone.width) is wider


def test_rounds_without_any_spread_have_the_interval_of_the_others() -> None:
    """By hand: half of 0.05 squared, Student's t of 8 degrees of freedom 2.3060, five rounds."""
    found = moderated(dict.fromkeys(range(ROUNDS), 120.0), dict.fromkeys(range(ROUNDS), 100.0), 0.05**2)
    reach = 2.3060 * math.sqrt(0.05**2 / 2 / 5)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((1.2 * math.exp(-reach), 1.2 * math.exp(reach)), rel=1e-4)


def test_the_noise_of_all_pairs_is_their_median_which_one_wild_model_does_not_move() -> None:
    """Of ten pairs of five models four are with the wild one."""
    made = session(np.random.default_rng(4), [1000.0] * 5, [0.05] * 4 + [3.0])
    found = noise(made).middle
    assert found is not None
    assert found < 4 * 2 * 0.05**2


def test_the_noise_of_many_models_is_neither_too_small_nor_too_large() -> None:
    """Of a ratio twice that of a figure; the plain median of variances of five rounds is 13 % too small here."""
    generator = np.random.default_rng(6)
    found = [noise(session(generator, [1000.0] * 14, [0.05] * 14)).middle for _ in range(100)]
    known = [variance for variance in found if variance is not None]
    assert len(known) == 100
    assert 0.97 < np.mean(known) / (2 * 0.05**2) < 1.1


def test_what_a_model_adds_to_its_pairs_is_known_apart() -> None:
    """So that more is expected of a pair of two wild ones than of two quiet ones."""
    made = session(np.random.default_rng(7), [1000.0] * 6, [0.02] * 4 + [0.1] * 2)
    known = noise(made)
    quiet, wild = known.of("model-0", "model-1"), known.of("model-4", "model-5")
    assert known.middle is not None
    assert quiet is not None
    assert wild is not None
    assert quiet < known.middle < wild


def test_quiet_models_beside_wild_ones_are_told_apart_more_sharply() -> None:
    """And the wild ones' intervals still hold the truth."""
    scatter = [0.03, 0.03, 0.03, 0.03, 0.1, 0.1]
    widths = []
    for seed in range(40):
        made = session(np.random.default_rng(seed), [1000.0] * 6, scatter)
        known = noise(made)
        ends = [
            moderated(made["model-0"], made["model-1"], it) for it in (known.of("model-0", "model-1"), known.middle)
        ]
        widths.append([found.width or 0.0 for found in ends if found])
    assert np.median([own / all_ for own, all_ in widths]) < 0.95
    assert coverage(8, [0.1, 0.1, 0.03, 0.03, 0.03, 0.03]) >= 0.9


def test_noise_is_not_known_of_one_pair_or_of_few_rounds() -> None:
    """Then ratios are what their rounds say."""
    three = session(np.random.default_rng(5), [1000.0] * 3, [0.05] * 3)
    two = {name: three[name] for name in ("model-0", "model-1")}
    short = {name: {number: values[number] for number in range(3)} for name, values in three.items()}
    assert noise(three).middle is not None
    for made in (two, short):
        assert noise(made) == Noise(None, {})
        assert moderated(made["model-0"], made["model-1"], noise(made).of("model-0", "model-1")) == ratio(
            made["model-0"], made["model-1"]
        )
    assert moderated({1: 1.0}, {2: 1.0}, 0.01) is None
    assert moderated({1: 2.0}, {1: 1.0}, 0.01) == ratio({1: 2.0}, {1: 1.0})
