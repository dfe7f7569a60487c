"""Statistics on numbers whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from tools.analysis.statistics import (
    Spread,
    jain,
    merged,
    per_request,
    percentile,
    percentile_curve,
    samples_needed,
    spread,
)

THOUSAND = np.arange(1, 1001, dtype=np.int64)


def test_a_percentile_is_a_sample_that_so_many_samples_do_not_exceed() -> None:
    """Of 1 to 1000, 990 samples do not exceed 990."""
    assert percentile(THOUSAND, 0.99) == 990
    assert percentile(THOUSAND, 0.5) == 500


def test_a_percentile_from_too_few_samples_is_refused() -> None:
    """A p99 has ten samples beyond it, or is not told."""
    assert samples_needed(0.99) == 1000
    assert samples_needed(0.5) == 20
    assert percentile(THOUSAND[:999], 0.99) is None


def test_percentiles_are_taken_from_merged_samples() -> None:
    """A slow round shifts the merged p99 to where its samples lie, which no average of percentiles does."""
    fast, slow = np.full(1800, 1, dtype=np.int64), np.full(200, 100, dtype=np.int64)
    assert percentile(merged([fast, slow]), 0.99) == 100
    assert percentile(merged([slow, fast]), 0.5) == 1


def test_merging_nothing_gives_no_samples() -> None:
    """An empty array, not an error."""
    assert len(merged([])) == 0


def test_a_curve_ends_where_ten_samples_are_left() -> None:
    """With 1000 samples the last share is 0.99 and its value the p99."""
    shares, values = percentile_curve(THOUSAND)
    assert shares[0] == 0
    assert values[0] == 1
    assert shares[-1] == pytest.approx(0.99)
    assert values[-1] == 990
    assert values == sorted(values)


def test_there_is_no_curve_without_enough_samples_for_a_median() -> None:
    """Nineteen samples are too few."""
    assert percentile_curve(THOUSAND[:19]) == ([], [])


def test_the_spread_is_the_median_between_the_lowest_and_the_highest_round() -> None:
    """And it says of how many rounds it is."""
    assert spread([110.0, 90.0, 100.0]) == Spread(100.0, 90.0, 110.0, 3)


def test_there_is_no_spread_of_no_rounds() -> None:
    """None rather than zero."""
    assert spread([]) is None


def test_cpu_per_request_divides_rates_and_not_counts() -> None:
    """A meter read over 1.1 s for a window of 1 s must not charge the requests for the 0.1 s more."""
    assert per_request(0.55, 1.1, 100, 1.0) == pytest.approx(0.005)


def test_cpu_per_request_of_no_requests_is_not_told() -> None:
    """No division by zero, and no figure."""
    assert per_request(0.5, 1.0, 0, 1.0) is None
    assert per_request(0.5, 0.0, 10, 1.0) is None


def test_jains_index_is_one_where_all_have_as_much_and_an_nth_where_one_has_all() -> None:
    """Whatever the amount."""
    assert jain([7, 7, 7]) == 1
    assert jain([0, 0, 12, 0]) == 0.25
    assert jain([1, 2, 3]) == pytest.approx(36 / 42)
