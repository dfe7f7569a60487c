"""Intervals, ratios and tiers, by hand and by simulation of what is known."""

from __future__ import annotations

import math
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.intervals import excludes
from tests.serving import ROOT
from tools.inference.intervals import Interval, expanded, interval, stretch
from tools.inference.ranking import tiers, words
from tools.inference.ratios import difference, ratio, told_apart, unpaired_ratio


def ends_of(found: Interval | None) -> tuple[float, float]:
    """The ends of an interval that must have some."""
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def test_an_interval_of_five_rounds_holds_the_mean_as_often_as_it_says() -> None:
    """Of 200 simulated sessions of normal noise; the plain percentiles would hold it in 84 of 100."""
    draws = np.random.default_rng(1).normal(100, 10, size=(200, 5))
    held = sum(not excludes(ends, 100) for row in draws if (ends := interval(row.tolist(), "mean")))
    assert 0.92 < held / 200 < 0.98


def test_an_interval_of_five_rounds_holds_the_median_of_skewed_noise_as_often_as_it_says() -> None:
    """It is their range: one session in sixteen lies whole on one side of the median."""
    draws = np.random.default_rng(2).exponential(1, size=(200, 5))
    held = sum(not excludes(ends, math.log(2)) for row in draws if (ends := interval(row.tolist())))
    assert 0.89 < held / 200 < 0.98
    assert ends_of(interval([3.0, 1.0, 9.0, 4.0, 5.0])) == (1.0, 9.0)


def test_an_interval_of_few_rounds_is_wider_than_its_percentiles() -> None:
    """By hand for five: sqrt(5 / 4) * 2.7764 = 3.1042, Phi(-3.1042) = 0.000954; for many rounds nothing changes."""
    assert stretch(0.95, 5) == pytest.approx(3.1042 / 1.95996, abs=1e-4)
    assert stretch(0.95, 100_000) == pytest.approx(1, abs=1e-4)
    assert expanded(0.95, 5) == pytest.approx(1 - 2 * 0.000954, abs=1e-5)
    assert expanded(0.95, 100_000) == pytest.approx(0.95, abs=1e-4)


def test_an_interval_narrows_with_the_rounds() -> None:
    """Sixteen times as many: a quarter as wide, or less."""
    noise = np.random.default_rng(3).normal(100, 5, size=80).tolist()
    few, many = interval(noise[:5], "mean"), interval(noise, "mean")
    assert few is not None
    assert many is not None
    assert few.width is not None
    assert many.width is not None
    assert many.width < few.width / 2


def test_an_interval_is_the_same_whenever_it_is_asked_for() -> None:
    """In another process too: the resamples are drawn from a fixed seed."""
    values = [1.0, 2.5, 3.0, 4.5, 7.0, 9.0]
    code = f"from tools.inference.intervals import interval; print(repr(interval({values}, 'mean')))"
    other = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == repr(interval(values, "mean"))


def test_a_medians_interval_is_that_of_its_resamples_in_whatever_order_the_rounds_are() -> None:
    """As drawn and counted here, at even and at odd numbers of rounds, within what chance moves such percentiles by."""
    generator = np.random.default_rng(6)
    for rounds in (4, 5, 8, 15, 30):
        values = generator.normal(100, 10, size=rounds)
        found = interval(values.tolist())
        assert found == interval(sorted(values))
        resamples = np.median(generator.choice(values, size=(40_000, rounds)), axis=1)
        beyond = (1 - expanded(0.95, rounds)) / 2
        low, high = ends_of(found)
        for end, share in ((low, beyond), (high, 1 - beyond)):
            assert np.mean(resamples < end - 1e-9) < share + 0.005
            assert np.mean(resamples <= end + 1e-9) > share - 0.005


def test_too_few_rounds_have_an_estimate_and_no_ends() -> None:
    """And none has nothing at all."""
    assert interval([]) is None
    assert interval([3.0, 1.0, 2.0]) == Interval(2.0, None, None, 3)
    assert interval([4.0]) == Interval(4.0, None, None, 1)
    assert Interval(2.0, None, None, 3).width is None


