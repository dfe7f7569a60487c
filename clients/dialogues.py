"""What becomes of the clients of a load process: everything but the fast path, which is `loop`.

`entrance` -> free place -> [`demand`] -> ask -> take ... take -> finish -> free place ...     kept alive
                                                                  -> close, free place         churn
                                                                  -> close, `entrance`         the server's last answer
whatever goes wrong, nothing left to ask, the end of the run -> `endings`

`sending` and `hearing` are how requests go out and answers come in; `demand` decides when a client with a free place
asks. With several in flight on a connection, the client's own fields are of the request whose answer is next, and
`behind` has the others in their order.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from clients.client import (
    FRESH,
    GREETING,
    READY,
    RESTING,
    WAITING,
    Asked,
    Client,
)
from clients.connections import Connections
from clients.demand import demand_for
from clients.endings import Endings
from clients.entrance import Entrance
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

    `present` counts those that are not gone, `not_done` those that may still ask or be answered, `outstanding` the
    requests that have begun and not ended; for `area_ns` see `course.Clients`. What ended or failed is in `ledger`.
    """

    def __init__(self, spec: Spec) -> None:
        self.ledger = Ledger()
        script = Script(spec)
        self.clients = [Client(number, script) for number in range(spec.first_client, spec.first_client + spec.clients)]
        self.connections = Connections(spec)
        self.demand: Demand[Client] = demand_for(spec, self)
        self.entrance = Entrance(spec, self)
        self.sending = Sending(self)
        self.hearing = Hearing(self, spec.protocol)
        self.endings = Endings(self)
        self.paused = self.entrance.paused
        self.present = self.not_done = len(self.clients)
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
        return self.not_done > 0

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
                self.endings.fail(client, Outcome.TIMEOUT, f"no whole answer in {self._spec.timeout:g} s", now)
            else:
                self.endings.fail(client, *self.entrance.too_late(client), now)

    def ask_no_more(self) -> None:
        """Nothing becomes due from now on; who has nothing under way is gone."""
        self.demand.end()
        self.entrance.shut()

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
            self.endings.leave(client)
        elif client.phase == RESTING:
            self.endings.go(client)

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
        """The answer that was next is whole and right: write it down and go on.

        Of several that were read at once, the later ones wait here for their turn, and are no longer in flight.
        """
        self.area_ns -= time.monotonic_ns() - now
        turn = self.connections.turns[client.fd]
        self.record(client, now, Outcome.ANSWERED)
        client.got = 0
        if self._spec.churn or turn.judge.last:
            self.endings.abandon_behind(client, "the server closes the connection after the answer before", now)
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

    # Writing down

    def record(self, client: Client, done_ns: int, outcome: Outcome) -> None:
        """Write down the request whose answer was next."""
        self.outstanding -= 1
        sent_ns = self.connections.since_ns[client.fd] if client.phase == WAITING else 0
        has_turn = client.endpoint is not None  # without a connection it had not come to what it would ask
        part = self.connections.turns[client.fd].exchange.part if has_turn else NO_PART
        if self.is_due_when_sent:
            client.due_ns = client.ready_ns = sent_ns
        self.ledger.request_ended(client, sent_ns, done_ns, outcome, part)

    def record_behind(self, client: Client, asked: Asked, done_ns: int, outcome: Outcome) -> None:
        """Write down a request that was behind it."""
        self.outstanding -= 1
        times = asked.due_ns, asked.ready_ns, asked.sent_ns
        self.ledger.unanswered(times, done_ns, outcome, client.connection, asked.turn.exchange.part)
