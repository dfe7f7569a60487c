"""Clients that are no measured requests: those that only hold a connection, and the hostile ones, a script each.

A script is what one visit to the server does, as a generator of moves: no socket is in it and no clock. `guests`
carries the moves out, in order. Where a script ends, the client hangs up; where the server ends the connection first,
nobody asks the script any more. What is sent is made piece by piece, however long it becomes.

What is sent is of the plan's protocol, so that it gets past the first look, except what `garbage` sends.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from clients.conversations import exchanges
from clients.guests.garbage import garbage_of
from clients.scripts import Script as Requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from clients.conversations import Exchange
    from clients.spec import Spec

MOST_CLIENTS = 100_000  # of one kind, as of those that are measured
PIECE_BYTES = 64 * 1024
LARGE_LINE_BYTES = 100_000  # past what the kernel keeps of a slow reader's, within what servers usually take
LARGE_ANSWER_BYTES = 8_000_000  # past every socket buffer
MOST_UNREAD_BYTES = 256 << 20  # what a server that would take all is sent by one that never reads
MOST_LINE_BYTES = 64 << 20
RESET_AFTER = 0.05  # a server that is not busy has read half a request by then, and waits for the rest
GARBAGE_STAY = 1.0  # what garbage waits for the server to end it

# Moves


@dataclass(frozen=True, slots=True)
class Send:
    """Send all of `data`, however long the server takes to take it."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for so long; `math.inf` waits until the server ends it."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Ask:
    """Send the request and read the answer, whole, within the timeout."""

    exchange: Exchange


@dataclass(frozen=True, slots=True)
class AskLast:
    """Send the request, half-close, and read the answer and the server's end within the timeout.

    Anything else that comes, or does not, is an error of the run.
    """

    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Rouse:
    """Send the request, and read until any of its answer has come; within the timeout."""

    request: bytes


@dataclass(frozen=True, slots=True)
class Deafen:
    """Read nothing from now on."""


@dataclass(frozen=True, slots=True)
class Reset:
    """End the connection with a reset."""


Move = Send | Ask | AskLast | Rouse | Wait | Deafen | Reset
Script = Iterator[Move]


class Wire:
    """What is spoken: the `protocol`, what http calls the server, and the requests of the plan."""

    def __init__(self, spec: Spec) -> None:
        self.protocol, self.authority = spec.protocol, spec.authority
        self._script = Requests(spec)

    def exchange(self, number: int) -> Exchange:
        """A request of client `number`, and the answer to it."""
        return self._script.ring(number)[0] if self._script.is_ring else self._script.draw()


@cache  # one protocol and authority per process, and the answer beside it is thrown away
def large_request(protocol: str, authority: str) -> bytes:
    """A request whose answer is large, by the protocol's own means."""
    work = str(LARGE_ANSWER_BYTES) if protocol in {"work", "http"} else ""
    return exchanges(protocol, 0, LARGE_LINE_BYTES, work, authority=authority)[0].request


def endless_request(wire: Wire) -> tuple[bytes, bytes]:
    """The beginning of a valid request, and the byte that may follow it again and again without an end to it."""
    beginnings = {
        "work": (b"64 sleep=0.", b"0"),
        "frames": (b"^", b"x"),
        "http": (f"GET / HTTP/1.1\r\nHost: {wire.authority}\r\nX-Filler: ".encode("ascii"), b"x"),
    }
    return beginnings.get(wire.protocol, (b"x", b"x"))


# Scripts: one function per kind, told what is spoken, the number of the client and that of its visit


def say_nothing(_wire: Wire, _number: int, _visit: int) -> Script:
    """Keep the connection, and say nothing."""
    yield Wait(math.inf)


def drip(wire: Wire, _number: int, _visit: int) -> Script:
    """A byte a second of a request that never ends."""
    beginning, filler = endless_request(wire)
    for byte in itertools.chain(beginning, itertools.repeat(filler[0])):
        yield Send(bytes((byte,)))
        yield Wait(1.0)


