"""Small servers whose behaviour is known, for testing what measures servers.

Each runs in threads of the test and is an address to talk to:

    with known_server(drop_every(100)) as server:
        run_load(LoadPlan(server.address, ...))

A reply is told the number of the request (from 1, over all connections) and its line, and gives the pieces to send,
each of them by its own call; it may raise HangUp, Cut, Garble or Reset, a generator also after some pieces. With
`frames` or `web_requests` in place of lines, it is told what is in a frame, or the body that a right response carries.
`server.requests` counts what arrived.
"""

from __future__ import annotations

import itertools
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from clients.addresses import Address


def _has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as probe, suppress(OSError):
        probe.bind(("::1", 0))
        return True
    return False


LOOPBACKS = ("127.0.0.1", "::1") if socket.has_ipv6 and _has_ipv6() else ("127.0.0.1",)

Reply = Callable[[int, bytes], Iterable[bytes]]
Reader = Callable[[BinaryIO], Iterator[bytes]]


class HangUp(Exception):
    """Close the connection in an orderly way."""


class Cut(Exception):
    """Close a TLS connection without TLS's goodbye."""


class Garble(Exception):
    """Send something that is no TLS over a TLS connection, and close it."""


class Reset(Exception):
    """Close the connection with a reset."""


def lines(stream: BinaryIO) -> Iterator[bytes]:
    """Read lines."""
    yield from stream


def frames(stream: BinaryIO) -> Iterator[bytes]:
    """Read what is between ^ and $; what is outside is no request."""
    while opening := stream.read(1):
        if opening == b"^":
            yield b"".join(iter(lambda: stream.read(1), b"$"))


def web_requests(stream: BinaryIO) -> Iterator[bytes]:
    """Read requests of HTTP: the body posted, or as many x as the query asks for."""
    while request_line := stream.readline():
        fields = dict(line.lower().rstrip().split(b": ", 1) for line in iter(stream.readline, b"\r\n"))
        assert fields[b"host"]
        query = dict(pair.split(b"=") for pair in request_line.split()[1].partition(b"?")[2].split(b"&") if pair)
        yield b"x" * int(query[b"size"]) if query else stream.read(int(fields[b"content-length"]))


def plus_one(reply: Reply) -> Reply:
    """Have a reply answer in the manner of the protocol frames."""
    return lambda number, data: tuple(
        piece.translate(bytes((byte + 1) % 256 for byte in range(256))) for piece in reply(number, data)
    )


def response(body: bytes, *fields: str, status: str = "200 OK", version: str = "1.1") -> bytes:
    """A sized response of HTTP."""
    head = (f"HTTP/{version} {status}", *fields, f"Content-Length: {len(body)}", "", "")
    return "\r\n".join(head).encode() + body


def responding(reply: Reply, *fields: str) -> Reply:
    """Have a reply answer in the manner of HTTP, each piece by a response of its own and with another Date."""
    return lambda number, body: tuple(response(piece, f"Date: {number % 3}", *fields) for piece in reply(number, body))


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


def at_request(faulty: int, fault: Callable[[bytes], Iterable[bytes]], reply: Reply = echo) -> Reply:
    """Reply rightly, but to one request with what `fault` makes of the answer."""

    def answer(number: int, data: bytes) -> Iterable[bytes]:
        right = reply(number, data)
        return fault(b"".join(right)) if number == faulty else right

    return answer


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

    def __init__(
        self,
        reply: Reply,
        listener: socket.socket,
        address: Address,
        *,
        concurrent: bool,
        reader: Reader,
        greeting: bytes,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._reader, self._greeting, self._tls = reader, greeting, tls
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

    def _converse(self, accepted: socket.socket) -> None:
        with suppress(OSError), self._secured(accepted) as connection, connection.makefile("rb") as stream:
            try:
                self._answer(connection, stream)
            except HangUp:
                self.on_hang_up()
            except Cut:
                return
            except Garble:
                socket.socket.sendall(connection, b"this is no record of TLS")
                return
            except Reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if isinstance(connection, ssl.SSLSocket):
                connection.unwrap()
        self._open.discard(accepted)

    def _secured(self, accepted: socket.socket) -> socket.socket:
        if self._tls is None:
            return accepted
        with accepted:  # where the handshake fails, it is closed here
            secured = self._tls.wrap_socket(accepted, server_side=True)
        self._open.add(secured)
        return secured

    def _answer(self, connection: socket.socket, stream: BinaryIO) -> None:
        if self._greeting:
            connection.sendall(self._greeting)
        for line in self._reader(stream):
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
                socket.socket.shutdown(connection, socket.SHUT_RDWR)  # TLS's own would disturb the thread that reads
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
    reader: Reader = lines,
    greeting: bytes = b"",
    tls: ssl.SSLContext | None = None,
) -> Iterator[KnownServer]:
    """Serve `reply` on a port of `host`, or at `path`; one connection at a time where not `concurrent`."""
    with listening(host=host, path=path) as (listener, address):
        server = KnownServer(reply, listener, address, concurrent=concurrent, reader=reader, greeting=greeting, tls=tls)
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
