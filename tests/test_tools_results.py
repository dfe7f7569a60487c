"""Results folders: what is written comes back, and what is damaged is refused with one clear line."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.comparisons import cell, header, made_up
from tools.cli import run
from tools.failure import ResultsError
from tools.saved.cells import Capacity, Cell, MemoryProbe
from tools.saved.lines import VERSION
from tools.saved.results import CELLS, SAMPLES, Writer, read_results, resuming, writing

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tools.saved.results import Results
    from tools.workloads import Workload


def test_what_is_written_is_read_back_equal(tmp_path: Path) -> None:
    """Header, cells and samples survive the round trip."""
    folder = tmp_path / "results"
    latencies = np.array([3, 1, 2], dtype=np.int64)
    with writing(folder) as writer:
        writer.add_header(header())
        name = writer.add_samples("churn-threaded-1", latencies)
        writer.add(cell(samples=name))
    results = read_results(folder)
    assert results.header == header()
    assert results.cells == (cell(samples=name),)
    assert results.notices == ()
    assert results.latencies(results.cells[0]).tolist() == [3, 1, 2]


def test_a_cell_is_on_the_disk_as_soon_as_it_is_added(tmp_path: Path) -> None:
    """A kill at any later moment does not lose it."""
    with writing(tmp_path / "results") as writer:
        writer.add_header(header())
        writer.add(cell())
        assert read_results(tmp_path / "results").cells == (cell(),)


def test_a_power_cut_loses_no_cell_that_was_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk has the samples, then their name, then the line that tells of them."""
    on_disk: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: on_disk.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
    )
    with writing(tmp_path / "results") as writer:
        writer.add_header(header())
        on_disk.clear()
        writer.add(cell(samples=writer.add_samples("1", np.arange(3, dtype=np.int64))))
    assert on_disk == ["1.npy", SAMPLES, CELLS]


def test_a_failed_cell_is_read_back_without_figures(tmp_path: Path) -> None:
    """Its error is kept, and it has no latencies."""
    failed = cell(error="the server did not start", load=None, cpu=None, peaks=None, stopped=None)
    with writing(tmp_path / "results") as writer:
        writer.add_header(header())
        writer.add(failed)
    results = read_results(tmp_path / "results")
    assert results.cells == (failed,)
    assert len(results.latencies(failed)) == 0


def test_a_last_line_cut_short_is_left_out_with_a_notice(tmp_path: Path) -> None:
    """What a kill leaves behind can still be drawn."""
    folder = made_up(tmp_path / "results")
    whole = read_results(folder).cells
    path = folder / CELLS
    path.write_bytes(path.read_bytes()[:-20])
    results = read_results(folder)
    assert results.cells == whole[:-1]
    assert results.notices == ("the last line of cells.jsonl was cut short and is left out",)


def cut_in_the_middle(lines: list[str]) -> list[str]:
    """Half a line."""
    return [lines[0], lines[1][:40], *lines[2:]]


def lacking_a_field(lines: list[str]) -> list[str]:
    """An object with too little in it."""
    return [lines[0], json.dumps({"workload": "churn"}), *lines[2:]]


def with_a_word_for_a_number(lines: list[str]) -> list[str]:
    """A field of another type."""
    return [lines[0], lines[1].replace('"round":1', '"round":"one"'), *lines[2:]]


def with_an_unknown_field(lines: list[str]) -> list[str]:
    """A field too many."""
    return [lines[0], lines[1].replace('"round":1', '"round":1,"sound":2'), *lines[2:]]


def with_a_list_for_an_object(lines: list[str]) -> list[str]:
    """JSON of another shape."""
    return [lines[0], "[]", *lines[2:]]


@pytest.mark.parametrize(
    "damage",
    [
        cut_in_the_middle,
        lacking_a_field,
        with_a_word_for_a_number,
        with_an_unknown_field,
        with_a_list_for_an_object,
    ],
)
def test_a_damaged_line_is_refused_with_its_number(tmp_path: Path, damage: Callable[[list[str]], list[str]]) -> None:
    """One line that names the file, the line and what is wrong."""
    folder = made_up(tmp_path / "results")
    path = folder / CELLS
    path.write_text("\n".join(damage(path.read_text(encoding="utf-8").split("\n"))), encoding="utf-8")
    with pytest.raises(ResultsError, match=r"cells.jsonl, line 2 is damaged: ") as raised:
        read_results(folder)
    assert "\n" not in str(raised.value)


