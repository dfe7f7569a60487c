"""The state of one client of the load loop, and of its turn on a connection."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from clients.conversations import Exchange

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from clients.scripts import Script
    from clients.secure import SecureStream

    Endpoint = socket.socket | SecureStream

CHUNK_BYTES = 64 * 1024

# The phases of a client, plain integers because an enum's member costs a look-up each time.
# SHAKING is in the TLS handshake, GREETING waits for the server to speak first, RESTING has no connection and needs
# none until it asks.
FRESH, PAUSED, CONNECTING, SHAKING, GREETING, READY, WAITING, LEAVING, GONE, RESTING = range(10)
NOTHING = Exchange(b"", b"")
_ASKING = (READY, WAITING, RESTING)


class Turn:
    """What the fast path needs of one exchange on one connection, bound before the run.

    `answer` is what the fast path may take unjudged, None where the judge knows none yet. `limit` is one byte
    more than it where that is short, so that a byte too many is seen at once; not so where other answers may follow it
    (not `alone`). `following` is the next turn of a ring.
    """

    __slots__ = (
        "alone",
        "answer",
        "answer_size",
        "connection",
        "exchange",
        "following",
        "judge",
        "limit",
        "receive",
        "request",
        "request_size",
        "send",
    )

    def __init__(self, connection: int, endpoint: Endpoint, exchange: Exchange, *, alone: bool = True) -> None:
        self.connection = connection
        self.alone = alone
        self.exchange = exchange
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
        self.limit = min(len(answer) + 1, CHUNK_BYTES) if self.alone else CHUNK_BYTES


class Asked(NamedTuple):
    """A request that is in flight behind another on its connection, and its times so far."""

    turn: Turn
    due_ns: int
    ready_ns: int
    sent_ns: int


class Client:
    """One of the N that talk at the same time; it keeps its number through all the connections that it opens.

    `due_ns`, `ready_ns`, `first_byte_ns` and `got` are of the request whose answer is next; those `behind` it wait for
    theirs. `got` counts the bytes of an answer that came in parts, `first_byte_ns` is valid while `got` is not 0.
    `begun` holds where a request began with the connection, before it could be sent (a connection per request).
    `previous` is the exchange that was answered last on this connection. `unsent` are the bytes that found no room, and
    `queued` the requests after them.
    """

    __slots__ = (
        "began_ns",
        "begun",
        "behind",
        "connected_ns",
        "connection",
        "due_ns",
        "endpoint",
        "fd",
        "first_byte_ns",
        "got",
        "greeted_ns",
        "interest",
        "knocking_ns",
        "number",
        "phase",
        "previous",
        "queued",
        "ready_ns",
        "ring",
        "script",
        "secured_ns",
        "unsent",
    )

    def __init__(self, number: int, script: Script) -> None:
        self.number = number
        self.script = script
        self.ring = script.ring(number) if script.is_ring else ()
        self.phase = FRESH
        self.begun = False
        self.endpoint: Endpoint | None = None
        self.fd = self.connection = -1
        self.interest = 0
        self.began_ns = self.connected_ns = self.secured_ns = self.greeted_ns = 0
        self.due_ns = self.ready_ns = self.first_byte_ns = self.got = self.knocking_ns = 0
        self.unsent: memoryview | None = None
        self.queued: deque[bytes] = deque()
        self.behind: deque[Asked] = deque()
        self.previous: Exchange | None = None

    def start_over(self, endpoint: Endpoint, began_ns: int) -> None:
        """Take a connection that is being made since `began_ns`."""
        self.endpoint, self.fd = endpoint, endpoint.fileno()
        self.phase, self.interest, self.got, self.unsent = CONNECTING, 0, 0, None
        self.began_ns = began_ns
        self.connected_ns = self.secured_ns = self.greeted_ns = 0
        self.previous = None
        self.behind.clear()
        self.queued.clear()

    @property
    def can_ask(self) -> bool:
        """Whether it can send a request, or begin a connection for one."""
        return self.phase in _ASKING

    def first_turn(self, *, churn: bool) -> Turn:
        """Return the first turn of a new connection; the turns of a ring follow each other for ever."""
        if not self.ring:  # what is drawn is drawn by whoever asks: until then nothing is due
            return self.drawn_turn() if churn else self._turn(NOTHING)
        if churn:
            first, *others = self.ring
            self.ring = (*others, first)
            return self._turn(first)
        return self._round()

    def turn_after(self, turn: Turn) -> Turn:
        """Return the turn that follows `turn` on this connection."""
        return turn.following if self.ring else self.drawn_turn()

    def _round(self) -> Turn:
        first, *others = self.ring
        turn = last = self._turn(first)
        for exchange in others:
            if exchange is not first:
                last.following = self._turn(exchange)
                last = last.following
        last.following = turn
        return turn

    def drawn_turn(self) -> Turn:
        """Draw the next turn."""
        return self._turn(self.script.draw())

    def _turn(self, exchange: Exchange) -> Turn:
        assert self.endpoint is not None
        return Turn(self.connection, self.endpoint, exchange, alone=self.script.alone)
