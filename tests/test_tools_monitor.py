"""`serverlab monitor`, run as a user runs it: what it says of commands and processes whose cost is known."""

from __future__ import annotations

import csv
import json
import os
import select
import shlex
import signal
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.commands import done_here
from tests.measured import BURN, burner, forker, held, holder, python, works
from tests.serving import state_of, wait_until
from tools.accounting.cgroups import cgroup_of_its_own, own_folder
from tools.accounting.meters import CGROUP_METHODS
from tools.cli import run

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT = 50


def monitor(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `serverlab monitor` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "tools", "monitor", *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def monitored(*arguments: str) -> dict[str, Any]:
    """Run `serverlab monitor --json`, see that it did well, and return what it found."""
    done = monitor("--json", *arguments)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def cgroups_left(pid: int) -> list[Path]:
    """Return the cgroups that a monitor of this pid left behind."""
    left: list[Path] = []
    for method, version in CGROUP_METHODS.items():
        if works(method):
            left.extend(own_folder(version).glob(f"serverlab-{pid}-*"))
    return left


@pytest.mark.parametrize("ignored", [False, True], ids=["waited", "ignored"])
def test_four_hundred_children_of_5_ms_are_within_5_percent_of_the_kernel_s_counter(*, ignored: bool) -> None:
    """The counter is that of a cgroup that the command is in beside the one that monitor makes."""
    methods = [method for method in CGROUP_METHODS if works(method)]
    with ExitStack() as stack:
        command, truth = forker(400, ignored=ignored), None
        if len(methods) == 2:  # monitor takes the first
            truth = stack.enter_context(cgroup_of_its_own(CGROUP_METHODS[methods[1]]))
            command = ["/bin/sh", "-c", 'echo $$ > "$1" && shift && exec "$@"', "sh", str(truth.procs), *command]
        before = truth.used().total if truth else 0.0
        found = monitored("--", *command)
        used = truth.used().total - before if truth else 2.0
    assert found["cpu_complete"] is (bool(methods) or not ignored)
    if not found["cpu_complete"]:
        assert "SIGCHLD" in found["cpu_reason"]
    elif truth:
        assert found["cpu_seconds"] == pytest.approx(used, rel=0.05)
    else:
        assert found["cpu_seconds"] > used
    assert found["cpu_user_seconds"] + found["cpu_system_seconds"] == pytest.approx(found["cpu_seconds"])


def test_a_monitor_inside_a_measured_cgroup_is_counted_there() -> None:
    """Nesting: the outer counter has the command's CPU and monitor's own."""
    if not works("cgroup-v1") and not works("cgroup-v2"):
        pytest.skip("needs a cgroup that can be written")
    method = "cgroup-v1" if works("cgroup-v1") else "cgroup-v2"
    with cgroup_of_its_own(CGROUP_METHODS[method]) as outer:
        enter = ["/bin/sh", "-c", 'echo $$ > "$1" && shift && exec "$@"', "sh", str(outer.procs)]
        command = [sys.executable, "-m", "tools", "monitor", "--json", "--cpu-method", method, "--", *burner(0.2)]
        done = subprocess.run([*enter, *command], capture_output=True, text=True, timeout=TIMEOUT, check=True)
        assert json.loads(done.stdout)["cpu_seconds"] >= 0.2
        assert outer.used().total >= json.loads(done.stdout)["cpu_seconds"]


@pytest.mark.parametrize("method", ["cgroup-v1", "cgroup-v2", "rusage", "process-tree"])
def test_a_short_command_is_metered_and_seen(method: str) -> None:
    """Some twenty milliseconds: the CPU by every method, and peaks that are not nothing.

    On a busy machine it can be over before the first look; what was not seen is then None.
    """
    if not works(method):
        pytest.skip(f"the method {method} does not work here")
    for _ in range(10):
        found = monitored("--cpu-method", method, "--", *burner(0.02))
        assert (found["cpu_method"], found["cpu_complete"]) == (method, True)
        assert 0.02 <= found["cpu_seconds"] < 2
        assert (found["peak_processes"], found["peak_threads"]) in ((1, 1), (None, None))
        assert found["peak_descriptors"] != 0
        assert found["monitor_cpu_seconds"] > 0
        if found["peak_pss_bytes"] is not None:
            break
    assert found["peak_pss_bytes"] > 0
    assert found["peak_descriptors"] >= 3
    assert found["peak_rss_upper_bound_bytes"] > 0


def test_what_no_look_saw_is_unknown_and_not_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """A command that is over at once is either seen as it was, or not at all."""
    for _ in range(10):
        done = done_here(run, ["monitor", "--", "true"], capfd)
        line = next(line for line in done.stderr.splitlines() if line.startswith("at most"))
        assert " 0 " not in line
        assert "1 processes, 1 threads" in line or "ended before the first look" in line


@pytest.mark.parametrize("orphaned", [False, True])
def test_counts_are_incomplete_once_a_process_has_lost_its_parent(tmp_path: Path, *, orphaned: bool) -> None:
    """It lives until two samples have been written, and is dead when the command ends: nobody waited for it."""
    samples, done = shlex.quote(str(tmp_path / "samples")), shlex.quote(str(tmp_path / "done"))
    seen = f"n=$(wc -l < {samples}); while [ $(wc -l < {samples}) -lt $((n + 3)) ]; do sleep 0.01; done; touch {done}"
    child = f"( ( {seen} ) & ); while [ ! -e {done} ]; do sleep 0.01; done" if orphaned else f"( {seen} ); true"
    found = monitored("--interval", "0.05", "--csv", str(tmp_path / "samples"), "--", "sh", "-c", child)
    assert found["counts_complete"] is not orphaned


def test_the_exit_status_is_the_command_s_and_monitor_s_is_0() -> None:
    """A status, and a signal as a negative one."""
    assert monitored("--", "sh", "-c", "exit 3")["exit_status"] == 3
    assert monitored("--", "sh", "-c", "kill -9 $$")["exit_status"] == -signal.SIGKILL


def test_the_command_s_output_passes_through_and_the_json_comes_last() -> None:
    """Its stdin is ours, its stdout and stderr are untouched; a last line without an end does not spoil the JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "tools", "monitor", "--json", "--", "sh", "-c", "cat; printf end; echo complaint >&2"],
        input="given\n",
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    given, end, found = done.stdout.splitlines()
    assert (given, end) == ("given", "end")
    assert json.loads(found)["exit_status"] == 0
    assert done.stderr == "complaint\n"


def test_without_json_a_summary_goes_to_stderr() -> None:
    """It names the command, the CPU and how it was learned, memory and peaks."""
    done = monitor("--", "sh", "-c", "echo out")
    assert done.stdout == "out\n"
    for word in ("sh -c 'echo out'", "exit status 0", "CPU", "complete", "PSS", "processes", "descriptors", "monitor"):
        assert word in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("method", [None, "process-tree"])
def test_a_signal_is_passed_on_and_the_summary_still_comes(number: signal.Signals, method: str | None) -> None:
    """The command catches it, and ends as it likes; nothing is left."""
    script = f"""
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [{int(number)}])
print("ready", flush=True)
print("caught", int(signal.sigwait([{int(number)}])), flush=True)
sys.exit(7)
"""
    options = ["--cpu-method", method] if method else []
    command = [sys.executable, "-m", "tools", "monitor", "--json", *options, "--", *python(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        output = process.stdout.read().splitlines()
    assert process.returncode == 0
    assert output[0] == f"caught {int(number)}", output
    assert json.loads(output[-1])["exit_status"] == 7
    assert cgroups_left(process.pid) == []


def test_a_terminal_s_signal_reaches_the_children_of_the_command_too() -> None:
    """As Ctrl-C does: a shell and what it runs both get it."""
    child = shlex.join(python("import time; print('ready', flush=True); time.sleep(60)"))
    command = [sys.executable, "-m", "tools", "monitor", "--json", "--", "sh", "-c", f"{child}; echo no"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        found = json.loads(process.stdout.read().splitlines()[-1])
    assert found["exit_status"] == -signal.SIGINT
    assert found["survivors"] == []
    assert found["duration"] < 50


def test_a_killed_command_leaves_no_cgroup() -> None:
    """Nor does one that nobody could ask to clean up."""
    with subprocess.Popen(
        [sys.executable, "-m", "tools", "monitor", "--json", "--", "sh", "-c", "echo $$; kill -9 $$"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        process.stdout.read()
    assert process.returncode == 0
    assert cgroups_left(process.pid) == []


@pytest.mark.parametrize("method", [None, "process-tree"])
def test_descendants_that_outlive_the_command_are_named_and_left_alone(method: str | None) -> None:
    """Monitoring ends with the command."""
    script = """