def test_another_format_version_is_refused(tmp_path: Path) -> None:
    """A newer file is not guessed at."""
    folder = made_up(tmp_path / "results")
    path = folder / CELLS
    path.write_text(
        path.read_text(encoding="utf-8").replace(f'"version":{VERSION}', '"version":99', 1), encoding="utf-8"
    )
    with pytest.raises(ResultsError, match="has format version 99, and this serverlab reads versions 1 to 3"):
        read_results(folder)


LATER_IN_HEADERS = ("planned", "limit", "until_width", "max_rounds", "held", "memory_rounds", "objective")
LATER_IN_LOADS = ("failed", "opened", "offered", "achieved", "in_flight", "little", "connect_p99", "client_waiting")
LATER_IN_CELLS = ("record", "attempt", "disturbed", "life", "working", "host", "admission", "counts")


def as_version_2(line: dict[str, Any]) -> dict[str, Any]:
    """A header or a cell as version 2 wrote it."""
    if "format" not in line:
        line = lacking(line, *LATER_IN_CELLS)
        if line["load"]:
            later = (*LATER_IN_LOADS, "client_limit", "client_reasons", "guests", "client_busy", "guest_cpu")
            line["load"] = lacking(line["load"], *later)
        if line["peaks"]:
            line["peaks"] = lacking(line["peaks"], "canary_cpu")
        return line
    line = lacking(line, *LATER_IN_HEADERS, "ceilings", "interpreters", "pythons")
    kept = ("name", "protocol", "connections", "churn", "work", "asks", "shows")
    return {
        **line,
        "version": 2,
        "models": [lacking(each, "model", "command", "interpreter", "control_of") for each in line["models"]],
        "workloads": [
            {**{name: each[name] for name in kept}, "size_bytes": int(each["size"] or 0)} for each in line["workloads"]
        ],
        "interpreter": lacking(line["interpreter"], "gil"),
    }


def as_version_1(line: dict[str, Any]) -> dict[str, Any]:
    """The same as version 1 wrote it."""
    line = as_version_2(line)
    if "format" not in line:
        return line
    models = [lacking(each, "figure_row", "options") for each in line["models"]]
    return {**lacking(line, "left_out"), "version": 1, "models": models}


def lacking(data: dict[str, Any], *names: str) -> dict[str, Any]:
    """The object without these fields, which it has."""
    assert set(names) <= set(data)
    return {name: value for name, value in data.items() if name not in names}


