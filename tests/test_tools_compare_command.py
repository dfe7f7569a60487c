"""The commands `compare` and `report` as a user runs them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.comparisons import made_up
from tools.cli import run
from tools.commands.compare import new_folder
from tools.failure import ResultsError
from tools.machine import usable_cpus
from tools.saved.results import CELLS, read_results
from tools.tables.of_comparison import tables_of

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKOUT = Path(__file__).resolve().parent.parent
PATIENCE = 30.0


def command(*arguments: str) -> list[str]:
    """The command line of a checkout."""
    return [sys.executable, "-m", "tools", *arguments]


def until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for the condition while the process runs, at most PATIENCE seconds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        psutil.wait_procs([psutil.Process(process.pid)], timeout=0.02)


def test_a_comparison_from_beginning_to_end(tmp_path: Path) -> None:
    """Tables on stdout, progress on stderr, files in the folder; and `report` draws the same again, and the others."""
    folder = tmp_path / "results"
    options = ["--workload", "churn", "--rounds", "1", "--duration", "300ms", "--held", "8", "--seed", "5"]
    options += ["--output", str(folder)]
    done = subprocess.run(
        command("compare", "selector", "iterative", *options), cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "2 cells in 1 round" in done.stderr
    assert "This takes about" in done.stderr
    assert done.stdout.index("What serving side by side costs") < done.stdout.index("Workload churn")
    assert done.stdout.splitlines()[-1].endswith(f": serverlab report {folder}")
    results = read_results(folder)
    assert [model.name for model in results.header.models] == ["iterative", "selector"]
    assert results.header.seed == 5
    assert "--rounds" in results.header.command
    assert results.header.duration == 0.3
    assert all(cell.load and cell.load.requests and cell.stopped and not cell.error for cell in results.cells)
    page = (folder / "report.html").read_bytes()
    (folder / "report.html").unlink()
    again = subprocess.run(command("report", str(folder)), cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    titles = [table.title for table in tables_of(results)]
    assert [title for title in titles if title in again.stdout] == titles
    left_out = [title for title in titles if title not in done.stdout.splitlines()]
    assert left_out == ["What churn costs"]
    assert set(done.stdout.splitlines()[:-1]) <= set(again.stdout.splitlines())
    assert (folder / "report.html").read_bytes() == page


def another_python(folder: Path, name: str) -> str:
    """Another interpreter, which is this one by another path."""
    path = folder / name
    path.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_interpreters_ones_own_server_cpus_and_a_backlog_are_as_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each model under each interpreter and beside them a server of the user's, in the files and in the tables."""
    folder, cpus = tmp_path / "results", usable_cpus()
    pythons = [word for name in "ab" for word in ("--python", another_python(tmp_path, name))]
    own = ["--serve-command", f"mine={sys.executable} -S -P {CHECKOUT / 'tests' / 'known_service.py'} shares"]
    where = ["--server-cpus", ",".join(map(str, cpus)), "--client-cpus", str(cpus[0]), "--backlog", "77"]
    brief = ["--workload", "churn", "--rounds", "1", "--duration", "0.2", "--held", "2", "--output", str(folder)]
    assert run(["compare", "selector", *pythons, *own, *where, *brief]) == 0
    told = capsys.readouterr()
    results = read_results(folder)
    names = [f"selector@{name}" for name in results.header.interpreters] + ["mine"]
    assert [model.name for model in results.header.models] == names
    assert len(names) == 3
    assert sorted(cell.model for cell in results.cells) == sorted(probe.model for probe in results.memory)
    assert sorted(cell.model for cell in results.cells) == sorted(names)
    assert list(results.header.pythons.values()) == pythons[1::2]
    assert (results.header.division.server, results.header.division.client) == (tuple(cpus), (cpus[0],))
    rooms = {cell.model: cell.admission.backlog for cell in results.cells if cell.admission}
    assert rooms == {**dict.fromkeys(names, 77), "mine": 256}
    assert f"server on CPU {', '.join(map(str, cpus))}, clients on CPU {cpus[0]}, not kept apart: as asked." in told.err
    assert all(name in told.out for name in names)