def test_rounds_that_are_all_equal_have_an_interval_of_no_width() -> None:
    """Without a warning, which would fail this test; nor does adding up tenths make one."""
    found = interval([0.1] * 7, "mean")
    assert found is not None
    assert ends_of(found) == (found.estimate, found.estimate)
    assert found.width == 0


def test_an_interval_scales_with_its_unit_and_knows_its_relative_width() -> None:
    """Seconds to milliseconds; 90 to 110 around 100 is a fifth."""
    assert Interval(0.1, 0.09, 0.11, 5).scaled(1000) == Interval(100, 90, 110, 5)
    assert Interval(0.1, None, None, 2).scaled(1000) == Interval(100, None, None, 2)
    assert Interval(100, 90, 110, 5).width == pytest.approx(0.2)
    assert Interval(0, -1, 1, 5).width == math.inf


def test_a_paired_ratio_cancels_what_slowed_a_whole_round() -> None:
    """One is 1.2 times the other in each round, while the rounds differ by a factor of four."""
    theirs = {1: 100.0, 2: 400.0, 3: 150.0, 4: 220.0, 5: 310.0}
    found = ratio({number: value * 1.2 for number, value in theirs.items()} | {9: 5.0}, theirs)
    assert found is not None
    assert found.rounds == 5
    assert (found.estimate, *ends_of(found)) == pytest.approx((1.2, 1.2, 1.2))
    assert told_apart(found)


def test_the_ratio_is_the_geometric_mean_and_its_inverse_is_the_inverse() -> None:
    """Of twice and half: as much. Rounds without a ratio are left out."""
    ours, theirs = {1: 2.0, 2: 1.0, 3: 3.0, 4: 0.0}, {1: 1.0, 2: 2.0, 3: 3.0, 4: 1.0}
    assert ratio(ours, theirs) == Interval(1.0, None, None, 3)
    assert ratio({1: 1.0}, {2: 1.0}) is None
    ours, theirs = {it: 9.0 + it % 3 for it in range(6)}, {it: 8.0 + it % 2 for it in range(6)}
    one, other = ratio(ours, theirs), ratio(theirs, ours)
    assert one is not None
    assert other is not None
    assert ends_of(one)[0] == pytest.approx(1 / ends_of(other)[1], rel=0.01)


def test_models_that_are_equal_are_told_apart_in_one_of_twenty_sessions() -> None:
    """And a difference of 20 % in noise of 5 % is found; three rounds tell nothing."""
    generator = np.random.default_rng(4)
    logs = generator.normal(0, 0.05, size=(200, 2, 5))

    def apart(effect: float) -> float:
        pairs = [[dict(enumerate(np.exp(entry))) for entry in session] for session in logs]
        return sum(told_apart(ratio({it: v * effect for it, v in a.items()}, b)) for a, b in pairs) / len(pairs)

    assert 0.02 < apart(1.0) < 0.08
    assert apart(1.2) > 0.95
    assert not told_apart(ratio({1: 9.0, 2: 9.0, 3: 9.0}, {1: 1.0, 2: 1.0, 3: 1.0}))
    assert not told_apart(None)


def test_a_difference_that_nobody_would_act_on_can_be_asked_to_count_for_nothing() -> None:
    """A ratio of surely 1.02 to 1.04 is not 1, but is not surely above 1.03; the same upside down."""
    found = Interval(1.03, 1.02, 1.04, 5)
    assert told_apart(found)
    assert told_apart(found, least=0.01)
    assert not told_apart(found, least=0.03)
    assert told_apart(Interval(0.9, 0.8, 0.95, 5), least=0.03)
    assert not told_apart(Interval(0.9, 0.8, 0.98, 5), least=0.03)


def test_two_runs_whose_rounds_do_not_pair_have_a_ratio_that_holds() -> None:
    """Two runs of equal servers are told apart in one of twenty cases or fewer; twice as fast is found."""
    logs = np.random.default_rng(5).normal(0, 0.1, size=(150, 2, 5))
    apart = sum(told_apart(unpaired_ratio(np.exp(a).tolist(), np.exp(b).tolist())) for a, b in logs)
    assert apart / 150 <= 0.05
    found = unpaired_ratio([200.0, 210.0, 190.0, 205.0, 195.0, 202.0], [100.0, 95.0, 105.0, 103.0])
    assert found is not None
    assert found.rounds == 4
    assert found.estimate == pytest.approx(1.99, abs=0.01)
    assert told_apart(found)
    assert unpaired_ratio([], [1.0]) is None
    assert unpaired_ratio([2.0, 2.0, 2.0], [1.0] * 5) == Interval(2.0, None, None, 3)


