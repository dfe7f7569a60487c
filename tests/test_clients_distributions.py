"""Distributions: what is read, what is refused, and whether draws are as the words say."""

from __future__ import annotations

import math
import re
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as some

from clients.distributions import read_distribution

# Text, mean, median.
READ = [
    ("64", 64, 64),
    ("0", 0, 0),
    ("0.05", 0.05, 0.05),
    ("999999999999", 999_999_999_999, 999_999_999_999),
    ("64..4096", 2080, 2080),
    ("0..1", 0.5, 0.5),
    ("0.001..0.002", 0.0015, 0.0015),
    ("exp(0.01)", 0.01, 0.01 * math.log(2)),
    ("lognormal(64,1.5)", 64 * math.exp(1.125), 64),
    ("lognormal(0.001,0.5)", 0.001 * math.exp(0.125), 0.001),
    ("pareto(64,1.5)", 192, 64 * 2 ** (1 / 1.5)),
    ("pareto(64,3)", 96, 64 * 2 ** (1 / 3)),
]


@pytest.mark.parametrize(("text", "mean", "median"), READ)
def test_a_distribution_is_read_from_a_word_and_gives_it_back(text: str, mean: float, median: float) -> None:
    """With the mean and the median of the textbook."""
    distribution = read_distribution(text)
    assert str(distribution) == text
    assert distribution.mean == pytest.approx(mean)
    assert distribution.quantile(0.5) == pytest.approx(median)
    assert distribution.constant == text.replace(".", "", 1).isdigit()


@pytest.mark.parametrize(
    "text",
    [
        *("", "many", "-1", "1e3", "nan", "inf", "1_0", "64..", "..64", "1..2..3", "64 ", "64\n", "\u0663"),
        *("exp()", "exp(1,2)", "exp(-1)", "Exp(1)", "pareto(1)", "lognormal(1, 2)", "normal(1,2)"),
    ],
)
def test_what_is_no_distribution_is_refused(text: str) -> None:
    """In one line that has the text and all the forms."""
    with pytest.raises(ValueError, match=r"^a distribution is 64, 64\.\.4096, .*\), not .*$") as raised:
        read_distribution(text)
    assert repr(text) in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("64..64", "the second number must be above the first in '64..64'"),
        ("65..64", "the second number must be above the first in '65..64'"),
        ("exp(0)", "the first number must be above 0 in 'exp(0)'"),
        ("lognormal(0,1)", "the first number must be above 0 in 'lognormal(0,1)'"),
        ("lognormal(1,0)", "SIGMA must be above 0 and at most 10 in 'lognormal(1,0)'"),
        ("lognormal(1,10.1)", "SIGMA must be above 0 and at most 10 in 'lognormal(1,10.1)'"),
        ("lognormal(1,10)", "the mean is above 1000000000000 in 'lognormal(1,10)'"),
        ("pareto(0,2)", "the first number must be above 0 in 'pareto(0,2)'"),
        ("pareto(1,1)", "ALPHA must be above 1 in 'pareto(1,1)'"),
        ("pareto(1000,1.0000000001)", "the mean is above 1000000000000 in 'pareto(1000,1.0000000001)'"),
        ("1000000000001", "a number is above 1000000000000 in '1000000000001'"),
        ("1..1000000000001", "a number is above 1000000000000 in '1..1000000000001'"),
        ("9" * 400, f"a number is above 1000000000000 in '{'9' * 400}'"),
    ],
)
def test_numbers_that_cannot_be_are_refused(text: str, message: str) -> None:
    """In one line that names the text."""
    with pytest.raises(ValueError, match=re.escape(message)):
        read_distribution(text)


@pytest.mark.parametrize(
    ("text", "at_0", "at_90"),
    [
        ("64", 64, 64),
        ("10..20", 10, 19),
        ("exp(2)", 0, 2 * math.log(10)),
        ("lognormal(64,1.5)", 0, 64 * math.exp(1.5 * statistics.NormalDist().inv_cdf(0.9))),
        ("pareto(64,1.5)", 64, 64 * 10 ** (1 / 1.5)),
    ],
)
def test_quantiles_are_those_of_the_textbook(text: str, at_0: float, at_90: float) -> None:
    """At the lower end and far up; the upper end itself may be infinite and is refused."""
    distribution = read_distribution(text)
    assert distribution.quantile(0) == at_0
    assert distribution.quantile(0.9) == pytest.approx(at_90)
    with pytest.raises(ValueError, match="a quantile's share is from 0 to less than 1, not 1"):
        distribution.quantile(1)


@pytest.mark.parametrize("share", [1e-300, 1e-16, 1e-9, 0.001, 0.3, 0.5, 0.7, 0.999, 1 - 1e-9, 1 - 2**-53])
def test_the_normal_quantile_has_all_the_digits_of_a_float(share: float) -> None:
    """Against the standard library's, out to the furthest tails."""
    logarithm = math.log(read_distribution("lognormal(1,1)").quantile(share))
    assert logarithm == pytest.approx(statistics.NormalDist().inv_cdf(share), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("text", "within"),
    [
        ("0..100", 0.01),
        ("exp(0.01)", 0.03),
        ("lognormal(64,1)", 0.06),
        # 100 draws of such a tail that are independent miss their mean by a fifth (one standard error) and more.
        ("lognormal(64,1.5)", 0.25),
        ("pareto(64,2.5)", 0.1),
    ],
)
def test_the_mean_of_few_draws_is_near_the_true_one(text: str, within: float, seed: int) -> None:
    """A hundred draws, one from each percent."""
    distribution = read_distribution(text)
    assert statistics.fmean(distribution.draws(100, seed)) == pytest.approx(distribution.mean, rel=within)


@pytest.mark.parametrize("text", [text for text, _, _ in READ])
def test_one_draw_comes_from_each_slice(text: str) -> None:
    """In order of size, each lies between the quantiles of its own slice."""
    distribution = read_distribution(text)
    ordered = sorted(distribution.draws(50, 1))
    for index, draw in enumerate(ordered):
        assert draw >= distribution.quantile(index / 50)
        assert index == 49 or draw <= distribution.quantile((index + 1) / 50)


def test_draws_are_shuffled_and_repeatable() -> None:
    """Not in order of size; the same seed gives the same, another seed others."""
    distribution = read_distribution("64..4096")
    draws = distribution.draws(1000, 7)
    assert draws == distribution.draws(1000, 7)
    assert draws != distribution.draws(1000, 8)
    assert abs(statistics.correlation(range(1000), draws)) < 4 / 1000**0.5


_NUMBERS = some.one_of(some.integers(0, 10**12).map(str), some.floats(0, 1e6).map("{:.9f}".format))
_TEXTS = some.one_of(
    _NUMBERS,
    some.builds("{}..{}".format, _NUMBERS, _NUMBERS),
    some.builds("exp({})".format, _NUMBERS),
    some.builds("lognormal({},{})".format, _NUMBERS, some.floats(0, 11).map("{:.6f}".format)),
    some.builds("pareto({},{})".format, _NUMBERS, some.floats(0.9, 3).map("{:.6f}".format)),
)


@given(_TEXTS, some.integers(1, 30), some.integers(0, 2**32))
def test_whatever_is_read_gives_finite_numbers_from_0_up(text: str, count: int, seed: int) -> None:
    """Or it is refused."""
    try:
        distribution = read_distribution(text)
    except ValueError:
        return
    draws = [*distribution.draws(count, seed), distribution.quantile(1 - 2**-53)]
    assert len(draws) == count + 1
    assert all(math.isfinite(draw) and draw >= 0 for draw in draws)
