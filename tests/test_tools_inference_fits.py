"""The scalability law and memory slopes, on curves and lines that are known."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from tests.intervals import excludes
from tools.inference.intervals import Interval
from tools.inference.scaling import usl
from tools.inference.slopes import intercept, slope

SIZES = (1, 2, 4, 8, 16, 32, 64)


def law(size: int, lambda_: float, sigma: float, kappa: float) -> float:
    """Gunther's law, written out."""
    return lambda_ * size / (1 + sigma * (size - 1) + kappa * size * (size - 1))


def measured(
    sigma: float, kappa: float, noise: float = 0.0, rounds: int = 5, seed: int = 1
) -> dict[int, dict[int, float]]:
    """Throughputs by connections and round, of a thousand a second for one connection."""
    generator = np.random.default_rng(seed)
    return {
        size: {it: law(size, 1000, sigma, kappa) * math.exp(generator.normal(0, noise)) for it in range(rounds)}
        for size in SIZES
    }


def middle(found: Interval | None) -> float:
    """The estimate of an interval that must be there."""
    assert found is not None
    return found.estimate


@pytest.mark.parametrize(("sigma", "kappa"), [(0.05, 0.0005), (0.3, 0.0), (0.0, 0.01), (0.0, 0.0), (1.0, 0.0)])
def test_a_curve_without_noise_gives_back_its_parameters(sigma: float, kappa: float) -> None:
    """Exactly, with an interval of no width: also a line (0 and 0) and what is flat from the first on (1 and 0)."""
    found = usl(measured(sigma, kappa))
    assert found.reason == ""
    assert found.rounds == 5
    assert found.lambda_ == pytest.approx(1000)
    assert middle(found.sigma) == pytest.approx(sigma, abs=1e-9)
    assert middle(found.kappa) == pytest.approx(kappa, abs=1e-9)
    assert found.misfit == pytest.approx(0, abs=1e-9)
    assert found.sigma is not None
    assert found.sigma.high == pytest.approx(sigma, abs=1e-9)
    assert found.throughput(20) == pytest.approx(law(20, 1000, sigma, kappa))


def test_the_peak_is_where_the_curve_is_highest() -> None:
    """At the root of (1 - sigma) / kappa, beyond which more bring less; a curve without crosstalk has none."""
    found = usl(measured(0.05, 0.0005))
    assert found.peak == pytest.approx(math.sqrt(0.95 / 0.0005))
    at_peak = found.throughput(found.peak or 0)
    assert at_peak is not None
    assert at_peak > max(found.throughput(40) or 0, found.throughput(48) or 0)
    assert usl(measured(0.3, 0.0)).peak is None


def test_a_peak_has_an_interval_and_is_wide_where_the_curve_hardly_bends() -> None:
    """Without noise it is known; with noise on a curve that is nearly flat it may be anywhere, or nowhere."""
    known = usl(measured(0.05, 0.0005))
    assert known.peak_ends is not None
    assert list(known.peak_ends) == pytest.approx([known.peak, known.peak])
    assert not known.is_peak_wide
    flat = [usl(measured(0.5, 0.00002, noise=0.1, seed=seed)) for seed in range(10)]
    assert sum(found.is_peak_wide for found in flat) >= 8
    assert any(found.peak_ends and math.isinf(found.peak_ends[1]) for found in flat)
    assert usl(measured(0.05, 0.0005, rounds=3)).peak_ends is None
    never = usl(measured(0.3, 0.0))
    assert never.peak_ends == (math.inf, math.inf)
    assert not never.is_peak_wide


def test_the_intervals_hold_the_parameters_about_as_often_as_they_say() -> None:
    """Of forty simulated sessions with noise of 5 %, at least thirty-four; each is fitted in less than a second."""
    held = []
    began = time.process_time()
    for seed in range(40):
        found = usl(measured(0.05, 0.0005, noise=0.05, seed=seed))
        assert found.sigma is not None
        assert found.kappa is not None
        held.append((not excludes(found.sigma, 0.05), not excludes(found.kappa, 0.0005)))
    assert time.process_time() - began < 40
    assert min(sum(one for one, _ in held), sum(other for _, other in held)) >= 34


