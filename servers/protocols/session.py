"""The seam between a protocol and the models: what a session is told, and what it answers.

A session is one client's conversation, written without I/O: no socket, no clock, no thread. It is told three things,
and answers each with effects that the server carries out in order:

    started()        the client is there (a protocol may greet first)
    received(data)   these bytes arrived, never empty
    ended()          the client will send no more: what is still owed is sent, then the server hangs up

Two promises make the seam cheap and the server's memory bounded. The session promises that effects may be consumed
lazily: a hundred requests in one segment are a generator, answered one by one as the client takes the answers. The
server promises to consume all effects of one call before it makes the next one.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol, TypeAlias

    from servers.protocols.effects import Effects

    class Session(Protocol):
        """One client's conversation."""

        requests: int  # answered so far

        @property
        def pending(self) -> object:
            """True while part of a request has arrived: its deadline runs."""

        def started(self) -> Effects:
            """Return what the server says before the client has said anything."""

        def received(self, data: bytes) -> Effects:
            """Return what `data` calls for; never raises for anything that a client may send."""

        def ended(self) -> Effects:
            """Return what is still owed to a client that will send no more."""

    NewSession: TypeAlias = Callable[["Limits"], Session]


class Limits:
    """What a protocol grants a client; every model grants the same.

    Attributes:
        max_line: bytes of the longest line, its newline included; of the longest frame of ``frames``, of the longest
            head of an ``http`` request.
        max_size: bytes of the largest answer that ``work`` gives, and of the largest body that ``http`` takes.
        max_sleep: seconds of the longest ``sleep=``.
        max_cpu: seconds of the longest ``cpu=``.
        now: tells the time, in seconds since the epoch, to protocols whose answers carry a date. Sessions have no clock
            of their own; without this one it is always 1970.
    """

    __slots__ = ("max_cpu", "max_line", "max_size", "max_sleep", "now")

    def __init__(
        self,
        max_line: int = 131072,
        max_size: int = 16777216,
        max_sleep: float = 60.0,
        max_cpu: float = 10.0,
        now: Callable[[], float] = float,  # which is 0.0 when it is called with nothing
    ) -> None:
        self.max_line = max_line
        self.max_size = max_size
        self.max_sleep = max_sleep
        self.max_cpu = max_cpu
        self.now = now
