"""``upper``: a stream of UTF-8 comes back in upper case, chunk by chunk.

The capitalisation servers of CPSC 414 and CMPT 371, and TLPI's ``ud_ucase``: their clients send no newline, so each
chunk is answered when it comes. What their servers get wrong is the character that a segment boundary cuts in two:
here it is waited for.
"""

from __future__ import annotations

from codecs import getincrementaldecoder

from servers.protocols.lines import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from servers.protocols.effects import Effects
    from servers.protocols.session import Limits

new_decoder = getincrementaldecoder("utf-8")


class Upper:
    """One client's upper case. `pending` is the beginning of a character, at most three bytes."""

    __slots__ = ("decoder", "pending", "requests")

    def __init__(self, limits: Limits) -> None:  # noqa: ARG002  every session is made the same way
        self.decoder = new_decoder()
        self.pending = b""
        self.requests = 0

    def started(self) -> Effects:
        """Say nothing: the client speaks first."""
        return ()

    def received(self, data: bytes) -> Effects:
        """Return the upper case of the characters that `data` completes; a chunk is a request."""
        return self._answer(data, final=False)

    def ended(self) -> Effects:
        """Refuse a character that will never be whole."""
        return self._answer(b"", final=True)

    def _answer(self, data: bytes, *, final: bool) -> Effects:
        try:
            text = self.decoder.decode(data, final)
        except UnicodeDecodeError as error:
            # The characters before the wrong one came whole: they are answered before the error is told.
            before = error.object[: error.start].decode()
            self.pending = b""
            return (before.upper().encode(), *refusal("not UTF-8", "not-utf-8"))
        self.pending = self.decoder.getstate()[0]
        if not text:
            return ()
        self.requests += 1
        return (text.upper().encode(),)
