"""What is sent, and what a right answer is: this side's own knowledge of the protocols.

Two exchanges take turns on every connection, and those of two connections differ, so that an answer that is
given twice, late, or to the wrong client cannot pass for the right one. (Not so for `work`, whose answers are
all alike; and lines of one or two bytes have no room for a name.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PROTOCOLS = ("echo", "upper", "work")
LARGEST_LINE = 16 * 1024 * 1024
LARGEST_ANSWER = 256 * 1024 * 1024

# Characters of one to three bytes; the upper case of n with apostrophe, iota with its accents and the ligature fi
# has another number of bytes, so an answer of `upper` is longer than its request.
_FILLER = "né ŉ ж ΐ ﬁ λ über straße "
_WORK = re.compile(r"(\d{1,12})((?: (?:sleep|cpu)=\d+(?:\.\d*)?)*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and the answer to it, in bytes."""

    request: bytes
    answer: bytes


def exchanges(protocol: str, client: int, size_bytes: int, work: str) -> tuple[Exchange, Exchange]:
    """Return the two exchanges that take turns for client number `client`; `work` is for the protocol work."""
    if protocol == "work":
        exchange = Exchange(work.encode() + b"\n", b"x" * work_size(work))
        return exchange, exchange
    first, second = (line(letter, client, size_bytes) for letter in "ab")
    if protocol == "upper":
        return Exchange(first.encode(), first.upper().encode()), Exchange(second.encode(), second.upper().encode())
    return Exchange(first.encode(), first.encode()), Exchange(second.encode(), second.encode())


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
