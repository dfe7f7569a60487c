"""What the clients of a load process say and hear: everything but the fast path, which is `loop`.

`entrance` -> free place -> [`demand`] -> ask -> take ... take -> finish -> free place ...     kept alive
                                                                  -> close, free place         churn
                                                                  -> close, `entrance`         the server's last answer
whatever goes wrong -> fail: count it, write it down, close, pause, `entrance`
nothing left to ask -> leave: half-close, wait for the server's end

`demand` decides when a client that has a free place asks. With several in flight on a connection, the client's own
fields are of the request whose answer is next, and `behind` has the others in their order.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from typing import TYPE_CHECKING

from clients.answers import is_answer_to
from clients.client import (
    CHUNK_BYTES,
    CONNECTING,
    FRESH,
    GONE,
    GREETING,
    LEAVING,
    READY,
    RESTING,
    SHAKING,
    WAITING,
    Asked,
    Client,
)
from clients.connections import READING, WRITING, Connections
from clients.demand import demand_for
from clients.entrance import PAUSE_NS, Entrance
from clients.failures import WrongAnswerError, detail_of, outcome_of, too_much
from clients.ledger import Ledger
from clients.records import Outcome
from clients.scripts import Script

if TYPE_CHECKING:
    from clients.client import Turn
    from clients.conversations import Exchange
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
        self._is_due_when_sent = not self.demand.thinks and not spec.churn

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
            self._ask_behind(client, due_ns, ready_ns)
            return
        client.due_ns, client.ready_ns = due_ns, ready_ns
        if client.phase == RESTING:
            self.entrance.begin_request(client, ready_ns)
            return
        if not client.ring:
            self.connections.turns[client.fd] = client.drawn_turn()
        self.send_request(client)

    def shed(self, due_ns: int, now: int) -> None:
        """A request that was due is never asked."""
        self.ledger.unanswered((due_ns, now, 0), 0, Outcome.SHED)

    def send_request(self, client: Client) -> None:
        """Send; where the connection does not stand yet, the kernel says so, and the request waits for it.

        Over loopback a connect that is "in progress" has in truth ended, so this spares churn a round of
        polling.
        """
        fd = client.fd
        turn = self.connections.turns[fd]
        self.connections.since_ns[fd] = now = time.monotonic_ns()
        try:
            count = turn.send(turn.request)
        except BlockingIOError:
            if client.phase != CONNECTING:
                client.phase = WAITING
            self.leave_unsent(client, 0)
            return
        except OSError as error:
            self.fail_with(client, error, time.monotonic_ns())
            return
        if client.phase == CONNECTING:
            client.connected_ns = now
        client.phase = WAITING
        if count != turn.request_size:
            self.leave_unsent(client, count)
            return
        self.connections.awaited[fd] = turn.answer if self.has_fast_path else None
        self.connections.watch(client, READING)

    def _ask_behind(self, client: Client, due_ns: int, ready_ns: int) -> None:
        """Send a request though the one before is not answered."""
        last = client.behind[-1].turn if client.behind else self.connections.turns[client.fd]
        turn = client.turn_after(last)
        sent_ns = time.monotonic_ns()
        if self._is_due_when_sent:
            due_ns = ready_ns = sent_ns
        client.behind.append(Asked(turn, due_ns, ready_ns, sent_ns))
        if client.unsent is not None:
            client.queued.append(turn.request)
            return
        try:
            count = turn.send(turn.request)
        except BlockingIOError:
            count = 0
        except OSError as error:
            self.fail_with(client, error, time.monotonic_ns())
            return
        if count != turn.request_size:
            self._keep_unsent(client, turn.request, count)

    def leave_unsent(self, client: Client, count: int) -> None:
        """Only the first `count` bytes of the request could be sent; the rest follows when there is room."""
        self._keep_unsent(client, self.connections.turns[client.fd].request, count)

    def _keep_unsent(self, client: Client, request: bytes, count: int) -> None:
        client.unsent = memoryview(request)[count:]
        self.connections.awaited[client.fd] = None
        self.connections.watch(client, WRITING)

    def _send_rest(self, client: Client) -> None:
        while client.unsent is not None:
            try:
                count = self.connections.turns[client.fd].send(client.unsent)
            except BlockingIOError:
                return
            except OSError as error:
                self.fail_with(client, error, time.monotonic_ns())
                return
            client.unsent = client.unsent[count:] or None
            if client.unsent is None and client.queued:
                client.unsent = memoryview(client.queued.popleft())
        self.connections.watch(client, READING)

    # Hearing

    def notice(self, client: Client, event: int, now: int) -> None:
        """Deal with an event that is more, or other, than bytes to read."""
        endpoint = client.endpoint
        assert endpoint is not None
        if client.phase == SHAKING:
            self.entrance.shake(client)
            return
        if client.phase == CONNECTING:
            self.entrance.see_connected(client, now)
        elif client.unsent is not None and event & select.EPOLLOUT:
            self._send_rest(client)
        if client.endpoint is endpoint and event & ~select.EPOLLOUT:
            self.read(client)

    def read(self, client: Client) -> None:
        """Read until nothing is left, because no edge will tell again of what is there now."""
        endpoint = client.endpoint
        while endpoint is not None and client.endpoint is endpoint:
            try:
                data = endpoint.recv(CHUNK_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                self.fail_with(client, error, time.monotonic_ns())
                return
            self.take(client, data, time.monotonic_ns())

    def take(self, client: Client, data: bytes, now: int) -> None:
        """Compare what arrived with the answers that are due; no bytes are the server's end."""
        if not data:
            self._hung_up(client, now)
            return
        if client.phase == GREETING:
            self.entrance.greeted(client, data, now)
            return
        endpoint, taken = client.endpoint, 0
        while taken < len(data) and client.endpoint is endpoint:
            if client.phase != WAITING:
                wrong = too_much(data[taken:], "the last answer")
                self._fail_wrong(client, data[taken:], wrong, now)
                return
            taken = self._hear(client, data, taken, now)

    def _hear(self, client: Client, data: bytes, begin: int, now: int) -> int:
        """Hear `data` from `begin` on, as far as it belongs to the answer that is next; return how far that is."""
        turn = self.connections.turns[client.fd]
        if not client.got:
            client.first_byte_ns = now
            if client.behind and turn.answer and data.startswith(turn.answer, begin):
                client.got = turn.answer_size
                self._finish(client, now)
                return begin + turn.answer_size
        return self._judge(client, turn, data[begin:] if begin else data, now) + begin

    def _judge(self, client: Client, turn: Turn, data: bytes, now: int) -> int:
        """Have the judge of the answer that is next take `data`; return how many bytes of it were that answer's."""
        begin, client.got = client.got, client.got + len(data)
        try:
            whole = turn.judge.hear(begin, data)
        except WrongAnswerError as wrong:
            if wrong.extra and client.behind:
                client.got -= len(wrong.extra)
                self._finish(client, now)
                return len(data) - len(wrong.extra)
            self._fail_wrong(client, b"" if begin else data, wrong, now)
            return len(data)
        if not whole:
            self.connections.awaited[client.fd] = None
            return len(data)
        if self.has_fast_path and not (begin or turn.judge.last or turn.answer == data):
            turn.learn(data)
        self._finish(client, now)
        return len(data)

    def _finish(self, client: Client, now: int) -> None:
        """The answer is whole and right: write it down and go on."""
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

    def _hung_up(self, client: Client, now: int) -> None:
        if client.phase == LEAVING:
            self._depart(client, now, Outcome.ANSWERED)
            return
        self.fail(client, Outcome.CLOSED, self._how_far(client), now)

    def _how_far(self, client: Client) -> str:
        if client.phase == GREETING:
            return "hung up before it had greeted"
        return f"hung up after {self.connections.turns[client.fd].judge.so_far(client.got)} of the answer"

    def _fail_wrong(self, client: Client, beginning: bytes, wrong: WrongAnswerError, now: int) -> None:
        """Fail with what is wrong, told as what it is: `beginning` are the bytes where an answer should begin."""
        exchange = self.connections.turns[client.fd].exchange
        previous = self._previous(client)
        if client.phase == WAITING and wrong.extra:
            beginning, previous = wrong.extra, exchange
        if not beginning or wrong.outcome not in _TOLD_APART:
            outcome, detail = wrong.outcome, str(wrong)
        elif previous is not None and is_answer_to(previous, beginning):
            outcome, detail = Outcome.DOUBLED, f"the answer before came a second time: {wrong}"
        elif client.behind and is_answer_to(client.behind[0].turn.exchange, beginning):
            outcome, detail = Outcome.SKIPPED, f"the answer to the next request came in its place: {wrong}"
        else:
            outcome, detail = wrong.outcome, str(wrong)
        self.fail(client, outcome, detail, now)

    def _previous(self, client: Client) -> Exchange | None:
        """The exchange that was answered last; the fast path, which does not note it, goes round a ring of two."""
        return self.connections.turns[client.fd].following.exchange if self.has_fast_path else client.previous

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
        sent_ns = part = 0
        if client.phase == WAITING:
            sent_ns = self.connections.since_ns[client.fd]
            part = self.connections.turns[client.fd].exchange.part
        if self._is_due_when_sent:
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
_TOLD_APART = (Outcome.WRONG_BYTES, Outcome.EXTRA_BYTES)
