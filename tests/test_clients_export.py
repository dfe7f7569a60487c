"""What a run leaves for other programs: JSON Lines of requests, and HdrHistogram's percentiles."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest

from clients.export import MEANINGS, request_lines
from clients.folder import save
from clients.formats import read_formats
from clients.hgrm import hgrm_lines
from clients.percentiles import percentiles
from clients.plan import LoadPlan
from clients.records import REQUEST_COLUMNS, REQUEST_FORMATS, Outcome
from clients.swarm import run_load
from tests.known_servers import corrupt_every, known_server

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-m", "clients", "load"]
REQUESTS = np.dtype(list(zip(REQUEST_COLUMNS, REQUEST_FORMATS, strict=True)))


def plotted(text: str) -> list[tuple[float, float]]:
    """Read as HdrHistogram's plotter does: four columns, no #, and numbers in the first and the last: (x, y)."""
    points = []
    for line in text.split("\n"):
        values = re.split(r" +", line.strip())
        if line.strip()[:1] != "#" and len(values) == 4:
            y, x = parse_float(values[0]), parse_float(values[3])
            if not math.isnan(x) and not math.isnan(y):
                points.append((x, y))
    return points


def parse_float(text: str) -> float:
    """JavaScript's parseFloat: a number's beginning, NaN where there is none; "inf" is none."""
    found = re.match(r"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+)", text)
    return float(found[0]) if found else math.nan


