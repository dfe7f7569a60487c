"""What a load process has found out so far: a row for each request, and what failed by kind."""

from __future__ import annotations

from typing import Protocol

from clients.records import NO_CONNECTION, NO_PART, Outcome, Rows

_MOST_RECENT = 250  # five times a second: enough for a 99th percentile of the last second


class Asker(Protocol):
    """A client, as far as the ledger has to do with it; `first_byte_ns` counts where `got` is not 0."""

    number: int
    connection: int
    due_ns: int
    ready_ns: int
    first_byte_ns: int
    got: int


class Ledger:
    """`rows` has a row per request that ended; `errors` counts by kind, `examples` has one of each in words.

    `late` counts answers to datagrams that were lost by then, `duplicates` those that had been answered; `idle_closed`
    connections that the server ended while nothing was asked on them, which is its right.
    The load loop adds rows of right answers itself, because there a call would cost too much.
    """

    def __init__(self) -> None:
        self.rows = Rows()
        self.errors: dict[str, int] = {}
        self.examples: dict[str, str] = {}
        self.late = self.duplicates = self.idle_closed = 0
        self._not_answered = self._told = 0

    @property
    def completed(self) -> int:
        """Requests that were answered rightly, so far."""
        return len(self.rows) - self._not_answered

    def recent(self) -> list[int]:
        """Response times in nanoseconds of a few of the right answers since the last call, evenly taken."""
        rows, begin = self.rows, self._told
        self._told = len(rows)
        fresh = rows.last(len(rows) - begin, _MOST_RECENT)
        return [done - due for due, _, _, _, done, _, _, _, outcome, _ in fresh if outcome == Outcome.ANSWERED]

    def request_ended(self, client: Asker, sent_ns: int, done_ns: int, outcome: Outcome, part: int = 0) -> None:
        """Write down a client's request; `sent_ns` 0: it was never sent, `done_ns` 0: it has not ended."""
        first_byte_ns = client.first_byte_ns if client.got else 0
        times = client.due_ns, client.ready_ns, sent_ns, first_byte_ns, done_ns
        self.rows.add(*times, client.connection, 0, client.got, outcome, part)
        self._not_answered += outcome != Outcome.ANSWERED

    def unanswered(
        self,
        times: tuple[int, int, int],
        done_ns: int,
        outcome: Outcome,
        connection: int = NO_CONNECTION,
        part: int = NO_PART,
    ) -> None:
        """Write down a request of which no byte came back; `times` are due, ready and sent."""
        self.rows.add(*times, 0, done_ns, connection, 0, 0, outcome, part)
        self._not_answered += 1

    def count(self, client: Asker, outcome: Outcome, detail: str) -> None:
        """Count what failed, and keep the first of each kind as an example."""
        kind = outcome.kind
        self.errors[kind] = self.errors.get(kind, 0) + 1
        self.examples.setdefault(kind, f"client {client.number}: {detail}")