def test_no_parameter_is_below_zero() -> None:
    """Noise on a line would have half of them there."""
    for seed in range(10):
        found = usl(measured(0.0, 0.0, noise=0.05, seed=seed))
        assert found.sigma is not None
        assert found.kappa is not None
        assert min(found.sigma.low or 0, found.kappa.low or 0, middle(found.sigma), middle(found.kappa)) >= 0


def test_too_few_sizes_or_rounds_say_so() -> None:
    """Three numbers of connections fit any law; three rounds give a curve and no interval."""
    three = usl({size: dict.fromkeys(range(5), 100.0) for size in SIZES[:3]})
    assert three.sigma is None
    assert three.throughput(3) is None
    assert three.reason == "fewer than 4 numbers of connections were measured in one round"
    short = usl(measured(0.1, 0.001, rounds=3))
    assert short.sigma is not None
    assert (short.sigma.low, short.sigma.high, short.sigma.rounds) == (None, None, 3)
    assert short.sigma.estimate == pytest.approx(0.1)
    assert short.reason == "fewer than 4 rounds: no intervals"
    assert usl({}).reason


def test_what_the_law_does_not_describe_is_said() -> None:
    """A server that is slow at every other size; and one that all but stops at two connections."""
    jagged = {size: dict.fromkeys(range(5), 1000.0 if place % 2 else 200.0) for place, size in enumerate(SIZES)}
    assert "the law misses the points by" in usl(jagged).reason
    steep = {size: dict.fromkeys(range(5), 1000.0 / size**6) for size in SIZES}
    assert usl(steep).sigma is None or "misses" in usl(steep).reason


def test_a_round_that_lacks_a_size_still_counts() -> None:
    """One that has fewer than four sizes does not; and a throughput of nothing is left out."""
    points = measured(0.05, 0.0005)
    del points[8][2]
    points[16][3] = 0.0
    points[1][7] = 5.0
    found = usl(points)
    assert found.rounds == 5
    assert middle(found.sigma) == pytest.approx(0.05)


HELD = (0, 250, 500, 1000)


def held(per_connection: float, base: float, noise: float = 0.0, seed: int = 1) -> list[tuple[int, float]]:
    """What a server of one round held at each number of connections."""
    generator = np.random.default_rng(seed)
    return [(count, base + per_connection * count + generator.normal(0, noise)) for count in HELD]


def test_a_line_gives_back_its_slope_whatever_its_rounds_begin_at() -> None:
    """Fresh servers begin at 10 to 40 million bytes, and each connection takes 4096."""
    rounds = [held(4096, base) for base in (10e6, 40e6, 20e6, 30e6)]
    found = slope(rounds)
    assert found is not None
    assert (found.estimate, found.low, found.high, found.rounds) == pytest.approx((4096, 4096, 4096, 4))
    assert middle(intercept(rounds)) == pytest.approx(25e6)


def test_a_slope_over_rounds_holds_the_truth_as_often_as_it_says() -> None:
    """Of a hundred simulated models in five rounds."""
    missed = 0
    for seed in range(100):
        found = slope([held(4096, 20e6, noise=2e5, seed=5 * seed + it) for it in range(5)])
        assert found is not None
        missed += excludes(found, 4096)
    assert missed <= 12


def test_a_slope_of_one_round_has_the_interval_of_its_points() -> None:
    """By hand: points 0, 1, 2, 3 with 0, 2, 1, 3 have slope 0.8, its error 0.4243, and t is 4.3027."""
    found = slope([[(0, 0.0), (1, 2.0), (2, 1.0), (3, 3.0)]])
    assert found is not None
    reach = 4.3027 * math.sqrt(1.8 / 2 / 5)
    assert (found.estimate, found.low, found.high) == pytest.approx((0.8, 0.8 - reach, 0.8 + reach), abs=1e-4)
    assert found.rounds == 1
    begins = intercept([[(0, 0.0), (1, 2.0), (2, 1.0), (3, 3.0)]])
    assert begins is not None
    assert begins.estimate == pytest.approx(0.3)
    assert begins.low is None


def test_too_few_points_have_a_slope_without_ends_or_none() -> None:
    """Two points make a line; one makes nothing, nor do two at one number of connections."""
    assert slope([[(0, 10.0), (100, 60.0)]]) == Interval(0.5, None, None, 1)
    assert slope([[(0, 10.0)], [(5, 1.0), (5, 2.0)]]) is None
    assert intercept([]) is None
