"""What ``http`` serves: the routes, the query that each takes, and the answers.

    GET  /                               what this is, in JSON
    GET  /echo?text=TEXT                 TEXT as it was
    POST /echo                           the body as it was
    GET  /upper?text=TEXT                TEXT in upper case; it is UTF-8
    POST /upper                          the body in upper case; it is UTF-8
    GET  /work?size=N&sleep=S&cpu=S      N bytes, each of them ``x``, after a wait and a computation in the order given;
                                         limits and refusals are those of the ``work`` protocol

HEAD is served wherever GET is. A query is read as a browser's form writes it: ``+`` is a space, ``%20`` too. What a
route does not take is refused, not ignored: a misspelt ``sleeep=1`` would measure something else than was meant.
"""

from __future__ import annotations

import json
import re

from servers.protocols.http_answers import BYTES, JSON, TEXT, Answer, Refusal
from servers.protocols.work import CHUNK, BadRequest, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from servers.protocols.session import Limits

    Query: TypeAlias = dict[bytes, bytes]
    Handler: TypeAlias = Callable[[Query, bytearray, Limits], Answer]

# Methods that a route may have or lack (405). Any other is served nowhere (501), also those whose target need not be
# a route: OPTIONS, CONNECT, TRACE.
METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH"))
# Origin form, or absolute form as proxies send it; no fragment, and nothing that must be percent-encoded.
TARGET = re.compile(
    rb"(?!.*%(?![0-9A-Fa-f]{2}))"
    rb"(?:(?i:https?)://([^/?]+))?"
    rb"(/[-A-Za-z0-9._~%!$&'()*+,;=:@/]*)"
    rb"(?:\?([-A-Za-z0-9._~%!$&'()*+,;=:@/?]*))?"
)
HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[-A-Za-z0-9._~%]*)(?::[0-9]*)?")
ESCAPE = re.compile(rb"%(..)")
WORD = re.compile(rb"[!-~]+")


def index(_query: Query, _body: bytearray, _limits: Limits) -> Answer:
    """Tell what this is."""
    return Answer(JSON, len(INDEX), (INDEX,))


def echo_text(query: Query, _body: bytearray, _limits: Limits) -> Answer:
    """Return the text of the query."""
    text = wanted(query, b"text")
    return Answer(TEXT, len(text), (text,))


def echo_body(_query: Query, body: bytearray, _limits: Limits) -> Answer:
    """Return the body."""
    return Answer(BYTES, len(body), slices(body))


def upper_text(query: Query, _body: bytearray, _limits: Limits) -> Answer:
    """Return the upper case of the query's text."""
    return upper(wanted(query, b"text"))


def upper_body(_query: Query, body: bytearray, _limits: Limits) -> Answer:
    """Return the upper case of the body."""
    return upper(body)


def work(query: Query, _body: bytearray, limits: Limits) -> Answer:
    """Do what a line of the ``work`` protocol would ask for."""
    size = wanted(query, b"size")
    waits = [name + b"=" + value for name, value in query.items() if name != b"size"]
    if not all(map(WORD.fullmatch, (size, *waits))):
        raise Refusal(400, "size, sleep and cpu are a number each")
    try:
        size_bytes, effects = parse(b" ".join((size, *waits)), limits)
    except BadRequest as error:
        raise Refusal(400, str(error)) from None
    return Answer(BYTES, size_bytes, repeated(size_bytes), effects)


ROUTES: dict[bytes, dict[bytes, tuple[Handler, tuple[bytes, ...]]]] = {
    b"/": {b"GET": (index, ())},
    b"/echo": {b"GET": (echo_text, (b"text",)), b"POST": (echo_body, ())},
    b"/upper": {b"GET": (upper_text, (b"text",)), b"POST": (upper_body, ())},
    b"/work": {b"GET": (work, (b"size", b"sleep", b"cpu"))},
}


def told(method: bytes, path: bytes, names: tuple[bytes, ...]) -> str:
    """Return a route as the index shows it."""
    query = b"&".join(name + b"=" for name in names)
    return (method + b" " + path + (b"?" + query if query else b"")).decode()


SHOWN = [told(method, path, names) for path, methods in ROUTES.items() for method, (_, names) in methods.items()]
INDEX = json.dumps({"name": "serverlab", "routes": SHOWN}).encode() + b"\n"


def route(method: bytes, target: bytes, host: bytes) -> tuple[Handler, Query]:
    """Find what serves a request, and read its query; `host` is the field of that name. Raise Refusal."""
    if method not in METHODS:
        raise Refusal(501, "this method is served nowhere")
    matched = TARGET.fullmatch(target)
    if not matched:
        raise Refusal(400, "malformed request target")
    authority, path, query = matched.groups()
    if authority and host and authority.lower() != host.lower():
        raise Refusal(400, "Host is another than that of the request target")
    if not HOST.fullmatch(authority or host):
        raise Refusal(400, "malformed Host")
    if path not in ROUTES:
        raise Refusal(404, "no such route; GET / tells which there are")
    methods = ROUTES[path]
    handler = methods.get(b"GET" if method == b"HEAD" else method)
    if not handler:
        raise Refusal(405, "this route has other methods", allow=allowed(methods))
    return handler[0], read_query(query or b"", handler[1])


def allowed(methods: dict[bytes, tuple[Handler, tuple[bytes, ...]]]) -> list[bytes]:
    """Return the methods of a route, and HEAD where there is GET."""
    return [*methods, *([b"HEAD"] if b"GET" in methods else ())]


def read_query(raw: bytes, names: tuple[bytes, ...]) -> Query:
    """Read a query that may give each of `names` once and nothing else. Raise Refusal."""
    query: Query = {}
    for pair in raw.split(b"&") if raw else ():
        name, _, value = pair.partition(b"=")
        if name not in names or name in query:
            raise Refusal(400, f"the query of this route gives once each: {b', '.join(names).decode() or 'nothing'}")
        query[name] = ESCAPE.sub(lambda escape: bytes.fromhex(escape[1].decode()), value.replace(b"+", b" "))
    return query


def wanted(query: Query, name: bytes) -> bytes:
    """Return what a query must give."""
    if name not in query:
        raise Refusal(400, f"the query must give {name.decode()}=")
    return query[name]


def upper(data: bytes | bytearray) -> Answer:
    """Return the upper case of UTF-8. Raise Refusal for anything else."""
    try:
        text = data.decode().upper().encode()
    except UnicodeDecodeError:
        raise Refusal(400, "not UTF-8", kind="not-utf-8") from None
    return Answer(TEXT, len(text), slices(text))


def slices(data: bytes | bytearray) -> Iterator[bytes]:
    """Yield `data` in parts, so that a slow client makes us hold it once and not twice."""
    for start in range(0, len(data), len(CHUNK)):
        yield bytes(data[start : start + len(CHUNK)])


def repeated(size_bytes: int) -> Iterator[bytes]:
    """Yield that many bytes, which are never in memory together."""
    for _ in range(size_bytes // len(CHUNK)):
        yield CHUNK
    if rest := size_bytes % len(CHUNK):
        yield CHUNK[:rest]