def never_read(wire: Wire, _number: int, _visit: int) -> Script:
    """Valid requests as fast as the server takes them, and no answer read."""
    request = large_request(wire.protocol, wire.authority)
    piece = request * max(1, PIECE_BYTES // len(request))
    yield Deafen()
    for _ in range(MOST_UNREAD_BYTES // len(piece)):
        yield Send(piece)
    yield Wait(math.inf)


def reset_in_request(wire: Wire, number: int, visit: int) -> Script:
    """Half a request, then a reset: at once, when the server may not even have accepted, and after a moment."""
    request = wire.exchange(number).request
    yield Send(request[: max(1, len(request) // 2)])
    if visit % 2:
        yield Wait(RESET_AFTER)
    yield Reset()


def reset_in_answer(wire: Wire, _number: int, _visit: int) -> Script:
    """A whole request with a large answer, then a reset while that comes."""
    yield Rouse(large_request(wire.protocol, wire.authority))
    yield Reset()


def half_close(wire: Wire, number: int, visit: int) -> Script:
    """A whole request, by turns without its last byte where that is the newline, and then the client's end."""
    exchange = wire.exchange(number)
    if visit % 2 and wire.protocol != "http":
        exchange = without_ending(wire.protocol, exchange)
    yield AskLast(exchange)


def without_ending(protocol: str, exchange: Exchange) -> Exchange:
    """The exchange of a request that lacks its newline, or a frame's end mark, and that half-closing ends instead."""
    if len(exchange.request) == 1:
        return exchange
    same = protocol in {"work", "frames"}  # the ending has no part in the answer
    return replace(exchange, request=exchange.request[:-1], answer=exchange.answer if same else exchange.answer[:-1])


def oversized(wire: Wire, _number: int, _visit: int) -> Script:
    """A line without end."""
    beginning, filler = endless_request(wire)
    yield Send(beginning)
    piece = filler * PIECE_BYTES
    for _ in range(MOST_LINE_BYTES // PIECE_BYTES):
        yield Send(piece)
    yield Wait(GARBAGE_STAY)


def garbage(wire: Wire, number: int, visit: int) -> Script:
    """What is no request, another each visit; the server may answer, refuse, or wait for more."""
    yield Send(garbage_of(wire.protocol, number, visit))
    yield Wait(GARBAGE_STAY)


def burst(wire: Wire, number: int, _visit: int) -> Script:
    """One request, and its answer."""
    yield Ask(wire.exchange(number))


# Kinds


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of guest: `help` is one line for the user, `script` what a visit does.

    `stays` says that only the server ends a visit. `comes_again` says whether another visit follows when one has ended,
    as an attack does that goes on; `every` that visits begin together, so many seconds apart, and otherwise each after
    a short pause.
    """

    help: str
    script: Callable[[Wire, int, int], Script]
    stays: bool = False
    comes_again: bool = True
    every: float | None = None


HOLD = "hold"
KINDS = {
    HOLD: Kind("an idle connection, kept to the end", say_nothing, stays=True, comes_again=False),
    "silent": Kind("connects and says nothing, ever", say_nothing, stays=True),
    "drip": Kind("sends a byte a second of a request that never ends", drip, stays=True),
    "never-reading": Kind("sends requests as fast as they are taken, and reads no answer", never_read, stays=True),
    "reset-in-request": Kind("sends half a request and resets, again and again", reset_in_request),
    "reset-in-answer": Kind("asks for a large answer and resets while it comes, again and again", reset_in_answer),
    "half-close": Kind("sends a request and half-closes; the answer must come all the same", half_close),
    "oversized": Kind("sends a line without end, up to 64 MiB", oversized),
    "garbage": Kind("sends what is no request: random bytes, NULs, no UTF-8, ambiguous HTTP", garbage),
    "burst": Kind("all connect at once every second, for one request each", burst, every=1.0),
}
HOSTILE_KINDS: dict[str, str] = {name: kind.help for name, kind in KINDS.items() if name != HOLD}
STAYING = frozenset(name for name, kind in KINDS.items() if kind.stays)


def read_hostile(text: str) -> tuple[str, int]:
    """Read `KIND` or `KIND=COUNT`, as in `silent=30`; ValueError with one clear line for anything else."""
    kind, equals, count = text.partition("=")
    if kind not in HOSTILE_KINDS:
        raise ValueError(f"hostile clients are {', '.join(HOSTILE_KINDS)}, not {kind!r}")
    if not equals:
        return kind, 1
    if not (count.isascii() and count.isdigit() and len(count) <= 6 and 1 <= int(count) <= MOST_CLIENTS):
        raise ValueError(f"the count of {kind} clients is from 1 to {MOST_CLIENTS}, not {count!r}")
    return kind, int(count)
