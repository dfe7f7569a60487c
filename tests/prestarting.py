"""Servers forked from interpreters that are there already, for the tests that start hundreds: see `prestarted`."""

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
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).resolve().parent.parent
SLOW_TO_IMPORT = ("coroutines", "callbacks", "uvloop", "greenlets", "trio")  # 30 to 90 ms: each has its interpreter


class Interpreter:
    """One that has imported what a server imports, and forks servers."""

    def __init__(self, *models: str) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._one_at_a_time = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.prestarted", *models],
                cwd=CHECKOUT,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )

    def fork(self, settings: str, stderr: IO[str]) -> Forked:
        """Fork a server with these settings, and with the environment that we have now."""
        order = json.dumps((settings, dict(os.environ))).encode()
        (ours, stdout), (told, status) = os.pipe(), os.pipe()
        with self._one_at_a_time:
            socket.send_fds(self._orders, [order], [stdout, stderr.fileno(), status])
            os.close(stdout)
            os.close(status)
            pid = self._orders.recv(20)
        assert pid, "the interpreter that forks servers has ended"
        return Forked(int(pid), os.fdopen(ours, encoding="utf-8"), told)

    def end(self) -> None:
        """Give no more orders, and wait for its end; its servers have to be gone."""
        self._orders.close()
        self._process.wait()


class Forked:
    """A server that was forked, with what tests need of `subprocess.Popen`."""

    def __init__(self, pid: int, stdout: IO[str], told: int) -> None:
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None
        self._told = told

    def poll(self) -> int | None:
        """Return the status if it has ended: below 0 for a signal."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the status; raise TimeoutExpired after so many seconds."""
        status = self._ended(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("servers.runtime", timeout or 0)
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


_interpreters: dict[str, Interpreter] | None = None


@contextmanager
def prestarting() -> Iterator[None]:
    """Fork servers in place of starting them, for the length of a with statement."""
    global _interpreters  # noqa: PLW0603  as much a state of this process as its children are
    _interpreters = {}
    try:
        yield
    finally:
        interpreters, _interpreters = _interpreters, None
        for interpreter in interpreters.values():
            interpreter.end()


def forked(model: str, settings: str, stderr: IO[str]) -> Forked | None:
    """Fork a server, where that is what this process does at present."""
    if _interpreters is None:
        return None
    models = (model,) if model in SLOW_TO_IMPORT else ()
    name = " ".join(models)
    if name not in _interpreters:
        _interpreters[name] = Interpreter(*models)
    return _interpreters[name].fork(settings, stderr)
