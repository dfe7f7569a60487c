"""What a request of ``http`` may come to: an answer, or a refusal. `http` puts them on the wire."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from servers.protocols.effects import Effect

REASONS = {
    200: b"OK",
    400: b"Bad Request",
    404: b"Not Found",
    405: b"Method Not Allowed",
    413: b"Content Too Large",
    417: b"Expectation Failed",
    431: b"Request Header Fields Too Large",
    501: b"Not Implemented",
    505: b"HTTP Version Not Supported",
}
TEXT = b"text/plain; charset=utf-8"
BYTES = b"application/octet-stream"
JSON = b"application/json"


class Answer:
    """A request's answer.

    Attributes:
        content_type: what its body is.
        size_bytes: how many bytes its body has.
        pieces: its body, made as it is taken.
        waits: what comes before the first byte.
    """

    __slots__ = ("content_type", "pieces", "size_bytes", "waits")

    def __init__(
        self, content_type: bytes, size_bytes: int, pieces: Iterable[bytes], waits: Sequence[Effect] = ()
    ) -> None:
        self.content_type = content_type
        self.size_bytes = size_bytes
        self.pieces = pieces
        self.waits = waits


class Refusal(Exception):
    """A request is not served, and the conversation ends with it.

    Attributes:
        status: one of REASONS.
        allow: the methods that the client may use instead, for a 405.
        kind: the kind of error to count.

    The message tells the client why, and never repeats to it what it has sent.
    """

    def __init__(self, status: int, text: str, *, allow: Iterable[bytes] = (), kind: str = "bad-request") -> None:
        super().__init__(text)
        self.status = status
        self.allow = allow
        self.kind = kind


def too_large(status: int, text: str) -> Refusal:
    """Refuse what has passed a limit."""
    return Refusal(status, text, kind="line-too-long")
