"""``echo``: a line comes back as it was; at half-close, what is left comes back too.

ICS 32's server ("reads a line of input and sends a copy of it back, then reads another, until the client
disconnects"), in the spirit of RFC 862.
"""

from __future__ import annotations

from servers.protocols.lines import LineReader, LineTooLong, too_long

TYPE_CHECKING = False
if TYPE_CHECKING:
    from servers.protocols.effects import Effects
    from servers.protocols.session import Limits


class Echo(LineReader):
    """One client's echo."""

    __slots__ = ()

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits.max_line)

    def started(self) -> Effects:
        """Say nothing: the client speaks first."""
        return ()

    def received(self, data: bytes) -> Effects:
        """Return the lines that `data` completes."""
        # Whole lines, none of them too long: what nearly every segment is, so it costs one look at either end.
        if not self.pending and data[-1] == 10 and len(data) <= self.max_line:
            self.requests += data.count(b"\n")
            return (data,)
        return self._each(data)

    def _each(self, data: bytes) -> Effects:
        try:
            for line in self.lines(data):
                self.requests += 1
                yield line
        except LineTooLong:
            yield from too_long(self.max_line)

    def ended(self) -> Effects:
        """Return what has come of a line that will never be whole."""
        rest = self.rest()
        if not rest:
            return ()
        self.requests += 1
        return (rest,)
