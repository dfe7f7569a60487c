"""What judges an answer while it arrives: one judge per exchange of a connection.

A judge is handed every byte, and says when the answer is whole. Most protocols are judged by `KnownAnswer`, because
their answers are known to the byte before they are sent; one whose answers vary has a judge of its own
(`http_answers`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from clients.failures import WrongAnswerError, difference

if TYPE_CHECKING:
    from clients.conversations import Exchange

_TELLING_BYTES = 16  # of a longer answer, these tell whose it is


class Judge(Protocol):
    """Reads answers of one exchange, one after the other.

    `known` is an answer that is right if it comes byte for byte, None where that is not known; `last` whether the
    server has said in its answer that it will close the connection.
    """

    @property
    def known(self) -> bytes | None:
        """An answer that needs no judging if it comes byte for byte."""

    @property
    def last(self) -> bool:
        """Whether nothing more can be asked on this connection, once the answer is whole."""

    def hear(self, begin: int, data: bytes) -> bool:
        """Take `data`, from byte `begin` of the answer on; return whether it is whole. May raise WrongAnswerError."""

    def so_far(self, count: int) -> str:
        """How far an answer has come of which `count` bytes are here, for the user."""


class KnownAnswer:
    """The judge of an answer that is known to the byte."""

    __slots__ = ("known",)

    last = False

    def __init__(self, answer: bytes) -> None:
        self.known: bytes | None = answer

    def hear(self, begin: int, data: bytes) -> bool:
        """Compare; see `Judge`."""
        assert self.known is not None
        end = begin + len(data)
        if memoryview(self.known)[begin:end] != data:
            raise difference(self.known, begin, data)
        return end == len(self.known)

    def so_far(self, count: int) -> str:
        """See `Judge`."""
        assert self.known is not None
        return f"{count} of {len(self.known)} bytes"


def is_answer_to(exchange: Exchange, data: bytes) -> bool:
    """Whether `data` begins with the answer to `exchange`, as far as so many bytes can tell."""
    judge = exchange.judge(exchange.answer)
    try:
        whole = judge.hear(0, data)
    except WrongAnswerError as wrong:
        return bool(wrong.extra)
    return whole or (judge.known is not None and len(data) >= _TELLING_BYTES)


def is_echo_of(exchange: Exchange, data: bytes) -> bool:
    """Whether `data` begins with the request of an exchange whose answer is another, as far as it came."""
    request = exchange.request
    if request == exchange.answer:
        return False
    return data.startswith(request) or (len(data) >= _TELLING_BYTES and request.startswith(data))
