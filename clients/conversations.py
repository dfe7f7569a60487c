"""What is sent, and what a right answer is: this side's own knowledge of the protocols.

Two exchanges take turns on every connection (more where requests follow each other unanswered), and those of two
connections differ, so that an answer that is given twice, late, or to the wrong client cannot pass for the right one.
(Not so for `work`, whose answers are all alike; and lines of one or two bytes have no room for a name.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clients.answers import KnownAnswer
from clients.http_answers import HttpAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    from clients.answers import Judge

PROTOCOLS = ("echo", "upper", "work", "frames", "http")
DATAGRAM_PROTOCOLS = ("echo", "upper")
# What a server says before it is asked anything: when that comes, the client has been accepted.
GREETINGS = {"frames": b"*"}
LARGEST_LINE = 16 * 1024 * 1024
LARGEST_ANSWER = 256 * 1024 * 1024
SMALLEST_FRAME = 3  # "^", a byte, "$": an empty frame has no answer to wait for

# Characters of one to three bytes; the upper case of n with apostrophe, iota with its accents and the ligature fi
# has another number of bytes, so an answer of `upper` is longer than its request.
_FILLER = "né ŉ ж ΐ ﬁ λ über straße "
_FRAME_END = ord("$")
# Every byte but the one that ends a frame, 255 among them, whose answer is 0.
_FRAME_FILLER = bytes(byte for byte in range(256) if byte != _FRAME_END)
_PLUS_ONE = bytes((byte + 1) % 256 for byte in range(256))
_WORK = re.compile(r"(\d{1,12})((?: (?:sleep|cpu)=\d+(?:\.\d*)?)*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and the answer to it, in bytes, and what makes the judge of such answers.

    `part` is the number of the part of a mix that it belongs to.
    """

    request: bytes
    answer: bytes
    judge: Callable[[bytes], Judge] = KnownAnswer
    part: int = 0


def exchanges(
    protocol: str,
    client: int,
    size_bytes: int,
    work: str,
    *,
    authority: str = "localhost",
    close: bool = False,
    letters: str = "ab",
    part: int = 0,
) -> tuple[Exchange, ...]:
    """Return the exchanges that take turns for client number `client`, one a letter.

    `work` is for the protocols work and http. `authority` is the Host that http names, and with `close` it says that no
    other request follows.
    """
    if work:
        http = protocol == "http"
        request = _get_work(work, authority, close) if http else work.encode() + b"\n"
        judge = HttpAnswer if http else KnownAnswer
        return (Exchange(request, b"x" * work_size(work), judge, part),) * len(letters)
    if protocol == "frames":
        return tuple(_frame(letter.encode(), client, size_bytes, part) for letter in letters)
    lines = (line(letter, client, size_bytes) for letter in letters)
    if protocol == "http":
        return tuple(_post_echo(text.encode(), authority, close, part) for text in lines)
    if protocol == "upper":
        return tuple(Exchange(text.encode(), text.upper().encode(), part=part) for text in lines)
    return tuple(Exchange(data, data, part=part) for data in map(str.encode, lines))


def line(letter: str, client: int, size_bytes: int) -> str:
    """Return a line of `size_bytes` bytes in UTF-8, its newline included, that names its client.

    The client's digits come last one first, so that a short line keeps those in which neighbours differ.
    """
    room = size_bytes - 1
    name = f"{letter}{str(client)[::-1]} "
    text = name + _FILLER * (room // len(_FILLER.encode()) + 1)
    whole = text.encode()[:room].decode(errors="ignore")  # never half a character
    return whole + "x" * (room - len(whole.encode())) + "\n"


def work_size(work: str) -> int:
    """Return the answer's size of a `work` line; ValueError with one clear line where it is not one."""
    match = _WORK.fullmatch(work)
    if match is None:
        raise ValueError(f'a work line is "SIZE [sleep=SECONDS] [cpu=SECONDS]", not {work!r}')
    size = int(match[1])
    if not 1 <= size <= LARGEST_ANSWER:
        raise ValueError(f"the SIZE of a work line is from 1 to {LARGEST_ANSWER} bytes, not {size}")
    return size


def _frame(letter: bytes, client: int, size_bytes: int, part: int) -> Exchange:
    """A frame of `size_bytes`, its two marks included; what is inside comes back, each byte plus one."""
    room = size_bytes - 2
    name = letter + str(client)[::-1].encode() + b" "
    payload = (name + _FRAME_FILLER * (room // len(_FRAME_FILLER) + 1))[:room]
    return Exchange(b"^" + payload + b"$", payload.translate(_PLUS_ONE), part=part)


def _get_work(work: str, authority: str, close: bool) -> bytes:
    size, *waits = work.split()
    return _request("GET", "/work?" + "&".join((f"size={size}", *waits)), authority, close)


def _post_echo(body: bytes, authority: str, close: bool, part: int) -> Exchange:
    fields = ("Content-Type: text/plain; charset=utf-8", f"Content-Length: {len(body)}")
    return Exchange(_request("POST", "/echo", authority, close, *fields) + body, body, HttpAnswer, part)


def _request(method: str, target: str, authority: str, close: bool, *fields: str) -> bytes:
    ending = ("Connection: close",) if close else ()
    lines = (f"{method} {target} HTTP/1.1", f"Host: {authority}", "User-Agent: serverlab", *fields, *ending, "", "")
    return "\r\n".join(lines).encode("ascii")
