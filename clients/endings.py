"""How conversations end, and what becomes of their clients.

whatever goes wrong -> fail: count it, write it down, close; then pause and `entrance`, or go where nothing is left
nothing left to ask -> leave: half-close, wait for the server's end, or for bytes too many; then gone
the end of the run  -> close_all: write down what is still in flight
"""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from clients.client import GONE, GREETING, LEAVING, READY, WAITING, Client
from clients.entrance import PAUSE_NS
from clients.failures import detail_of, outcome_of
from clients.records import Outcome

if TYPE_CHECKING:
    from clients.dialogues import Dialogues

_ENDS = (Outcome.CLOSED, Outcome.RESET)  # of a connection, on the server's side
_TOO_MUCH = (Outcome.EXTRA_BYTES, Outcome.DOUBLED)


class Endings:
    """The ends of some `dialogues`, which count who is `present` and what is `not_done`."""

    def __init__(self, dialogues: Dialogues) -> None:
        self._dialogues = dialogues
        self._connections = dialogues.connections

    def fail_with(self, client: Client, error: OSError, now: int) -> None:
        """A system call ended the connection."""
        self.fail(client, outcome_of(error), detail_of(error), now)

    def hung_up(self, client: Client, now: int) -> None:
        """The server has ended the connection, or its half of it, in an orderly way."""
        if client.phase == LEAVING:
            self._depart(client, now, Outcome.ANSWERED)
            return
        self.fail(client, Outcome.CLOSED, self._how_far(client), now)

    def _how_far(self, client: Client) -> str:
        if client.phase == GREETING:
            return "hung up before it had greeted"
        return f"hung up after {self._connections.turns[client.fd].judge.so_far(client.got)} of the answer"

    def fail(self, client: Client, outcome: Outcome, detail: str, now: int) -> None:
        """Count it, write it down, hang up; the client tries again after a pause."""
        if client.phase == LEAVING:
            self._fail_leaving(client, outcome, detail, now)
            return
        if client.phase == READY and outcome in _ENDS:
            self._dialogues.ledger.idle_closed += 1
        else:
            self._dialogues.ledger.count(client, outcome, detail)
        if client.phase == WAITING or client.begun:
            self._dialogues.record(client, now, outcome)
        self.abandon_behind(client, f"behind a request that failed: {detail}", now)
        self._connections.close(client, now, outcome)
        client.begun = False
        if self._dialogues.demand.over:
            self.go(client)
        else:
            self._dialogues.entrance.pause(client, now + PAUSE_NS)

    def abandon_behind(self, client: Client, detail: str, now: int) -> None:
        """Give up the requests behind one with which the connection ends, each as a failure of its own."""
        for asked in client.behind:
            self._dialogues.ledger.count(client, Outcome.ABANDONED, detail)
            self._dialogues.record_behind(client, asked, now, Outcome.ABANDONED)
        client.behind.clear()

    def _fail_leaving(self, client: Client, outcome: Outcome, detail: str, now: int) -> None:
        """All was answered: how the server ends is its own affair, unless it says more than it was asked."""
        if outcome in _TOO_MUCH:
            self._dialogues.ledger.count(client, outcome, detail)
        self._depart(client, now, outcome if outcome in _TOO_MUCH else Outcome.ANSWERED)

    def leave(self, client: Client) -> None:
        """Nothing is left to ask: half-close, and wait for the server's end, or for bytes too many."""
        assert client.endpoint is not None
        client.phase = LEAVING
        self._connections.since_ns[client.fd] = 0
        self._connections.awaited[client.fd] = None
        with contextlib.suppress(OSError):  # the server was faster; reading will tell how it ended
            client.endpoint.shutdown(socket.SHUT_WR)
        self._dialogues.not_done -= 1

    def _depart(self, client: Client, now: int, outcome: Outcome) -> None:
        self._connections.close(client, now, outcome)
        client.phase = GONE
        self._dialogues.present -= 1

    def go(self, client: Client) -> None:
        """A client without a connection asks no more."""
        client.phase = GONE
        self._dialogues.present -= 1
        self._dialogues.not_done -= 1

    def close_all(self, now: int) -> None:
        """Write down what is still in flight, and what was due and never asked, and close everything."""
        self._dialogues.entrance.shut()
        for client in list(self._connections.owner.values()):
            outcome = Outcome.ANSWERED if client.phase == LEAVING else Outcome.IN_FLIGHT
            if client.phase == WAITING or (client.begun and client.phase != LEAVING):
                self._dialogues.record(client, 0, outcome)
            for asked in client.behind:
                self._dialogues.record_behind(client, asked, 0, outcome)
            self._connections.close(client, now, outcome)
        for due_ns, ready_ns in self._dialogues.demand.unasked():
            self._dialogues.ledger.unanswered((due_ns, ready_ns, 0), 0, Outcome.IN_FLIGHT)
        self._connections.epoll.close()
