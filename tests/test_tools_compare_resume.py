"""A comparison that is killed and gone on with: nothing is measured twice, nothing is lost, nothing is left running."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.comparisons import header, made_up
from tools.accounting.cgroups import PREFIX, CgroupUnavailableError, own_folder
from tools.accounting.processes import read_file, read_process
from tools.cli import run
from tools.comparison.carrying_out import check_same, plan_of
from tools.comparison.leftovers import NOTE, boot, end_leftover, note_server, noting
from tools.comparison.planning import CELL, MEMORY
from tools.machine import Interpreter, this_interpreter, this_machine
from tools.saved.cells import Cell, MemoryProbe
from tools.saved.results import CELLS, SAMPLES, Results, read_results, resuming, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECKOUT = Path(__file__).resolve().parent.parent
PATIENCE = 40.0  # seconds; the machine may be busy with much else
LOOK_SECONDS = 0.005
MARK = "SERVERLAB_TEST"
BRIEF = ("--workload", "keepalive", "--rounds", "2", "--duration", "0.2", "--warmup", "0.05", "--held", "4", "--seed")
MODELS = ("forking", "selector")
patient = pytest.mark.timeout(300)  # whole comparisons, one after the other, each with PATIENCE of its own


class Running:
    """`serverlab compare` as a process whose whole offspring can be told, whoever its parents are now."""

    def __init__(self, *arguments: str) -> None:
        self._mark = f"{MARK}={secrets.token_hex(8)}"
        name, _, value = self._mark.partition("=")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tools", "compare", *arguments],
            cwd=CHECKOUT,
            env={**os.environ, name: value},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def offspring(self) -> list[int]:
        """All that it started and that has not ended, and itself; what became a zombie has."""
        found = []
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):  # noqa: PTH208 - names are enough
            with suppress(PermissionError):
                if self._mark.encode() in (read_file(f"/proc/{pid}/environ") or b"").split(b"\0"):
                    process = read_process(pid)
                    found += [pid] if process and not process.zombie else []
        return found

    def until(self, happened: Callable[[], bool]) -> None:
        """Wait for something while it runs, or until it has ended."""
        deadline = time.monotonic() + PATIENCE
        while not happened() and self.process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(LOOK_SECONDS)

    def kill(self) -> None:
        """Kill it with -9, as a machine without memory does, and wait until all that it started has gone."""
        self.process.kill()
        self.process.communicate()
        deadline = time.monotonic() + PATIENCE
        while left := self.offspring():
            assert time.monotonic() < deadline, [read_file(f"/proc/{pid}/cmdline") for pid in left]
            time.sleep(LOOK_SECONDS)

    def ended(self) -> tuple[int, str, str]:
        """Wait for its end; its status, and what it said."""
        output, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, output, errors


@contextmanager
def comparing(*arguments: str) -> Iterator[Running]:
    """Run a comparison, and leave nothing of it, whatever the test finds."""
    running = Running(*arguments)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.communicate()
        for pid in running.offspring():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def control_groups(owner: int) -> list[Path]:
    """Control groups that this process made and that are there."""
    found: list[Path] = []
    for version, controller in ((1, "cpuacct"), (1, "memory"), (2, "")):
        with suppress(CgroupUnavailableError):
            found += own_folder(version, controller).glob(f"{PREFIX}{owner}-*")
    return found


def records(folder: Path) -> int:
    """How many whole lines follow the header."""
    path = folder / CELLS
    return max(0, path.read_bytes().count(b"\n") - 1) if path.exists() else 0


def key(done: Cell | MemoryProbe) -> tuple[str, str, str, int]:
    """What a step is known by."""
    if isinstance(done, Cell):
        return CELL, done.workload, done.model, done.round
    return MEMORY, "", done.model, done.round


def keys(results: Results) -> list[tuple[str, str, str, int]]:
    """What was measured, in the order of positions, which have no holes and no doubles; repeated attempts once."""
    done: list[Cell | MemoryProbe] = [*results.attempts, *results.memory]
    done.sort(key=lambda each: each.position)
    assert [each.position for each in done] == list(range(1, len(done) + 1))
    return list(dict.fromkeys(map(key, done)))


def check_whole(folder: Path) -> None:
    """Every step of the plan is there once, in the plan's order, with its samples; attempts come one after another."""
    results = read_results(folder)
    assert results.notices == ()
    assert keys(results) == [step.key for step in plan_of(results.header).steps()]
    attempts = [(cell.workload, cell.model, cell.round, cell.attempt) for cell in results.attempts]
    assert len(set(attempts)) == len(attempts)
    for earlier, later in pairwise(attempts):
        assert later[3] == 1 or earlier == (*later[:3], later[3] - 1)
    for cell in results.attempts:
        assert cell.error == ""
        assert cell.load is not None
        assert len(results.latencies(cell)) == cell.load.requests
    names = {path.name for path in (folder / SAMPLES).iterdir()}
    assert names == {cell.samples for cell in results.attempts}
    assert not (folder / NOTE).exists()


