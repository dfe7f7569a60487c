"""What is said in datagrams: each is numbered, so that a late or a second answer is known for what it is."""

from __future__ import annotations

from clients.conversations import line

LARGEST_DATAGRAM = 65507  # over IPv4: 65535 bytes, less the headers of IP and UDP
NUMBER_DIGITS = 10
SMALLEST_DATAGRAM = NUMBER_DIGITS + 6  # a number, a space, and room for a client's name


class Lines:
    """One client's requests and their answers, told apart by their numbers (from 1), which stand first in both."""

    __slots__ = ("_answer_tail", "_request_tail")

    def __init__(self, protocol: str, client: int, size_bytes: int) -> None:
        tail = " " + line("d", client, size_bytes - NUMBER_DIGITS - 1)
        self._request_tail = tail.encode()
        self._answer_tail = (tail.upper() if protocol == "upper" else tail).encode()

    def request(self, number: int) -> bytes:
        """The request of that number."""
        return b"%010d" % number + self._request_tail

    def answer(self, number: int) -> bytes:
        """The right answer to it."""
        return b"%010d" % number + self._answer_tail


def number_of(data: bytes) -> int:
    """The number that a datagram bears; 0 where it bears none."""
    digits = data[:NUMBER_DIGITS]
    return int(digits) if len(digits) == NUMBER_DIGITS and digits.isdigit() else 0


def largest_answer(protocol: str, size_bytes: int) -> int:
    """How many bytes the answer to a datagram of `size_bytes` has, at most."""
    clients = (0, 10, 100, 1000, 10_000, 99_999)  # names of every length, each of which moves the rest
    return max(len(Lines(protocol, client, size_bytes).answer(1)) for client in clients)
