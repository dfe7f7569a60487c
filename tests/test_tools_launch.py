"""Servers are started, listened to, stopped, and leave nothing behind, whatever they do and whatever we do."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.measured import python
from tools.accounting.meters import metering
from tools.accounting.readings import Times
from tools.processes.children import LaunchError, start
from tools.processes.launch import running

CHECKOUT = Path(__file__).resolve().parent.parent

LISTENING = """
import json, os, signal, sys, time
def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)
"""

TERMINABLE = """
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
say("listening", host="127.0.0.1", port=7)
signal.sigwait([signal.SIGTERM])
"""

ORDERLY = f"""
{TERMINABLE}
say("stopped", model="m", protocol="echo", connections=3, requests=5, bytes_in=7, bytes_out=9, errors=dict(reset=1),
    cpu=dict(self=dict(user=0.25, system=0.5), children=dict(user=1.0, system=2.0)))
"""

STUBBORN = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
say("listening", port=7)
while True:
    time.sleep(60)
"""


def server(script: str, *arguments: str) -> list[str]:
    """Return the command of a made-up server."""
    return python(LISTENING + script, *arguments)


def listen(script: str, timeout: float = 10) -> None:
    """Start a made-up server, and stop it as soon as it listens."""
    with running(server(script), timeout=timeout):
        pass


def pids_in(output: Path) -> list[int]:
    """Return the pids that a made-up server wrote down."""
    return [int(pid) for pid in output.read_text().split()]


def gone(pid: int) -> bool:
    """Tell whether a process has ended; as an orphan it may not have been reaped yet."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("metered", [False, True])
def test_a_server_does_not_outlive_us_when_we_are_killed(*, metered: bool) -> None:
    """It gets SIGTERM from the kernel, through the launcher of a cgroup too."""
    script = (
        "import sys\nfrom contextlib import nullcontext\nfrom tools.accounting.meters import metering\n"
        "from tools.processes.launch import running\n"
        f"with {'metering()' if metered else 'nullcontext()'} as meter:\n"
        "    with running(sys.argv[1:], meter=meter) as server:\n"
        "        print(server.pid, flush=True)\n        sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, *server(ORDERLY)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=CHECKOUT) as starter:
        assert starter.stdout
        pidfd = os.pidfd_open(int(starter.stdout.readline()))
        starter.kill()
        ended = select.select([pidfd], [], [], 30)[0]
        os.close(pidfd)
    assert ended


def test_an_orderly_server_tells_its_address_and_its_totals() -> None:
    """The listening line, the stopped line, the exit status and wait4's usage."""
    with running(server(ORDERLY)) as running_server:
        assert running_server.listening["event"] == "listening"
        assert running_server.address == ("127.0.0.1", 7)
        line = running_server.stop()
        assert line is not None
        assert (line.connections, line.requests, line.bytes_in, line.bytes_out) == (3, 5, 7, 9)
        assert line.errors == {"reset": 1}
        assert (line.cpu, line.cpu_of_children) == (Times(0.25, 0.5), Times(1.0, 2.0))
        assert line.fields["model"] == "m"
        assert running_server.exit_status == 0
        assert running_server.leftover == 0
        assert running_server.usage is not None
        assert running_server.stop() is line
    assert gone(running_server.pid)


def test_a_unix_socket_is_an_address_too() -> None:
    """The path instead of host and port."""
    with running(server("say('listening', path='/somewhere'); time.sleep(60)")) as running_server:
        assert running_server.address == "/somewhere"


def test_a_server_runs_on_the_cpus_it_is_given_from_its_first_instruction() -> None:
    """We stay where we were."""
    before = os.sched_getaffinity(0)
    cpu = max(before)
    with running(
        server("say('listening', port=7, cpus=list(os.sched_getaffinity(0))); time.sleep(60)"), cpus={cpu}
    ) as it:
        assert it.listening["cpus"] == [cpu]
    assert os.sched_getaffinity(0) == before


def test_a_server_that_ends_first_is_an_error_with_the_end_of_its_stderr() -> None:
    """One line tells the status and why."""
    with pytest.raises(LaunchError, match=r"ended with status 3 before it listened: no luck today"):
        listen("print('no luck today', file=sys.stderr); sys.exit(3)")


def test_a_server_that_prints_something_else_is_an_error() -> None:
    """What it printed is in the line."""
    with pytest.raises(LaunchError, match=r"something else than that it listens: 'Serving HTTP'"):
        listen("print('Serving HTTP', flush=True); time.sleep(60)")


