"""Servers and load processes forked from interpreters that are there already, for tests that start many.

See `prestarted`.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, AnyStr, Generic

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).resolve().parent.parent
SLOW_TO_IMPORT = ("coroutines", "callbacks", "uvloop", "greenlets", "trio")  # 30 to 90 ms: each has its interpreter


class Interpreter:
    """One that has imported what a module imports, and others, and forks processes that run the module."""

    def __init__(self, module: str, *others: str) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._one_at_a_time = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.prestarted", module, *others],
                cwd=CHECKOUT,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )

    def fork(self, arguments: list[str], stdin: int, stdout: int, stderr: int) -> tuple[int, int]:
        """Fork a process with the environment that we have now; its pid, and where its status will be told."""
        order = json.dumps((arguments, dict(os.environ))).encode()
        told, status = os.pipe()
        with self._one_at_a_time:
            socket.send_fds(self._orders, [order], [stdin, stdout, stderr, status])
            os.close(status)
            pid = self._orders.recv(20)
        assert pid, "the interpreter that forks processes has ended"
        return int(pid), told

    def end(self) -> None:
        """Give no more orders, and wait for its end; its servers have to be gone."""
        self._orders.close()
        self._process.wait()


class Forked(Generic[AnyStr]):
    """A process that was forked, with what is needed of `subprocess.Popen`."""

    def __init__(self, forked: tuple[int, int], stdout: IO[AnyStr], *others: IO[AnyStr]) -> None:
        self.pid, self._told = forked
        self.stdout: IO[AnyStr] = stdout
        self.stdin: IO[AnyStr] | None = others[0] if others else None
        self.stderr: IO[AnyStr] | None = others[1] if others else None
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the status if it has ended: below 0 for a signal."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the status; raise TimeoutExpired after so many seconds."""
        status = self._ended(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return status

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            poll = select.poll()
            poll.register(self._told, select.POLLIN)
            if poll.poll(None if timeout is None else timeout * 1000):
                self.returncode = os.waitstatus_to_exitcode(int(os.read(self._told, 20)))
                os.close(self._told)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def communicate(self) -> tuple[AnyStr, AnyStr]:
        """Return what one that was killed has said, on stdout and on stderr."""
        assert self.stderr
        said = self.stdout.read(), self.stderr.read()
        self.wait()
        return said


_interpreters: dict[tuple[str, ...], Interpreter] | None = None


@contextmanager
def prestarting() -> Iterator[None]:
    """Fork servers and load processes in place of starting them, for the length of a with statement."""
    global _interpreters  # noqa: PLW0603  as much a state of this process as its children are
    _interpreters = {}
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("clients.process.start_worker", forked_worker)
            yield
    finally:
        interpreters, _interpreters = _interpreters, None
        for interpreter in interpreters.values():
            interpreter.end()


def _interpreter(*modules: str) -> Interpreter:
    assert _interpreters is not None
    if modules not in _interpreters:
        _interpreters[modules] = Interpreter(*modules)
    return _interpreters[modules]


def forked_server(model: str, settings: str, stderr: IO[str]) -> Forked[str] | None:
    """Fork a server, where that is what this process does at present."""
    if _interpreters is None:
        return None
    others = (f"servers.{model}",) if model in SLOW_TO_IMPORT else ()
    ours, theirs = os.pipe()
    with open(os.devnull, "rb") as nothing, os.fdopen(theirs, "wb") as stdout:  # noqa: PTH123  a device
        forked = _interpreter("servers.runtime.__main__", *others).fork(
            [settings], nothing.fileno(), stdout.fileno(), stderr.fileno()
        )
    return Forked(forked, os.fdopen(ours, encoding="utf-8"))


def forked_worker() -> Forked[bytes]:
    """Fork a `clients.worker`, as `clients.process.start_worker` starts one."""
    (stdin, told), (heard, stdout), (complaints, stderr) = os.pipe(), os.pipe(), os.pipe()
    forked = _interpreter("clients.worker").fork([], stdin, stdout, stderr)
    for theirs in (stdin, stdout, stderr):
        os.close(theirs)
    return Forked(forked, os.fdopen(heard, "rb"), os.fdopen(told, "wb"), os.fdopen(complaints, "rb"))
