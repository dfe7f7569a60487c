"""``http``: HTTP/1.1 (RFC 9110 and 9112) through h11; the routes are in `http_routes`.

Rules of this file:

- Requests are answered one after the other, also when many of them come at once (pipelining), and each before the
  next is looked at. The connection stays open until the client says ``Connection: close``, or speaks HTTP/1.0.
- A request is answered when it has arrived whole: a client that sends all of a large body before it reads would else
  wait for us while we wait for it. So its body is held, and `max_size` bounds it (413); the answer is sent in parts.
- The body of an answer has a Content-Length, or is chunked where that of the request was.
- A client that asks ``Expect: 100-continue`` is told to go on, or refused before it has sent its body.
- What is refused gets a whole answer, one line of text with ``Connection: close``, and the conversation ends. Nothing
  ambiguous is accepted: `http_framing` tells what is let through to h11.

h11 is pure Python: it takes some 35 us for a request, and the rest of this some 20, where a line of ``echo`` takes
less than one. Importing it (with `typing`, `dataclasses` and `inspect`) takes 2.5 MB; no other protocol does.
"""

from __future__ import annotations

import h11

from servers.protocols.effects import Close
from servers.protocols.http_answers import REASONS, TEXT, Refusal
from servers.protocols.http_date import imf_fixdate
from servers.protocols.http_framing import Arrived, body_of
from servers.protocols.http_routes import route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from servers.protocols.effects import Effects
    from servers.protocols.http_answers import Answer
    from servers.protocols.http_framing import Body
    from servers.protocols.http_routes import Handler, Query
    from servers.protocols.session import Limits

ENOUGH = 65536  # bytes that are sent without waiting for more of the same answer
VERSIONS = (b"1.1", b"1.0")
REFUSED_BY_H11 = {
    400: "malformed request, or its Host is missing or given twice",
    501: "the only transfer coding served is chunked",
}


class Request:
    """A request whose head has arrived."""

    __slots__ = ("body", "framing", "handler", "query")

    def __init__(self, handler: Handler, query: Query, framing: Body) -> None:
        self.handler = handler
        self.query = query
        self.framing = framing
        self.body = bytearray()


class Http:
    """One client's requests."""

    __slots__ = ("_arrived", "_connection", "_is_head", "_limits", "_request", "requests")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.max_line)
        self._arrived = Arrived()
        self._request: Request | None = None  # the one whose body we are waiting for
        self._is_head = False  # of the method HEAD: the answer has no body
        self.requests = 0

    @property
    def pending(self) -> bool:
        """True while part of a request has arrived."""
        return self._request is not None or bool(self._arrived)

    def started(self) -> Effects:
        """Say nothing: the client speaks first."""
        return ()

    def received(self, data: bytes) -> Effects:
        """Return the answers to the requests that `data` completes, each made when it is taken."""
        self._arrived += data
        return self._answers()

    def ended(self) -> Effects:
        """Refuse a request that will never be whole."""
        return self._refuse(Refusal(400, "the request is not whole")) if self.pending else ()

    def _answers(self) -> Effects:
        connection = self._connection
        try:
            while request := self._request or self._read_head():
                if connection.they_are_waiting_for_100_continue:
                    yield connection.send(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))
                if not self._read_body(request):
                    return
                yield from self._answer(request)
                self.requests += 1
                self._request = None
                if connection.our_state is h11.MUST_CLOSE:
                    self._arrived.clear()
                    yield Close()
                    return
                connection.start_next_cycle()
        except Refusal as refusal:
            yield from self._refuse(refusal)

    def _read_head(self) -> Request | None:
        """Begin the next request, once its head is whole."""
        self._is_head = False
        head = self._arrived.take_head(self._limits.max_line)
        if not head:
            return None
        self._connection.receive_data(head)
        asked = self._next_event()
        assert type(asked) is h11.Request  # the head is whole
        self._is_head = asked.method == b"HEAD"
        self._request = self._understand(asked, head)
        return self._request

    def _understand(self, asked: h11.Request, head: bytes) -> Request:
        if asked.http_version not in VERSIONS:
            raise Refusal(505, "only HTTP/1.1 and HTTP/1.0 are served")
        framing = body_of(head, asked.http_version, self._limits)
        fields = dict(asked.headers)
        handler, query = route(asked.method, asked.target, fields.get(b"host", b""))
        if fields.get(b"expect", b"100-continue").lower() != b"100-continue":
            raise Refusal(417, "the only expectation served is 100-continue")
        if asked.method != b"POST" and framing.size_bytes != 0:
            raise Refusal(400, "only a POST carries a body")
        return Request(handler, query, framing)

    def _read_body(self, request: Request) -> bool:
        """Read what has arrived of the body; false while more must come."""
        while True:
            event = self._next_event()
            if type(event) is h11.EndOfMessage:
                return True
            if type(event) is h11.Data:
                request.body += event.data
            elif part := request.framing.take(self._arrived):
                self._connection.receive_data(part)
            else:
                return False

    def _next_event(self) -> object:
        try:
            return self._connection.next_event()
        except h11.RemoteProtocolError as error:
            # Its message repeats what the client sent.
            raise Refusal(error.error_status_hint, REFUSED_BY_H11[error.error_status_hint]) from None

    def _answer(self, request: Request) -> Effects:
        answer = request.handler(request.query, request.body, self._limits)
        yield from answer.waits
        yield from self._send(200, self._fields(answer, request), answer.pieces)

    def _fields(self, answer: Answer, request: Request) -> list[tuple[bytes, bytes]]:
        fields = [(b"Content-Type", answer.content_type)]
        if request.framing.size_bytes is not None:  # or h11 sends the answer in chunks
            fields.append((b"Content-Length", b"%d" % answer.size_bytes))
        return fields

    def _refuse(self, refusal: Refusal) -> Effects:
        text = f"error: {refusal}\n".encode()
        fields = [(b"Content-Type", TEXT), (b"Content-Length", b"%d" % len(text)), (b"Connection", b"close")]
        if refusal.allow:
            fields.append((b"Allow", b", ".join(refusal.allow)))
        yield from self._send(refusal.status, fields, (text,))
        yield Close(refusal.kind)

    def _send(self, status: int, fields: list[tuple[bytes, bytes]], pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield a response, what is small of it in one: each effect is a system call."""
        send = self._connection.send
        fields.insert(0, (b"Date", imf_fixdate(self._limits.now())))
        unsent = send(h11.Response(status_code=status, reason=REASONS[status], headers=fields))
        for piece in () if self._is_head else pieces:
            unsent += send(h11.Data(data=piece))
            if len(unsent) >= ENOUGH:
                yield unsent
                unsent = b""
        unsent += send(h11.EndOfMessage())
        if unsent:
            yield unsent
