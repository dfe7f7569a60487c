"""What is drawn on the terminal: the histogram at the end, the live line, the plain lines."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys

import numpy as np
import pytest

from clients.events import Progress
from clients.histogram import bin_edges, can_show_blocks, counts_between, histogram_lines
from clients.readings import LastSecond, Pace, Reading, told, whole_seconds
from clients.words import duration
from tests.known_servers import known_server

COMMAND = [sys.executable, "-m", "clients", "load"]


def lognormal(count: int, spread: float = 0.5) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Sorted samples in seconds."""
    return np.sort(np.random.default_rng(3).lognormal(-8, spread, count))


SAMPLES = {
    "spread": lognormal(25_000),
    "narrow": lognormal(1000, 0.01),
    "wide": np.concatenate([lognormal(25_000), np.linspace(0.5, 1.5, 60)]),
    "one": np.array([0.001]),
    "equal": np.full(70, 0.001),
    "zeros": np.array([0.0, 0.0, 0.001]),
    "many": np.full(12_345_678, 0.25),
}


@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize("width", [20, 60, 80, 100, 300])
@pytest.mark.parametrize("name", SAMPLES)
def test_a_histogram_has_all_samples_in_few_lines(name: str, width: int, blocks: bool) -> None:
    """Counts add up, lines fit into the width (but for their numbers), bars are longest where the count is."""
    seconds = SAMPLES[name]
    title, *lines = histogram_lines("response, from due to done", seconds, width, blocks)
    counts = [int(line.split()[5].replace(",", "")) for line in lines]
    bars = [line[42:].strip() for line in lines]
    assert title == f"response, from due to done ({len(seconds):,})"
    assert sum(counts) == len(seconds)
    assert len(lines) <= 12
    assert max(map(len, lines)) <= max(min(width, 100), 52)
    assert [bool(bar) for bar in bars] == [count > 0 for count in counts]
    assert len(bars[int(np.argmax(counts))]) == max(map(len, bars)) >= 1
    assert all(line.isascii() for line in lines) or blocks


def test_bins_grow_by_one_factor_and_have_their_upper_ends() -> None:
    """Twelve over the range; a sample on an edge is below it, and the least is in the first."""
    edges = bin_edges(0.001, 4.096)
    assert edges == pytest.approx([0.001 * 2**power for power in range(13)])
    assert counts_between(np.array([0.001, edges[1], edges[1] * 1.01, 4.096]), edges) == [2, 1, *[0] * 9, 1]


def test_no_sample_has_a_histogram_of_one_line() -> None:
    """It says that there is none."""
    assert histogram_lines("lateness", np.array([]), 80, True) == ["lateness: no sample"]


@pytest.mark.parametrize(
    ("encoding", "can"), [("utf-8", True), ("ascii", False), ("latin-1", False), (None, False), ("no-such", False)]
)
def test_blocks_are_for_who_can_show_them(encoding: str | None, can: bool) -> None:
    """By the encoding of standard output."""
    assert can_show_blocks(encoding) is can


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (2.5e-7, "0.25 us"),
        (21e-6, "21 us"),
        (9.996e-4, "1 ms"),
        (0.0123, "12.3 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1 s"),
        (61.26, "61.3 s"),
        (12345.6, "12,346 s"),
    ],
)
def test_a_duration_is_told_in_the_unit_that_suits_it(seconds: float, words: str) -> None:
    """Three digits, never a power of ten."""
    assert duration(seconds) == words


def progress(elapsed: float, completed: int, recent: int = 0, left: float | None = None, errors: int = 0) -> Progress:
    """A progress with `recent` response times of 1, 2, 3... us."""
    times = tuple(range(1000, 1000 * (recent + 1), 1000))
    return Progress(elapsed=elapsed, completed=completed, errors=errors, recent=times, left=left)


def test_the_rate_is_that_of_the_last_second() -> None:
    """Not the mean since the start: a server that stops has a rate of 0 a second later."""
    last_second = LastSecond()
    counts = [200, 400, 600, 800, 1000, 1200, 1400, 1400, 1400, 1400, 1400, 1400]
    rates = [last_second.read(progress(0.2 * (n + 1), count)).rate for n, count in enumerate(counts)]
    assert rates[:7] == pytest.approx([1000] * 7)
    assert rates[7] == pytest.approx(800)
    assert rates[11] == pytest.approx(0)