@pytest.mark.parametrize("older", [as_version_1, as_version_2])
def test_a_folder_of_an_older_version_is_read_and_drawn(
    tmp_path: Path, older: Callable[[dict[str, Any]], dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """What came later is filled in: rows of Figure 30.1, the models' own names, no options, and nobody left out."""
    folder = made_up(tmp_path / "results")
    now = read_results(folder)
    rewrite(folder, older)
    found = read_results(folder)
    assert found.cells == now.cells
    assert found.header == replace(
        header(),
        models=tuple(replace(model, model=model.name) for model in header().models),
        workloads=tuple(as_then(workload) for workload in header().workloads),
    )
    assert run(["report", str(folder)]) == 0
    assert "Workload churn" in capsys.readouterr().out


@pytest.mark.parametrize("older", [as_version_1, as_version_2])
def test_a_folder_of_an_older_version_is_not_gone_on_with_and_stays_readable(
    tmp_path: Path, older: Callable[[dict[str, Any]], dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines of this version after its own would make all of it unreadable."""
    folder = made_up(tmp_path / "results")
    rewrite(folder, older)
    before = (folder / CELLS).read_bytes()
    assert run(["compare", "--resume", str(folder)]) == 1
    told = capsys.readouterr().err
    assert "which can be read and not gone on with: begin a new comparison" in told
    assert told.count("\n") == 1
    with pytest.raises(ResultsError, match="not gone on with"), resuming(folder):
        pass
    assert (folder / CELLS).read_bytes() == before
    assert read_results(folder).cells


def as_then(workload: Workload) -> Workload:
    """A workload with what it had before it could have a weight."""
    return replace(workload, weight=1.0)


def rewrite(folder: Path, changed: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change each line of the file."""
    path = folder / CELLS
    lines = [changed(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


@pytest.mark.parametrize("models", [None, [], ["iterative"], [{"name": 7}]])
def test_a_damaged_header_of_the_first_version_is_refused(tmp_path: Path, models: object) -> None:
    """With the line, as one of this version is."""
    old = {"format": "serverlab-comparison", "version": 1, "models": models}
    (tmp_path / CELLS).write_text(json.dumps(old) + "\n", encoding="utf-8")
    with pytest.raises(ResultsError, match=r"cells\.jsonl, line 1 is damaged: "):
        read_results(tmp_path)


@pytest.mark.parametrize("content", ['{"a":1}\n', "[]\n", '"text"\n'])
def test_another_programs_file_is_refused(tmp_path: Path, content: str) -> None:
    """JSON alone does not make a comparison."""
    (tmp_path / CELLS).write_text(content, encoding="utf-8")
    with pytest.raises(ResultsError, match="is not a comparison of serverlab's"):
        read_results(tmp_path)


@pytest.mark.parametrize("content", ["", '{"format":"serverlab-comp'])
def test_a_file_without_a_whole_header_is_refused(tmp_path: Path, content: str) -> None:
    """There is nothing to draw."""
    (tmp_path / CELLS).write_text(content, encoding="utf-8")
    with pytest.raises(ResultsError, match=r"holds no comparison: cells\.jsonl has no whole line"):
        read_results(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """With what is wrong with it: that there is none, that it is a file, or that no comparison is in it."""
    (tmp_path / "file").touch()
    for folder, reason in (
        (tmp_path / "nowhere", "there is no such folder"),
        (tmp_path / "file", "it is no folder"),
        (tmp_path, f"there is no {CELLS} in it"),
    ):
        with pytest.raises(ResultsError) as refused:
            read_results(folder)
        assert str(refused.value) == f"{folder} holds no comparison: {reason}"


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"not an array at all"])
def test_damaged_samples_are_refused(tmp_path: Path, content: bytes) -> None:
    """With the file's name, and never by unpickling it."""
    folder = made_up(tmp_path / "results")
    results = read_results(folder)
    (folder / SAMPLES / results.cells[0].samples).write_bytes(content)
    with pytest.raises(ResultsError, match=r"churn-iterative-1\.npy is damaged"):
        results.latencies(results.cells[0])


def test_missing_samples_are_named(tmp_path: Path) -> None:
    """A file that is not there is not damaged."""
    folder = made_up(tmp_path / "results")
    results = read_results(folder)
    (folder / SAMPLES / results.cells[0].samples).unlink()
    with pytest.raises(ResultsError, match=r"^the samples file .*churn-iterative-1\.npy is missing$"):
        results.latencies(results.cells[0])


def test_samples_outside_the_folder_are_not_read(tmp_path: Path) -> None:
    """A line of the file cannot point elsewhere."""
    folder = made_up(tmp_path / "results")
    np.save(tmp_path / "secret.npy", np.zeros(3, dtype=np.int64))
    with pytest.raises(ResultsError, match="missing"):
        read_results(folder).latencies(cell(samples="../../secret.npy"))


def test_a_folder_that_holds_something_is_not_written_to(tmp_path: Path) -> None:
    """Nobody's results are mixed or overwritten."""
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ResultsError, match="exists and is not an empty folder"), writing(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("inside", ["a-file/results", "a-file"])
def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path, inside: str) -> None:
    """One line with the reason."""
    (tmp_path / "a-file").write_text("", encoding="utf-8")
    with pytest.raises(ResultsError, match="a-file"), writing(tmp_path / inside):
        pass


def test_an_empty_folder_may_be_written_to(tmp_path: Path) -> None:
    """As one made by `mktemp -d` is."""
    with writing(tmp_path) as writer:
        writer.add_header(header())
    assert read_results(tmp_path).cells == ()


def test_a_disk_that_is_full_is_told_in_one_line(tmp_path: Path) -> None:
    """Not with a traceback in the middle of a comparison."""
    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        pytest.raises(ResultsError, match=r"cannot write to .*: No space left on device"),
    ):
        Writer(tmp_path, full).add(cell())


def test_a_disk_that_is_full_is_told_as_such_where_samples_do_not_fit(tmp_path: Path) -> None:
    """And not as two numbers of items."""
    with writing(tmp_path / "results") as writer:
        (tmp_path / "results" / SAMPLES / "1.npy").symlink_to("/dev/full")
        with pytest.raises(ResultsError, match=r"cannot write to .*: No space left on device"):
            writer.add_samples("1", np.arange(100_000, dtype=np.int64))


def test_of_two_attempts_the_later_one_counts(tmp_path: Path) -> None:
    """Both are kept."""
    first, second = cell(disturbed="others"), cell(attempt=2, position=2)
    results = written(tmp_path, first, second)
    assert results.attempts == (first, second)
    assert results.cells == results.of("churn", "threaded") == (second,)


def test_of_two_disturbed_attempts_the_later_one_counts(tmp_path: Path) -> None:
    """And stays marked."""
    attempts = [cell(disturbed="others", attempt=number, position=number) for number in (1, 2)]
    assert written(tmp_path, *attempts).cells == (attempts[1],)


def test_a_disturbed_attempt_without_answers_takes_nobodys_place(tmp_path: Path) -> None:
    """An undisturbed one does: then it is the server that gave none."""
    first = cell(disturbed="others")
    assert first.load
    starved = cell(disturbed="others", attempt=2, position=2, load=replace(first.load, requests=0))
    assert written(tmp_path / "1", first, starved).cells == (first,)
    quiet = replace(starved, disturbed="")
    assert written(tmp_path / "2", first, quiet).cells == (quiet,)


def test_other_records_come_back_equal(tmp_path: Path) -> None:
    """A memory probe and a search stand between the cells."""
    probe = MemoryProbe(
        *("selector", 1, 2, "2026-03-01T12:00:01+00:00", 1.5, ""),
        *((0, 4), (0, 4), (1000, None), (0, 9000), "cgroup v2", (1, 1)),
    )
    search = Capacity(
        *("churn", "selector", 3, "2026-03-01T12:00:01+00:00", 9.0, "", "p99=50ms", 1200.0),
        confirmed=True,
        limit="found",
        trials=({"rate": 1200.0, "held": True},),
    )
    results = written(tmp_path, cell(), probe, search)
    assert (results.cells, results.memory, results.capacities) == ((cell(),), (probe,), (search,))


def written(folder: Path, *records: Cell | MemoryProbe | Capacity) -> Results:
    """What is read of a folder with these records."""
    with writing(folder) as writer:
        writer.add_header(header())
        for record in records:
            writer.add(record)
    return read_results(folder)


def test_a_comparison_goes_on_where_its_file_ends(tmp_path: Path) -> None:
    """A line that a kill cut short is gone, and what comes next is a whole line."""
    folder = made_up(tmp_path / "results")
    whole = read_results(folder).cells
    path = folder / CELLS
    path.write_bytes(path.read_bytes()[:-20])
    with resuming(folder) as (results, writer):
        assert results.cells == whole[:-1]
        writer.add(whole[-1])
    again = read_results(folder)
    assert again.cells == whole
    assert again.notices == ()


@pytest.mark.parametrize("begin", [resuming, writing])
def test_one_comparison_at_a_time_writes_to_a_folder(
    tmp_path: Path, begin: Callable[[Path], AbstractContextManager[object]]
) -> None:
    """The second is told so, whichever the first was."""
    folder = tmp_path / "results"
    if begin is resuming:
        made_up(folder)
    with begin(folder), pytest.raises(ResultsError, match="another comparison is writing to"), resuming(folder):
        pytest.fail("two at a time")
    if begin is resuming:
        with resuming(folder):
            pass


def test_a_folder_that_was_made_and_has_no_header_yet_is_used_again(tmp_path: Path) -> None:
    """That is what a kill leaves while the clients' ceilings are measured; one with a header is refused."""
    for _ in range(2):
        with writing(tmp_path / "results"):
            pass
    with writing(tmp_path / "results") as writer:
        writer.add_header(header())
    with pytest.raises(ResultsError, match="exists and is not an empty folder"), writing(tmp_path / "results"):
        pass
    assert read_results(tmp_path / "results").cells == ()


def test_a_folder_that_a_comparison_begins_in_is_refused_to_another_at_once(tmp_path: Path) -> None:
    """Before the header is there."""
    with writing(tmp_path / "results") as writer:
        with pytest.raises(ResultsError, match="another comparison is writing to"), writing(tmp_path / "results"):
            pass
        writer.add_header(header())
    assert read_results(tmp_path / "results").cells == ()
