"""What to make of a comparison: sentences from standings that are made up, and none that the intervals do not bear."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tools.advice.costs import crossed, memory_of_two
from tools.advice.giving import advise
from tools.advice.standings import Figure, Memory, Standing
from tools.verdicts.places import Places
from tools.verdicts.verdict import ADMISSION, CLIENT, GIL, HOST_NOISE, POOL, SERVER_CPU, UNSATURATED, Verdict
from tools.words import enumerated

KIBIBYTE = 1024


def about(estimate: float, share: float = 0.02) -> Figure:
    """A figure with an interval of 2 % on both sides."""
    return Figure(estimate, estimate * (1 - share), estimate * (1 + share))


def first(name: str = "selector", **changes: Any) -> Standing:
    """A model in the first tier, the best by its throughput."""
    return Standing(name, **{"tiers": (1,), "ratio": Figure(1, 1, 1), "verdict": Verdict(SERVER_CPU, ""), **changes})


def second(name: str = "threaded", **changes: Any) -> Standing:
    """A model in the second tier."""
    return first(name, **{"tiers": (2,), "ratio": Figure(0.8, 0.78, 0.83), **changes})


def holding(base: float, slope: float, share: float = 0.02) -> Memory:
    """Memory of so many KiB, and so many for each connection."""
    return Memory(about(base * KIBIBYTE, share), about(slope * KIBIBYTE, share))


def whole(*standings: Standing, **others: Any) -> str:
    """The advice on churn as one text."""
    return " ".join(advise("churn", standings, **others))


def test_the_first_and_the_next_are_named_with_their_ratio_and_its_interval() -> None:
    """And nothing else, where nothing else is known."""
    assert advise("churn", [second(), first()]) == (
        "First on churn: selector.",
        "The next is threaded, with 0.800 (0.780 to 0.830) of the throughput of selector.",
    )


def test_a_tier_is_named_whole_and_more_rounds_may_part_it() -> None:
    """The quickest of the next tier is the next."""
    near = first("callbacks", ratio=Figure(0.95, 0.89, 1.02))
    slow = second("forking", tiers=(3,), ratio=Figure(0.2, 0.19, 0.21))
    assert advise("churn", [slow, near, second(), first()]) == (
        "First on churn: selector and callbacks, which cannot be told apart by their throughput.",
        "The next is threaded, with 0.800 (0.780 to 0.830) of the throughput of selector.",
        "More rounds may part selector and callbacks (--until-width).",
    )


def test_more_rounds_are_no_advice_where_they_would_part_nobody() -> None:
    """Where the clients were the limit of both, or where it is known that they differ by less than 2 %."""
    wide, limited = Figure(0.95, 0.89, 1.02), Verdict(CLIENT, "")
    assert "More rounds" in whole(first(), first("trio", ratio=wide))
    assert "More rounds" not in whole(first(), first("trio", ratio=Figure(1.0, 0.985, 1.015)))
    assert "More rounds" not in whole(first(verdict=limited), first("trio", ratio=wide, verdict=limited))
    three = whole(first(verdict=limited), first("trio", ratio=wide, verdict=limited), first("uvloop", ratio=wide))
    assert "More rounds may part selector and uvloop (--until-width)." in three


def test_where_all_share_a_tier_nobody_is_first() -> None:
    """And there is no next."""
    advice = advise("churn", [first(), first("trio", ratio=Figure(0.98, 0.9, 1.1))])
    assert advice[0] == "On churn no model is first: selector and trio cannot be told apart by their throughput."
    assert "The next" not in " ".join(advice)


def test_a_next_whose_interval_reaches_the_best_is_not_called_slower() -> None:
    """The doubt is told."""
    assert "may be as quick" in whole(first(), second(ratio=Figure(0.9, 0.8, 1.0)))
    assert "may be as quick" not in whole(first(), second(ratio=Figure(0.9, 0.8, 0.99)))


def test_figures_without_ends_are_told_and_nothing_is_concluded_from_them() -> None:
    """Two or three rounds."""
    best = first(cpu=Figure(1e-4), p99=Figure(0.005), memory=Memory(Figure(9e6), Figure(15e3)))
    cheap = second(ratio=Figure(0.5), cpu=Figure(1e-6), p99=Figure(0.001), memory=Memory(Figure(9e6), Figure(5e3)))
    text = whole(best, cheap)
    assert "The next is threaded, with 0.500 (of too few rounds for an interval) of the throughput" in text
    assert "cannot be told apart" in text
    assert "comes before" not in text
    assert "memory" not in text


def test_a_session_that_is_unsound_says_so_before_all_else() -> None:
    """Even where there is nothing to advise."""
    reason = "threaded differed from itself by 9%"
    warning = f"This session is unsound: {reason}. What follows may be chance."
    assert advise("churn", [first(), second()], unsound=reason)[0] == warning
    assert advise("churn", [], unsound=reason)[0] == warning


def test_nothing_is_concluded_from_who_failed_or_served_only_some() -> None:
    """It is named with the reason, though it would be first, cheapest and smallest."""
    few = first(
        "iterative",
        ratio=Figure(3, 3, 3),
        cpu=about(1e-6),
        memory=holding(1, 0.01),
        unusable="served 1 of 50 clients",
        verdict=Verdict(POOL, ""),
    )
    advice = advise("keepalive", [few, first(cpu=about(1e-4), memory=holding(9000, 1)), second()])
    assert advice[0] == "First on keepalive: selector."
    assert advice[-1] == "Nothing is concluded from iterative (served 1 of 50 clients)."
    assert "iterative" not in " ".join(advice[:-1])
    assert advise("keepalive", [few]) == (
        "No model has figures for keepalive from which anything follows.",
        "Nothing is concluded from iterative (served 1 of 50 clients).",
    )


def test_a_model_alone_is_compared_with_none() -> None:
    """It is first among one."""
    assert advise("churn", [first()]) == ("First on churn: selector, and there is no other to compare it with.",)


def test_who_takes_less_cpu_comes_first_where_it_is_paid_for() -> None:
    """Only where the intervals do not meet; of several the cheapest."""
    cheap, cheaper = second(cpu=about(90e-6)), second("forking", tiers=(3,), cpu=about(60e-6))
    text = whole(first(cpu=about(100e-6)), cheap, cheaper)
    assert (
        "Where the CPU is shared or paid for, forking comes before selector: "
        "60 us (58.8 us to 61.2 us) of CPU for a request against 100 us (98 us to 102 us)."
    ) in text
    assert "comes before" not in whole(first(cpu=about(100e-6)), second(cpu=about(97e-6)))


def test_of_those_that_are_as_quick_the_cheapest_is_named() -> None:
    """With those that surely take more, and no others."""
    best = first(cpu=about(160e-6))
    near, alike = first("trio", ratio=about(0.99), cpu=about(120e-6)), first("uvloop", cpu=about(121e-6))
    assert (
        "Of the first tier, trio takes less CPU for a request, 120 us (118 us to 122 us): selector 160 us (157 us to"
        in whole(best, near, alike)
    )
    assert "Of the first tier" not in whole(near, alike)
    assert "Of the first tier" not in whole(near, second(cpu=about(900e-6)))


def test_cpu_of_the_first_and_the_next_is_told_where_nobody_is_cheaper() -> None:
    """Or that it cannot be told apart."""
    best = first(cpu=about(100e-6))
    assert "selector is also cheaper: it takes 100 us" in whole(best, second(cpu=about(160e-6)))
    alike = whole(best, second(cpu=about(101e-6)))
    assert "In CPU for a request selector and threaded cannot be told apart" in alike
    assert "CPU" not in whole(best, second())
    assert "CPU" not in whole(first(), second(cpu=about(1e-6)))


def test_cpu_within_rounds_counts_for_more_than_intervals_that_meet() -> None:
    """Rounds that were slow for both do not hide that one takes less; nor do intervals make what rounds deny."""
    best, noisy = first(cpu=about(100e-6, 0.2)), about(112e-6, 0.2)
    alike, dearer, cheaper = ({"selector": about(ratio)} for ratio in (1.0, 1.12, 0.9))
    assert "cannot be told apart" in whole(best, second(cpu=noisy))
    told = whole(best, second(cpu=noisy, cpu_by=dearer))
    assert "selector is also cheaper: it takes 100 us" in told
    assert "within rounds 1.12 (1.10 to 1.14) of that of selector." in told
    assert "threaded comes before selector" in whole(best, second(cpu=about(90e-6, 0.2), cpu_by=cheaper))
    assert "cannot be told apart" in whole(best, second(cpu=about(200e-6), cpu_by=alike))
    tier = whole(best, first("trio", ratio=about(0.99), cpu=noisy, cpu_by=dearer))
    assert "Of the first tier, selector takes less CPU" in tier


@pytest.mark.parametrize(("ratio", "said"), [(1.03, "cannot be told apart"), (1.05, "is also cheaper")])
def test_cpu_that_surely_differs_by_too_little_to_choose_by_is_not_told_apart(ratio: float, said: str) -> None:
    """As by tiers: by less than 2 %."""
    best, cpu = first(cpu=about(100e-6, 0.2)), about(103e-6, 0.2)
    assert said in whole(best, second(cpu=cpu, cpu_by={"selector": about(ratio)}))
    if said != "is also cheaper":
        assert "comes before" not in whole(best, second(cpu=cpu, cpu_by={"selector": about(1 / ratio)}))


def test_the_slowest_answers_can_have_another_first() -> None:
    """By p99, where the intervals do not meet."""
    best = first(p99=about(0.005))
    assert "threaded comes before selector: p99 2 ms" in whole(best, second(p99=about(0.002)))
    assert "p99" not in whole(best, second(p99=Figure(0.002, 0.001, 0.0049)))
    assert "p99" not in whole(best, second())


def test_memory_crosses_at_as_many_idle_connections_as_make_up_for_the_base() -> None:
    """1000 KiB more at the start, 10 KiB less for each: a hundred connections, give or take what the ends allow."""
    small, large = ("threaded", holding(9000, 15, 0.01)), ("selector", holding(10000, 5, 0.01))
    told = memory_of_two(small, large)
    assert told == memory_of_two(large, small)
    assert told.startswith("From about 100 (79 to 122) idle connections on, selector takes less memory than threaded: ")
    assert told.endswith(
        "5.00 KiB (4.95 KiB to 5.05 KiB) for an idle connection against 15.0 KiB (14.8 KiB to 15.2 KiB)."
    )


@pytest.mark.parametrize(
    ("base", "share", "expected"),
    [
        (10000, 0.01, "From about 100 (79 to 122) idle"),
        (10000, 0.06, "From at most 244 idle"),  # by their ends, the base may be no higher
        (8000, 0.01, "takes less memory than threaded at any number of connections"),
    ],
)
def test_a_crossing_says_no_more_than_the_ends_of_the_intervals(base: float, share: float, expected: str) -> None:
    """From bases that surely differ to such as may not."""
    assert expected in memory_of_two(("threaded", holding(9000, 15, share)), ("selector", holding(base, 5, share)))


def test_slopes_that_meet_are_no_advice() -> None:
    """Nor is a slope that is not known."""
    assert not memory_of_two(("threaded", holding(9000, 5.1)), ("selector", holding(10000, 5)))
    assert "memory" not in whole(first(memory=holding(9000, 5)), second())
    assert "memory" not in whole(first(), second(memory=holding(9000, 5)))


def test_a_crossing_is_as_wide_as_the_corners_of_its_four_intervals() -> None:
    """Held against all sixteen of them."""
    flat = Memory(Figure(10, 9, 11), Figure(1, 0.5, 1.5))
    for middle, half in ((4, 1), (10, 2), (20, 1)):
        steep = Memory(Figure(middle, middle - half, middle + half), Figure(3, 2.5, 4))
        corners = [
            (one - other) / (steeper - flatter)
            for one in (9, 11)
            for other in (middle - half, middle + half)
            for flatter in (0.5, 1.5)
            for steeper in (2.5, 4)
        ]
        found = crossed(flat, steep)
        assert (found.low, found.high) == (min(corners), max(corners))
        assert found.estimate == (10 - middle) / 2


def test_who_leaves_its_clients_to_the_kernel_is_not_said_to_take_less_memory() -> None:
    """A pool holds as many connections as it has places; one whose places are taken by requests holds all."""
    best, small = first(memory=holding(9000, 15)), second(memory=holding(9000, 1), places=Places(25, "worker"))
    assert "memory" not in whole(best, small)
    assert "memory" not in whole(replace(small, tiers=(1,)), replace(best, tiers=(2,)))
    assert "memory" in whole(best, replace(small, places=Places(25, "thread", by_request=True)))


def test_the_first_is_held_against_the_next_and_the_smallest_in_memory() -> None:
    """Once where they are the same."""
    best, following = first(memory=holding(9000, 15)), second(memory=holding(9000, 30))
    small = second("trio", tiers=(3,), memory=holding(12000, 5))
    text = whole(best, following, small)
    assert "selector takes less memory than threaded at any number" not in text  # their bases may be the same
    assert "idle connections on, selector takes less memory than threaded" in text
    assert "idle connections on, trio takes less memory than selector" in text
    assert text.count("memory") == 2
    assert whole(best, following).count("memory") == 1


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (
            CLIENT,
            "The client was the limit of threaded, so that what it can do is hidden: a quicker client, or a second",
        ),
        (GIL, "The GIL kept threaded at one CPU: a free-threaded Python, or processes, may change that."),
        (POOL, "All places of threaded were taken: with more it may do more."),
        (ADMISSION, "Connections to threaded were turned away: a longer backlog (--backlog)"),
        (HOST_NOISE, "The machine was not quiet while threaded ran: measure again on one that is."),
        (UNSATURATED, "threaded had nothing used up: with more connections the order may change."),
    ],
)
def test_a_verdict_says_when_the_answer_would_change(limit: str, expected: str) -> None:
    """Each in its own way, and no other."""
    text = whole(first(), second(verdict=Verdict(limit, "")))
    assert expected in text
    assert len(text) < len(whole(first(), second())) + 200
    assert expected not in whole(first(), second())


def test_where_a_rate_asks_it_is_a_higher_one_that_would_change_the_order() -> None:
    """More connections would wait for the same requests."""
    idle = second(verdict=Verdict(UNSATURATED, ""))
    assert "with more than 50 connections the order may change" in whole(first(), idle, connections=50)
    told = whole(first(), idle, measure="p99", connections=50, rate=100.0)
    assert "threaded had nothing used up: at a higher rate than 100 requests a second the order may change." in told
    assert "connections" not in told


def test_models_with_the_same_limit_share_a_sentence() -> None:
    """Named in their order."""
    hidden = Verdict(CLIENT, "")
    text = whole(first(verdict=hidden), second(verdict=hidden), connections=50)
    assert "The client was the limit of selector and threaded, so that what they can do is hidden" in text


@pytest.mark.parametrize(
    ("ratio", "connections", "expected"),
    [
        (Figure(0.5, 0.49, 0.51), 0, "about 50 (50 to 52) to keep up with selector"),
        (Figure(0.5, 0.49, 0.51), 50, "about 50 to keep up with selector"),
        (Figure(0.5, 0.49, 0.51), 10, "about 26 to keep up with selector"),  # guests had taken the others
        (Figure(0.5, 0.4, 0.6), 100, "about 50 (42 to 63) to keep up with selector"),
        (Figure(0.9, 0.8, 1.0), 100, "All places of pooled were taken (25): with more it may do more."),
        (Figure(0.1, -0.1, 0.3), 100, "All places of pooled were taken (25): with more it may do more."),
        (Figure(0.5), 100, "All places of pooled were taken (25): with more it may do more."),
    ],
)
def test_a_pool_is_told_how_many_places_it_would_take(ratio: Figure, connections: int, expected: str) -> None:
    """By Little's law, with its interval, and never more than there are clients."""
    pooled = second("pooled", places=Places(25, "thread"), ratio=ratio, verdict=Verdict(POOL, ""))
    assert expected in whole(first(), pooled, connections=connections)