@patient
def test_a_comparison_that_is_killed_again_and_again_becomes_a_whole_one(tmp_path: Path) -> None:
    """At random moments, then half a line is cut off; what was measured before stays as it was."""
    folder, random = tmp_path / "results", Random(secrets.randbits(32))
    arguments: tuple[str, ...] = (*MODELS, *BRIEF, "5", "--no-control", "--output", str(folder))
    owners: list[int] = []
    known: list[bytes] = []
    for number in (1, 3, 4):
        with comparing(*arguments) as running:
            owners.append(running.process.pid)
            running.until(lambda wanted=number: records(folder) >= wanted)  # type: ignore[misc]
            moment = time.monotonic() + random.uniform(0, 0.6)
            running.until(lambda moment=moment: time.monotonic() >= moment)  # type: ignore[misc]
            running.kill()
        lines = (folder / CELLS).read_bytes().splitlines(keepends=True)
        assert lines[: len(known)] == known
        known = [line for line in lines if line.endswith(b"\n")]
        (folder / CELLS).write_bytes(b"".join(known) + known[-1][:40])
        arguments = ("--resume", str(folder))
    with comparing(*arguments) as running:
        owners.append(running.process.pid)
        status, output, errors = running.ended()
        assert running.offspring() == []
    assert status == 0, output + errors
    assert "done already" in errors
    assert (folder / CELLS).read_bytes().startswith(b"".join(known))
    check_whole(folder)
    assert [group for owner in owners for group in control_groups(owner)] == []


@patient
def test_a_comparison_that_is_told_to_end_leaves_nothing_and_can_be_gone_on_with(tmp_path: Path) -> None:
    """By SIGTERM, and again by the end of its terminal; it says how, and the rest is measured in the same order."""
    folder = tmp_path / "results"
    options = ("--workload", "keepalive", "--rounds", "2", "--duration", "0.2", "--warmup", "0.05", "--held", "0")
    arguments: tuple[str, ...] = (*MODELS, *options, "--no-control", "--output", str(folder))
    for count, number in enumerate((signal.SIGTERM, signal.SIGHUP), start=1):
        with comparing(*arguments) as running:
            running.until(lambda wanted=count: records(folder) >= wanted)  # type: ignore[misc]
            running.process.send_signal(number)
            status, output, errors = running.ended()
            assert running.offspring() == []
            assert control_groups(running.process.pid) == []
        assert status == 1
        cells = len(read_results(folder).cells)
        assert f"{number.name}: {cells} of 4 cells were measured; " in errors
        assert f"go on with: serverlab compare --resume {folder}" in errors
        assert "Workload keepalive" in output
        assert not (folder / NOTE).exists()
        assert 0 < cells < 4
        arguments = ("--resume", str(folder))
    with comparing(*arguments) as running:
        assert running.ended()[0] == 0
    check_whole(folder)


