"""Servers of the user's own: a command that speaks a protocol of ours, compared beside the models.

up          when it prints our listening line, or when somebody listens on the {port} it was given
stopped     by SIGTERM to its process group, as a service manager does it, then by SIGKILL

How such a command is read is told in `tools.variants.commands`.
Nothing is left of it: `tools.processes.marking` finds all that it started.
"""

from __future__ import annotations

import os
import signal
import socket
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

from tools.processes.announcements import OUTPUT_LIMIT, event
from tools.processes.children import LaunchError
from tools.processes.launch import LISTENING_TIMEOUT, Server, up
from tools.processes.marking import guarded
from tools.variants.commands import HOST, PORT, filled_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from tools.accounting.meters import Meter
    from tools.saved.header import Variant

LISTEN = b"0A"  # the state in /proc/net/tcp; the sockets that listen come first there
ANYWHERE = {"": HOST, "0.0.0.0": HOST, "::": "::1"}


class ForeignServer(Server):
    """A server of the user's, which need not end as ours do: by the signal, without a stopped line, or by SIGKILL."""

    _ended_early = False

    @property
    def fault(self) -> str:
        """What is wrong with how it ended: that it did so before it was told to."""
        if not self._ended_early:
            return ""
        said = " ".join(self.errors().split())
        return f"the server ended by itself, with status {self.exit_status}: {said}"

    def _tell_to_stop(self) -> None:
        """Send SIGTERM to its process group: the child of a wrapper would not hear of a signal to the wrapper."""
        self._ended_early = self.child.wait(0)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)


@contextmanager
def running_foreign(
    variant: Variant,
    protocol: str,
    *,
    options: Mapping[str, int],
    environment: Mapping[str, str],
    cpus: Collection[int] | None = None,
    meter: Meter | None = None,
    timeout: float = LISTENING_TIMEOUT,
) -> Iterator[ForeignServer]:
    """Start a server of the user's, yield it once it listens, and end all that it started, whatever happens.

    Raises LaunchError where it ends or does not listen within `timeout` seconds, with the end of its stderr.
    """
    port = free_port() if any(PORT in word for word in variant.command) else None
    command = filled_in(variant, protocol, options, port)
    with (
        guarded() as guard,
        up(
            command,
            ForeignServer,
            lambda output: _heard(output, port),
            advice="" if port else f"; it has no {PORT}, and printed no listening line as ours do",
            cpus=cpus,
            meter=meter,
            environment={**environment, **guard.environment},
            timeout=timeout,
        ) as server,
    ):
        guard.watch(server.pid)
        yield server


def free_port() -> int:
    """A port of the loopback address that nobody uses now."""
    with socket.socket() as trial:
        trial.bind((HOST, 0))
        port: int = trial.getsockname()[1]
        return port


def _heard(output: IO[bytes], port: int | None) -> dict[str, Any] | None:
    """Where a server listens, by a line among all that it printed, or because its port is taken."""
    whole = os.pread(output.fileno(), OUTPUT_LIMIT, 0).rpartition(b"\n")[0]
    for line in whole.decode(errors="replace").splitlines():
        if (listening := event(line, "listening")) is not None:
            return _reachable(listening)
    if port is not None and listens(port):
        return {"event": "listening", "host": HOST, "port": port}
    return None


def _reachable(listening: dict[str, Any]) -> dict[str, Any]:
    """The line with an address that clients can go to."""
    if not isinstance(listening.get("port"), int):
        raise LaunchError(f"a server must tell the port that it listens on; it said {listening!r}")
    host = str(listening.get("host", ""))
    return {**listening, "host": ANYWHERE.get(host, host)}


def listens(port: int) -> bool:
    """Whether somebody listens on a port, as the kernel tells: a connection to try it would be served and counted."""
    return any(_listens(table, b":%04X" % port) for table in ("/proc/net/tcp", "/proc/net/tcp6"))


def _listens(table: str, ending: bytes) -> bool:
    with suppress(FileNotFoundError), open(table, "rb") as lines:  # noqa: PTH123 - every other millisecond
        next(lines, None)
        for line in lines:
            fields = line.split(None, 4)
            if fields[3] != LISTEN:
                break  # thousands of ended connections may follow
            if fields[1].endswith(ending):
                return True
    return False
