"""When requests are due, as tables: no clock and no socket."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from clients.pacing import ARRIVALS, Segment, count, due_times, expected, read_rate, segments
from tests.exponential import distance_from_exponential

if TYPE_CHECKING:
    from collections.abc import Sequence

MS = 1_000_000
SECOND = 1000 * MS


def times(parts: Sequence[Segment], arrivals: str = "constant", seed: int = 1) -> list[int]:
    """Return all due times."""
    return list(due_times(parts, arrivals, seed))


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("500", (500.0, None)),
        ("0.5", (0.5, None)),
        ("1e3", (1000.0, None)),
        ("100..5000", (100.0, 5000.0)),
        ("5000..100", (5000.0, 100.0)),
        ("0.5..2.5", (0.5, 2.5)),
        ("10000000", (10_000_000.0, None)),
    ],
)
def test_a_rate_is_one_number_or_two(text: str, rates: tuple[float, float | None]) -> None:
    """Requests per second, constant or from one to the other."""
    assert read_rate(text) == rates


@pytest.mark.parametrize(
    "text", ["", "fast", "-1", "+1", " 5", "1_000", "5.", "5..", "..5", "1..2..3", "1.2.3", "nan", "\u0663"]
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    """In one line that says what a rate is."""
    with pytest.raises(ValueError, match=r'^a rate is requests per second, as in "500", .*not .*$'):
        read_rate(text)


@pytest.mark.parametrize("text", ["0", "0..5", "5..0", "10000001", "5..1e8", "1e999", "1e-999"])
def test_a_rate_beyond_the_limits_is_refused(text: str) -> None:
    """None at all, or more than any loop can send."""
    with pytest.raises(ValueError, match=r"^a rate is above 0 and at most 10000000 requests per second, not .*$"):
        read_rate(text)


@pytest.mark.parametrize(
    ("rate", "final_rate", "steps", "expected"),
    [
        (500, None, 0, [(6, 500, 500)]),
        (500, None, 3, [(6, 500, 500)]),
        (100, 400, 0, [(6, 100, 400)]),
        (100, 400, 1, [(6, 100, 100)]),
        (100, 400, 2, [(3, 100, 100), (3, 400, 400)]),
        (100, 400, 3, [(2, 100, 100), (2, 250, 250), (2, 400, 400)]),
        (400, 100, 3, [(2, 400, 400), (2, 250, 250), (2, 100, 100)]),
    ],
)
def test_a_load_is_a_row_of_segments(
    rate: float, final_rate: float | None, steps: int, expected: list[tuple[float, float, float]]
) -> None:
    """Constant, a ramp, or plateaus of equal length with both ends included."""
    assert segments(rate, final_rate, steps, 6.0) == tuple(Segment(*one) for one in expected)


def test_the_last_of_many_plateaus_is_at_the_final_rate_exactly() -> None:
    """Whatever the rounding on the way there."""
    plateaus = segments(0.1, 4999.7, 49, 10.0)
    assert (plateaus[0].from_rate, plateaus[-1].to_rate) == (0.1, 4999.7)
    assert sum(plateau.seconds for plateau in plateaus) == pytest.approx(10.0)


def test_fewer_steps_than_none_are_refused() -> None:
    """In one line."""
    with pytest.raises(ValueError, match="0 or more steps, not -1"):
        segments(1, 2, -1, 6.0)


@pytest.mark.parametrize(
    ("parts", "due_ms"),
    [
        ([(0.005, 1000, 1000)], [0.5, 1.5, 2.5, 3.5, 4.5]),
        ([(0.002, 1000, 1000), (0.003, 1000, 1000)], [0.5, 1.5, 2.5, 3.5, 4.5]),
        # Neither segment has a whole number of requests, and still the gaps are those of the rate.
        ([(0.0017, 1000, 1000), (0.0033, 1000, 1000)], [0.5, 1.5, 2.5, 3.5, 4.5]),
        ([(0.002, 1000, 1000), (0.002, 500, 500)], [0.5, 1.5, 3.0]),
        ([(0.001, 1000, 1000), (0.010, 0, 0), (0.001, 1000, 1000)], [0.5, 11.5]),
        # From nothing to 4000/s in 2 ms: 4 requests, due where 1e6 t^2 is 0.5, 1.5, 2.5, 3.5.
        ([(0.002, 0, 4000)], [0.5**0.5, 1.5**0.5, 2.5**0.5, 3.5**0.5]),
        ([(0.002, 4000, 0)], [2 - 3.5**0.5, 2 - 2.5**0.5, 2 - 1.5**0.5, 2 - 0.5**0.5]),
        ([(0.001, 400, 400)], []),
        ([(0.001, 500, 500)], [1.0]),
        ([], []),
    ],
)
def test_constant_arrivals_are_where_the_cumulated_rate_reaches_each_half(
    parts: list[tuple[float, float, float]], due_ms: list[float]
) -> None:
    """To the nanosecond."""
    assert times([Segment(*part) for part in parts]) == [round(due * MS) for due in due_ms]


@pytest.mark.parametrize("rate", [1, 8, 500, 4000, 1_000_000])
def test_constant_gaps_are_exactly_one_by_the_rate(rate: int) -> None:
    """At once, after a day of silence, and from one plateau to the next."""
    whole = segments(rate, None, 0, 1000 / rate)
    plateaus = segments(rate, rate, 3, 1000 / rate)
    for parts in (whole, plateaus, [Segment(86_400, 0, 0), *whole]):
        due = times(parts)
        assert {later - earlier for earlier, later in pairwise(due)} == {SECOND // rate}


def test_constant_gaps_are_the_same_after_an_hour() -> None:
    """No rounding gathers on the way."""
    assert times(segments(100, None, 0, 3600)) == list(range(5 * MS, 3600 * SECOND, 10 * MS))


def test_a_ramp_that_hardly_rises_is_as_a_constant_rate() -> None:
    """The quadratic's root loses nothing where the two rates are nearly the same."""
    flat = times([Segment(10, 1000, 1000)])
    rising = times([Segment(10, 1000, 1000 * (1 + 1e-12))])
    assert max(abs(one - other) for one, other in zip(flat, rising, strict=True)) <= 1


