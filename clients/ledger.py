"""What a load process has found out so far: a row for each request, and what failed by kind."""

from __future__ import annotations

from typing import Protocol

from clients.records import Outcome, Rows


class Asker(Protocol):
    """A client, as far as the ledger has to do with it; `first_byte_ns` counts where `got` is not 0."""

    number: int
    connection: int
    due_ns: int
    first_byte_ns: int
    got: int


class Ledger:
    """`rows` has a row per request that ended; `errors` counts by kind, `examples` has one of each in words.

    `late` counts answers to datagrams that were lost by then, `duplicates` those that had been answered.
    The load loop adds rows of right answers itself, because there a call would cost too much.
    """

    def __init__(self) -> None:
        self.rows = Rows()
        self.errors: dict[str, int] = {}
        self.examples: dict[str, str] = {}
        self.late = self.duplicates = 0
        self._not_answered = 0

    @property
    def completed(self) -> int:
        """Requests that were answered rightly, so far."""
        return len(self.rows) - self._not_answered

    def request_ended(self, client: Asker, sent_ns: int, done_ns: int, outcome: Outcome) -> None:
        """Write down a client's request; `sent_ns` 0: it was never sent, `done_ns` 0: it has not ended."""
        first_byte_ns = client.first_byte_ns if client.got else 0
        self.rows.add(client.connection, client.due_ns, sent_ns, first_byte_ns, done_ns, client.got, outcome)
        self._not_answered += outcome != Outcome.ANSWERED

    def count(self, client: Asker, outcome: Outcome, detail: str) -> None:
        """Count what failed, and keep the first of each kind as an example."""
        kind = outcome.kind
        self.errors[kind] = self.errors.get(kind, 0) + 1
        self.examples.setdefault(kind, f"client {client.number}: {detail}")
