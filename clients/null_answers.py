"""What `clients.null_server` says, without any I/O: the right answers, and no check of what is asked.

A session is told the bytes that came on one connection, however they are cut, and gives the pieces to send. It is
`clean` where nothing of a request is left over, so that the same bytes will have the same answer again, and `last`
where the client asked for no more answers on this connection. ValueError where the client speaks another protocol.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = b"x" * (1 << 20)  # the largest piece of x: the same memory for answers of any size
_PLUS_ONE = bytes((byte + 1) % 256 for byte in range(256))
_SIZE = re.compile(rb"[?&]size=(\d+)")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


class Session(Protocol):
    """One connection's conversation; see the head of this module."""

    last: bool

    @property
    def clean(self) -> bool:
        """Whether all that came has been answered."""

    def hear(self, data: bytes) -> list[bytes]:
        """Return what to send for these bytes."""


class _Holding:
    """What a session has in common that holds what it cannot answer yet."""

    __slots__ = ("_held",)
    last = False

    def __init__(self) -> None:
        self._held = b""

    @property
    def clean(self) -> bool:
        """See `Session`."""
        return not self._held


class Upper(_Holding):
    """A stream of UTF-8 in upper case; a character that is cut is waited for."""

    __slots__ = ()

    def hear(self, data: bytes) -> list[bytes]:
        """See `Session`."""
        data = self._held + data
        try:
            text, self._held = data.decode(), b""
        except UnicodeDecodeError as error:
            if len(data) - error.start > 3:
                raise
            text, self._held = data[: error.start].decode(), data[error.start :]
        return [text.upper().encode()]


class Work(_Holding):
    """Lines that begin with a number, each answered by so many x; what else a line asks for is not done."""

    __slots__ = ()

    def hear(self, data: bytes) -> list[bytes]:
        """See `Session`."""
        *lines, self._held = (self._held + data).split(b"\n")
        return [piece for line in lines for piece in _pieces(int(line.split(None, 1)[0]))]


class Frames:
    """What is between ^ and $ comes back, each byte plus one."""

    __slots__ = ("_inside",)
    last = False

    def __init__(self) -> None:
        self._inside = False

    @property
    def clean(self) -> bool:
        """See `Session`."""
        return not self._inside

    def hear(self, data: bytes) -> list[bytes]:
        """See `Session`."""
        pieces = []
        while data:
            if self._inside:
                part, mark, data = data.partition(b"$")
                self._inside = not mark
                pieces.append(part.translate(_PLUS_ONE))
            else:
                _, mark, data = data.partition(b"^")
                self._inside = bool(mark)
        return pieces


class Http:
    """Requests of HTTP/1.1 with a Content-Length or no body: a body comes back as it is read, ?size=N gives N x."""

    __slots__ = ("_held", "_left", "last")

    def __init__(self) -> None:
        self._held = b""
        self._left = 0  # bytes of a body that are still to come, and to be sent back
        self.last = False

    @property
    def clean(self) -> bool:
        """See `Session`."""
        return not (self._held or self._left)

    def hear(self, data: bytes) -> list[bytes]:
        """See `Session`."""
        pieces = []
        while data:
            if self._left:
                pieces.append(data[: self._left])
                data = data[len(pieces[-1]) :]
                self._left -= len(pieces[-1])
                continue
            head, whole, data = (self._held + data).partition(b"\r\n\r\n")
            self._held = b"" if whole else head
            if whole:
                answer, body, self._left, self.last = _read_head(head)
                pieces += [answer, *_pieces(body)]
        return pieces


@lru_cache(maxsize=4096)
def _read_head(head: bytes) -> tuple[bytes, int, int, bool]:
    """Return the head of the answer, how many x follow it, how many bytes posted, and whether it is the last."""
    asked, posted = _SIZE.search(head.partition(b"\r\n")[0]), _LENGTH.search(head)
    size, length = int(asked[1]) if asked else 0, int(posted[1]) if posted else 0
    last = _CLOSE.search(head) is not None
    ending = b"Connection: close\r\n" if last else b""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n" % (size or length, ending), size, length, last


def _pieces(size_bytes: int) -> list[bytes]:
    whole, rest = divmod(size_bytes, len(BLOCK))
    return [BLOCK] * whole + [_some(rest)]


@lru_cache(maxsize=64)
def _some(size_bytes: int) -> bytes:
    return BLOCK[:size_bytes]


def upper_datagram(data: bytes) -> bytes:
    """Answer a datagram of the protocol upper."""
    return data.decode().upper().encode()


SESSIONS: dict[str, Callable[[], Session]] = {"upper": Upper, "work": Work, "frames": Frames, "http": Http}
"""By protocol; `echo` needs none."""
