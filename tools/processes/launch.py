"""Start a server, know when it listens, stop it, and leave nothing behind.

with metering() as meter, running(command, cpus={0}, meter=meter) as server:
    opened = meter.read()
    ...                                      # something that talks to server.address
    cost = meter.read().since(opened)
    totals = server.stop()
    whole_life = meter.read()
"""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, TypeVar

from tools.processes.announcements import StoppedLine, event, first_line, last_lines, stopped_line
from tools.processes.children import Child, LaunchError, start

if TYPE_CHECKING:
    import resource
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from tools.accounting.meters import Meter

    Heard = Callable[[IO[bytes]], dict[str, Any] | None]
    """What tells from a server's output where it listens; None as long as it does not say so."""

Address = tuple[str, int] | str
"""Host and port, or the path of a Unix socket."""

LISTENING_TIMEOUT = 10.0
GRACE = 10.0
"""Seconds that a server has to end after SIGTERM before it is killed."""

S = TypeVar("S", bound="Server")

POLL_INTERVAL = 0.002
TAIL_LINES = 5


class Server:
    """A server that listens: `pid`, `listening` (the JSON object it printed), `address`, and how to stop it.

    Once stopped: `exit_status` (-N: signal N), `usage` (of wait4), and `leftover`, the number of its
    processes that were still alive.
    """

    def __init__(self, child: Child, output: IO[bytes], errors: IO[bytes], listening: dict[str, Any]) -> None:
        self.child = child
        self.pid = child.pid
        self.listening = listening
        self.leftover = 0
        self._output = output
        self._errors = errors
        self._stopped: StoppedLine | None = None

    @property
    def fault(self) -> str:
        """What is wrong with how it ended, on one line; empty where all is well, and as long as it runs."""
        if self.exit_status is None:
            return ""
        if self._stopped is None or self.exit_status:
            return f"the server ended with status {self.exit_status}: {' '.join(self.errors().split())}"
        return f"the server left {self.leftover} of its processes behind" if self.leftover else ""

    @property
    def address(self) -> Address:
        """Where it listens."""
        if "path" in self.listening:
            return str(self.listening["path"])
        return str(self.listening.get("host", "127.0.0.1")), int(self.listening["port"])

    @property
    def exit_status(self) -> int | None:
        """Its exit status, once it has been stopped."""
        return self.child.exit_status

    @property
    def usage(self) -> resource.struct_rusage | None:
        """What wait4 said of it and of its reaped children, once it has been stopped."""
        return self.child.usage

    def errors(self) -> str:
        """Return the last lines of what it has said on stderr."""
        return tail(self._errors)

    def stop(self, grace: float = GRACE) -> StoppedLine | None:
        """Send SIGTERM, wait, and return its stopped line, or None where it printed none.

        After `grace` seconds, and for what it leaves behind, SIGKILL follows. A second call does nothing
        more.
        """
        if self.child.exit_status is None:
            self.child.survivors()  # a meter follows those whom it has seen
            self._tell_to_stop()
            if self.child.wait(grace):
                self.leftover = len(self.child.survivors())
            self.child.end()
            self._stopped = stopped_line(self._output)
        return self._stopped

    def _tell_to_stop(self) -> None:
        self.child.signal(signal.SIGTERM)


@contextmanager
def running(
    command: Sequence[str],
    *,
    cpus: Collection[int] | None = None,
    meter: Meter | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = LISTENING_TIMEOUT,
) -> Iterator[Server]:
    """Start a server, yield it once it listens, and end it with all that it started, whatever happens.

    The server is stopped by `stop`, and killed where the caller leaves without having called it. Should we be
    killed ourselves, it gets SIGTERM, if this was called in the main thread. What it prints goes to temporary
    files, so that it never waits for us to read.

    Raises LaunchError where it does not listen within `timeout` seconds, with the end of its stderr.
    """
    with up(command, Server, announced, cpus=cpus, meter=meter, environment=environment, timeout=timeout) as server:
        yield server


@contextmanager
def up(
    command: Sequence[str],
    kind: type[S],
    heard: Heard,
    *,
    advice: str = "",
    cpus: Collection[int] | None = None,
    meter: Meter | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = LISTENING_TIMEOUT,
) -> Iterator[S]:
    """Start a server that is known to listen by what `heard` makes of its output; `advice` ends the line of a failure.

    All else is as with `running`.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        child = start(
            command,
            cpus=cpus,
            meter=meter,
            environment=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            bound=True,
        )
        try:
            try:
                listening = await_listening(command, child, heard, output, timeout)
            except LaunchError as error:
                raise LaunchError(f"{error}{advice}: {tail(errors)}") from None
            yield kind(child, output, errors, listening)
        finally:
            child.end()


def await_listening(
    command: Sequence[str], child: Child, heard: Heard, output: IO[bytes], timeout: float
) -> dict[str, Any]:
    """Return what a server that was just started says of where it listens, or raise LaunchError."""
    deadline = time.monotonic() + timeout
    name = " ".join(command)
    while (listening := heard(output)) is None:
        if child.wait(POLL_INTERVAL) and heard(output) is None:
            raise LaunchError(f"{name} ended with status {child.end()} before it listened")
        if time.monotonic() > deadline:
            raise LaunchError(f"{name} did not listen within {timeout:g} s")
    return listening


def announced(output: IO[bytes]) -> dict[str, Any] | None:
    """Return the listening line that a server of ours prints first; LaunchError where it prints another."""
    if (line := first_line(output)) is None:
        return None
    listening = event(line, "listening")
    if listening is None or not ("path" in listening or isinstance(listening.get("port"), int)):
        raise LaunchError(f"the server printed something else than that it listens: {line[:200]!r}")
    return listening


def tail(errors: IO[bytes]) -> str:
    """Return the last lines of a server's stderr."""
    return "\n".join(last_lines(errors, limit=4096)[-TAIL_LINES:]) or "(it said nothing on stderr)"
