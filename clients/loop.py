"""The load loop: one thread, one epoll, all clients of a load process.

    poll -> fast path (a closed loop, one request in flight): a whole right answer; write it down, send the next request
         -> everything else (`dialogues`): connects, parts, errors, ends, a connection per request, a mix
         -> when a request becomes due (`demand`): in an open loop, or when a client has thought
         -> every 50 ms, and at the moments of the run (`course`): timeouts, pauses that are over, the end

Polling is edge-triggered, which spares the kernel a second look at every connection. It is safe here because
whatever arrives after a read makes a new edge, and an event that says more than "readable" (a peer that hung
up, an error) takes the slow path, which reads until nothing is left.

The poller knows no less than a millisecond, which is late for a request that is due in between; so where requests
become due, the loop polls closely.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from clients.client import CHUNK_BYTES, SHAKING
from clients.coming_in import let_in, stay_in
from clients.course import MOST_EVENTS, SECOND_NS, Course
from clients.dialogues import Dialogues
from clients.polling import poll_closely
from clients.records import ROW

if TYPE_CHECKING:
    from collections.abc import Callable

    from clients.client import Client
    from clients.ledger import Ledger
    from clients.records import Rows
    from clients.spec import Spec

START_NS = 2_000_000  # before the start, the loop sleeps: polling knows no more than milliseconds
READABLE = 1  # EPOLLIN and nothing else

Odd = tuple[int, int, bytes | OSError | int, int]


class LoadLoop:
    """Carry out one process's part of a plan: `prepare`, `run`; then `ledger`, `connection_rows` and `course` tell all.

    For the three calls see `Course`; `ended_ns` is when all was closed, once the run is over.
    """

    ended_ns = 0

    def __init__(
        self,
        spec: Spec,
        stop_ordered: Callable[[], bool],
        on_progress: Callable[[int, int, list[int]], None],
        on_finished: Callable[[], None],
    ) -> None:
        self.dialogues = Dialogues(spec)
        self.demand = self.dialogues.demand
        is_open = self.demand.is_open
        self.course = Course(self.dialogues, spec.timeout, stop_ordered, on_progress, on_finished, drains=is_open)
        self._churn, self._tls = spec.churn, spec.tls
        self._timeout_ns = int(spec.timeout * SECOND_NS)

    @property
    def ledger(self) -> Ledger:
        """What ended and what failed."""
        return self.dialogues.ledger

    @property
    def connection_rows(self) -> Rows:
        """A row for each connection that has ended."""
        return self.dialogues.connections.rows

    def prepare(self) -> None:
        """Connect: all clients where connections are kept alive, else the first. Raises UnreachableError.

        It takes no longer than the timeout; who is not connected by then goes on trying in the run.
        """
        dialogues = self.dialogues
        first, *waiting = dialogues.clients
        dialogues.connections.open_first(first)
        dialogues.entrance.stands(first, time.monotonic_ns())
        dialogues.hearing.read(first)  # what came with the end of a TLS handshake will make no event
        if not self._churn:
            let_in(waiting, dialogues.entrance.begin, dialogues.connections.pending, self._go_on, self._timeout_ns)

    def idle(self, order: int) -> None:
        """Until the descriptor `order` is ready, note what happens to the connections: a greeting has its time."""
        stay_in(order, self.dialogues.connections.epoll, self._note)

    def _note(self, seconds: float) -> None:
        """See to what happens within so many seconds, before the run."""
        for fd, event in self.dialogues.connections.epoll.poll(seconds, MOST_EVENTS):
            self.dialogues.hearing.notice(self.dialogues.connections.owner[fd], event, time.monotonic_ns())

    def _go_on(self, seconds: float) -> None:
        """See to what happens within so many seconds, and have those try again whose pause is over."""
        self._note(seconds)
        self.dialogues.resume(time.monotonic_ns())

    def run(self, start_ns: int, warm_ns: int, end_ns: int | None) -> None:
        """Carry the run out; see `Course.begin`."""
        course, dialogues, demand = self.course, self.dialogues, self.demand
        clock = time.monotonic_ns
        epoll = dialogues.connections.epoll
        poll = partial(poll_closely, epoll) if demand.thinks else epoll.poll
        while (left_ns := start_ns - clock()) > START_NS:
            self._note((left_ns - START_NS) / SECOND_NS)
        course.begin(start_ns, warm_ns, end_ns)
        self._note(0)  # who was left waiting for too long may have been closed
        dialogues.start(start_ns)
        look_ns = in_flight = 0
        last = start_ns
        while dialogues.present:
            now = clock()
            dialogues.area_ns += in_flight * (now - last)
            last = now
            if now >= look_ns:
                look_ns = course.look(now)
                if course.is_past(now):
                    break
            if demand.thinks and now >= demand.next_ns:
                demand.tick(now)
                now = clock()
            in_flight = dialogues.outstanding
            ready = poll(max(0, min(look_ns, demand.next_ns) - now) / SECOND_NS, MOST_EVENTS)
            for odd in self._attend(ready) if ready else ():
                self._deal_with(*odd)
            if not dialogues.busy and course.grace_ends_ns is None:
                look_ns = 0
        course.finish(clock())
        dialogues.endings.close_all(clock())
        self.ended_ns = clock()

    def _attend(self, ready: list[tuple[int, int]]) -> list[Odd]:
        """Take whole right answers and send the next requests; return what needs more thought.

        The only hot function, and long for that: a request costs the kernel and this loop about 7 us
        together, and a call of a method 0.05. Measured beside it: a row by `pack_into` costs 0.1 us, by
        `array.append` of each column 0.4; one clock reading for done and for the next request's sent, or
        os.read and os.write, make no difference that shows.
        """
        dialogues, connections = self.dialogues, self.dialogues.connections
        turns, awaited, since_ns = connections.turns, connections.awaited, connections.since_ns
        clock, pack, row_size = time.monotonic_ns, ROW.pack_into, ROW.size
        rows = dialogues.ledger.rows
        rows.make_room(MOST_EVENTS)
        buffer, offset, left = rows.buffer, rows.offset, dialogues.demand.left
        odd: list[Odd] = []
        for fd, event in ready:
            if event != READABLE:
                odd.append((fd, event, b"", clock()))
                continue
            turn = turns[fd]
            try:
                data = turn.receive(turn.limit)
            except OSError as error:
                odd.append((fd, 0, error, clock()))
                continue
            now = clock()
            if data != awaited[fd] or not left:
                odd.append((fd, 0, data, now))
                continue
            sent = since_ns[fd]
            pack(buffer, offset, sent, sent, sent, now, now, turn.connection, 0, turn.answer_size, 0, 0)
            offset += row_size
            left -= 1
            turns[fd] = turn = turn.following
            awaited[fd] = turn.answer
            since_ns[fd] = clock()
            try:
                count = turn.send(turn.request)
            except BlockingIOError:
                count = 0
            except OSError as error:
                odd.append((fd, 0, error, clock()))
                continue
            if count != turn.request_size:
                odd.append((fd, 0, count, now))
        rows.offset, dialogues.demand.left = offset, left
        return odd

    def _deal_with(self, fd: int, event: int, what: bytes | OSError | int, now: int) -> None:
        """Carry on where the fast path left off: with an event, bytes read, an error, or a count sent."""
        dialogues = self.dialogues
        client = dialogues.connections.owner[fd]
        if event:
            dialogues.hearing.notice(client, event, now)
        elif isinstance(what, bytes):
            endpoint = client.endpoint
            limit = dialogues.connections.turns[fd].limit
            may_be_more = self._tls or len(what) == limit
            if may_be_more and limit < CHUNK_BYTES:  # a byte too many is there: what it begins tells more
                what += _at_hand(client)
            dialogues.hearing.take(client, what, now)
            if may_be_more and client.endpoint is endpoint:
                dialogues.hearing.read(client)
        elif isinstance(what, int):
            dialogues.sending.leave_unsent(client, what)
        elif not isinstance(what, BlockingIOError):
            dialogues.endings.fail_with(client, what, now)
        elif client.phase == SHAKING:
            dialogues.entrance.shake(client)


def _at_hand(client: Client) -> bytes:
    """What has arrived and is not read."""
    assert client.endpoint is not None
    try:
        return client.endpoint.recv(CHUNK_BYTES)
    except OSError:  # reading on will tell it again
        return b""
