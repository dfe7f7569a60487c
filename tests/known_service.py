"""Servers of which everything is known, as processes that a comparison starts: `python tests/known_service.py KIND`.

Each echoes lines in one thread, but for what its kind says, and prints the lines of our own servers.

stall      at 2 s after its first request, it does nothing for 1 s
exact      an answer takes 5 ms of waiting, and one is given after the other
drop       every 100th request gets no answer
corrupt    every 100th answer has one wrong byte
sleeps     waits 5 times in each request, which is so many voluntary context switches
touches    writes into 64 new pages in each request, which is so many page faults
shares     has two workers, by what it says: three of four connections are the first one's
burns      each connection has a child that computes for 5 ms; SIGCHLD is ignored, so that nobody waits for it

The last two speak the protocol `work`.
"""

from __future__ import annotations

import json
import mmap
import os
import resource
import selectors
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

STALL_AT, STALL_SECONDS = 2.0, 1.0
EXACT_SECONDS = 0.005
SPIN_SECONDS = 0.0005  # before the end of a wait, because sleeping may last that much longer than was asked
NTH = 100
SLEEPS, SLEEP_SECONDS = 5, 0.0002
PAGES = 64
BURN_SECONDS = 0.005
SHARE = 4


class Service:
    """Serves, and counts what it has served."""

    def __init__(self, reply: Callable[[int, bytes], bytes]) -> None:
        self.requests = self.connections = 0
        self._reply = reply

    def serve(self, listener: socket.socket) -> None:
        """Answer each line of each connection in one thread, until SIGTERM."""
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is listener:
                        connection, _ = listener.accept()
                        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        selector.register(connection, selectors.EVENT_READ)
                        self.connections += 1
                    elif isinstance(key.fileobj, socket.socket) and not self.answered(key.fileobj):
                        selector.unregister(key.fileobj)
                        key.fileobj.close()

    def answered(self, connection: socket.socket) -> bool:
        """Answer a line, which comes in one piece; return whether the client is still there."""
        with suppress(OSError):
            if line := connection.recv(1 << 16):
                self.requests += 1
                connection.sendall(self._reply(self.requests, line))
                return True
        return False

    def fork(self, listener: socket.socket) -> None:
        """Have a child burn 5 ms for each connection, and wait for none of them."""
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            connection, _ = listener.accept()
            self.connections += 1
            self.requests += 1
            with connection:
                if os.fork() == 0:
                    signal.signal(signal.SIGTERM, signal.SIG_DFL)
                    burn()
                    self.answered(connection)
                    os._exit(0)

    def stopped(self) -> dict[str, object]:
        """What our own servers say at their ends."""
        used, of_children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        rare = self.connections // SHARE
        return {
            "event": "stopped",
            "model": "known",
            "protocol": "echo",
            "connections": self.connections,
            "requests": self.requests,
            "bytes_in": 0,
            "bytes_out": 0,
            "errors": {},
            "cpu": {
                "self": {"user": used.ru_utime, "system": used.ru_stime},
                "children": {"user": of_children.ru_utime, "system": of_children.ru_stime},
            },
            "connections_per_worker": [self.connections - rare, rare],
        }


def burn() -> None:
    """Compute for 5 ms."""
    began = time.thread_time()
    while time.thread_time() - began < BURN_SECONDS:
        pass


def stalling() -> Callable[[int, bytes], bytes]:
    """Wait once, from 2 s after the first request until 1 s later."""
    first = 0.0

    def reply(_: int, line: bytes) -> bytes:
        nonlocal first
        now = time.monotonic()
        first = first or now
        if STALL_AT <= now - first < STALL_AT + STALL_SECONDS:
            time.sleep(first + STALL_AT + STALL_SECONDS - now)
        return line

    return reply


def exact(_: int, line: bytes) -> bytes:
    """Wait for 5 ms, by the clock."""
    end = time.monotonic() + EXACT_SECONDS
    time.sleep(EXACT_SECONDS - SPIN_SECONDS)
    while time.monotonic() < end:
        pass
    return line


def drop(number: int, line: bytes) -> bytes:
    """Leave every 100th unanswered."""
    return line if number % NTH else b""


def corrupt(number: int, line: bytes) -> bytes:
    """Change one byte of every 100th."""
    return line if number % NTH else line[:3] + b"?" + line[4:]


def sleeps(_: int, line: bytes) -> bytes:
    """Wait five times."""
    for _time in range(SLEEPS):
        time.sleep(SLEEP_SECONDS)
    return line


def touches(_: int, line: bytes) -> bytes:
    """Write into each of so many pages that were not there before."""
    with mmap.mmap(-1, PAGES * mmap.PAGESIZE) as memory:
        for page in range(PAGES):
            memory[page * mmap.PAGESIZE] = 1
    return line


def work(_: int, line: bytes) -> bytes:
    """Answer as many bytes as are asked for."""
    return b"x" * int(line.split()[0])


def main() -> None:
    """Listen, say where, serve, and say what was served."""
    kinds = {"stall": stalling(), "exact": exact, "drop": drop, "corrupt": corrupt}
    kinds |= {"sleeps": sleeps, "touches": touches, "shares": work, "burns": work}
    kind = sys.argv[1]
    service = Service(kinds[kind])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        host, port = listener.getsockname()
        print(json.dumps({"event": "listening", "host": host, "port": port}), flush=True)
        try:
            (service.fork if kind == "burns" else service.serve)(listener)
        finally:
            print(json.dumps(service.stopped()), flush=True)


if __name__ == "__main__":
    main()
