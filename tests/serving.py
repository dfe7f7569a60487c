"""A server under test: a real process of ours, spoken to over real sockets."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servers.__main__ import settings_of
from tests.prestarting import forked_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 20.0  # seconds that anything may take on a slow machine before it counts as never


class Server:
    """A running server: its listening line, and what a test does to it."""

    def __init__(
        self,
        *arguments: str,
        environment: dict[str, str] | None = None,
        pass_fds: tuple[int, ...] = (),
    ) -> None:
        # The command line is read here, and not in a process of its own that the server then replaces: hundreds of
        # tests start servers. The tests of the command line start the whole.
        settings = settings_of(list(arguments))
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  `end` closes it; a pipe could fill up
        ours = None if environment or pass_fds else forked_server(settings["model"], json.dumps(settings), self._errors)
        self.process = ours or subprocess.Popen(
            [sys.executable, "-m", "servers.runtime", json.dumps(settings)],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            pass_fds=pass_fds,
            start_new_session=True,
        )
        self.listening = self._event("listening")

    def _event(self, name: str) -> dict[str, Any]:
        assert self.process.stdout
        assert select.select([self.process.stdout], [], [], PATIENCE)[0], f"no {name} line"
        line = self.process.stdout.readline()
        event: dict[str, Any] = json.loads(line) if line else {}
        assert event.get("event") == name, f"{line!r} in place of {name}; stderr: {self._last_words()}"
        return event

    def _last_words(self) -> str:
        self.process.kill()
        self.process.wait()
        return self.stderr()

    @property
    def pid(self) -> int:
        """The pid of the server, which is the one that was started."""
        return self.process.pid

    def connect(self, *, timeout: float = PATIENCE) -> socket.socket:
        """Connect a client to the first address."""
        if "path" in self.listening:
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(timeout)
            client.connect(self.listening["path"])
            return client
        return socket.create_connection((self.listening["host"], self.listening["port"]), timeout=timeout)

    def ask(self, sent: bytes) -> bytes:
        """Send `sent` on a connection of its own, half-close, and return all that comes back."""
        with self.connect() as client:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            return read_all(client)

    def signal(self, number: signal.Signals) -> None:
        """Send the server a signal."""
        self.process.send_signal(number)

    def halt(self) -> None:
        """Stop every process of the server where it is, until it is told to continue; some may have ended."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
            wait_until(lambda pid=pid: state_of(pid) in "TZX")  # type: ignore[misc]

    def stopped(self) -> dict[str, Any]:
        """Wait for the server to end of itself and return its stopped line."""
        event = self._event("stopped")
        self.process.wait(PATIENCE)
        return event

    def stop(self) -> dict[str, Any]:
        """Send SIGTERM and return the stopped line; the exit status must be 0 and nothing must have been said."""
        self.signal(signal.SIGTERM)
        event = self.stopped()
        assert self.process.returncode == 0
        said = self.stderr()
        assert not said, said
        return event

    def stderr(self) -> str:
        """Return what a server that has ended said on stderr."""
        self._errors.seek(0)
        return self._errors.read()

    def processes(self) -> list[int]:
        """Return the pids of the server and of its children."""
        return [self.pid, *self.children()]

    def children(self) -> list[int]:
        """Return the pids of the server's children, zombies among them."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def kill_a_child(self) -> int:
        """Kill one of the server's children, and return its pid.

        It is stopped first: one that ends of itself meanwhile is not it, nor a stranger that got its pid.
        """
        killed: list[int] = []

        def is_killed() -> bool:
            killed[:] = [pid for pid in self.children()[:1] if stopped_and_killed(pid, parent=self.pid)]
            return bool(killed)

        wait_until(is_killed)
        return killed[0]

    def end(self) -> None:
        """Leave nothing behind, whatever the test came to."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        assert self.process.stdout
        self.process.stdout.close()
        self._errors.close()


def state_of(pid: int) -> str:
    """Return the kernel's letter for what a process is at: R, S, T, Z ...; X for one that has gone."""
    return stat_of(pid)[0]


def stat_of(pid: int) -> list[str]:
    """Return what the kernel tells of a process, from its state on: its parent comes next."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["X", "0"]


def cpu_seconds(*pids: int) -> float:
    """Return the CPU that processes have used so far, in hundredths of a second; one that has gone counts nothing."""
    stats = [stat for pid in pids if len(stat := stat_of(pid)) > 12]
    return sum(int(ticks) for stat in stats for ticks in stat[11:13]) / os.sysconf("SC_CLK_TCK")


def stopped_and_killed(pid: int, *, parent: int) -> bool:
    """Kill a child of `parent`; return whether it was there to be killed, and did not end of itself before."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if stat_of(pid)[1] != str(parent):
            return False
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signal.SIGSTOP)
            wait_until(lambda: state_of(pid) in "TZX")
            if state_of(pid) == "T":
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                return True
        return False
    finally:
        os.close(descriptor)


@contextmanager
def serving(
    *arguments: str, environment: dict[str, str] | None = None, pass_fds: tuple[int, ...] = ()
) -> Iterator[Server]:
    """Run `serverlab serve ARGUMENTS` on a free port for the length of a with statement."""
    where = () if {"--unix", "--port", "--fd"} & set(arguments) else ("--port", "0")
    server = Server(*arguments, *where, environment=environment, pass_fds=pass_fds)
    try:
        yield server
    finally:
        server.end()


def port_to_come_back_to() -> int:
    """Return a free port for what is to listen there later, or again.

    It is below those that the kernel gives to whoever asks for any, as other tests do meanwhile.
    """
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(max(1024, lowest // 2), lowest)
        if can_be_bound(port):
            return port


def can_be_bound(port: int) -> bool:
    """Tell whether a port is free for a server."""
    with socket.socket() as successor:
        successor.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            successor.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def read_all(client: socket.socket) -> bytes:
    """Read until the server hangs up in an orderly way."""
    parts = []
    while part := client.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def read_exactly(client: socket.socket, size_bytes: int) -> bytes:
    """Read that many bytes, or fewer where the server hangs up first."""
    answer = b""
    while len(answer) < size_bytes and (part := client.recv(size_bytes - len(answer))):
        answer += part
    return answer


def is_silent(client: socket.socket, *, seconds: float = 0.3) -> bool:
    """Tell whether nothing comes for a while: for what must not happen, where there is no event to wait for."""
    poll = select.poll()  # select itself cannot name a descriptor past 1023
    poll.register(client, select.POLLIN)
    return not poll.poll(seconds * 1000)


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for a condition that no descriptor tells; fail after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        select.select([], [], [], 0.01)


def reset(client: socket.socket) -> None:
    """Close with a reset, as a client that crashes."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