def lognormal(count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Sorted samples in seconds, as response times are spread."""
    return np.sort(np.random.default_rng(7).lognormal(-7, 1.5, count))


@pytest.mark.parametrize("count", [1, 2, 3, 10, 999, 1000, 100_000])
def test_the_plotter_reads_the_percentiles_that_load_tells(count: int) -> None:
    """Each point's share, 1 - 1/x, has the value of the same percentile, in milliseconds; shares grow to the end."""
    seconds = lognormal(count)
    points = plotted("\n".join(hgrm_lines(seconds)))
    shares = [1 - 1 / x for x, _ in points]
    values = [y for _, y in points]
    assert shares == sorted(shares)
    assert values == sorted(values)
    assert shares[0] == 0
    assert values[-1] == pytest.approx(seconds[-1] * 1e3, abs=1e-6)
    exact = [share for share in (0, 0.5, 0.75, 0.9, 0.99) if share in shares]
    assert exact[:1] == [0]
    for share in exact:
        assert values[shares.index(share)] == pytest.approx(percentiles(seconds, [share])[0] * 1e3, abs=1e-6)


def test_the_steps_are_those_of_hdrhistogram() -> None:
    """Five between each halving of the distance to the end."""
    lines = [line.split() for line in hgrm_lines(lognormal(1_000_000))]
    told = [float(columns[1]) for columns in lines[2:18]]
    assert told == pytest.approx(
        [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.775, 0.8, 0.825, 0.85, 0.875]
    )
    assert lines[0] == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    assert lines[1] == []


def test_counts_are_of_all_samples_up_to_the_value() -> None:
    """Equal samples are counted together; the last line and the end tell the largest, the mean, the deviation."""
    lines = list(hgrm_lines(np.array([0.001, 0.001, 0.002, 0.004])))
    rows = [line.split() for line in lines if line and not line.startswith("#")][1:]
    assert {(row[0], row[2]) for row in rows} == {("1.000000", "2"), ("2.000000", "3"), ("4.000000", "4")}
    assert rows[-1] == ["4.000000", "1.000000000000", "4", "inf"]
    assert [" ".join(line.split()) for line in lines[-3:]] == [
        "#[Mean = 2.000000, StdDeviation = 1.224745]",
        "#[Max = 4.000000, Total count = 4]",
        "#[Buckets = 0, SubBuckets = 0]",
    ]


def test_no_sample_gives_a_file_that_says_so() -> None:
    """The head, one line, the end: readers find what they look for, and no point."""
    lines = list(hgrm_lines(np.array([])))
    assert [line.split()[0] for line in lines if line] == ["Value", "0.000000", "#[Mean", "#[Max", "#[Buckets"]
    assert plotted("\n".join(lines)) == []


def test_a_request_is_an_object_with_its_outcome_by_name() -> None:
    """Every field under its name, times as integers without loss."""
    requests = np.zeros(3, REQUESTS)
    requests["due_ns"] = [2**62 + 1, 2, 3]
    requests["outcome"] = [Outcome.ANSWERED, Outcome.IN_FLIGHT, Outcome.WRONG_BYTES]
    requests["bytes"] = [64, 0, 12]
    rows = [json.loads(line) for line in "".join(request_lines(requests)).splitlines()]
    assert [row["outcome"] for row in rows] == ["answered", "in-flight", "wrong-bytes"]
    assert [row["due_ns"] for row in rows] == [2**62 + 1, 2, 3]
    assert [row["bytes"] for row in rows] == [64, 0, 12]
    assert all(tuple(row) == REQUESTS.names for row in rows)
    assert set(REQUESTS.names or ()) <= set(MEANINGS)


def test_the_memory_for_lines_does_not_grow_with_the_requests() -> None:
    """Some thousand lines at a time, however many there are."""
    requests = np.zeros(200_000, REQUESTS)
    tracemalloc.start()
    try:
        lines = sum(text.count("\n") for text in request_lines(requests))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert lines == len(requests)
    assert peak < 20e6


def test_an_export_names_formats() -> None:
    """In any order, each once; another is refused with those that are known."""
    assert read_formats("hgrm, jsonl,hgrm") == ("hgrm", "jsonl")
    with pytest.raises(ValueError, match="jsonl,npy,hgrm, not 'csv'"):
        read_formats("npy,csv")


def test_a_run_is_saved_in_every_format(tmp_path: Path) -> None:
    """As JSON Lines with a header that explains them, as numpy arrays, as percentiles; all tell the same requests."""
    with known_server(corrupt_every(50)) as server:
        result = run_load(LoadPlan(server.address, connections=3, rate=2000, requests=200))
    save(result, str(tmp_path))
    head, *rows = map(json.loads, (tmp_path / "requests.jsonl").read_text().splitlines())
    assert (head["record"], head["format"], head["version"], head["requests"]) == ("header", "serverlab load", 2, 200)
    assert list(head["columns"]) == list(REQUEST_COLUMNS) == list(rows[0])
    assert head["command"]
    assert [row["done_ns"] for row in rows] == result.request("done_ns").tolist()
    assert sorted({row["outcome"] for row in rows}) == ["answered", "wrong-bytes"]
    assert len(np.load(tmp_path / "requests.npy")) == 200
    for name in ("response", "service", "lateness"):
        text = (tmp_path / f"{name}.hgrm").read_text()
        assert f"Max     = {getattr(result, name)()[-1] * 1e3:12.6f}, Total count    =          200]" in text
        assert plotted(text)
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {*head["files"], "load.jsonl"}


@pytest.mark.parametrize(
    ("formats", "files"),
    [
        ("jsonl", {"requests.jsonl"}),
        ("npy", {"requests.npy", "connections.npy"}),
        ("hgrm", {"response.hgrm", "service.hgrm", "lateness.hgrm"}),
    ],
)
def test_the_command_line_names_the_formats(formats: str, files: set[str], tmp_path: Path) -> None:
    """No other file is written, but for the summary, nor is it named in the header."""
    with known_server() as server:
        options = ["--requests", "50", "--output", str(tmp_path), "--export", formats]
        done = subprocess.run(
            [*COMMAND, str(server.address), *options], capture_output=True, text=True, timeout=50, check=False
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == files | {"load.jsonl"}
    head = json.loads((tmp_path / "load.jsonl").read_text().splitlines()[0])
    assert set(head["files"]) == files


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [(["--export", "csv", "--output", "x"], "jsonl,npy,hgrm, not 'csv'"), (["--export", "npy"], "give both")],
)
def test_a_wrong_export_is_refused(arguments: list[str], complaint: str) -> None:
    """In one line, with status 2."""
    command = [*COMMAND, "127.0.0.1:1", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert complaint in done.stderr