def test_a_pool_that_is_first_keeps_up_with_nobody() -> None:
    """It is told that it may do more."""
    text = whole(first(places=Places(25, "thread"), verdict=Verdict(POOL, "")), second())
    assert "All places of selector were taken (25): with more it may do more." in text


def test_one_cpu_that_was_used_up_says_who_would_gain_by_more() -> None:
    """Not where there were several, nor where it was not the limit."""
    assert "with more, several processes can use them" in whole(first(), second(), server_cpus=1)
    assert "several processes" not in whole(first(), second(), server_cpus=2)
    idle = Verdict(UNSATURATED, "")
    assert "several processes" not in whole(first(verdict=idle), second(verdict=idle), server_cpus=1)


def test_a_model_past_its_peak_is_named_with_the_number_of_clients() -> None:
    """And the first with its own, wherever that is."""
    text = whole(first(usl_peak=80.2), second(usl_peak=7.9), connections=50)
    assert (
        "selector does most at about 80 clients at a time and threaded does most at about 8 clients at a time"
    ) in text
    assert "Law" not in whole(first(), second(usl_peak=50.0), connections=50)


def test_a_peak_that_is_not_known_well_is_told_as_unknown() -> None:
    """Of the first tier, with the reason, and without a number of clients to go by."""
    reasons = ("the law misses the points by 20%", "the peak may be at 10 to 40")
    text = whole(first(usl_unsure=reasons[0]), second(usl_unsure=reasons[1]), connections=50)
    assert f"cannot be told by the Universal Scalability Law: selector ({reasons[0]})." in text
    assert "does most at" not in text


@pytest.mark.parametrize(("capacity", "told"), [(1101.0, True), (1100.0, False), (None, False)])
def test_a_capacity_that_is_surely_higher_has_another_first(capacity: float | None, told: bool) -> None:
    """More than a tenth, for a search has no interval."""
    text = whole(first(capacity=1000.0), second(capacity=capacity))
    assert ("threaded comes before selector: 1,101/s against 1,000/s, by one search each" in text) is told


def test_words_are_listed_as_in_a_sentence() -> None:
    """One, two, three, and none."""
    assert [enumerated(words) for words in (["a"], ["a", "b"], ["a", "b", "c"], [])] == [
        "a",
        "a and b",
        "a, b and c",
        "",
    ]


def test_no_advice_is_given_on_what_is_not_known() -> None:
    """A standing without a ratio, or without a tier, is none."""
    bare = replace(first("trio"), ratio=None)
    assert advise("churn", [bare, Standing("forking")]) == (
        "No model has figures for churn from which anything follows.",
    )
