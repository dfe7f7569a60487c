"""Connections of this process that are opened one after the other, make one exchange each, and are held."""

from __future__ import annotations

import errno
import math
import os
import resource
import select
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from clients.addresses import Address
from clients.conversations import GREETINGS, Exchange, exchanges
from clients.failures import WrongAnswerError
from tools.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.processes.launch import Address as ServerAddress

LINE_BYTES = 64
WORK = "64"  # of the protocol work: as many bytes, and nothing done for them
READ_BYTES = 1 << 16
SPARE_DESCRIPTORS = 64  # beside those that are open: /proc is read meanwhile

CLOSED_AT_ONCE = 10
CLOSING_INTERVAL = 0.001


class HeldConnection:
    """One connection: `advance` does what can be done without waiting, until it is `admitted`: answered rightly.

    Raises Failure where it cannot be made, or ends, or the answer is wrong.
    """

    def __init__(self, address: ServerAddress, exchange: Exchange, greeting: bytes) -> None:
        self.admitted = False
        self._unsent = exchange.request
        self._greeting = greeting
        self._judge = exchange.judge(exchange.answer)
        self._heard = 0
        self._socket = socket.socket(_family(address), socket.SOCK_STREAM)
        self._socket.setblocking(False)
        status = self._socket.connect_ex(address)
        if status not in {0, errno.EINPROGRESS}:
            self.close()
            raise Failure(f"the server cannot be connected to any more: {os.strerror(status)}")

    def fileno(self) -> int:
        """Return its descriptor, for a poll."""
        return self._socket.fileno()

    @property
    def wanted(self) -> int:
        """The event of poll that it waits for; while it is held, only its end would come."""
        return select.POLLOUT if self._unsent else select.POLLIN

    def advance(self) -> None:
        """Send and read what can be."""
        try:
            if self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
            while True:
                self._hear(self._socket.recv(READ_BYTES))
        except BlockingIOError:
            return
        except OSError as error:
            raise Failure(f"a connection that was to be held failed: {error.strerror or error}") from error

    def _hear(self, data: bytes) -> None:
        if not data:
            raise Failure("the server hung up on a connection that was to be held")
        expected, self._greeting = self._greeting[: len(data)], self._greeting[len(data) :]
        if not data.startswith(expected) or (self.admitted and data):
            raise Failure(f"the server said {data[:60]!r} where something else was due")
        if rest := data[len(expected) :]:
            try:
                self.admitted = self._judge.hear(self._heard, rest)
            except WrongAnswerError as wrong:
                raise Failure(f"the server gave a wrong answer: {wrong}") from wrong
            self._heard += len(rest)
            if self.admitted and self._socket.family != socket.AF_UNIX:
                # Acknowledge now: until then, up to 40 ms, the server's kernel keeps what it has sent.
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def close(self) -> None:
        """Close it."""
        self._socket.close()


class Crowd:
    """All connections that are held; a context manager, which closes them."""

    def __init__(self, address: ServerAddress, protocol: str) -> None:
        self._address = address
        self._protocol = protocol
        self._connections: list[HeldConnection] = []
        self._waiting: dict[int, HeldConnection] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def admitted(self) -> int:
        """How many have been answered."""
        return len(self) - len(self._waiting)

    def grow(self, number: int, patience: float) -> None:
        """Open connections until there are `number`, and wait for the answer of each before the next.

        Where one has had none for `patience` seconds, the others are not waited for.
        """
        while len(self) < number:
            connection = self._open()
            connection.advance()
            deadline = time.monotonic() + patience
            alone = not self._waiting
            while alone and not connection.admitted and (left := deadline - time.monotonic()) > 0:
                _await_event([connection], left)
                connection.advance()
            if not connection.admitted:
                self._waiting[connection.fileno()] = connection

    def hear(self) -> None:
        """Take in what has come, without waiting; Failure where one that is held has ended."""
        for connection in _await_event(self._connections, 0.0):
            connection.advance()
            if connection.admitted:
                self._waiting.pop(connection.fileno(), None)

    def close(self) -> None:
        """Close all, a few at a time; there are none then.

        Five thousand threads that end at once wait ten seconds for each other's turn at Python's lock.
        """
        while self._connections:
            for connection in self._connections[-CLOSED_AT_ONCE:]:
                connection.close()
            del self._connections[-CLOSED_AT_ONCE:]
            time.sleep(CLOSING_INTERVAL)
        self._waiting.clear()

    def _open(self) -> HeldConnection:
        work = WORK if self._protocol == "work" else ""
        authority = _client_address(self._address).authority
        exchange = exchanges(self._protocol, len(self), LINE_BYTES, work, authority=authority)[0]
        connection = HeldConnection(self._address, exchange, GREETINGS.get(self._protocol, b""))
        self._connections.append(connection)
        return connection


def _await_event(connections: Sequence[HeldConnection], seconds: float) -> list[HeldConnection]:
    """Wait at most so long for what connections wait for, or for their ends; return those to which it came."""
    poll = select.poll()
    by_descriptor = {connection.fileno(): connection for connection in connections}
    for descriptor, connection in by_descriptor.items():
        poll.register(descriptor, connection.wanted)
    return [by_descriptor[descriptor] for descriptor, _ in poll.poll(math.ceil(seconds * 1000))]


def _client_address(address: ServerAddress) -> Address:
    return Address(path=address) if isinstance(address, str) else Address(*address)


def _family(address: ServerAddress) -> int:
    if isinstance(address, str):
        return socket.AF_UNIX
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET


@contextmanager
def descriptors_for(number: int) -> Iterator[int]:
    """Raise this process's limit as far as it takes for so many connections, and yield how many it may have.

    The limit is as before in the end: what is started then inherits it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number + SPARE_DESCRIPTORS + len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - their number is enough
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    try:
        yield max(0, number - (wanted - allowed))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