@pytest.mark.parametrize("arrivals", ARRIVALS)
def test_a_ramp_gathers_as_its_rate_rises(arrivals: str) -> None:
    """From 0 to 20 000/s in 10 s: at half time a quarter has come, and it ends at the final rate."""
    due = np.array(times([Segment(10, 0, 20_000)], arrivals))
    assert len(due) == 100_000
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        # 5 standard deviations of a binomial count at the most.
        assert (due < share * 10 * SECOND).mean() == pytest.approx(share**2, abs=5 * 0.5 / 100_000**0.5)
    assert (due > 9.9 * SECOND).sum() == pytest.approx(1990, abs=5 * 1990**0.5)


@pytest.mark.parametrize("arrivals", ARRIVALS)
@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (segments(500, None, 0, 6), 3000),
        (segments(5000, None, 0, 10), 50_000),
        (segments(100, 5000, 10, 10), 25_500),
        (segments(100, 5000, 0, 10), 25_500),
        (segments(0.3, None, 0, 10), 3),
        ([Segment(0.0004, 1000, 1000)] * 5, 2),
        (segments(0.01, None, 0, 10), 0),
    ],
)
def test_the_count_is_what_the_rates_promise(parts: Sequence[Segment], expected: int, arrivals: str) -> None:
    """To the nearest whole request, whatever the seed and however many segments have less than one."""
    assert count(parts) == expected
    for seed in range(5):
        assert len(times(parts, arrivals, seed)) == expected


def test_every_plateau_has_its_own_share() -> None:
    """A Poisson process conditioned on its counts: luck moves no request from one step to another."""
    due = np.array(times(segments(100, 5000, 10, 10), "poisson"))
    counts, _ = np.histogram(due, np.arange(11) * SECOND)
    assert counts.sum() == 25_500
    assert np.abs(counts - (100 + np.arange(10) * 4900 / 9)).max() <= 1


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("rate", [50, 5000])
def test_poisson_gaps_are_exponential(rate: int, seed: int) -> None:
    """By the test of Kolmogorov and Smirnov; a constant pace fails it by far."""
    due = times(segments(rate, None, 0, 10_000 / rate), "poisson", seed)
    gaps = [later - earlier for earlier, later in pairwise([0, *due])]
    assert distance_from_exponential(gaps, SECOND / rate) < 1.95
    even = [later - earlier for earlier, later in pairwise(times(segments(rate, None, 0, 10_000 / rate)))]
    assert distance_from_exponential(even, SECOND / rate) > 10


