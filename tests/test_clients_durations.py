"""Times as a user writes them, to `load`, `talk`, `compare` and `monitor`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import typer

from clients.command import main
from clients.durations import read_duration
from clients.options import build_parser
from clients.plan_options import plan_of
from tests.commands import done_here
from tools.commands.options import seconds_between

if TYPE_CHECKING:
    from collections.abc import Callable

WRITTEN = {"5": 5.0, "5s": 5.0, " .5 s ": 0.5, "500ms": 0.5, "250us": 0.00025, "2m": 120.0, "1.5H": 5400.0, "1e-1": 0.1}
NOT_TIMES = ("", "s", "long", "5 5", "5d", "5ms2", "1:30", "5,5")


@pytest.mark.parametrize(("text", "seconds"), WRITTEN.items())
@pytest.mark.parametrize("read", [read_duration, seconds_between(0.0, 9000.0)])
def test_a_time_is_a_number_of_seconds_or_has_a_unit(read: Callable[[str], float], text: str, seconds: float) -> None:
    """For all commands alike."""
    assert read(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", NOT_TIMES)
def test_what_is_no_time_is_told_in_one_line(text: str) -> None:
    """With what would be one."""
    with pytest.raises(ValueError, match=r"a time is in seconds or has a unit, as .*500ms.*, not ") as raised:
        read_duration(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", [*NOT_TIMES, "nan", "inf", "-1", "9ms", "61s", "2m", "1e400"])
def test_a_time_out_of_its_bounds_is_refused_with_them(text: str) -> None:
    """As is what is no time at all."""
    with pytest.raises(typer.BadParameter, match=r"from 0.01 to 60 s, as 5, 5s, 500ms or 2m, not "):
        seconds_between(0.01, 60)(text)


def test_a_load_run_has_the_times_that_were_written() -> None:
    """Its length, its warm-up and its timeout."""
    parser = build_parser()
    words = ["127.0.0.1:1", "--duration", "2m", "--warmup", "500ms", "--timeout", "1.5s"]
    plan = plan_of(parser.parse_args(words), parser)
    assert (plan.duration, plan.warmup, plan.timeout) == (120.0, 0.5, 1.5)


@pytest.mark.parametrize(
    ("option", "text", "complaint"),
    [
        ("--duration", "long", "argument --duration: a time is in seconds or has a unit"),
        ("--duration", "25h", "duration must be from 0.01 to 86400, not 90000"),
        ("--warmup", "-1s", "argument --warmup"),
        ("--timeout", "infs", "timeout must be from 0.001 to 3600, not inf"),
    ],
)
def test_a_load_run_refuses_other_times(
    option: str, text: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, with status 2."""
    done = done_here(main, ["127.0.0.1:1", option, text], capsys)
    assert (done.status, done.stdout) == (2, "")
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_time_that_is_not_finite_is_left_to_the_caller() -> None:
    """Who has bounds, and a name for what they are of."""
    assert math.isnan(read_duration("nan"))
    assert read_duration("inf") == math.inf
