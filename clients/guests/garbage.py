"""What is no request, seeded: the same client sends the same garbage in each run.

The shapes that http gets are those that two readers could understand in two ways, which is how requests are smuggled
past the one to the other (RFC 9112, 11.2), and those that a careless reader fails on.
"""

from __future__ import annotations

import random

MOST_RANDOM_BYTES = 4096

_ANY = (
    b"\0" * 1000,
    b"\n" * 500,
    b"\xff\xfe\xfd\n",
    b"\xc0\x80 overlong\n",
    b"\xed\xa0\x80 half a surrogate\n",
    b"\xe2\x82 cut off\n",
    b"\r\r\r\n\0\n",
    b"%s%s%n {0} ${x} '; --\n",
)
_WORK = (
    b"inf\n",
    b"nan\n",
    b"-1\n",
    b"0\n",
    b"1e9 sleep=inf\n",
    b"1 sleep=nan\n",
    b"1 cpu=-1\n",
    b"1 cpu=1e999\n",
    b"1 sleep=0 sleep=0\n",
    b"1 sleep=\n",
    b"1 rm=1\n",
    b"9" * 5000 + b"\n",
    b"\xd9\xa3\n",
    b"1_0\n",
)
_FRAMES = (b"$$$$", b"^^^^$$", b"^" + bytes(range(36)) + b"$^", b"$^$^\xff")
_BOTH = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"
_HTTP = (
    b"POST /echo HTTP/1.1\r\nHost: a\r\n" + _BOTH,
    b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 9\r\n\r\nx",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n",
    b"GET / HTTP/1.1\nHost: a\n\n",
    b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    b"GET  /  HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /\r\nHost: a\r\n\r\n",
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /%ff%00 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /work?size=inf&sleep=inf HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 2000 + b"\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # the beginning of TLS
)
_OF_PROTOCOL = {"work": _WORK, "frames": _FRAMES, "http": _HTTP}


def garbage_of(protocol: str, number: int, visit: int) -> bytes:
    """What client `number` sends on a visit: random bytes by turns with the shapes, those of the protocol first."""
    shapes = _OF_PROTOCOL.get(protocol, ()) + _ANY
    turn = number + visit
    if turn % 2 == 0:
        return shapes[turn // 2 % len(shapes)]
    source = random.Random(number * 1_000_003 + visit)  # one seed for each pair
    return source.randbytes(source.randint(1, MOST_RANDOM_BYTES))
