"""The state of one client of the load loop, and of its turn on a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from clients.conversations import Exchange
    from clients.secure import SecureStream

    Endpoint = socket.socket | SecureStream

CHUNK_BYTES = 64 * 1024

# The phases of a client, plain integers because an enum's member costs a look-up each time.
# SHAKING is in the TLS handshake, GREETING waits for the server to speak first.
FRESH, PAUSED, CONNECTING, SHAKING, GREETING, READY, WAITING, LEAVING, GONE = range(9)


class Turn:
    """What the fast path needs of one exchange on one connection, bound before the run.

    `answer` is what the fast path may take unjudged, None where the judge knows none yet. `limit` is one byte
    more than it where that is short, so that a byte too many is seen at once.
    """

    __slots__ = (
        "answer",
        "answer_size",
        "connection",
        "following",
        "judge",
        "limit",
        "receive",
        "request",
        "request_size",
        "send",
    )

    def __init__(self, connection: int, endpoint: Endpoint, exchange: Exchange) -> None:
        self.connection = connection
        self.bind(endpoint)
        self.request = exchange.request
        self.request_size = len(exchange.request)
        self.judge = exchange.judge(exchange.answer)
        self.answer: bytes | None = None
        self.answer_size = 0
        self.limit = CHUNK_BYTES
        if self.judge.known is not None:
            self.learn(self.judge.known)
        self.following = self

    def bind(self, endpoint: Endpoint) -> None:
        """Talk over `endpoint` from now on."""
        self.receive: Callable[[int], bytes] = endpoint.recv
        self.send: Callable[[bytes | memoryview], int] = endpoint.send

    def learn(self, answer: bytes) -> None:
        """Have the fast path take this answer, which is known to be right, where it comes byte for byte."""
        self.answer, self.answer_size = answer, len(answer)
        self.limit = min(len(answer) + 1, CHUNK_BYTES)


class Client:
    """One of the N that talk at the same time; it keeps its number through all the connections that it opens.

    `got` counts the bytes of an answer that came in parts, `first_byte_ns` is valid while `got` is not 0.
    `begun` holds where a request began with the connection, before it could be sent (a connection per request).
    """

    __slots__ = (
        "began_ns",
        "begun",
        "connected_ns",
        "connection",
        "due_ns",
        "endpoint",
        "exchanges",
        "fd",
        "first_byte_ns",
        "got",
        "greeted_ns",
        "interest",
        "knocking_ns",
        "number",
        "phase",
        "secured_ns",
        "unsent",
    )

    def __init__(self, number: int, exchanges: tuple[Exchange, Exchange]) -> None:
        self.number = number
        self.exchanges = exchanges
        self.phase = FRESH
        self.begun = False
        self.endpoint: Endpoint | None = None
        self.fd = self.connection = -1
        self.interest = 0
        self.began_ns = self.connected_ns = self.secured_ns = self.greeted_ns = 0
        self.due_ns = self.first_byte_ns = self.got = self.knocking_ns = 0
        self.unsent: memoryview | None = None

    def start_over(self, endpoint: Endpoint, began_ns: int) -> None:
        """Take a connection that is being made since `began_ns`."""
        self.endpoint, self.fd = endpoint, endpoint.fileno()
        self.phase, self.interest, self.got, self.unsent = CONNECTING, 0, 0, None
        self.began_ns = self.due_ns = began_ns
        self.connected_ns = self.secured_ns = self.greeted_ns = 0

    def turns(self, *, churn: bool) -> Turn:
        """Return the first turn of a new connection; kept alive, two exchanges follow each other for ever."""
        assert self.endpoint is not None
        first, second = self.exchanges
        turn = Turn(self.connection, self.endpoint, first)
        if churn:
            self.exchanges = second, first
        elif first is not second:
            turn.following = Turn(self.connection, self.endpoint, second)
            turn.following.following = turn
        return turn
