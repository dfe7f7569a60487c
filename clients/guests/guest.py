"""One guest: a client beside the measured ones, and what it has heard on its present visit to the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.failures import WrongAnswerError
from clients.guests.tally import SAID_BYTES
from clients.records import Outcome

if TYPE_CHECKING:
    import socket

    from clients.conversations import Exchange
    from clients.guests.hostile import Kind, Script
    from clients.guests.tally import Tally


class Hearing:
    """The reading of one answer, or of anything where there is no exchange.

    `owed` says that the answer must come, and then the server's end; what fails then is an error of the run.
    """

    def __init__(self, exchange: Exchange | None, *, owed: bool = False) -> None:
        self.owed = owed
        self.whole = False
        self._judge = exchange.judge(exchange.answer) if exchange else None
        self._got = 0

    def hear(self, data: bytes) -> None:
        """Take what came, and see whether the answer is `whole`. May raise WrongAnswerError."""
        if self.whole:
            raise WrongAnswerError(Outcome.EXTRA_BYTES, f"{len(data)} bytes after the whole answer: {data[:60]!r}")
        self.whole = self._judge is None or self._judge.hear(self._got, data)
        self._got += len(data)

    def so_far(self) -> str:
        """How much of the answer has come, for the user."""
        return f"{self._judge.so_far(self._got) if self._judge else 'nothing'} of the answer"


class Guest:
    """One of the clients that are no measured requests.

    `name` is that of its kind. `endpoint` is None between two visits, `script` until the connection stands and the run
    has begun. `said` keeps the beginning of what the server said after its greeting; `heard` counts all bytes.
    `knocking_ns` tells since when a Unix backlog has been full, `wake_ns` until when the guest waits (0: for no time).
    """

    __slots__ = (
        "answered",
        "began_ns",
        "connected_ns",
        "deaf",
        "endpoint",
        "greeted",
        "heard",
        "hearing",
        "interest",
        "kind",
        "knocking_ns",
        "name",
        "number",
        "said",
        "script",
        "tally",
        "unsent",
        "visits",
        "wake_ns",
    )

    def __init__(self, number: int, name: str, kind: Kind, tally: Tally) -> None:
        self.number, self.name, self.kind, self.tally = number, name, kind, tally
        self.visits = self.knocking_ns = 0
        self.endpoint: socket.socket | None = None
        self.arrive(None, 0)

    def arrive(self, endpoint: socket.socket | None, began_ns: int) -> None:
        """Begin a visit, which has not heard or said anything yet."""
        self.endpoint, self.began_ns = endpoint, began_ns
        self.connected_ns = self.wake_ns = self.heard = self.interest = 0
        self.deaf = self.greeted = self.answered = False
        self.script: Script | None = None
        self.hearing: Hearing | None = None
        self.unsent: memoryview | None = None
        self.said = b""

    def hear(self, data: bytes, greeting: bytes) -> None:
        """Take what the server said; its greeting is told from the rest. May raise WrongAnswerError."""
        self.tally.bytes_received += len(data)
        data = self._past_greeting(data, greeting)
        if not data:
            return
        self.tally.answered += not self.answered
        self.answered = True
        self.said += data[: SAID_BYTES - len(self.said)]
        if self.hearing:
            self.hearing.hear(data)
            if self.hearing.whole:
                self.said = b""  # a right answer is no example of how a server meets such clients

    def so_far(self) -> str:
        """How much of the answer that it waits for has come, for the user."""
        return self.hearing.so_far() if self.hearing else "nothing"

    def _past_greeting(self, data: bytes, greeting: bytes) -> bytes:
        """What is left of `data` after the greeting, as far as that is here; all of it where another thing is said."""
        rest = greeting[self.heard :]
        self.heard += len(data)
        if self.greeted or self.answered or not greeting:
            return data
        if data.startswith(rest):
            self.greeted = True
            assert self.tally.greeted is not None
            self.tally.greeted += 1
            return data[len(rest) :]
        return b"" if rest.startswith(data) else data
