"""What clients say and hear over UDP: each has a connected socket, and one datagram in flight on it.

    free -> [`demand`] -> ask -> the right answer: write it down, free
                              -> no answer within the timeout: lost, free
                              -> an answer to an earlier datagram (its number says so): late or doubled, counted; the
                                 wait goes on
                              -> anything else, or an error of the socket: fail, pause, free

A datagram that is lost is nobody's error, so it has an outcome of its own and is counted apart from the errors. A
socket is new for each request where a connection per request was asked for; what is late for a socket that is
closed, nobody hears.
"""

from __future__ import annotations

import heapq
import time
from typing import TYPE_CHECKING

from clients.caller import Caller
from clients.course import SECOND_NS
from clients.datagram_lines import Lines, number_of
from clients.datagram_sockets import LARGEST_BYTES, DatagramSockets
from clients.demand import demand_for
from clients.entrance import PAUSE_NS
from clients.failures import WrongAnswerError, detail_of, difference, outcome_of
from clients.ledger import Ledger
from clients.records import Outcome

if TYPE_CHECKING:
    from clients.demand import Demand
    from clients.spec import Spec

RETRY_NS = 1_000_000  # before a datagram that the network interface has no room for is tried again


class Callers:
    """The clients of one load process (a `course.Clients`); see there for `area_ns`.

    `outstanding` counts the requests that have begun and not ended.
    """

    def __init__(self, spec: Spec) -> None:
        self.ledger = Ledger()
        self.sockets = DatagramSockets(spec)
        numbers = range(spec.first_client, spec.first_client + spec.clients)
        self.callers = [Caller(number, Lines(spec.protocol, number, int(spec.size))) for number in numbers]
        self.demand: Demand[Caller] = demand_for(spec, self)
        self.outstanding = self.area_ns = 0
        self._not_done = len(self.callers)
        self.paused: list[tuple[int, int]] = []
        self._timeout_ns = int(spec.timeout * SECOND_NS)
        self._spec = spec

    @property
    def busy(self) -> bool:
        """Whether a request may still end, or begin."""
        if self.demand.is_open:
            return self.outstanding > 0 or self.demand.pending
        return self._not_done > 0

    @property
    def idle(self) -> bool:
        """Whether all is well and nothing under way: clients think, or nothing is due."""
        return self.demand.thinks and not (self.outstanding or self.demand.waiting or self.paused)

    def start(self, start_ns: int) -> None:
        """Everybody is free to ask."""
        self.demand.begin(start_ns)
        for caller in self.callers:
            self._free(caller, time.monotonic_ns())

    # Asking

    def _free(self, caller: Caller, now: int) -> None:
        """Let a client that waits for nothing ask, now or later."""
        if self.demand.over:
            self.dismiss(caller)
        else:
            self.demand.free(caller, now)

    def ask(self, caller: Caller, due_ns: int, ready_ns: int) -> None:
        """Send a client's next datagram."""
        self.outstanding += 1
        caller.due_ns, caller.ready_ns, caller.got = due_ns, ready_ns, 0
        caller.asked += 1
        self._send(caller, time.monotonic_ns())

    def shed(self, due_ns: int, now: int) -> None:
        """A datagram that was due is never sent."""
        self.ledger.unanswered((due_ns, now, 0), 0, Outcome.SHED)

    def _send(self, caller: Caller, now: int) -> None:
        try:
            endpoint = caller.endpoint or self.sockets.open(caller, now)
            caller.awaited = caller.lines.answer(caller.asked)
            caller.sent_ns = time.monotonic_ns()
            endpoint.send(caller.lines.request(caller.asked))
        except BlockingIOError:  # the network interface has no room; loopback always has
            caller.sent_ns, caller.unsent = 0, True
            self._pause(caller, now + RETRY_NS)
        except OSError as error:
            self._fail(caller, outcome_of(error), detail_of(error), time.monotonic_ns())

    # Hearing

    def hear(self, caller: Caller) -> None:
        """Read one datagram; an error of the socket is told in the same way."""
        assert caller.endpoint is not None
        try:
            data = caller.endpoint.recv(LARGEST_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            if caller.sent_ns:  # else it speaks of a datagram that was given up: there is nothing that it could end
                self._fail(caller, outcome_of(error), detail_of(error), time.monotonic_ns())
            return
        now = time.monotonic_ns()
        if caller.sent_ns and data == caller.awaited:
            caller.first_byte_ns, caller.got = now, len(data)
            self._end(caller, now, Outcome.ANSWERED)
            self._free(caller, now)
        else:
            self._hear_other(caller, data, now)

    def _hear_other(self, caller: Caller, data: bytes, now: int) -> None:
        """Tell an answer to an earlier datagram, right or wrong, from a wrong one to this."""
        number = number_of(data)
        earlier = 0 < number <= caller.asked - bool(caller.sent_ns)
        if earlier and data == caller.lines.answer(number):
            self.ledger.late += number in caller.lost
            self.ledger.duplicates += number not in caller.lost
            caller.lost.discard(number)
        elif earlier:
            wrong = _fault(caller.lines.answer(number), data)
            self.ledger.count(caller, wrong.outcome, f"{wrong}, in an answer to an earlier datagram")
        elif caller.sent_ns:
            caller.first_byte_ns, caller.got = now, len(data)
            wrong = _fault(caller.awaited, data)
            self._fail(caller, wrong.outcome, str(wrong), now)
        else:
            self.ledger.count(caller, Outcome.EXTRA_BYTES, f"a datagram that nothing asked for: {data[:60]!r}")

    # Ending

    def time_out(self, now: int) -> None:
        """Give up the datagrams that have been out for longer than the timeout."""
        for caller in self.callers:
            if 0 < caller.sent_ns <= now - self._timeout_ns:
                caller.lost.add(caller.asked)
                self._end(caller, now, Outcome.LOST)
                self._free(caller, now)

    def earliest_loss(self) -> int:
        """When the first of the datagrams that are out will be lost; 0 where none is."""
        sent = [caller.sent_ns for caller in self.callers if caller.sent_ns]
        return min(sent) + self._timeout_ns if sent else 0

    def _fail(self, caller: Caller, outcome: Outcome, detail: str, now: int) -> None:
        if outcome == Outcome.REFUSED:
            detail = f"{detail}: the server's host says that nobody listens (ICMP port unreachable)"
        self.ledger.count(caller, outcome, detail)
        self._end(caller, now, outcome)
        self._pause(caller, now + PAUSE_NS)

    def _end(self, caller: Caller, now: int, outcome: Outcome) -> None:
        self.outstanding -= 1
        self.ledger.request_ended(caller, caller.sent_ns, now, outcome)
        caller.sent_ns = 0
        if self._spec.churn:
            self.sockets.close(caller, now, outcome)

    def _pause(self, caller: Caller, until_ns: int) -> None:
        heapq.heappush(self.paused, (until_ns, caller.number - self._spec.first_client))

    def resume(self, now: int) -> None:
        """Let those whose pause is over ask; who could not send tries the same again."""
        while self.paused and self.paused[0][0] <= now:
            caller = self.callers[heapq.heappop(self.paused)[1]]
            if caller.unsent:
                caller.unsent = False
                self._send(caller, now)
            else:
                self._free(caller, now)

    def dismiss(self, caller: Caller) -> None:
        """Nothing is left to ask."""
        self._not_done -= caller.may_ask
        caller.may_ask = False

    def ask_no_more(self) -> None:
        """Nothing becomes due from now on."""
        self.demand.end()
        for _, index in self.paused:
            caller = self.callers[index]
            if caller.unsent:
                self.outstanding -= 1
                self.ledger.request_ended(caller, 0, 0, Outcome.IN_FLIGHT)
            self.dismiss(caller)
        self.paused.clear()

    def close_all(self, now: int) -> None:
        """Write down what is still in flight, and close everything."""
        for caller in self.callers:
            if caller.sent_ns:
                caller.got = 0
                self.ledger.request_ended(caller, caller.sent_ns, 0, Outcome.IN_FLIGHT)
            self.sockets.close(caller, now, Outcome.ANSWERED)
        for due_ns, ready_ns in self.demand.unasked():
            self.ledger.unanswered((due_ns, ready_ns, 0), 0, Outcome.IN_FLIGHT)
        self.sockets.epoll.close()


def _fault(answer: bytes, data: bytes) -> WrongAnswerError:
    if answer.startswith(data):
        return WrongAnswerError(Outcome.WRONG_BYTES, f"cut off after {len(data)} of {len(answer)} bytes")
    return difference(answer, 0, data)
