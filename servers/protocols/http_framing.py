r"""Where a request of HTTP/1.1 begins and ends, strictly; what two readers could read in two ways is refused.

Request smuggling lives on such differences: a proxy in front sees one request where the server behind it sees two. h11
reads what comes through here, but it is lenient where the RFCs once were. So nothing reaches it unless this file has
found it sound:

- a line ends with CR LF, never with one of the two alone, and holds no other control character but TAB; so there
  is no NUL, no folded line, and no empty line before a request (RFC 9112 would allow to skip that; we refuse it);
- the length of a body is told once: by one Content-Length, which is digits alone, or one Transfer-Encoding, which is
  ``chunked`` (h11 refuses any other with 501) and not of HTTP/1.0, which has none;
- a chunk's size is hexadecimal digits, and between it, its extension and its CR LF is no space; extensions and
  trailers mean nothing here and are dropped, but together are no longer than a head may be.

All errors are found at their byte, so they do not depend on how the stream is cut into segments.
"""

from __future__ import annotations

import re

from servers.protocols.http_answers import Refusal, too_large

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from servers.protocols.session import Limits

    class Body(Protocol):
        """The framing of one request's body."""

        size_bytes: int | None  # None where only its end will tell

        def take(self, arrived: bytearray) -> bytes:
            """Take from `arrived` the next part that is sound, framing included; empty where more must arrive first."""


# A control character, a LF without its CR, a CR without its LF, or a line that begins with white space (a folded one).
# A CR at the very end is not judged yet.
STRAY = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r(?=[^\n])|\n[ \t]")
LENGTHS = re.compile(rb"\r\n(content-length|transfer-encoding):([^\r]*)", re.IGNORECASE)
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})((?:;[\t\x20-\x7e\x80-\xff]*)?)\r\n")
TRAILER_LINE = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n")
LONGEST_SIZE = 18  # bytes of the longest chunk line without an extension
END_OF_LINES = b"\r\n"


class Arrived(bytearray):
    """What has arrived and is not taken yet."""

    searched = 0  # so many bytes hold neither an error nor the end of the head, except in their last three

    def take_head(self, max_line: int) -> bytes:
        """Take a request line and its fields, the empty line included; empty where more must arrive first."""
        end = self.find(b"\r\n\r\n", max(0, self.searched - 3), max_line) + 4
        whole = end > 3
        if STRAY.search(self, max(0, self.searched - 1), end if whole else max_line):
            raise Refusal(400, "a line ends with CR LF, is not folded, and holds no control character")
        self.searched = 0 if whole else len(self)
        if not whole:
            if len(self) >= max_line:
                raise too_large(431, f"head longer than {max_line} bytes")
            return b""
        return take(self, end)


def take(arrived: bytearray, size_bytes: int) -> bytes:
    """Take that many bytes, or as many as there are."""
    taken = bytes(arrived[:size_bytes])
    del arrived[:size_bytes]
    return taken


def body_of(head: bytes, http_version: bytes, limits: Limits) -> Body:
    """Tell how the body behind a head is framed. Raise Refusal where that is not certain, or is too much."""
    lengths = LENGTHS.findall(head)
    if not lengths:
        return Sized(0)
    if len(lengths) > 1:
        raise Refusal(400, "a body has one Content-Length or one Transfer-Encoding")
    name, value = lengths[0]
    if name.lower() == b"transfer-encoding":
        if http_version == b"1.0":
            raise Refusal(400, "HTTP/1.0 has no Transfer-Encoding")
        return Chunked(limits)
    if not value.strip(b" \t").isdigit():
        raise Refusal(400, "Content-Length is one number")
    if int(value) > limits.max_size:
        raise body_too_large(limits)
    return Sized(int(value))


def body_too_large(limits: Limits) -> Refusal:
    """Refuse a body that passes the limit."""
    return too_large(413, f"body larger than {limits.max_size} bytes")


class Sized:
    """A body whose size is known: from its Content-Length, or none at all."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes: int | None = size_bytes
        self._left = size_bytes

    def take(self, arrived: bytearray) -> bytes:
        """Take what has arrived of the body."""
        taken = take(arrived, self._left)
        self._left -= len(taken)
        return taken


class Chunked:
    """A body in chunks, each behind its own size."""

    size_bytes: int | None = None

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._left = 0  # bytes of the open chunk and of the CR LF behind it
        self._room = limits.max_size  # bytes that further chunks may hold
        self._spare = limits.max_line  # bytes that further extensions and trailers may hold
        self._in_trailers = False

    def take(self, arrived: bytearray) -> bytes:
        """Take what has arrived of the open chunk, or the next line if it is whole."""
        if self._left:
            taken = take(arrived, self._left)
            self._left -= len(taken)
            return taken
        longest = self._spare + LONGEST_SIZE
        line = take(arrived, arrived.find(b"\n", 0, longest) + 1)
        if not line:
            self._watch_spare(len(arrived) - longest + 1)
        elif self._in_trailers:
            self._trailer(line)
        else:
            self._size(line)
        return line

    def _size(self, line: bytes) -> None:
        matched = CHUNK_LINE.fullmatch(line)
        if not matched:
            raise Refusal(400, "a chunk begins with its size in hexadecimal digits and CR LF")
        size_bytes = int(matched[1], 16)
        if size_bytes > self._room:
            raise body_too_large(self._limits)
        self._spend(len(matched[2]))
        self._room -= size_bytes
        self._left = size_bytes + 2 if size_bytes else 0
        self._in_trailers = not size_bytes

    def _trailer(self, line: bytes) -> None:
        if line == END_OF_LINES:
            return
        if not TRAILER_LINE.fullmatch(line):
            raise Refusal(400, "malformed trailer")
        self._spend(len(line))

    def _spend(self, size_bytes: int) -> None:
        self._spare -= size_bytes
        self._watch_spare(-self._spare)

    def _watch_spare(self, too_many: int) -> None:
        if too_many > 0:
            raise too_large(431, f"chunk extensions and trailers longer than {self._limits.max_line} bytes")
