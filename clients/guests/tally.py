"""What became of the guests of one kind, in memory that does not grow with the run."""

from __future__ import annotations

import random
from array import array
from enum import Enum

SAID_BYTES = 80
_KEPT = 4096  # samples to take a median from: it then differs from the true one by less than two places in a hundred


class Ending(Enum):
    """How a connection of a guest ended."""

    CLOSED = "closed"  # by the server, in an orderly way
    RESET = "reset"  # by the server
    LEFT = "left"  # by the guest itself
    OPEN = "open_at_end"


class Spans:
    """Lengths of time in seconds: the extremes of all, the median of a sample that is drawn as they come, seeded."""

    def __init__(self) -> None:
        self.count = 0
        self._shortest = self._longest = 0.0
        self._kept = array("d")
        self._chance = random.Random(0)

    def add(self, seconds: float) -> None:
        """Take one more; each has the same chance to be kept (Vitter's algorithm R)."""
        self._shortest = min(self._shortest, seconds) if self.count else seconds
        self._longest = max(self._longest, seconds)
        self.count += 1
        if len(self._kept) < _KEPT:
            self._kept.append(seconds)
        elif (place := self._chance.randrange(self.count)) < _KEPT:
            self._kept[place] = seconds

    def to_json(self) -> dict[str, float] | None:
        """`min`, `p50` and `max` in seconds; None where there was none."""
        if not self.count:
            return None
        median = sorted(self._kept)[(len(self._kept) - 1) // 2]
        return {"min": self._shortest, "p50": median, "max": self._longest}


class Tally:
    """Counts of one kind's `clients`, over all their connections.

    `opened` connections stood; `greeted` of them were greeted (None where the protocol has no greeting), `answered`
    were told something beside. `failures` counts what went wrong by kind, as the errors of requests are.
    """

    def __init__(self, *, greets: bool) -> None:
        self.clients = self.opened = self.answered = self.refused = self.bytes_sent = self.bytes_received = 0
        self.greeted = 0 if greets else None
        self.connect = Spans()
        self.failures: dict[str, int] = {}
        self._endings = dict.fromkeys(Ending, 0)
        self._after = {Ending.CLOSED: Spans(), Ending.RESET: Spans()}
        self._example = b""
        self._is_last_word = False

    def fail(self, kind: str) -> None:
        """Count what went wrong."""
        self.failures[kind] = self.failures.get(kind, 0) + 1

    def end(self, ending: Ending, seconds: float, said: bytes) -> None:
        """Write down how a connection ended, so long after it stood, and what the server had `said` at first."""
        self._endings[ending] += 1
        by_server = ending in self._after
        if by_server:
            self._after[ending].add(seconds)
        # What a server says before it hangs up tells more than what it says to one that leaves.
        if said and (not self._example or (by_server and not self._is_last_word)):
            self._example, self._is_last_word = said, by_server

    def to_json(self) -> dict[str, object]:
        """The counts as a result has them; times are in seconds since the connection stood, `connect` in seconds."""
        return {
            "clients": self.clients,
            "connections": self.opened,
            "greeted": self.greeted,
            "answered": self.answered,
            **{ending.value: count for ending, count in self._endings.items()},
            "refused": self.refused,
            "connect": self.connect.to_json(),
            "closed_after": self._after[Ending.CLOSED].to_json(),
            "reset_after": self._after[Ending.RESET].to_json(),
            "bytes_sent": self.bytes_sent,
            "bytes_received": self.bytes_received,
            "example": first_line(self._example),
            "errors": self.failures,
        }


def first_line(said: bytes) -> str:
    """The first line of at most 80 bytes, with everything escaped that is not plain text."""
    lines = said[:SAID_BYTES].splitlines()
    return lines[0].decode("latin-1").encode("unicode_escape").decode("ascii") if lines else ""