def test_stevens_subtraction_is_paired_and_may_fall_below_zero() -> None:
    """Two milliseconds more than the baseline in each round, whatever the round; and one that costs less."""
    baseline = {1: 10.0, 2: 14.0, 3: 9.0, 4: 21.0}
    found = difference({number: value + 2 for number, value in baseline.items()}, baseline)
    assert found == Interval(2.0, 2.0, 2.0, 4)
    less = difference({1: 9.0}, baseline)
    assert less == Interval(-1.0, None, None, 1)
    assert difference({}, baseline) is None


def ranked(order: str, *alike: str) -> dict[str, str]:
    """The tiers of letters of which these pairs are not told apart, in words."""
    found = tiers(list(order), lambda better, worse: better + worse not in alike)
    return {name: words(numbers) for name, numbers in found.items()}


def test_names_that_are_all_told_apart_have_a_tier_each() -> None:
    """From the best to the worst."""
    assert ranked("abc") == {"a": "1", "b": "2", "c": "3"}
    assert ranked("") == {}


def test_names_that_nothing_tells_apart_share_one_tier() -> None:
    """All three."""
    assert ranked("abc", "ab", "ac", "bc") == {"a": "1", "b": "1", "c": "1"}


def test_a_name_between_two_that_differ_is_in_the_tiers_of_both() -> None:
    """The middle is told from neither, but they are from each other."""
    assert ranked("abc", "ab", "bc") == {"a": "1", "b": "1-2", "c": "2"}
    assert ranked("abcd", "ab", "bc", "cd") == {"a": "1", "b": "1-2", "c": "2-3", "d": "3"}


def test_tiers_that_do_not_follow_each_other_are_told_one_by_one() -> None:
    """A noisy fourth is told from none; the three above it are told from each other."""
    assert ranked("abcd", "ad", "bd", "cd") == {"a": "1", "b": "2", "c": "3", "d": "1-3"}
    assert words((1, 3)) == "1, 3"
    assert words((1, 2, 4, 6, 7)) == "1-2, 4, 6-7"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 12), st.data())
def test_two_names_share_a_tier_exactly_if_they_are_not_told_apart(count: int, data: st.DataObject) -> None:
    """Whatever the pairs; and no tier is within another or goes without a name."""
    names = [f"model-{number}" for number in range(count)]
    pairs = list(combinations(names, 2))
    apart = set(data.draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else [])
    found = tiers(names, lambda better, worse: (better, worse) in apart)
    assert list(found) == names
    for better, worse in pairs:
        assert bool(set(found[better]) & set(found[worse])) == ((better, worse) not in apart)
    members = {number: {name for name in names if number in found[name]} for its in found.values() for number in its}
    assert sorted(members) == list(range(1, len(members) + 1))
    assert not any(one < other for one in members.values() for other in members.values())


def test_forty_names_with_a_million_largest_sets_are_put_into_tiers_at_once() -> None:
    """Thirteen groups of three that are told apart inside only: 3 to the power of 13 sets, of which few are needed."""
    found = tiers([str(number) for number in range(40)], lambda a, b: int(a) // 3 == int(b) // 3)
    assert not set(found["0"]) & set(found["1"])
    assert len({number for its in found.values() for number in its}) < 780  # there are 780 pairs


def test_the_package_does_not_import_scipy_before_it_is_needed() -> None:
    """It takes most of a second, which a command that draws no conclusions should not pay."""
    names = ("intervals", "ratios", "ranking", "control", "adjusting", "moderating", "scaling", "slopes")
    code = "import sys; " + "; ".join(f"import tools.inference.{name}" for name in names)
    assert (ROOT / "tools" / "inference").is_dir()
    assert {path.stem for path in (ROOT / "tools" / "inference").glob("[!_]*.py")} == set(names)
    code += "; sys.exit(any(name.partition('.')[0] == 'scipy' for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
