"""One load process as its parent sees it: what it is told, what it says, and its records at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from clients.checkout import with_checkout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clients.spec import Spec

_PIPE_BYTES = 1 << 20
_PROGRESS_A_SECOND = 5
_LAST_MOMENT = 0.5  # seconds for a process that has closed its output to end


class LoadError(RuntimeError):
    """The load could not be carried out; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one load process handed in: rows as bytes that nobody else uses, and what it said with them.

    `shift_ns` is added to its times, which makes those of another machine's clock comparable as far as the start was
    common.
    """

    requests: memoryview
    connections: memoryview
    report: dict[str, Any]
    shift_ns: int = 0


class Told:
    """What a load process has said of itself so far: how far it has come, and whether nothing counts any more.

    `recent` are samples of response times in nanoseconds, of the last second; `asks` tells whether it has clients that
    ask, and not guests alone, which end with those who ask.
    """

    def __init__(self, spec: Spec) -> None:
        self.asks = spec.clients > 0
        self.completed = self.errors = 0
        self.recent: deque[list[int]] = deque(maxlen=_PROGRESS_A_SECOND)
        self.finished = False

    def note(self, event: dict[str, Any]) -> None:
        """Take in one of its events."""
        if event["event"] == "progress":
            self.completed, self.errors = event["completed"], event["errors"]
            self.recent.append(event["recent"])
        elif event["event"] == "finished":
            self.finished = True


def start_worker() -> subprocess.Popen[bytes]:
    """Start a `clients.worker`, which waits for its spec."""
    return subprocess.Popen(
        [sys.executable, "-m", "clients.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=with_checkout(os.environ),
        process_group=0,  # a terminal's Ctrl-C is for the parent, which stops the run and reports it
    )


def end_worker(worker: subprocess.Popen[bytes]) -> None:
    """Kill a worker, whatever it does, and let go of it."""
    worker.kill()
    for pipe in (worker.stdin, worker.stdout, worker.stderr):
        if pipe is not None:
            pipe.close()
    worker.wait()


class Prepared:
    """Workers that were started before there is a spec for them, so that they come up beside something else.

    They run on the CPUs of whoever made them until their specs tell them others. A context manager: on the way out
    those that nobody has taken are ended.
    """

    def __init__(self, count: int = 1) -> None:
        self._idle: list[subprocess.Popen[bytes]] = []
        try:
            for _ in range(count):
                self._idle.append(start_worker())
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._idle:
            end_worker(self._idle.pop())

    def take(self) -> subprocess.Popen[bytes]:
        """Hand over a worker that lives; a new one where there is none (any more)."""
        while self._idle:
            worker = self._idle.pop()
            if worker.poll() is None:
                return worker
            end_worker(worker)
        return start_worker()


class LoadProcess(Told):
    """A started `clients.worker` with its spec; `fileno` is ready when it said something, `hear` tells what.

    It is a `worker` that was started already, or a new one. `done` holds once the records are complete: then `recorded`
    has them. A context manager: on the way out the process is ended, whatever it does.
    """

    def __init__(self, spec: Spec, worker: subprocess.Popen[bytes] | None = None) -> None:
        super().__init__(spec)
        self._process = worker or start_worker()
        self._heard = bytearray()
        self.part = f"{spec.clients} clients" if spec.clients else "the held and hostile clients"
        self.report: dict[str, Any] | None = None
        self.tell(spec.to_json())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        end_worker(self._process)

    def fileno(self) -> int:
        """The descriptor that becomes readable when the process says something."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def tell(self, line: str) -> None:
        """Send a line; LoadError where nobody reads it any more."""
        assert self._process.stdin is not None
        try:
            os.write(self._process.stdin.fileno(), line.encode() + b"\n")
        except BrokenPipeError:
            raise LoadError(self._last_words()) from None

    def hear(self) -> Iterator[dict[str, Any]]:
        """Read what there is, without waiting if `fileno` is ready, and yield the events in it."""
        heard = os.read(self.fileno(), _PIPE_BYTES)
        if not heard:
            raise LoadError(self._last_words())
        self._heard += heard
        while self.report is None and (end := self._heard.find(b"\n")) >= 0:
            event: dict[str, Any] = json.loads(self._heard[:end])
            del self._heard[: end + 1]
            self.note(event)
            yield event

    def note(self, event: dict[str, Any]) -> None:
        """Take in one of its events, the last of which is its report."""
        super().note(event)
        if event["event"] == "records":
            self.report = event

    @property
    def done(self) -> bool:
        """Whether all records are here."""
        if self.report is None:
            return False
        size: int = self.report["requests_bytes"] + self.report["connections_bytes"]
        return len(self._heard) >= size

    @property
    def recorded(self) -> Recorded:
        """What it handed in, once done."""
        assert self.report is not None
        heard, size = memoryview(self._heard), self.report["requests_bytes"]
        return Recorded(heard[:size], heard[size:], self.report)

    def _last_words(self) -> str:
        with suppress(subprocess.TimeoutExpired):  # how it ended is told by its end, not by ours
            self._process.wait(_LAST_MOMENT)
        self._process.kill()
        _, errors = self._process.communicate()
        words = errors.decode(errors="replace").strip().splitlines()
        return f"a load process ended early: {words[-1] if words else _how_it_ended(self._process.returncode)}"


def _how_it_ended(status: int) -> str:
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"status {status}"
