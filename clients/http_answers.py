"""A strict reader of HTTP/1.1 responses: a status line, header fields, a body whose length is told beforehand.

Only what a server may send to the requests of `conversations` is taken: status 200, and a body of Content-Length or
in chunks that is the body due, byte for byte. Anything that two readers could understand in two ways (both lengths,
a length twice, a bare CR or LF, a folded line) is malformed. A body that ends with the connection is too: it could
not be told from one that was cut off.

Heads come again and again with nothing but another Date, so they are read once each (`read_head` remembers).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from clients.failures import WrongAnswerError, difference, too_much
from clients.records import Outcome

LARGEST_HEAD_BYTES = 64 * 1024
LARGEST_LINE_BYTES = 1024  # of a chunk's size or a trailer: servers send far less

_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t ]*([\t\x20-\x7e\x80-\xff]*?)[\t ]*")
_LENGTH = re.compile(rb"[0-9]{1,15}")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,12})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
_BEGIN = b"HTTP/1."


@dataclass(frozen=True, slots=True)
class Head:
    """What the head of a response says: `length` of the body in bytes (None: it comes in chunks)."""

    status: int
    reason: str
    length: int | None
    last: bool


@lru_cache(maxsize=512)
def read_head(head: bytes) -> Head:
    """Read a head, its empty line not included; raise WrongAnswerError (http-malformed)."""
    status_line, *lines = head.split(b"\r\n")
    match = _STATUS.fullmatch(status_line)
    if match is None:
        raise _malformed(f"the status line is {status_line[:80]!r}")
    fields = _fields(lines)
    version, status, reason = match.groups()
    options = {word.strip().lower() for word in b",".join(fields.get(b"connection", [])).split(b",")}
    last = b"close" in options or (version == b"0" and b"keep-alive" not in options)
    return Head(int(status), reason.decode("latin-1"), _length(fields, version), last)


def _fields(lines: list[bytes]) -> dict[bytes, list[bytes]]:
    fields: dict[bytes, list[bytes]] = {}
    for line in lines:
        match = _FIELD.fullmatch(line)
        if match is None:
            raise _malformed(f"a header line is {line[:80]!r}")
        fields.setdefault(match[1].lower(), []).append(match[2])
    return fields


def _length(fields: dict[bytes, list[bytes]], version: bytes) -> int | None:
    lengths, codings = fields.get(b"content-length", []), fields.get(b"transfer-encoding", [])
    if lengths and codings:
        raise _malformed("both Content-Length and Transfer-Encoding")
    if codings:
        if version == b"0" or [coding.lower() for coding in codings] != [b"chunked"]:
            raise _malformed(f"Transfer-Encoding: {b', '.join(codings)[:60]!r} in HTTP/1.{version.decode()}")
        return None
    if len(lengths) != 1:
        raise _malformed(f"{len(lengths)} x Content-Length and no Transfer-Encoding: the body's length is unknown")
    if _LENGTH.fullmatch(lengths[0]) is None:
        raise _malformed(f"Content-Length: {lengths[0][:60]!r}")
    return int(lengths[0])


class HttpAnswer:
    """The judge (see `answers.Judge`) of responses that carry `body`."""

    __slots__ = ("_body", "_chunks", "_got", "_head", "_heard", "last")

    known: bytes | None = None  # another Date, and the bytes are others

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.last = False
        self._start_over()

    def _start_over(self) -> None:
        self._head: Head | None = None
        self._heard = bytearray()
        self._chunks: Chunks | None = None
        self._got = 0

    def hear(self, begin: int, data: bytes) -> bool:
        """Take more of a response; see `Judge`."""
        if not begin:
            self._start_over()
        if self._head is None:
            rest = self._hear_head(data)
            if rest is None:
                return False
            data = rest
        return self._hear_sized(data) if self._chunks is None else self._hear_chunks(data)

    def so_far(self, count: int) -> str:
        """See `Judge`."""
        if self._head is None or not count:
            return f"{count} bytes of the head"
        return f"{self._got} of {len(self._body)} bytes of the body"

    def _hear_head(self, data: bytes) -> bytes | None:
        """Return what follows the head, None while it is not whole."""
        looked = max(0, len(self._heard) - 3)
        self._heard += data
        end = self._heard.find(b"\r\n\r\n", looked)
        if end < 0:
            self._check_beginning()
            return None
        head = read_head(bytes(self._heard[:end]))
        if head.status != 200:
            raise WrongAnswerError(Outcome.HTTP_STATUS, f"{head.status} {head.reason}".strip())
        if head.length is None:
            self._chunks = Chunks()
        elif head.length != len(self._body):
            detail = f"Content-Length: {head.length} where {len(self._body)} was due"
            raise WrongAnswerError(Outcome.WRONG_BYTES, detail)
        self._head, self.last = head, head.last
        return bytes(self._heard[end + 4 :])

    def _check_beginning(self) -> None:
        """Tell what will never be a head now, in place of waiting for its end until the timeout."""
        beginning = self._heard[: len(_BEGIN)]
        if not _BEGIN.startswith(beginning):
            raise _malformed(f"the answer begins with {bytes(self._heard[:60])!r}")
        if len(self._heard) > LARGEST_HEAD_BYTES:
            raise _malformed(f"no end of the head in {len(self._heard)} bytes")

    def _hear_sized(self, data: bytes) -> bool:
        if memoryview(self._body)[self._got : self._got + len(data)] != data:
            raise difference(self._body, self._got, data)
        self._got += len(data)
        return self._got == len(self._body)

    def _hear_chunks(self, data: bytes) -> bool:
        assert self._chunks is not None
        for part in self._chunks.feed(data):
            self._hear_sized(part)
        if not self._chunks.whole:
            return False
        if self._got != len(self._body):
            detail = f"the chunks end after {self._got} of {len(self._body)} bytes of the body"
            raise WrongAnswerError(Outcome.WRONG_BYTES, detail)
        if rest := bytes(self._chunks.rest):
            raise too_much(rest, "the last chunk")
        return True


class Chunks:
    """A body in chunks, however its bytes are cut. `whole` once its last line has come, `rest` is what follows."""

    __slots__ = ("_left", "_trailing", "rest", "whole")

    def __init__(self) -> None:
        self._left = 0  # bytes of the chunk that are still to come, its CRLF included
        self._trailing = False
        self.rest = bytearray()
        self.whole = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the parts of the body that `data` brings; raise WrongAnswerError (http-malformed)."""
        self.rest += data
        parts: list[bytes] = []
        while not self.whole and self._step(parts):
            pass
        return parts

    def _step(self, parts: list[bytes]) -> bool:
        """Take a line, or a part of a chunk; return whether there was one."""
        if self._left > 2:
            part = bytes(self.rest[: self._left - 2])
            if part:
                parts.append(part)
            return self._take(len(part))
        if self._left:
            end = bytes(self.rest[: self._left])
            if not b"\r\n"[2 - self._left :].startswith(end):
                raise _malformed(f"a chunk is followed by {end!r} in place of the end of its line")
            return self._take(len(end))
        line = self._line()
        if line is None:
            return False
        self._read_line(line)
        return True

    def _take(self, count: int) -> bool:
        del self.rest[:count]
        self._left -= count
        return count > 0

    def _line(self) -> bytes | None:
        end = self.rest.find(b"\r\n")
        if end > LARGEST_LINE_BYTES or (end < 0 and len(self.rest) > LARGEST_LINE_BYTES):
            raise _malformed(f"a line between chunks is longer than {LARGEST_LINE_BYTES} bytes")
        if end < 0:
            return None
        line = bytes(self.rest[:end])
        del self.rest[: end + 2]
        return line

    def _read_line(self, line: bytes) -> None:
        if self._trailing:
            if line and _FIELD.fullmatch(line) is None:
                raise _malformed(f"a trailer is {line[:80]!r}")
            self.whole = not line
            return
        match = _CHUNK_SIZE.fullmatch(line)
        if match is None:
            raise _malformed(f"the size of a chunk is {line[:80]!r}")
        size = int(match[1], 16)
        self._trailing = not size
        self._left = size + 2 if size else 0


def _malformed(detail: str) -> WrongAnswerError:
    return WrongAnswerError(Outcome.HTTP_MALFORMED, detail)
