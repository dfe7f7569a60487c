"""Mixes and work lines: what is read, what is refused, and the lines and sizes that come of it."""

from __future__ import annotations

import re
import statistics
from typing import TYPE_CHECKING

import pytest

from clients.conversations import LARGEST_ANSWER, LARGEST_LINE, PROTOCOLS, work_size
from clients.mixes import Part, describe, read_mix, read_work

if TYPE_CHECKING:
    from clients.distributions import Distribution


def text_of(distribution: Distribution | None) -> str | None:
    """Return the text of a distribution where there is one."""
    return None if distribution is None else str(distribution)


@pytest.mark.parametrize(
    ("text", "size", "sleep", "cpu"),
    [
        ("64", "64", None, None),
        ("64 sleep=0.01", "64", "0.01", None),
        ("64 cpu=2.", "64", None, "2."),
        ("0064 cpu=0.05 sleep=1", "0064", "1", "0.05"),
        ("64..4096", "64..4096", None, None),
        ("lognormal(64,1.5) sleep=exp(0.01)", "lognormal(64,1.5)", "exp(0.01)", None),
        ("64 cpu=0.001..0.002 sleep=pareto(0.001,1.5)", "64", "pareto(0.001,1.5)", "0.001..0.002"),
    ],
)
def test_a_work_line_may_have_distributions_in_it(text: str, size: str, sleep: str | None, cpu: str | None) -> None:
    """A size, then sleep and cpu in any order."""
    line = read_work(text)
    assert (line.text, str(line.size), text_of(line.sleep), text_of(line.cpu)) == (text, size, sleep, cpu)


@pytest.mark.parametrize("text", ["64", "0064 cpu=0.050 sleep=1.", "268435456 sleep=0"])
def test_a_constant_line_is_the_users_own(text: str) -> None:
    """Unchanged, however it was written."""
    line = read_work(text)
    assert line.constant
    assert line.lines(3, 1) == [text] * 3


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("1..3", r"[123]"),
        ("64..4096 sleep=0.050", r"\d{2,4} sleep=0\.05"),
        ("64 sleep=exp(0.000001) cpu=0", r"64 sleep=0(\.\d{1,9})? cpu=0"),
        ("64 cpu=lognormal(0.01,1) sleep=3", r"64 cpu=\d+(\.\d{1,9})? sleep=3"),
        ("lognormal(64,2) sleep=0..20", r"\d+ sleep=\d+(\.\d{1,9})?"),
        ("pareto(1000000,1.01) cpu=0.0000000001", r"\d{7,9} cpu=0"),
    ],
)
def test_lines_have_plain_numbers_in_them(text: str, shape: str) -> None:
    """Every line is one that a server reads: a whole size, seconds without an exponent, in the order given."""
    line = read_work(text)
    lines = line.lines(1000, 1)
    assert not line.constant
    assert len(lines) == 1000
    assert len(set(lines)) > 1
    for one in lines:
        assert re.fullmatch(shape, one)
        assert 1 <= work_size(one) <= LARGEST_ANSWER


def test_lines_are_repeatable_and_their_numbers_independent() -> None:
    """The same seed gives the same lines; the largest answers are not the slowest, too."""
    line = read_work("64..4096 sleep=exp(0.01) cpu=exp(0.01)")
    lines = line.lines(1000, 7)
    assert lines == line.lines(1000, 7)
    assert lines != line.lines(1000, 8)
    size, sleep, cpu = zip(*([float(number) for number in re.findall(r"[\d.]+", one)] for one in lines), strict=True)
    assert statistics.fmean(size) == pytest.approx(2080, rel=0.01)
    assert statistics.fmean(sleep) == pytest.approx(0.01, rel=0.01)
    for one, other in ((size, sleep), (size, cpu), (sleep, cpu)):
        assert abs(statistics.correlation(one, other)) < 4 / 1000**0.5


