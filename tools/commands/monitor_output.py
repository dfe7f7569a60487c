"""Where the samples of `serverlab monitor` go while it runs: a CSV file, and one line on stderr."""

from __future__ import annotations

import csv
import sys
import time
from contextlib import contextmanager
from dataclasses import fields
from typing import IO, TYPE_CHECKING

from tools.accounting.cost import mebibytes
from tools.accounting.samples import Sample
from tools.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REDRAW_INTERVAL = 0.25
PLAIN_INTERVAL = 10.0
"""Seconds between two lines where stderr is not a terminal: a log that can be left alone for a night."""


@contextmanager
def csv_of_samples(path: Path | None) -> Iterator[Callable[[Sample], None]]:
    """Open a CSV file, one line for each sample that is then given; without a path, do nothing.

    Raises Failure where it cannot be written, in the end where that happened on the way: a full disk must not
    end what is being watched.
    """
    if path is None:
        yield lambda _: None
        return
    failures: list[OSError] = []
    file = opened(path)
    writer = csv.DictWriter(file, [field.name for field in fields(Sample)])
    writer.writeheader()

    def write(sample: Sample) -> None:
        try:
            writer.writerow(sample.to_json())
            file.flush()
        except OSError as error:
            failures.append(error)

    try:
        yield write
    finally:
        try:
            file.close()
        except OSError as error:  # what is left in the buffer
            failures.append(error)
    if failures:
        raise Failure(f"{path} is not whole: {failures[0].strerror}")


def opened(path: Path) -> IO[str]:
    """Open a file for writing, or raise Failure."""
    try:
        return path.open("w", newline="", encoding="utf-8")
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}") from error


@contextmanager
def live_line() -> Iterator[Callable[[Sample], None]]:
    """Show the latest sample on stderr: a line drawn again and again, or plain ones now and then."""
    if not sys.stderr.isatty():
        yield Throttled(PLAIN_INTERVAL, lambda sample: print(words(sample), file=sys.stderr), first=PLAIN_INTERVAL)
        return
    from rich.console import Console  # noqa: PLC0415 - a tenth of a second, only where there is a terminal
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(stderr=True)
    with Live(
        console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as live:
        yield Throttled(REDRAW_INTERVAL, lambda sample: live.update(Text(words(sample), no_wrap=True), refresh=True))


class Throttled:
    """Calls a function with a sample, but not more often than every so many seconds."""

    def __init__(self, interval: float, show: Callable[[Sample], None], first: float = 0.0) -> None:
        self._interval = interval
        self._show = show
        self._due = time.monotonic() + first

    def __call__(self, sample: Sample) -> None:
        """Show a sample, if it is time."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + self._interval
            self._show(sample)


def words(sample: Sample) -> str:
    """Return a sample as one line."""
    cpu = f"CPU {sample.cpu_user_seconds:.2f} s user, {sample.cpu_system_seconds:.2f} s system"
    open_files = "unknown" if sample.descriptors is None else sample.descriptors
    counts = f"{sample.processes} processes, {sample.threads} threads, {open_files} descriptors"
    return f"{sample.at:.1f} s: {cpu}; {counts}; RSS at most {mebibytes(sample.rss_upper_bound_bytes)}"