def test_ctrl_c_keeps_what_was_measured_and_leaves_no_process(tmp_path: Path) -> None:
    """Tables and report are drawn from the cells that had ended, and the status is 1."""
    folder = tmp_path / "results"
    brief = ["--rounds", "50", "--duration", "0.2", "--held", "0", "--no-control"]
    options = ["--workload", "keepalive", *brief, "--output", str(folder)]
    process = subprocess.Popen(
        command("compare", "forking", "selector", *options),
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        own = psutil.Process(process.pid)
        until(
            lambda: (folder / CELLS).exists() and (folder / CELLS).read_bytes().count(b"\n") >= 4, process
        )  # a cell may be run again
        until(lambda: bool(own.children()), process)
        family = own.children(recursive=True)
        process.send_signal(2)
        output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "SIGINT: " in errors
    assert "of 100 cells were measured" in errors
    assert "Traceback" not in errors
    assert "Workload keepalive" in output
    assert "cells were measured" in (folder / "report.html").read_text(encoding="utf-8")
    assert len(read_results(folder).attempts) >= 2
    assert not [child for child in family if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["compare", "treaded"], 2, "unknown model 'treaded': choose from iterative, forking, threaded, selector"),
        (["compare", "--workload", "chrun"], 2, "unknown workload 'chrun': choose from churn, keepalive, waiting"),
        (
            ["compare", "all", "treaded"],
            2,
            "unknown model 'treaded': choose from iterative, forking, threaded, selector",
        ),
        (
            ["compare", "iterative", "--workers", "3"],
            2,
            "--workers would change nothing: none of iterative looks at it",
        ),
        (["compare", "--workers", "0"], 2, "--workers"),
        (["compare", "--rounds", "0"], 2, "--rounds"),
        (["compare", "--duration", "long"], 2, "'--duration': give a time from 0.05 to 3600 s, as 5, 5s, 500ms or 2m"),
        (["compare", "--duration", "-1s"], 2, "--duration"),
        (["compare", "--duration", "2h"], 2, "--duration"),
        (["compare", "--warmup", "nan"], 2, "--warmup"),
        (["compare", "--output", "{full}"], 1, "exists and is not an empty folder"),
        (["compare", "--output", "{full}/a-file/deeper"], 1, "cannot write to"),
        (["report", "{full}/nowhere"], 1, "holds no comparison"),
        (["report", "{full}"], 1, "holds no comparison"),
        (["report"], 2, "DIR"),
        (["report", ""], 2, "give a path, not ''"),
        (["compare", "--output", ""], 2, "'--output': give a path, not ''"),
        (["compare", "--resume", ""], 2, "'--resume': give a path, not ''"),
        (["compare", "--against", ""], 2, "'--against': give a path, not ''"),
        (["compare", "{full}"], 2, "is a folder and no model"),
        (["compare", "{full}", "--against", "{full}/../full"], 2, "is the same comparison: give the folder of another"),
        (["compare", "--resume", "{full}", "--against", "{full}"], 2, "is the same comparison"),
        (["compare", "{full}/gone", "--against", "{full}"], 2, "full/gone' is neither a model nor a folder"),
        (["compare", "gone", "--against", "{full}"], 2, "'gone' is neither a model nor a folder"),
        (["compare", "{full}/gone"], 2, "full/gone' is neither a model nor a folder"),
        (["compare", "selector", "{full}", "--against", "{full}/a"], 2, "it takes no models and no other options"),
        (["compare", ""], 2, "unknown model ''"),
        (["compare", "--seed", str(2**63)], 2, "'--seed': "),
        (["compare", "--server-cpus", "0-99999999999999"], 2, "CPUs are given as 0,2 or 0-3, not '0-99999999999999'"),
    ],
)
def test_a_mistake_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, line: str
) -> None:
    """Before anything runs, and never a traceback."""
    full = tmp_path / "full"
    full.mkdir()
    (full / "a-file").write_text("", encoding="utf-8")
    assert run([argument.format(full=full) for argument in arguments]) == status
    told = capsys.readouterr()
    assert line in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""


def test_a_report_of_a_killed_comparison_says_what_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line cut short is no reason to refuse the others."""
    folder = made_up(tmp_path / "results")
    path = folder / CELLS
    path.write_bytes(path.read_bytes()[:-9])
    assert run(["report", str(folder)]) == 0
    told = capsys.readouterr()
    assert told.err == "the last line of cells.jsonl was cut short and is left out\n"
    assert "Workload computing" in told.out


def test_a_damaged_comparison_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the line, on one line."""
    folder = made_up(tmp_path / "results")
    path = folder / CELLS
    path.write_text(path.read_text(encoding="utf-8").replace('"model"', '"mdel"', 7), encoding="utf-8")
    assert run(["report", str(folder)]) == 1
    assert "is damaged: " in capsys.readouterr().err


def test_tables_that_cannot_be_written_are_one_line(tmp_path: Path) -> None:
    """A full disk under stdout: status 1, and nothing more when the interpreter ends."""
    folder = made_up(tmp_path / "results")
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            command("report", str(folder)), cwd=CHECKOUT, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr == "serverlab: cannot write to standard output: No space left on device\n"


def test_two_comparisons_that_begin_in_one_second_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is made when its name is chosen; where none can be made, that is one line."""
    monkeypatch.chdir(tmp_path)
    folders = [new_folder() for _ in range(3)]
    assert len(set(folders)) == 3
    assert all(folder.is_dir() for folder in folders)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("tools.commands.compare.RESULTS", tmp_path / "file")
    with pytest.raises(ResultsError, match=r"cannot write to .*file.*: Not a directory"):
        new_folder()
