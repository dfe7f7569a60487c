"""What becomes of the clients of a load process: everything but the fast path, which is `loop`.

`entrance` -> free place -> [`demand`] -> ask -> take ... take -> finish -> free place ...     kept alive
                                                                  -> close, free place         churn
                                                                  -> close, `entrance`         the server's last answer
whatever goes wrong -> fail: count it, write it down, close, pause, `entrance`
nothing left to ask -> leave: half-close, wait for the server's end

`sending` and `hearing` are how requests go out and answers come in; `demand` decides when a client with a free place
asks. With several in flight on a connection, the client's own fields are of the request whose answer is next, and
`behind` has the others in their order.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING

from clients.client import (
    FRESH,
    GONE,
    GREETING,
    LEAVING,
    READY,
    RESTING,
    WAITING,
    Asked,
    Client,
)
from clients.connections import Connections
from clients.demand import demand_for
from clients.entrance import PAUSE_NS, Entrance
from clients.failures import detail_of, outcome_of
from clients.hearing import Hearing
from clients.ledger import Ledger
from clients.records import NO_PART, Outcome
from clients.scripts import Script
from clients.sending import Sending

if TYPE_CHECKING:
    from clients.demand import Demand
    from clients.spec import Spec


class Dialogues:
    """The clients of one load process and all that they do, driven by events.

    `present` counts those that are not gone, `outstanding` the requests that have begun and not ended; for `area_ns`
    see `course.Clients`. What ended or failed is in `ledger`.
    """

    def __init__(self, spec: Spec) -> None:
        self.ledger = Ledger()
        script = Script(spec)
        self.clients = [Client(number, script) for number in range(spec.first_client, spec.first_client + spec.clients)]
        self.connections = Connections(spec)
        self.demand: Demand[Client] = demand_for(spec, self)
        self.entrance = Entrance(spec, self)
        self.sending = Sending(self)
        self.hearing = Hearing(self)
        self.paused = self.entrance.paused
        self.present = self._not_done = len(self.clients)
        self.outstanding = self.area_ns = 0
        self.running = False
        self._timeout_ns = int(spec.timeout * 1e9)
        self._spec = spec
        # The fast path asks as soon as it is answered, and may not take what TLS has decrypted: it would not look
        # whether there is more.
        asks_at_once = not self.demand.thinks and spec.pipeline == 1 and script.is_ring
        self.has_fast_path = asks_at_once and not spec.churn and not spec.tls
        # Where clients ask as soon as they can, a request is due when it is sent: nothing else says when.
        self.is_due_when_sent = not self.demand.thinks and not spec.churn

    @property
    def busy(self) -> bool:
        """Whether a request may still end, or begin."""
        if self.demand.is_open:
            return self.outstanding > 0 or self.demand.pending
        return self._not_done > 0

    @property
    def idle(self) -> bool:
        """Whether all is well and nothing under way: clients think, or nothing is due."""
        if not self.demand.thinks or self.outstanding or self.demand.waiting or self.paused:
            return False
        return not self.connections.pending()

    def start(self, start_ns: int) -> None:
        """Tell of all free places, and let those begin to connect that never tried."""
        self.running = True
        self.demand.begin(start_ns)
        for client in self.clients:
            now = time.monotonic_ns()
            if client.phase == READY:
                self.free_places(client, now)
            elif client.phase == FRESH:
                self.come_again(client, now)
            elif client.phase == GREETING:  # the timeout is for what is asked of a server in the run
                self.connections.since_ns[client.fd] = now

    def come_again(self, client: Client, now: int) -> None:
        """Let a client without a connection go on: by a connection, or for churn by a request."""
        if self._spec.churn and self.running:
            client.phase = RESTING
            self._free(client, now)
        else:
            self.entrance.begin(client, now)

    def resume(self, now: int) -> None:
        """Let those whose pause is over try again."""
        self.entrance.resume(now)

    def time_out(self, now: int) -> None:
        """End what has taken longer than the timeout."""
        for client in self.connections.overdue(now - self._timeout_ns):
            if client.phase == WAITING:
                self.fail(client, Outcome.TIMEOUT, f"no whole answer in {self._spec.timeout:g} s", now)
            else:
                self.fail(client, *self.entrance.too_late(client), now)

    # Asking

    def free_places(self, client: Client, now: int) -> None:
        """A connection stands, and has all its places."""
        for _ in range(self._spec.pipeline):
            if client.can_ask:  # the request before may have met the end of the connection
                self._free(client, now)

    def _free(self, client: Client, now: int) -> None:
        if self.demand.over:
            self.dismiss(client)
        else:
            self.demand.free(client, now)

    def dismiss(self, client: Client) -> None:
        """Nothing is left to ask: who waits for nothing leaves; the others will, when they are answered."""
        if client.phase == READY:
            self._leave(client)
        elif client.phase == RESTING:
            self.go(client)

    def ask(self, client: Client, due_ns: int, ready_ns: int) -> None:
        """Send a request of a client that has a free place, or begin a connection for it."""
        self.outstanding += 1
        if client.phase == WAITING:
            self.sending.send_behind(client, due_ns, ready_ns)
            return
        client.due_ns, client.ready_ns = due_ns, ready_ns
        if client.phase == RESTING:
            self.entrance.begin_request(client, time.monotonic_ns())
            return
        if not client.ring:
            self.connections.turns[client.fd] = client.drawn_turn()
        self.sending.send(client)

    def shed(self, due_ns: int, now: int) -> None:
        """A request that was due is never asked."""
        self.ledger.unanswered((due_ns, now, 0), 0, Outcome.SHED)

    # Going on

    def finish(self, client: Client, now: int) -> None:
        """The answer that was next is whole and right: write it down and go on."""
        turn = self.connections.turns[client.fd]
        self.record(client, now, Outcome.ANSWERED)
        client.got = 0
        if self._spec.churn or turn.judge.last:
            self._abandon_behind(client, "the server closes the connection after the answer before", now)
            self.connections.close(client, now, Outcome.ANSWERED)
            client.begun = False
            self.come_again(client, now)
            return
        client.previous = turn.exchange
        if client.behind:
            self._next_in_line(client)
        else:
            client.phase = READY
            self.connections.since_ns[client.fd] = 0
            if client.ring:
                self.connections.turns[client.fd] = turn.following
        self._free(client, now)

    def _next_in_line(self, client: Client) -> None:
        asked = client.behind.popleft()
        client.due_ns, client.ready_ns = asked.due_ns, asked.ready_ns
        self.connections.turns[client.fd] = asked.turn
        self.connections.since_ns[client.fd] = asked.sent_ns

    # Ending

    def fail_with(self, client: Client, error: OSError, now: int) -> None:
        """A system call ended the connection."""
        self.fail(client, outcome_of(error), detail_of(error), now)

    def fail_behind(self, client: Client, error: OSError) -> None:
        """A request could not be sent behind others: what has been answered before the end is still there to read."""
        endpoint = client.endpoint
        self.hearing.read(client)
        if client.endpoint is endpoint:
            self.fail_with(client, error, time.monotonic_ns())

    def hung_up(self, client: Client, now: int) -> None:
        """The server has ended the connection, or its half of it, in an orderly way."""
        if client.phase == LEAVING:
            self._depart(client, now, Outcome.ANSWERED)
            return
        self.fail(client, Outcome.CLOSED, self._how_far(client), now)

    def _how_far(self, client: Client) -> str:
        if client.phase == GREETING:
            return "hung up before it had greeted"
        return f"hung up after {self.connections.turns[client.fd].judge.so_far(client.got)} of the answer"

    def fail(self, client: Client, outcome: Outcome, detail: str, now: int) -> None:
        """Count it, write it down, hang up; the client tries again after a pause."""
        if client.phase == LEAVING:
            self._fail_leaving(client, outcome, detail, now)
            return
        if client.phase == READY and outcome in _ENDS:
            self.ledger.idle_closed += 1
        else:
            self.ledger.count(client, outcome, detail)
        if client.phase == WAITING or client.begun:
            self.record(client, now, outcome)
        self._abandon_behind(client, f"behind a request that failed: {detail}", now)
        self.connections.close(client, now, outcome)
        client.begun = False
        if self.demand.over:
            self.go(client)
        else:
            self.entrance.pause(client, now + PAUSE_NS)

    def _abandon_behind(self, client: Client, detail: str, now: int) -> None:
        for asked in client.behind:
            self.ledger.count(client, Outcome.ABANDONED, detail)
            self._record_behind(client, asked, now, Outcome.ABANDONED)
        client.behind.clear()

    def _fail_leaving(self, client: Client, outcome: Outcome, detail: str, now: int) -> None:
        """All was answered: how the server ends is its own affair, unless it says more than it was asked."""
        if outcome in _TOO_MUCH:
            self.ledger.count(client, outcome, detail)
        self._depart(client, now, outcome if outcome in _TOO_MUCH else Outcome.ANSWERED)

    def record(self, client: Client, done_ns: int, outcome: Outcome) -> None:
        """Write down the request whose answer was next."""
        self.outstanding -= 1
        sent_ns = self.connections.since_ns[client.fd] if client.phase == WAITING else 0
        has_turn = client.endpoint is not None  # without a connection it had not come to what it would ask
        part = self.connections.turns[client.fd].exchange.part if has_turn else NO_PART
        if self.is_due_when_sent:
            client.due_ns = client.ready_ns = sent_ns
        self.ledger.request_ended(client, sent_ns, done_ns, outcome, part)

    def _record_behind(self, client: Client, asked: Asked, done_ns: int, outcome: Outcome) -> None:
        self.outstanding -= 1
        times = asked.due_ns, asked.ready_ns, asked.sent_ns
        self.ledger.unanswered(times, done_ns, outcome, client.connection, asked.turn.exchange.part)

    def _leave(self, client: Client) -> None:
        """Nothing is left to ask: half-close, and wait for the server's end, or for bytes too many."""
        assert client.endpoint is not None
        client.phase = LEAVING
        self.connections.since_ns[client.fd] = 0
        self.connections.awaited[client.fd] = None
        with contextlib.suppress(OSError):  # the server was faster; reading will tell how it ended
            client.endpoint.shutdown(socket.SHUT_WR)
        self._not_done -= 1

    def _depart(self, client: Client, now: int, outcome: Outcome) -> None:
        self.connections.close(client, now, outcome)
        client.phase = GONE
        self.present -= 1

    def go(self, client: Client) -> None:
        """A client without a connection asks no more."""
        client.phase = GONE
        self.present -= 1
        self._not_done -= 1

    def ask_no_more(self) -> None:
        """Nothing becomes due from now on; who has nothing under way is gone."""
        self.demand.end()
        self.entrance.shut()

    def close_all(self, now: int) -> None:
        """Write down what is still in flight, and what was due and never asked, and close everything."""
        self.entrance.shut()
        for client in list(self.connections.owner.values()):
            outcome = Outcome.ANSWERED if client.phase == LEAVING else Outcome.IN_FLIGHT
            if client.phase == WAITING or (client.begun and client.phase != LEAVING):
                self.record(client, 0, outcome)
            for asked in client.behind:
                self._record_behind(client, asked, 0, outcome)
            self.connections.close(client, now, outcome)
        for due_ns, ready_ns in self.demand.unasked():
            self.ledger.unanswered((due_ns, ready_ns, 0), 0, Outcome.IN_FLIGHT)
        self.connections.epoll.close()


_ENDS = (Outcome.CLOSED, Outcome.RESET)
_TOO_MUCH = (Outcome.EXTRA_BYTES, Outcome.DOUBLED)
