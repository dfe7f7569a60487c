"""Small servers whose behaviour is known, for testing what measures servers.

Each runs in threads of the test and is an address to talk to:

    with known_server(drop_every(100)) as server:
        run_load(LoadPlan(server.address, ...))

A reply is told the number of the request (from 1, over all connections) and its line, and returns the pieces to send,
each of them by its own call; or it raises HangUp or Reset. `server.requests` counts what arrived.
"""

from __future__ import annotations

import itertools
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from clients.addresses import Address


def _has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as probe, suppress(OSError):
        probe.bind(("::1", 0))
        return True
    return False


LOOPBACKS = ("127.0.0.1", "::1") if socket.has_ipv6 and _has_ipv6() else ("127.0.0.1",)

Reply = Callable[[int, bytes], tuple[bytes, ...]]


class HangUp(Exception):
    """Close the connection in an orderly way."""


class Reset(Exception):
    """Close the connection with a reset."""


def echo(_number: int, line: bytes) -> tuple[bytes, ...]:
    """Answer rightly."""
    return (line,)


def upper(_number: int, line: bytes) -> tuple[bytes, ...]:
    """Answer rightly for the protocol upper."""
    return (line.decode().upper().encode(),)


def work(_number: int, line: bytes) -> tuple[bytes, ...]:
    """Answer rightly for the protocol work, without any sleeping or computing."""
    return (b"x" * int(line.split()[0]),)


def byte_by_byte(_number: int, line: bytes) -> tuple[bytes, ...]:
    """Answer rightly, each byte on its own."""
    return tuple(line[index : index + 1] for index in range(len(line)))


def never(_number: int, _line: bytes) -> tuple[bytes, ...]:
    """Read and say nothing."""
    return ()


def drop_every(nth: int) -> Reply:
    """Leave every nth request unanswered."""
    return lambda number, line: () if number % nth == 0 else (line,)


def corrupt_every(nth: int) -> Reply:
    """Change one byte of every nth answer."""
    return lambda number, line: (line[:3] + b"?" + line[4:],) if number % nth == 0 else (line,)


def double_every(nth: int, *, at_once: bool) -> Reply:
    """Answer every nth request twice, in one piece or in two."""

    def reply(number: int, line: bytes) -> tuple[bytes, ...]:
        if number % nth:
            return (line,)
        return (line + line,) if at_once else (line, line)

    return reply


def reset_every(nth: int) -> Reply:
    """Reset the connection instead of every nth answer."""

    def reply(number: int, line: bytes) -> tuple[bytes, ...]:
        if number % nth == 0:
            raise Reset
        return (line,)

    return reply


def hang_up_every(nth: int) -> Reply:
    """Close the connection instead of every nth answer."""

    def reply(number: int, line: bytes) -> tuple[bytes, ...]:
        if number % nth == 0:
            raise HangUp
        return (line,)

    return reply


def stall_once(at_number: int, seconds: float) -> Reply:
    """Answer rightly, but keep everybody waiting for `seconds` before the answer to one request.

    All answers wait for one lock, as they would in a server that serves one request at a time.
    """
    lock = threading.Lock()
    never_set = threading.Event()

    def reply(number: int, line: bytes) -> tuple[bytes, ...]:
        with lock:
            if number == at_number:
                never_set.wait(seconds)
            return (line,)

    return reply


class KnownServer:
    """A listening server; `address` is where, `requests` and `connections` count what arrived.

    `had_enough` is set when `enough` requests have arrived; `on_hang_up` is called before a reply's HangUp.
    """

    def __init__(self, reply: Reply, listener: socket.socket, address: Address, *, concurrent: bool) -> None:
        self.address = address
        self.requests = self.connections = 0
        self.enough = 1
        self.had_enough = threading.Event()
        self.on_hang_up: Callable[[], None] = lambda: None
        self._numbers = itertools.count(1)
        self._reply, self._listener, self._concurrent = reply, listener, concurrent
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was shut down: the test is over
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.add(connection)
                if not self._concurrent:
                    self._converse(connection)
                    continue
                thread = threading.Thread(target=self._converse, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _converse(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as lines:
            try:
                self._answer(connection, lines)
            except HangUp:
                self.on_hang_up()
            except Reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._open.discard(connection)

    def _answer(self, connection: socket.socket, lines: Iterator[bytes]) -> None:
        for line in lines:
            number = self.requests = next(self._numbers)
            if number >= self.enough:
                self.had_enough.set()
            for piece in self._reply(number, line):
                connection.sendall(piece)

    def stop_listening(self) -> None:
        """Refuse connections from now on."""
        with suppress(OSError):  # it was called before
            self._listener.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Close everything and wait for the threads."""
        self.stop_listening()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        assert not any(thread.is_alive() for thread in self._threads)


@contextmanager
def known_server(
    reply: Reply = echo,
    *,
    host: str = "127.0.0.1",
    path: str = "",
    concurrent: bool = True,
) -> Iterator[KnownServer]:
    """Serve `reply` on a port of `host`, or at `path`; one connection at a time where not `concurrent`."""
    with listening(host=host, path=path) as (listener, address):
        server = KnownServer(reply, listener, address, concurrent=concurrent)
        try:
            yield server
        finally:
            server.end()


@contextmanager
def listening(
    *, host: str = "127.0.0.1", path: str = "", backlog: int = 128
) -> Iterator[tuple[socket.socket, Address]]:
    """Listen, and never accept."""
    family = socket.AF_UNIX if path else socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        if not path:
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit it
        listener.bind(path or (host, 0))
        listener.listen(backlog)
        yield listener, Address(path=path) if path else Address(host, listener.getsockname()[1])


@contextmanager
def refusing() -> Iterator[Address]:
    """An address where nobody listens, and nobody else can begin to."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield Address("127.0.0.1", bound.getsockname()[1])