def test_no_size_is_larger_than_an_answer_may_be() -> None:
    """A tail that reaches beyond it is cut there, and one that begins below a byte is a byte."""
    assert max(work_size(one) for one in read_work("pareto(100000000,1.7)").lines(1000, 1)) == LARGEST_ANSWER
    assert min(work_size(one) for one in read_work("exp(2)").lines(1000, 1)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a work line is \"SIZE [sleep=SECONDS] [cpu=SECONDS]\", not ''"),
        ("many", "a work line is \"SIZE [sleep=SECONDS] [cpu=SECONDS]\", not 'many': a distribution is 64, "),
        ("64 sleep", "a work line is \"SIZE [sleep=SECONDS] [cpu=SECONDS]\", not '64 sleep'"),
        ("64  sleep=1", 'a work line is "SIZE [sleep=SECONDS] [cpu=SECONDS]", not '),
        ("64 nap=1", 'a work line is "SIZE [sleep=SECONDS] [cpu=SECONDS]", not '),
        ("64 sleep=inf", "not '64 sleep=inf': a distribution is 64, "),
        ("64 cpu=-1", "not '64 cpu=-1': a distribution is 64, "),
        ("64 cpu=1=2", "not '64 cpu=1=2'"),
        ("64 sleep=exp(0)", "not '64 sleep=exp(0)': the first number must be above 0 in 'exp(0)'"),
        ("64 sleep=1 sleep=2", "a work line says sleep and cpu at most once, not '64 sleep=1 sleep=2'"),
        ("0", "the SIZE of a work line is from 1 to 268435456 bytes, not 0"),
        ("268435457", "the SIZE of a work line is from 1 to 268435456 bytes, not 268435457"),
        ("0..1", "the SIZE of a work line is from 1 to 268435456 bytes, not on average 0.5 as in 0..1"),
        ("pareto(200000000,2)", "the SIZE of a work line is from 1 to 268435456 bytes, not on average 4e+08 as in "),
        ("64.5", "the SIZE of a work line is a whole number of bytes, not 64.5"),
        ("64.5 sleep=exp(1)", "the SIZE of a work line is a whole number of bytes, not 64.5"),
        ("0000000000064", 'a work line is "SIZE [sleep=SECONDS] [cpu=SECONDS]", not '),
    ],
)
def test_what_is_no_work_line_is_refused(text: str, message: str) -> None:
    """In one line that says what is wrong with it."""
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        read_work(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("95% work 64; 5% work 64 cpu=0.05", [(0.95, "work", None, "64"), (0.05, "work", None, "64 cpu=0.05")]),
        ("100% echo 64", [(1, "echo", "64", "")]),
        ("50% echo 64;50% echo exp(1000)", [(0.5, "echo", "64", ""), (0.5, "echo", "exp(1000)", "")]),
        (" 99.5%  upper 64 ;\n0.5% upper 16000000", [(0.995, "upper", "64", ""), (0.005, "upper", "16000000", "")]),
        ("100% frames 3..100", [(1, "frames", "3..100", "")]),
        (
            "90% http 64..4096; 10% http work 64 sleep=exp(0.01)",
            [(0.9, "http", "64..4096", ""), (0.1, "http", None, "64 sleep=exp(0.01)")],
        ),
        ("33.33% echo 1; 33.33% echo 2; 33.33% echo 3", [(1 / 3, "echo", str(size), "") for size in (1, 2, 3)]),
        (
            "20% work 1..9 sleep=1 cpu=2;80% work 5",
            [(0.2, "work", None, "1..9 sleep=1 cpu=2"), (0.8, "work", None, "5")],
        ),
    ],
)
def test_a_mix_is_parts_with_shares(text: str, parts: list[tuple[float, str, str | None, str]]) -> None:
    """In the order in which they were written, with shares that add up to one."""
    read = read_mix(text)
    assert [(part.protocol, text_of(part.size), part.work) for part in read] == [part[1:] for part in parts]
    assert [part.share for part in read] == pytest.approx([part[0] for part in parts])
    assert sum(part.share for part in read) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    "text",
    ["95% work 64; 5% work 64 cpu=0.05", "60% echo 64; 40% echo exp(99)", "99.9% http 64; 0.1% http work 64 sleep=1"],
)
def test_a_part_is_described_as_it_was_written(text: str) -> None:
    """So that what a run says of its parts can be given to the next."""
    assert "; ".join(describe(part) for part in read_mix(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a part of a mix is "),
        ("work 64", "a part of a mix is "),
        ("100 work 64", "a part of a mix is "),
        ("100% work", "a part of a mix is "),
        ("-5% work 64; 105% work 64", "a part of a mix is "),
        ("nan% work 64", "a part of a mix is "),
        ("100% gopher 64", "not '100% gopher 64'"),
        ("100% echo 64;", "not ''"),
        ("100% echo 64 sleep=1", "not '100% echo 64 sleep=1'"),
        ("100% http 64 sleep=1", "not '100% http 64 sleep=1'"),
        ("0% work 64; 100% work 64", "the share of a part is above 0%, not as in '0% work 64'"),
        ("95% work 64; 4% work 64 cpu=1", "the shares of a mix add up to 100%, not to 99%"),
        ("95% work 64; 5.02% work 64", "the shares of a mix add up to 100%, not to 100.02%"),
        ("50% work 64; 50% echo 64", "a server speaks one protocol, so a mix has one, not echo and work"),
        ("100% work 0", "the SIZE of a work line is from 1 to 268435456 bytes, not 0"),
        ("100% work many", "a work line is "),
        ("100% http work 64 nap=1", "a work line is "),
        ("100% http work", "a distribution is 64, "),
        ("100% echo 64.5", "the SIZE of echo is a whole number of bytes, not 64.5"),
        ("100% echo 0", "the SIZE of echo is from 1 to 16777216 bytes, not 0"),
        ("100% echo 0..1", "the SIZE of echo is from 1 to 16777216 bytes, not on average 0.5 as in 0..1"),
        ("100% upper 16777217", "the SIZE of upper is from 1 to 16777216 bytes, not 16777217"),
        ("100% frames 2", "the SIZE of frames is from 3 to 16777216 bytes, not 2"),
        ("100% http exp(99999999)", "the SIZE of http is from 1 to 16777216 bytes, not on average 1e+08 as in "),
        ("100% echo pareto(1,1)", "ALPHA must be above 1 in 'pareto(1,1)'"),
    ],
)
def test_what_is_no_mix_is_refused(text: str, message: str) -> None:
    """In one line that says what is wrong with it."""
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        read_mix(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("protocol", [protocol for protocol in PROTOCOLS if protocol != "work"])
def test_sizes_are_whole_and_of_what_the_protocol_can_have(protocol: str) -> None:
    """A tail on either side is cut at the limit; the same seed gives the same."""
    (part,) = read_mix(f"100% {protocol} pareto(4000000,1.5)")
    assert max(part.sizes(1000, 1)) == LARGEST_LINE
    (part,) = read_mix(f"100% {protocol} exp(5)")
    sizes = part.sizes(1000, 1)
    assert all(isinstance(size, int) for size in sizes)
    assert min(sizes) == (3 if protocol == "frames" else 1)
    assert sizes == part.sizes(1000, 1)
    assert sizes != part.sizes(1000, 2)


def test_a_part_of_work_has_no_sizes() -> None:
    """Its lines have them."""
    assert Part(1.0, "work", None, "64").sizes(3, 1) == []
