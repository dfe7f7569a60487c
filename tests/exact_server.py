"""A server of which queueing theory knows the answer: one worker, first come first served, always the same service.

It runs in a process of its own, `python -m tests.exact_server SECONDS`, prints its port, takes a whole CPU and ends
with its input. The end of a service is max(arrival, end of the one before) + SECONDS by the clock, whenever the machine
lets it go on: what one answer is late by does not delay the next. Nothing but the standard library is imported.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time
from collections import deque
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SPIN_NS = 200_000  # before the end of a service, because sleeping may last that much longer than was asked
LINE_BYTES = 1 << 16


class ExactServer:
    """Echoes lines, each after `service_ns` of the one worker; a client has one in flight."""

    def __init__(self, listener: socket.socket, service_ns: int) -> None:
        self._listener, self._service_ns = listener, service_ns
        self._connections: dict[int, socket.socket] = {}
        self._epoll = select.epoll()
        self._epoll.register(listener, select.EPOLLIN)
        self._epoll.register(sys.stdin, select.EPOLLIN)
        self._arrived: deque[tuple[socket.socket, bytes, int]] = deque()
        self._over = False

    def serve(self) -> None:
        """Serve until the input ends."""
        end_ns = 0
        while not self._over:
            if not self._arrived:
                self._note()  # without sleeping: to wake up takes a virtual machine a tenth of a millisecond
                continue
            connection, line, arrived_ns = self._arrived.popleft()
            end_ns = max(arrived_ns, end_ns) + self._service_ns
            self._wait(end_ns)
            with suppress(OSError):  # a client may go at any time
                connection.send(line)
            self._note()

    def _wait(self, end_ns: int) -> None:
        """Wait until then, and note meanwhile what arrives."""
        while (left_ns := end_ns - SPIN_NS - time.monotonic_ns()) > 0:
            select.select([self._epoll], [], [], left_ns / 1e9)
            self._note()
        while time.monotonic_ns() < end_ns:
            pass

    def _note(self) -> None:
        """Note what has arrived, in the order in which it came: edges are told in that order."""
        events, now = self._epoll.poll(0), time.monotonic_ns()
        for fd, _ in events:
            if fd == self._listener.fileno():
                self._accept()
            elif fd == sys.stdin.fileno():
                self._over = True
            elif connection := self._connections.get(fd):  # else it has gone already
                self._read(connection, now)

    def _read(self, connection: socket.socket, now: int) -> None:
        with suppress(OSError):
            if line := connection.recv(LINE_BYTES):
                self._arrived.append((connection, line, now))
                return
        del self._connections[connection.fileno()]
        connection.close()

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections[connection.fileno()] = connection
        self._epoll.register(connection, select.EPOLLIN | select.EPOLLET)


@contextmanager
def serving_exactly(seconds: float) -> Iterator[tuple[int, int]]:
    """Run the server for the length of a with statement: its port on 127.0.0.1, and its pid."""
    command = [sys.executable, "-m", "tests.exact_server", str(seconds)]
    root = Path(__file__).resolve().parent.parent
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline()), process.pid
        finally:
            process.kill()


def main() -> None:
    """Listen, say where, and serve."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        print(listener.getsockname()[1], flush=True)
        ExactServer(listener, int(float(sys.argv[1]) * 1e9)).serve()


if __name__ == "__main__":
    main()