import os, sys
pid = os.fork()
if pid == 0:
    os.close(1)
    os.close(2)
    os.read(0, 1)
    os._exit(0)
print(pid)
"""
    options = ["--cpu-method", method] if method else []
    command = [sys.executable, "-m", "tools", "monitor", "--json", *options, "--", *python(script)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        lines = process.stdout.read().splitlines()
        survivor = int(lines[0])
        assert json.loads(lines[-1])["survivors"] == [survivor]
        assert process.wait(TIMEOUT) == 0
        assert cgroups_left(process.pid) == []
        pidfd = os.pidfd_open(survivor)  # it is there
        assert process.stdin
        process.stdin.close()
        ended, _, _ = select.select([pidfd], [], [], 20)
        os.close(pidfd)
    assert ended


def test_a_running_process_is_watched_for_a_while() -> None:
    """For --duration seconds; what it did before does not count, and it goes on afterwards."""
    with held(holder(f"{BURN}\nburn(0.3)")) as process:
        assert process.line() == "ready"
        found = monitored(str(process.pid), "--duration", "300ms")
        assert not process.child.wait(0)
    assert found["cpu_seconds"] < 0.1
    assert found["cpu_complete"] is True
    assert (found["cpu_method"], found["exit_status"], found["command"]) == ("process-tree", None, None)
    assert 0.3 <= found["duration"] < 30
    assert found["peak_pss_bytes"] > 0


def test_a_running_process_that_ends_ends_the_watch() -> None:
    """What it used after the last look is lost, and monitor says so."""
    with held(holder("")) as process:
        assert process.line() == "ready"
        command = [sys.executable, "-m", "tools", "monitor", "--json", str(process.pid), "--csv", "/dev/stderr"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
            assert watching.stderr
            assert watching.stdout
            watching.stderr.readline()  # the names
            watching.stderr.readline()  # the first sample
            # Nothing of a zombie is lost: it must not look between the end of the process and its burial.
            watching.send_signal(signal.SIGSTOP)
            wait_until(lambda: state_of(watching.pid) == "T")
            process.let_go()
            process.child.reap()
            watching.send_signal(signal.SIGCONT)
            found = json.loads(watching.stdout.read())
            watching.stderr.read()
    assert watching.returncode == 0
    assert found["cpu_complete"] is False
    assert found["cpu_reason"]


def test_ctrl_c_ends_the_watch_of_a_running_process_with_a_summary() -> None:
    """The process is not ours to end."""
    with held(holder("")) as process:
        assert process.line() == "ready"
        command = [sys.executable, "-m", "tools", "monitor", "--json", str(process.pid), "--csv", "/dev/stderr"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
            assert watching.stderr
            assert watching.stdout
            watching.stderr.readline()
            watching.stderr.readline()
            watching.send_signal(signal.SIGINT)
            found = json.loads(watching.stdout.read())
            watching.stderr.read()
        assert watching.returncode == 0
        assert found["pid"] == process.pid
        assert not process.child.wait(0)


def test_the_samples_are_in_the_csv(tmp_path: Path) -> None:
    """A line of names, then a line for each sample, in order of time; the last one has the whole CPU."""
    file = tmp_path / "samples.csv"
    found = monitored("--csv", str(file), "--interval", "0.05", "--", *burner(0.3))
    with file.open(newline="", encoding="utf-8") as lines:
        samples = list(csv.DictReader(lines))
    assert len(samples) == found["samples"]
    times = [float(sample["at"]) for sample in samples]
    assert times == sorted(times)
    cpu = float(samples[-1]["cpu_user_seconds"]) + float(samples[-1]["cpu_system_seconds"])
    assert cpu == pytest.approx(found["cpu_seconds"], rel=0.05)
    assert max(int(sample["pss_bytes"] or 0) for sample in samples) == found["peak_pss_bytes"]


def test_a_csv_that_cannot_be_written_is_said_before_anything_is_started(tmp_path: Path) -> None:
    """One clear line, status 1, and the command has not run."""
    done = monitor("--csv", str(tmp_path / "no" / "file"), "--", "touch", str(tmp_path / "started"))
    assert done.returncode == 1
    assert done.stderr == f"serverlab: cannot write {tmp_path / 'no' / 'file'}: No such file or directory\n"
    assert not (tmp_path / "started").exists()


def test_a_csv_on_a_full_disk_does_not_end_the_command() -> None:
    """The command ends as it would, the result comes, and then the line that the file is not whole."""
    if not os.path.exists("/dev/full"):  # noqa: PTH110 - a device
        pytest.skip("needs /dev/full")
    done = monitor("--json", "--csv", "/dev/full", "--", "sh", "-c", "exit 3")
    assert json.loads(done.stdout)["exit_status"] == 3
    assert done.returncode == 1
    assert done.stderr == "serverlab: /dev/full is not whole: No space left on device\n"


def test_on_a_terminal_there_is_a_live_line() -> None:
    """It is drawn on stderr while the command runs."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "tools", "monitor", "--", "sleep", "0.7"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, env=os.environ | {"TERM": "xterm"}) as it:
        os.close(theirs)
        drawn = b""
        try:
            while part := os.read(ours, 4096):
                drawn += part
        except OSError:  # the other side of a terminal has no end of file
            pass
        os.close(ours)
    assert it.returncode == 0
    assert drawn.count(b"s user") >= 2
    assert b"exit status 0" in drawn


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        ([], 2, "give either one PID, or -- and a command"),
        (["--"], 2, "give either one PID, or -- and a command"),
        (["1", "--", "true"], 2, "give either one PID, or -- and a command"),
        (["top"], 2, "'top' is not a PID; a command comes after --"),
        (["--duration", "3", "--", "true"], 2, "--duration is for a PID; a command is monitored until it ends"),
        (["--csv", "", "--", "true"], 2, "'--csv': give a path, not ''"),
        (["--", ""], 2, "there is no program in ''"),
        (["--interval", "0", "--", "true"], 2, "Invalid value for '--interval'"),
        (["--interval", "inf", "--", "true"], 2, "Invalid value for '--interval': give a time from 0.01 to"),
        (["--duration", "nan", "1"], 2, "Invalid value for '--duration': give a time from 0 to"),
        (["--cpu-method", "guess", "--", "true"], 2, "there is no CPU method 'guess'"),
        (["--cpu-method", "cgroup-v1", "1"], 2, "process-tree only"),
        (["99999999"], 1, "there is no process 99999999"),
        (["0"], 1, "there is no process 0"),
        (["99999999999999999999"], 1, "there is no process 99999999999999999999"),
        (["--", "no-such-program"], 1, "cannot start no-such-program: not found in PATH"),
        (["--", "/"], 1, "cannot start /: it is a directory"),
    ],
)
def test_a_mistake_is_one_clear_line(
    arguments: list[str], status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2 where the command line was wrong, 1 where it could not be done; no traceback."""
    done = done_here(run, ["monitor", *arguments], capsys)
    assert (done.status, done.stdout) == (status, "")
    assert done.stderr.count("\n") == 1
    assert line in done.stderr


def test_a_process_that_has_ended_is_not_watched() -> None:
    """Also one that has ended and was not waited for."""
    with held(holder("")) as process:
        assert process.line() == "ready"
        process.let_go()
        assert process.child.wait(20)
        done = monitor(str(process.pid))
    assert (done.returncode, done.stderr) == (1, f"serverlab: process {process.pid} has ended\n")
