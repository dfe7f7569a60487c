"""The figures for a program: whole in their file, and what failed shows in the command's status."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.comparisons import FIVE, header, made_up, rounds_of, saved
from tools.analysis.controls import session_control
from tools.analysis.summary import summarized
from tools.cli import run
from tools.commands import compare as commands_compare
from tools.failure import ResultsError
from tools.saved.cells import Capacity, MemoryProbe
from tools.saved.results import SUMMARY, read_results, writing
from tools.tables.summary_file import summary_of, write_summary

if TYPE_CHECKING:
    from tools.saved.results import Writer

FAILED_PROBE = MemoryProbe("threaded", 1, 1, "", 0.0, "it did not start", (), (), (), (), "", ())
FAILED_SEARCH = Capacity(
    "keepalive", "threaded", 1, "", 0.0, "it did not start", "p50=1ms", None, confirmed=False, limit="", trials=()
)


def test_a_summary_that_cannot_be_written_whole_leaves_the_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk cuts the new one short, and nobody reads that."""
    results = read_results(made_up(tmp_path / "results"))
    write_summary(results, summary_of(results))
    before = (results.folder / SUMMARY).read_bytes()

    def cut_short(path: Path, text: str, encoding: str) -> None:
        path.write_bytes(text.encode(encoding)[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", cut_short)
    with pytest.raises(ResultsError, match=r"cannot write .*summary\.json: No space left"):
        write_summary(results, summary_of(results))
    assert (results.folder / SUMMARY).read_bytes() == before


@pytest.mark.parametrize(("failed", "status"), [(None, 0), (FAILED_PROBE, 1), (FAILED_SEARCH, 1)])
def test_a_probe_or_a_search_that_failed_is_a_failure_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failed: MemoryProbe | Capacity | None, status: int
) -> None:
    """As a cell is."""
    folder = tmp_path / "results"

    def begun(*_: object) -> tuple[Path, int]:
        with writing(folder) as writer:
            fill(writer)
        return folder, 0

    def fill(writer: Writer) -> None:
        writer.add_header(header())
        if failed:
            writer.add(failed)

    monkeypatch.setattr(commands_compare, "begun", begun)
    assert run(["compare", "threaded", "--output", str(folder)]) == status


def test_the_first_by_itself_is_exactly_one(tmp_path: Path) -> None:
    """With ends, as it has rounds enough; however much others differ from each other by the round."""
    noisy = [
        replace(each, load=replace(each.load, requests=each.load.requests + 100 * (each.round % 3)))
        for each in rounds_of("threaded", 1000)
        if each.load
    ]
    cells = [*rounds_of("selector", 3000), *noisy, *rounds_of("forking", 500)]
    workload = summary_of(saved(tmp_path / "r", cells, FIVE))["workloads"]["churn"]
    models = workload["models"]
    assert workload["order"][0] == "selector"
    assert models["selector"]["by_the_first"] == {"estimate": 1.0, "low": 1.0, "high": 1.0, "rounds": 5}
    assert models["threaded"]["by_the_first"]["low"] < models["threaded"]["by_the_first"]["high"] < 1


def test_what_a_report_asks_for_again_and_again_is_concluded_once(tmp_path: Path) -> None:
    """From one reading of a folder; another reading, which may find more in it, has conclusions of its own."""
    folder = made_up(tmp_path / "r")
    results, another = read_results(folder), read_results(folder)
    assert results.of("churn", "selector") is results.of("churn", "selector")
    for concluded in (summarized, session_control):
        assert concluded(results) is concluded(results)
        assert concluded(results) is not concluded(another)