SHELTERED = """
import os, signal, socketserver, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
if os.fork() == 0:
    os.setsid()
    time.sleep(300)
Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_a_users_server_that_ignores_the_word_to_stop_is_gone_with_a_killed_comparison(tmp_path: Path) -> None:
    """And with it a child that left its session."""
    folder, script = tmp_path / "results", tmp_path / "mine.py"
    script.write_text(SHELTERED, encoding="utf-8")
    mine = f"mine={sys.executable} -S {script} {{port}}"
    options = ("--workload", "keepalive", "--rounds", "50", "--duration", "0.2", "--held", "0")
    with comparing("selector", "--serve-command", mine, *options, "--output", str(folder)) as running:
        running.until(lambda: sum(_script(pid) == str(script) for pid in running.offspring()) == 2)
        assert running.process.poll() is None
        running.kill()
    end_leftover(folder)  # as going on with it does
    assert control_groups(running.process.pid) == []


def _script(pid: int) -> str:
    """The script that a Python of these tests runs."""
    words = (read_file(f"/proc/{pid}/cmdline") or b"").split(b"\0")
    return words[2].decode() if len(words) > 2 else ""


def test_a_finished_comparison_has_nothing_left_to_do_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its cells stay as they are, and its tables are drawn again."""
    folder = finished_here(tmp_path / "results")
    before = (folder / CELLS).read_bytes()
    assert run(["compare", "--resume", str(folder)]) == 1  # one of its cells failed
    told = capsys.readouterr()
    assert "nothing is left to be measured" in told.err
    assert "Workload churn" in told.out
    assert (folder / CELLS).read_bytes() == before


def finished_here(folder: Path, **changes: object) -> Path:
    """A made-up comparison that is whole, of this machine and Python unless told."""
    made_up(folder)
    path = folder / CELLS
    lines = path.read_bytes().splitlines(keepends=True)
    whole = header(**{"machine": this_machine(), "interpreter": this_interpreter(), **changes})
    with writing(folder.with_name("header")) as writer:
        writer.add_header(whole)
    (first,) = (folder.with_name("header") / CELLS).read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join((first, *lines[1:])))
    return folder


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"machine": replace(this_machine(), processor="A Processor")}, "another machine (('A Processor', "),
        ({"machine": replace(this_machine(), cpus=1000)}, "another machine"),
        ({"machine": replace(this_machine(), kernel="6.1.0")}, "another kernel (6.1.0)"),
        ({"interpreter": replace(this_interpreter(), version="3.10.1")}, "another Python (CPython 3.10.1)"),
    ],
)
def test_what_was_begun_elsewhere_is_not_gone_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, object], words: str
) -> None:
    """The rest would be measured on something else."""
    folder = finished_here(tmp_path / "results", **changes)
    assert run(["compare", "--resume", str(folder)]) == 1
    told = capsys.readouterr().err
    assert words in told
    assert "begin a new comparison" in told
    assert told.count("\n") == 1


def answering(path: Path, **changes: object) -> Interpreter:
    """A program that says of itself what this interpreter is, but for these changes; what it says."""
    said = replace(this_interpreter(), **changes)  # type: ignore[arg-type]
    path.write_text(f"#!/bin/sh\necho '{json.dumps(asdict(said))}'\n", encoding="utf-8")
    path.chmod(0o755)
    return said


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": "3.12.1"}, "(CPython 3.12.1), and this is CPython 3.13.2"),
        ({"version": "3.13.2", "free_threaded": True, "gil": False}, "(CPython 3.13.2 free-threaded), and this is"),
        ({"version": "3.13.2", "gil": False}, "(CPython 3.13.2, the GIL off), and this is CPython 3.13.2:"),
        ({"version": "3.13.2", "packages": {"trio": "0.1"}}, "trio under Python at "),
    ],
)
def test_what_was_begun_under_another_interpreter_of_the_same_path_is_not_gone_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, object], words: str
) -> None:
    """Its version, its build, or a package that one of its models is built on."""
    python = tmp_path / "python"
    then = answering(python, **{"free_threaded": False, "gil": True, "packages": {}, **changes})
    answering(python, version="3.13.2", free_threaded=False, gil=True, packages={})
    models = (replace(header().models[0], name="trio@3.13", model="trio", interpreter="3.13"),)
    folder = finished_here(
        tmp_path / "results", models=models, interpreters={"3.13": then}, pythons={"3.13": str(python)}
    )
    assert run(["compare", "--resume", str(folder)]) == 1
    told = capsys.readouterr().err
    assert words in told
    assert "begin a new comparison" in told
    assert told.count("\n") == 1


