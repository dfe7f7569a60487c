"""Start a command in a session of its own, wait for its end, and leave nothing of it behind.

In a session of its own, a Ctrl-C at the terminal reaches a command only through us, and all that it starts
can be found and ended, also what was reparented.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tools.accounting.processes import descendants, read_all, read_file
from tools.failure import Failure

if TYPE_CHECKING:
    import resource
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from tools.accounting.meters import Meter

LAUNCHER_NAME = "serverlab-start"
LAUNCHER = f'echo {LAUNCHER_NAME} > /proc/self/comm; echo $$ > "$1" && shift && exec "$@"'
"""What moves itself into a cgroup (`$1` is its cgroup.procs) and then becomes the command; nothing else of
ours is charged to the cgroup. Its name tells, even after its death, that it did not become the command."""

EXEC_PATIENCE = 10.0
"""Seconds to wait for the launcher to become the command; it takes a millisecond or two."""

EXEC_INTERVAL = 0.0002

KILL_PATIENCE = 5.0
"""Seconds after which a killed process that does not die is given up (one in uninterruptible sleep, say)."""

KILL_INTERVAL = 0.002

PR_SET_PDEATHSIG = 1
"""Of prctl(2): a signal for the caller when its parent dies; kept by what it becomes, not by its children."""

FOREVER = 1e6
"""Seconds; the longest that poll takes is 2 ** 31 ms."""


class LaunchError(Failure):
    """A command could not be started, or did not come up; the text says why, on one line."""


class Child:
    """A command that we started: `pid`; once reaped, `exit_status` (-N: signal N) and `usage` (of wait4)."""

    def __init__(self, process: subprocess.Popen[bytes], meter: Meter | None) -> None:
        self.pid = process.pid
        self.exit_status: int | None = None
        self.usage: resource.struct_rusage | None = None
        self.pidfd = os.pidfd_open(process.pid)
        self._process = process
        self._meter = meter
        if meter:
            if meter.cgroup:
                self._await_exec()
            meter.attach(self.pid)

    def wait(self, timeout: float) -> bool:
        """Wait at most so many seconds for its end; it stays a zombie, whose times can still be read."""
        if self.exit_status is not None:
            return True
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(max(0.0, timeout) * 1000))

    def signal(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if self.exit_status is None:
            os.kill(self.pid, number)

    def survivors(self) -> list[int]:
        """Return the pids of its descendants that are alive.

        One that was reparented and made a session of its own is found only by a meter: in its cgroup, or
        where the meter saw it before.
        """
        found = self._meter.look().processes if self._meter else read_all(descendants([], {self.pid})).values()
        return [process.key.pid for process in found if process.key.pid != self.pid and not process.zombie]

    def end(self) -> int:
        """Kill it, if it has not ended, and all its descendants; reap it, and return its exit status."""
        try:
            self.signal(signal.SIGKILL)
            self.wait(KILL_PATIENCE)
            self.kill_survivors()
        finally:
            status = self.reap()
        return status

    def kill_survivors(self) -> None:
        """Kill its descendants, also those that they start meanwhile."""
        deadline = time.monotonic() + KILL_PATIENCE
        while (left := self.survivors()) and time.monotonic() < deadline:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(KILL_INTERVAL)

    def reap(self) -> int:
        """Wait for its end, tell the meter, and return its exit status; what it left behind stays."""
        if self.exit_status is None:
            self.wait(FOREVER)
            if self._meter:
                self._meter.look()  # the last look at its times
            _, status, self.usage = os.wait4(self.pid, 0)
            self.exit_status = self._process.returncode = os.waitstatus_to_exitcode(status)
            os.close(self.pidfd)
            if self._meter:
                self._meter.ended(self.usage)
        return self.exit_status

    def never_started(self) -> bool:
        """Tell, as long as it is not reaped, whether it is still the launcher, or ended as that."""
        return read_file(f"/proc/{self.pid}/comm") == f"{LAUNCHER_NAME}\n".encode()

    def _is_launcher(self) -> bool:
        """Tell whether it has not yet become the command, which it does once it has entered the cgroup.

        Its arguments tell; a look at the cgroup would not, for a command may leave at once. In the midst of becoming
        one or the other it has none.
        """
        arguments = read_file(f"/proc/{self.pid}/cmdline")
        return arguments == b"" or (arguments or b"").startswith(b"/bin/sh\0-c\0" + LAUNCHER.encode())

    def _await_exec(self) -> None:
        """Wait until the launcher has entered the cgroup and has become the command, or has failed to."""
        deadline = time.monotonic() + EXEC_PATIENCE
        while not self.wait(0) and self._is_launcher():
            if time.monotonic() > deadline:
                return
            time.sleep(EXEC_INTERVAL)


def start(
    command: Sequence[str],
    *,
    cpus: Collection[int] | None = None,
    meter: Meter | None = None,
    environment: Mapping[str, str] | None = None,
    stdin: int | IO[bytes] | None = None,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    bound: bool = False,
) -> Child:
    """Start a command, on those CPUs and metered from its first instruction on.

    One that is `bound` gets SIGTERM should we be killed; what it did before it became the command (some page
    faults, a millisecond) is then counted as its own by wait4.

    Raises LaunchError where it cannot be started. The caller must see to `reap` or `end`.
    """
    if not command:
        raise LaunchError("there is no command to start")
    program = shutil.which(command[0], path=(environment or os.environ).get("PATH"))
    if program is None:
        raise LaunchError(f"cannot start {command[0]}: {why_not(command[0])}")
    if (interpreter := interpreter_of(program)) and not Path(interpreter).exists():
        raise LaunchError(f"cannot start {command[0]}: its interpreter {interpreter} is not there")
    cgroup = meter.cgroup if meter else None
    line = ["/bin/sh", "-c", LAUNCHER, "serverlab", str(cgroup.procs), *command] if cgroup else list(command)
    try:
        with on_cpus(cpus):
            process = subprocess.Popen(
                line,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=environment,
                start_new_session=True,
                preexec_fn=binding() if bound else None,  # noqa: PLW1509 - it takes no lock, and imports nothing
            )
    except OSError as error:
        raise LaunchError(f"cannot start {command[0]}: {error.strerror}") from error
    try:
        return Child(process, meter)
    except BaseException:
        process.kill()
        process.wait()
        raise


def binding() -> Callable[[], None] | None:
    """Return what a child calls to get SIGTERM when we die; None in a thread, whose end the kernel takes for ours."""
    if threading.current_thread() is not threading.main_thread():
        return None
    control, us = ctypes.CDLL(None).prctl, os.getpid()

    def bind() -> None:
        control(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != us:  # killed in between: nobody is left to send it
            os._exit(1)

    return bind


def why_not(program: str) -> str:
    """Say why a program is not one that can be started."""
    if os.sep not in program:
        return "not found in PATH"
    if not Path(program).exists():
        return "no such file"
    return "it is a directory" if Path(program).is_dir() else "it is not executable"


def interpreter_of(program: str) -> str:
    """Return the interpreter that a script names in its first line, or nothing."""
    try:
        with open(program, "rb") as file:  # noqa: PTH123 - reads one line of what can be big
            first = file.readline(256)
    except OSError:  # it can be executed all the same
        return ""
    return os.fsdecode(first[2:].split()[0]) if first[:2] == b"#!" and first[2:].split() else ""


@contextmanager
def on_cpus(cpus: Collection[int] | None) -> Iterator[None]:
    """Run this thread on those CPUs for a while: what it starts meanwhile stays on them."""
    before = os.sched_getaffinity(0)
    if cpus:
        os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        if cpus:
            os.sched_setaffinity(0, before)
