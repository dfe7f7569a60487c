"""The load loop: one thread, one epoll, a closed loop of clients with one request in flight each.

    poll -> fast path: a whole right answer; write it down, send the next request
         -> everything else (`dialogues`): connects, parts, errors, ends, a connection per request
         -> every 50 ms, and at the moments of the run: timeouts, pauses that are over, the window, the end

Polling is edge-triggered, which spares the kernel a second look at every connection. It is safe here because
whatever arrives after a read makes a new edge, and an event that says more than "readable" (a peer that hung
up, an error) takes the slow path, which reads until nothing is left.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from clients.dialogues import Dialogues
from clients.records import ROW

if TYPE_CHECKING:
    from collections.abc import Callable

    from clients.spec import Spec

SECOND_NS = 1_000_000_000
MOST_EVENTS = 512
LOOK_NS = 50_000_000  # how often timeouts and an order to stop are looked for
PROGRESS_NS = 200_000_000
GRACE_NS = 200_000_000  # after the end, for answers under way and orderly ends
PENDING_CONNECTS = 100  # at a time before the start, so that the set-up does not itself overflow a backlog
READABLE = 1  # EPOLLIN and nothing else

Odd = tuple[int, int, bytes | OSError | int, int]


class LoadLoop:
    """Carry out one process's part of a plan: `prepare`, `run`; then `dialogues` and `cpu_seconds` tell all.

    `stop_ordered` is asked every 50 ms, `on_progress(completed, errors)` is told 5 times a second,
    `on_finished` when the last request that counts has ended, before connections are closed in order.
    """

    def __init__(
        self,
        spec: Spec,
        stop_ordered: Callable[[], bool],
        on_progress: Callable[[int, int], None],
        on_finished: Callable[[], None],
    ) -> None:
        self.dialogues = Dialogues(spec)
        self.cpu_seconds = 0.0
        self.gave_up = False
        self._churn = spec.churn
        self._timeout_ns = int(spec.timeout * SECOND_NS)
        self._stop_ordered, self._on_progress, self._on_finished = stop_ordered, on_progress, on_finished
        self._warm_ns = self._progress_ns = self._answered_ns = self._answered = 0
        self._end_ns: int | None = None
        self._grace_ends_ns: int | None = None
        self._cpu_began: float | None = None

    def prepare(self) -> None:
        """Connect: all clients where connections are kept alive, else the first. Raises UnreachableError.

        It takes no longer than the timeout; who is not connected by then goes on trying in the run.
        """
        dialogues = self.dialogues
        first, *waiting = dialogues.clients
        dialogues.connections.open_first(first)
        dialogues.established(first, time.monotonic_ns())
        if self._churn:
            return
        now = time.monotonic_ns()
        deadline_ns = now + self._timeout_ns
        while (waiting or dialogues.connections.pending()) and now < deadline_ns:
            room = PENDING_CONNECTS - dialogues.connections.pending()
            batch, waiting = waiting[:room], waiting[room:]
            for client in batch:
                dialogues.begin(client, now)
            for fd, event in dialogues.connections.epoll.poll(0.01, MOST_EVENTS):
                dialogues.notice(dialogues.connections.owner[fd], event, time.monotonic_ns())
            now = time.monotonic_ns()
            dialogues.resume(now)

    def run(self, start_ns: int, warm_ns: int, end_ns: int | None) -> None:
        """Begin at `start_ns`, count CPU time from `warm_ns`, stop asking at `end_ns` or when all is asked."""
        self._warm_ns, self._end_ns = warm_ns, end_ns
        self._progress_ns, self._answered_ns = start_ns + PROGRESS_NS, start_ns
        time.sleep(max(0, start_ns - time.monotonic_ns()) / SECOND_NS)
        self.dialogues.start()
        dialogues, clock, poll = self.dialogues, time.monotonic_ns, self.dialogues.connections.epoll.poll
        look_ns = 0
        while dialogues.present:
            now = clock()
            if now >= look_ns:
                look_ns = self._look(now)
                if self._grace_ends_ns is not None and now >= self._grace_ends_ns:
                    break
            ready = poll(max(0, look_ns - now) / SECOND_NS, MOST_EVENTS)
            for odd in self._attend(ready) if ready else ():
                self._deal_with(*odd)
            if not dialogues.busy and self._grace_ends_ns is None:
                look_ns = 0
        self._finish(clock())
        dialogues.close_all(clock())

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
        buffer, offset, left = rows.buffer, rows.offset, dialogues.left
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
            pack(buffer, offset, turn.connection, sent, sent, now, now, turn.answer_size, 0)
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
        rows.offset, dialogues.left = offset, left
        return odd

    def _deal_with(self, fd: int, event: int, what: bytes | OSError | int, now: int) -> None:
        """Carry on where the fast path left off: with an event, bytes read, an error, or a count sent."""
        dialogues = self.dialogues
        client = dialogues.connections.owner[fd]
        if event:
            dialogues.notice(client, event, now)
        elif isinstance(what, bytes):
            endpoint, may_be_more = client.endpoint, len(what) == dialogues.connections.turns[fd].limit
            dialogues.take(client, what, now)
            if may_be_more and client.endpoint is endpoint:
                dialogues.read(client)
        elif isinstance(what, int):
            dialogues.leave_unsent(client, what)
        elif not isinstance(what, BlockingIOError):
            dialogues.fail_with(client, what, now)

    def _look(self, now: int) -> int:
        """See to everything that depends on the time; return when to look again."""
        if self._cpu_began is None and now >= self._warm_ns:
            self._cpu_began = time.process_time()
        self.dialogues.time_out(now)
        self.dialogues.resume(now)
        if now >= self._progress_ns:
            self._progress_ns = now + PROGRESS_NS
            self._on_progress(self.dialogues.ledger.completed, sum(self.dialogues.ledger.errors.values()))
        if self._grace_ends_ns is None and self._is_over(now):
            self.dialogues.ask_no_more()
            self._finish(now)
        return self._next_moment(now)

    def _next_moment(self, now: int) -> int:
        moments = [now + LOOK_NS]
        if self.dialogues.paused:
            moments.append(self.dialogues.paused[0][0])
        if self._grace_ends_ns is not None:
            moments.append(self._grace_ends_ns)
        elif self._end_ns is not None:
            moments.append(self._end_ns)
        if self._cpu_began is None:
            moments.append(self._warm_ns)
        return min(moments)

    def _is_over(self, now: int) -> bool:
        if self._stop_ordered() or not self.dialogues.busy:
            return True
        if self._end_ns is not None:
            return now >= self._end_ns
        if self.dialogues.ledger.completed > self._answered:
            self._answered, self._answered_ns = self.dialogues.ledger.completed, now
        # Three timeouts without a right answer: a count that will never be reached must not mean a run
        # without end.
        self.gave_up = now - self._answered_ns > 3 * self._timeout_ns
        return self.gave_up

    def _finish(self, now: int) -> None:
        """Close the window, and give what is under way a moment to end in order."""
        if self._grace_ends_ns is not None:
            return
        self._grace_ends_ns = now + GRACE_NS
        if self._cpu_began is not None:
            self.cpu_seconds = time.process_time() - self._cpu_began
        self._on_finished()