def test_poisson_gaps_on_a_ramp_are_exponential_in_cumulated_rate() -> None:
    """With time run at the rate's own pace, a ramp is a process of rate one."""
    due = np.array([0, *times([Segment(10, 100, 3900)], "poisson")]) / SECOND
    cumulated = 100 * due + 3800 * due**2 / 20
    assert distance_from_exponential(np.diff(cumulated).tolist(), 1.0) < 1.95


def test_one_gap_says_nothing_of_the_next() -> None:
    """No correlation beyond that of 50 000 independent pairs."""
    gaps = np.diff(times(segments(5000, None, 0, 10), "poisson"))
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 4 / 50_000**0.5


def test_poisson_counts_are_spread_as_their_mean() -> None:
    """The variance of counts in slices of 10 ms, by their mean, is 1; for a constant pace it is 0."""
    edges = np.arange(1001) * 10 * MS
    counts, _ = np.histogram(times(segments(5000, None, 0, 10), "poisson"), edges)
    assert counts.var() / counts.mean() == pytest.approx(1, abs=4 * (2 / 1000) ** 0.5)
    counts, _ = np.histogram(times(segments(5000, None, 0, 10)), edges)
    assert counts.var() == 0


def test_the_same_seed_gives_the_same_times_and_another_seed_others() -> None:
    """A run can be repeated."""
    parts = segments(1000, 2000, 0, 1)
    assert times(parts, "poisson", 7) == times(parts, "poisson", 7)
    assert times(parts, "poisson", 7) != times(parts, "poisson", 8)


@pytest.mark.parametrize("arrivals", ARRIVALS)
def test_times_are_made_as_they_are_asked_for(arrivals: str) -> None:
    """A day at ten million a second begins at once."""
    first = list(islice(due_times(segments(10_000_000, None, 0, 86_400), arrivals, 1), 3))
    assert first == sorted(first)
    assert 0 <= first[0] <= first[-1] < MS


def test_other_arrivals_are_refused_before_the_first_is_asked_for() -> None:
    """In one line."""
    with pytest.raises(ValueError, match=r"^arrivals are poisson or constant, not 'bursts'$"):
        due_times(segments(1, None, 0, 1), "bursts", 1)


def _some_segments() -> some.SearchStrategy[list[Segment]]:
    rates = some.one_of(some.just(0.0), some.floats(1e-3, 1000), some.integers(0, 1000).map(float))
    return some.lists(some.builds(Segment, some.floats(1e-9, 2), rates, rates), max_size=5)


@given(_some_segments(), some.sampled_from(ARRIVALS), some.integers(0, 2**32))
def test_any_times_are_in_order_within_the_load_and_as_many_as_promised(
    parts: list[Segment], arrivals: str, seed: int
) -> None:
    """For every row of segments, in both paces; so is each segment's beginning of the row."""
    due = times(parts, arrivals, seed)
    assert all(isinstance(one, int) for one in due)
    assert due == sorted(due)
    assert len(due) == count(parts)
    assert abs(len(due) - sum(part.expected for part in parts)) <= 0.5 + 1e-6
    end_ns = 0.0
    for index, part in enumerate(parts, 1):
        end_ns += part.seconds * 1e9
        assert sum(one <= end_ns + 0.5 for one in due) >= count(parts[:index])
    assert not due or 0 <= due[0] <= due[-1] <= end_ns + 0.5


def test_what_is_expected_between_two_times_follows_the_rates() -> None:
    """Over plateaus and ramps, in parts and as a whole."""
    up = [Segment(2.0, 100.0, 100.0), Segment(4.0, 100.0, 300.0)]
    assert expected(up, 0.0, 6.0) == pytest.approx(1000)
    assert expected(up, 0.5, 1.5) == pytest.approx(100)
    assert expected(up, 1.0, 4.0) == pytest.approx(100 + 300)
    assert expected(up, 5.0, 9.0) == pytest.approx(275)
    assert expected(up, 6.0, 9.0) == 0