def test_a_package_of_ours_that_a_model_is_built_on_must_be_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that no model of the comparison uses may have changed."""
    models = (replace(header().models[0], name="trio", model="trio"),)
    ours = this_interpreter()
    for changed, refused in (("trio", True), ("numpy", False)):
        other = replace(ours, packages={**ours.packages, changed: "0.1"})
        folder = finished_here(tmp_path / changed / "results", models=models, interpreter=other)
        if refused:
            assert run(["compare", "--resume", str(folder)]) == 1
            assert "it was begun on another trio under Python (0.1)" in capsys.readouterr().err
        else:
            check_same(read_results(folder).header)


def test_two_at_a_time_do_not_go_on_with_one_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second is refused before it does anything."""
    folder = finished_here(tmp_path / "results")
    with resuming(folder):
        assert run(["compare", "--resume", str(folder)]) == 1
    assert "another comparison is writing to" in capsys.readouterr().err


def test_a_folder_without_a_comparison_is_not_gone_on_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that was killed before its first line, or that is not there."""
    for folder, reason in (
        (tmp_path, "there is no cells.jsonl in it"),
        (tmp_path / "nowhere", "there is no such folder"),
    ):
        assert run(["compare", "--resume", str(folder)]) == 1
        assert f"holds no comparison: {reason}" in capsys.readouterr().err
    (tmp_path / CELLS).touch()
    assert run(["compare", "--resume", str(tmp_path)]) == 1
    assert "holds no comparison: cells.jsonl has no whole line" in capsys.readouterr().err


SESSION = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
print("up", flush=True)
time.sleep(300)
"""


@contextmanager
def session() -> Iterator[int]:
    """A process with a child in a session of its own."""
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", SESSION], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout
        assert (process.stdout.readline(), process.stdout.readline()) == (b"up\n", b"up\n")
        try:
            yield process.pid
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_a_server_that_outlived_a_kill_is_ended_with_its_session(tmp_path: Path) -> None:
    """And the note is gone."""
    with session() as pid:
        note_server(tmp_path, pid)
        assert end_leftover(tmp_path) == 2
        assert (process := read_process(pid)) is None or process.zombie
    assert not (tmp_path / NOTE).exists()
    assert end_leftover(tmp_path) == 0


@pytest.mark.parametrize("change", [{"started_ticks": 1}, {"boot": "another"}])
def test_a_process_that_only_has_the_number_is_left_alone(tmp_path: Path, change: dict[str, object]) -> None:
    """It was born at another time, or the machine was started again."""
    with session() as pid:
        note_server(tmp_path, pid)
        path = tmp_path / NOTE
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
        assert end_leftover(tmp_path) == 0
        assert (process := read_process(pid)) is not None
        assert not process.zombie


@pytest.mark.parametrize("note", ["", "{", "[]", "7", '{"boot": "x"}', '{"boot": "x", "owner": "me"}'])
def test_a_damaged_note_ends_nobody(tmp_path: Path, note: str) -> None:
    """Nor does it raise."""
    (tmp_path / NOTE).write_text(note)
    assert end_leftover(tmp_path) == 0


def test_a_note_is_there_only_while_somebody_measures(tmp_path: Path) -> None:
    """It tells who, before there is a server."""
    with noting(tmp_path):
        assert json.loads((tmp_path / NOTE).read_text()) == {"boot": boot(), "owner": os.getpid()}
    assert list(tmp_path.iterdir()) == []