@pytest.mark.parametrize(
    ("recent", "expected"),
    [(0, (None, None)), (1, (1e-6, None)), (999, (500e-6, None)), (1000, (500e-6, 990e-6)), (2000, (1e-3, 1.98e-3))],
)
def test_percentiles_are_told_from_enough_samples(recent: int, expected: tuple[float | None, float | None]) -> None:
    """The median from one on, the 99th from a thousand."""
    assert told(progress(1, 1, recent).recent) == pytest.approx(expected)


def test_a_reading_is_a_line() -> None:
    """The time, the rate, two percentiles, errors, and what is left; unknown is unknown."""
    whole = Reading(elapsed=3.02, rate=4998.4, p50=0.00021, p99=0.0013, errors=0, left=2.98)
    assert whole.line() == "  3 s    4,998/s  p50  210 us  p99  1.3 ms  0 errors  3 s left"
    unknown = Reading(elapsed=130, rate=2.5, p50=None, p99=None, errors=1, left=None)
    assert unknown.line() == "2:10 min      2.5/s  p50       -  p99       -  1 error"
    assert [whole_seconds(seconds) for seconds in (0.2, 59.6, 119, 3601)] == ["0 s", "60 s", "119 s", "60:01 min"]


def test_a_counted_run_takes_what_its_rate_needs() -> None:
    """Requests that are missing by the rate of the last second; nobody knows where nothing is answered."""
    last_second = LastSecond(requests=10_000)
    assert last_second.read(progress(0.2, 0)).left is None
    assert last_second.read(progress(1.0, 1900, errors=100)).left == pytest.approx(8000 / 1900)
    assert LastSecond().read(progress(1.0, 1000, left=4.0)).left == 4.0


def test_lines_come_each_second_and_then_each_ten() -> None:
    """Five progresses a second: none before the first second is over."""
    pace = Pace()
    printed = [elapsed for elapsed in (0.21 * n for n in range(1, 200)) if pace.is_due(elapsed)]
    assert [int(elapsed) for elapsed in printed] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 40]


def test_a_run_without_a_terminal_prints_plain_lines() -> None:
    """One a second on standard error; the histogram and its title on standard output, plain where it must be."""
    with known_server() as server:
        command = [*COMMAND, str(server.address), "--rate", "400", "--duration", "2.5", "--no-ceiling"]
        environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False, env=environment)
    lines = done.stderr.splitlines()
    assert lines
    assert {line[:5] for line in lines} <= {"  1 s", "  2 s"}
    assert all("/s  p50 " in line and line.endswith(" left") for line in lines)
    assert "response, from due to done (" in done.stdout
    assert "#" in done.stdout
    assert done.stdout.isascii()


def test_a_run_for_a_program_prints_nothing_on_the_way() -> None:
    """With --json standard error is empty however long the run."""
    with known_server() as server:
        command = [*COMMAND, str(server.address), "--rate", "400", "--duration", "1.5", "--no-ceiling", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)


def test_a_terminal_shows_a_bar_and_a_live_line() -> None:
    """On standard error alone, which is taken away at the end; standard output is as ever."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with known_server() as server:
        command = [*COMMAND, str(server.address), "--rate", "2000", "--duration", "2", "--no-ceiling"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment) as running:
            os.close(theirs)
            seen = read_terminal(ours)
            told = running.stdout.read() if running.stdout is not None else b""
    words = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen)
    assert running.returncode == 0
    assert re.search(
        r"load [━╸╺ ]+ +[0-9,]+/s  p50 +[0-9.]+ [um]?s  p99 +[0-9.-]+( [um]?s)?  0 errors  [012] s left", words
    )
    assert b"right answers in" in told
    assert "right answers in" not in words


def read_terminal(descriptor: int) -> str:
    """All that is written to a terminal until nobody can write to it any more."""
    seen = b""
    with contextlib.suppress(OSError):  # EIO is the end
        while data := os.read(descriptor, 1 << 16):
            seen += data
    os.close(descriptor)
    return seen.decode()