def test_a_server_that_stays_silent_is_an_error() -> None:
    """It is given up after the time-out, and is gone then."""
    with pytest.raises(LaunchError, match=r"did not listen within 0.2 s"):
        listen("time.sleep(60)", timeout=0.2)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["no-such-program"], "not found in PATH"),
        (["./no/such/file"], "no such file"),
        (["/"], "it is a directory"),
        ([__file__], "it is not executable"),
        ([], "no command"),
    ],
)
def test_a_command_that_cannot_be_started_is_an_error(command: list[str], reason: str) -> None:
    """The line says why; it is the same with a meter and without."""
    with pytest.raises(LaunchError, match=reason):
        start(command)
    with metering() as meter, pytest.raises(LaunchError, match=reason):
        start(command, meter=meter)


def test_a_script_whose_interpreter_is_missing_is_an_error(tmp_path: Path) -> None:
    """The interpreter is named."""
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    with metering() as meter, pytest.raises(LaunchError, match=re.escape("/no/such/interpreter")):
        start([str(script)], meter=meter)


def test_a_server_that_ignores_sigterm_is_killed_after_its_grace() -> None:
    """No stopped line, and a status that says so."""
    with running(server(STUBBORN)) as running_server:
        assert running_server.stop(grace=0.1) is None
        assert running_server.exit_status == -signal.SIGKILL


def test_a_server_that_prints_much_is_not_blocked() -> None:
    """More than a pipe holds, before it stops: the stopped line is still found."""
    script = ORDERLY.replace('say("stopped"', 'print("x" * 200 + "\\n" * 1000 * 200, flush=True)\nsay("stopped"')
    with running(server(script)) as running_server:
        line = running_server.stop()
    assert line is not None
    assert line.requests == 5


@pytest.mark.parametrize("line", ["{", "[]", '{"event": "stopped", "cpu": 3}', '{"event": "stopped", "requests": "x"}'])
def test_a_stopped_line_that_is_damaged_is_none(line: str) -> None:
    """The server is somebody else's; it still ends in order."""
    with running(server(f"{TERMINABLE}\nprint({line!r})")) as running_server:
        assert running_server.stop() is None
        assert running_server.exit_status == 0


FAMILY = """
for daemon in (False, True):
    if os.fork() == 0:
        if daemon:
            os.setsid()
        print(os.getpid(), file=open(sys.argv[1], "a"), flush=True)
        time.sleep(60)
while len(open(sys.argv[1]).read().split()) < 2:
    time.sleep(0.001)
"""


@pytest.mark.parametrize("method", [None, "process-tree"])
def test_what_a_server_leaves_behind_is_counted_and_killed(tmp_path: Path, method: str | None) -> None:
    """A child in its session, and one that made a session of its own and was reparented."""
    output = tmp_path / "pids"
    output.touch()
    with metering(method) as meter, running(server(FAMILY + ORDERLY, str(output)), meter=meter) as running_server:
        running_server.stop()
        assert running_server.leftover == 2
        assert len(pids_in(output)) == 2
        assert all(gone(pid) for pid in pids_in(output))


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_where_the_caller_raises(tmp_path: Path, error: type[BaseException]) -> None:
    """The server and its children are gone, and its cgroup is too."""
    output = tmp_path / "pids"
    output.touch()
    left: list[Path | int] = []

    def raise_with_a_server() -> None:
        with metering() as meter, running(server(FAMILY + STUBBORN, str(output)), meter=meter) as running_server:
            left.append(running_server.pid)
            left.extend([meter.cgroup.path] if meter.cgroup else [])
            raise error

    with pytest.raises(error):
        raise_with_a_server()
    for trace in [*left, *pids_in(output)]:
        assert gone(trace) if isinstance(trace, int) else not trace.exists()


def test_a_real_server_of_ours_is_started_and_stopped() -> None:
    """The wire between the parts: both lines of `python -m servers`."""
    command = [sys.executable, "-m", "servers", "selector", "--protocol", "echo", "--port", "0"]
    with metering() as meter, running(command, meter=meter) as running_server:
        assert running_server.address == ("127.0.0.1", running_server.listening["port"])
        line = running_server.stop()
    assert line is not None
    assert line.model == "selector"
    assert running_server.exit_status == 0
    told = line.cpu.total + line.cpu_of_children.total
    assert told <= meter.read().total + 0.05
