"""The load loop: one thread, one epoll, a closed loop of clients with one request in flight each.

    poll -> fast path (`_attend`): a whole right answer: record it, send the next request
         -> everything else (`_deal_with`): connects, parts, errors, ends, a connection per request

The pollers are edge-triggered, which spares the kernel a second look at every connection. It is safe here because
whatever is left unread, or arrives after a read, makes a new edge; and an event that says more than "readable"
(a peer that hung up, an error) takes the slow path, which reads until nothing is left.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import os
import select
import socket
import struct
import time
from typing import TYPE_CHECKING

from clients.client import CHUNK_BYTES, CONNECTING, GONE, LEAVING, PAUSED, READY, WAITING, Client, Turn
from clients.conversations import exchanges
from clients.records import ROW, Outcome, Rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from clients.spec import Spec

MOST_EVENTS = 512
LOOK_NS = 50_000_000  # how often timeouts and orders to stop are looked for
PROGRESS_NS = 200_000_000
PAUSE_NS = 50_000_000  # before a client that failed connects again: short, yet no storm
BUSY_PAUSE_NS = 2_000_000  # a Unix socket's full backlog is told at once, where TCP's makes connect wait
GRACE_NS = 200_000_000  # after the end, for answers under way and orderly ends
PENDING_CONNECTS = 100  # at a time before the start, so that the set-up itself does not overflow a backlog
SECOND_NS = 1_000_000_000

_READING = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
_WRITING = _READING | select.EPOLLOUT
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_BY_ERRNO = {
    errno.ECONNREFUSED: Outcome.REFUSED,
    errno.ENOENT: Outcome.REFUSED,
    errno.ETIMEDOUT: Outcome.CONNECT_TIMEOUT,
    errno.EADDRNOTAVAIL: Outcome.NO_PORT,
    errno.ECONNRESET: Outcome.RESET,
    errno.EPIPE: Outcome.RESET,
}

Odd = tuple[int, int, bytes | OSError | int, int]


class Unreachable(Exception):  # noqa: N818 - a finding to report, not a fault of the program
    """No address of the server could be connected to; `outcome` says why the last one could not."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome


class LoadLoop:
    """Carry out one process's part of a plan: `prepare`, then `run`; afterwards the rows and counts are complete.

    `stop_ordered` is asked about every 50 ms, `on_progress(completed, errors)` is told 5 times a second,
    `on_finished` when the last request has ended, before connections are closed in order.
    """

    def __init__(self, spec: Spec, stop_ordered: Callable[[], bool], on_progress: Callable[[int, int], None],
                 on_finished: Callable[[], None]) -> None:  # fmt: skip
        self.spec = spec
        self.requests, self.connections = Rows(), Rows()
        self.errors: dict[str, int] = {}
        self.examples: dict[str, str] = {}
        self.cpu_seconds = 0.0
        self.gave_up = False
        self._stop_ordered, self._on_progress, self._on_finished = stop_ordered, on_progress, on_finished
        self._timeout_ns = int(spec.timeout * SECOND_NS)
        self._epoll = select.epoll()
        self._target = spec.targets[0]
        self._clients = [
            Client(number, exchanges(spec.protocol, number, spec.size_bytes, spec.work))
            for number in range(spec.first_client, spec.first_client + spec.clients)
        ]
        self._busy = self._present = len(self._clients)
        self._left = (1 << 60) if spec.requests is None else spec.requests
        self._opened = 0
        self._failed = 0
        self._running = False
        self._paused: list[tuple[int, int]] = []
        # Indexed by descriptor: whose it is, its turn, the answer that the fast path may take whole (None: it may
        # not), and since when something has been waited for (0: nothing is).
        self._owner: dict[int, Client] = {}
        with socket.socket() as nothing:
            self._no_turn = Turn(-1, nothing, self._clients[0].exchanges[0])
        descriptors = len(self._clients) + 64
        self._turns = [self._no_turn] * descriptors
        self._awaited: list[bytes | None] = [None] * descriptors
        self._since_ns = [0] * descriptors

    # Before the start

    def prepare(self) -> None:
        """Connect: all clients where connections are kept alive, one in churn. Raises Unreachable."""
        self._connect_first(self._clients[0])
        waiting = [] if self.spec.churn else self._clients[1:]
        deadline = time.monotonic_ns() + self._timeout_ns
        while waiting or any(client.phase == CONNECTING for client in self._owner.values()):
            now = time.monotonic_ns()
            if now > deadline:
                break
            pending = sum(client.phase == CONNECTING for client in self._owner.values())
            batch, waiting = waiting[: PENDING_CONNECTS - pending], waiting[PENDING_CONNECTS - pending :]
            for client in batch:
                self._open(client, now)
            for fd, event in self._epoll.poll(0.01, MOST_EVENTS):
                self._notice(self._owner[fd], event, time.monotonic_ns())
            self._resume_paused(time.monotonic_ns())
        for client in waiting:
            self._pause(client, time.monotonic_ns())

    def _connect_first(self, client: Client) -> None:
        """Try the server's addresses in order; the first that answers is everybody's."""
        failure = Unreachable(Outcome.UNREACHABLE, "no address")
        for target in self.spec.targets:
            began = time.monotonic_ns()
            try:
                endpoint = self._new_endpoint(target.family)
                endpoint.settimeout(self.spec.timeout)
                endpoint.connect(target.address)
            except OSError as error:
                endpoint.close()
                failure = Unreachable(_outcome_of(error), _detail_of(error))
                continue
            endpoint.setblocking(False)
            self._target = target
            self._adopt(client, endpoint, began)
            self._established(client, time.monotonic_ns())
            return
        raise failure

    # The run

    def run(self, start_ns: int, warm_ns: int, end_ns: int | None) -> None:
        """Begin at `start_ns`, take the CPU clock at `warm_ns`, stop asking at `end_ns` or when all is asked."""
        self._start(start_ns)
        clock = time.monotonic_ns
        poll = self._epoll.poll
        self._start_ns, self._warm_ns, self._end_ns = start_ns, warm_ns, end_ns
        self._cpu_began: float | None = None
        self._deadline_ns: int | None = None
        self._progress_ns = start_ns + PROGRESS_NS
        self._answered_before, self._answered_ns = 0, start_ns
        look_ns = 0
        while self._present:
            now = clock()
            if now >= look_ns:
                if self._deadline_ns is not None and now >= self._deadline_ns:
                    break
                look_ns = self._look(now)
            ready = poll(max(0, look_ns - now) / SECOND_NS, MOST_EVENTS)
            if ready:
                for odd in self._attend(ready):
                    self._deal_with(*odd)
        self._close_all(clock())

    def _start(self, start_ns: int) -> None:
        time.sleep(max(0, start_ns - time.monotonic_ns()) / SECOND_NS)
        self._running = True
        for client in self._clients:
            if client.phase == READY:
                self._ask(client)
            elif self.spec.churn:
                self._begin(client, time.monotonic_ns())

    def _attend(self, ready: list[tuple[int, int]]) -> list[Odd]:
        """Take whole right answers and send the next requests; return what needs more thought.

        The only hot function: all is inline and in local names, because a call costs 0.05 us here and an attribute
        of self a third of that, of the 7 us that a request takes the kernel and this loop together.
        """
        turns, awaited, since_ns = self._turns, self._awaited, self._since_ns
        clock, pack, row_size = time.monotonic_ns, ROW.pack_into, ROW.size
        self.requests.make_room(MOST_EVENTS)
        buffer, offset = self.requests.buffer, self.requests.offset
        left = self._left
        odd: list[Odd] = []
        for fd, event in ready:
            if event != 1:  # EPOLLIN and nothing else
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
        self.requests.offset = offset
        self._left = left
        return odd

    def _deal_with(self, fd: int, event: int, what: bytes | OSError | int, now: int) -> None:
        """Carry on where the fast path left off: with an event, with bytes read, an error, or a count sent."""
        client = self._owner[fd]
        if event:
            self._notice(client, event, now)
        elif isinstance(what, bytes):
            full = len(what) == self._turns[fd].limit
            endpoint = client.endpoint
            self._take(client, what, now)
            if full and client.endpoint is endpoint:
                self._read(client)
        elif isinstance(what, int):
            self._leave_unsent(client, memoryview(self._turns[fd].request)[what:])
        elif not isinstance(what, BlockingIOError):
            self._fail(client, _outcome_of(what), _detail_of(what), now)

    def _look(self, now: int) -> int:
        """See to everything that depends on the time; return when to look again."""
        if self._cpu_began is None and now >= self._warm_ns:
            self._cpu_began = time.process_time()
        for fd in [fd for fd, since in enumerate(self._since_ns) if 0 < since < now - self._timeout_ns]:
            self._time_out(self._owner[fd], now)
        self._resume_paused(now)
        if now >= self._progress_ns:
            self._on_progress(len(self.requests) - self._failed, sum(self.errors.values()))
            self._progress_ns = now + PROGRESS_NS
        if self._deadline_ns is None and (self._is_over(now) or self._stop_ordered()):
            self._wind_down(now)
        moments = [now + LOOK_NS, self._deadline_ns, self._paused[0][0] if self._paused else None]
        if self._deadline_ns is None:
            moments.append(self._end_ns)
            moments.append(self._warm_ns if self._cpu_began is None else None)
        return min(moment for moment in moments if moment is not None)

    def _is_over(self, now: int) -> bool:
        if self._end_ns is not None:
            return now >= self._end_ns
        answered = len(self.requests) - self._failed
        if answered > self._answered_before:
            self._answered_before, self._answered_ns = answered, now
        # Three timeouts without a right answer: a count that will never be reached must not mean a run without end.
        self.gave_up = now - self._answered_ns > 3 * self._timeout_ns
        return self.gave_up

    def _wind_down(self, now: int) -> None:
        """Ask no more, and give what is under way a moment to end in order."""
        self._left = 0
        self._finish_run(now)
        for _, index in self._paused:
            self._go(self._clients[index])
        self._paused.clear()

    def _finish_run(self, now: int) -> None:
        if self._deadline_ns is not None:
            return
        self._deadline_ns = now + GRACE_NS
        if self._cpu_began is not None:
            self.cpu_seconds = time.process_time() - self._cpu_began
        self._on_finished()

    # Connections

    def _begin(self, client: Client, now: int) -> None:
        """Begin a client's next connection, unless nothing is left to ask."""
        if not self._left:
            self._go(client)
            return
        if self.spec.churn:
            self._left -= 1
        self._open(client, now)

    def _open(self, client: Client, now: int) -> None:
        endpoint = self._new_endpoint(self._target.family)
        code = endpoint.connect_ex(self._target.address)
        if code == errno.EAGAIN and self._may_knock_again(client, now):
            endpoint.close()
            return
        self._adopt(client, endpoint, client.knocking_ns or now)
        client.knocking_ns = 0
        if code == errno.EAGAIN:
            self._time_out(client, now)
        elif code not in {0, errno.EINPROGRESS}:
            self._not_connected(client, code, now)
        elif self._running and self.spec.churn:
            self._send_request(client)
        else:
            self._watch(client, _WRITING)

    def _may_knock_again(self, client: Client, now: int) -> bool:
        """A Unix socket tells a full backlog at once; see to it that the client waits as it would with TCP."""
        client.knocking_ns = client.knocking_ns or now
        if now - client.knocking_ns > self._timeout_ns:
            return False
        self._pause(client, now + BUSY_PAUSE_NS)
        return True

    def _new_endpoint(self, family: int) -> socket.socket:
        endpoint = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        if family != socket.AF_UNIX:
            endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.spec.close == "reset":
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        return endpoint

    def _adopt(self, client: Client, endpoint: socket.socket, now: int) -> None:
        client.endpoint, client.fd = endpoint, endpoint.fileno()
        client.connection = self._opened
        self._opened += 1
        client.phase, client.interest, client.got, client.unsent = CONNECTING, 0, 0, None
        client.began_ns = client.due_ns = now
        client.connected_ns = 0
        self._owner[client.fd] = client
        self._turns[client.fd] = client.turns(churn=self.spec.churn)
        self._awaited[client.fd] = None
        self._since_ns[client.fd] = now

    def _watch(self, client: Client, interest: int) -> None:
        if client.interest == interest:
            return
        if client.interest:
            self._epoll.modify(client.fd, interest)
        else:
            self._epoll.register(client.fd, interest)
        client.interest = interest

    def _established(self, client: Client, now: int) -> None:
        client.connected_ns = now
        client.phase = READY
        self._since_ns[client.fd] = 0
        self._watch(client, _READING)
        if self._running:
            self._ask(client)

    def _not_connected(self, client: Client, code: int, now: int) -> None:
        error = OSError(code, os.strerror(code))
        self._fail(client, _outcome_of(error), _detail_of(error), now)

    def _pause(self, client: Client, until_ns: int) -> None:
        client.phase = PAUSED
        heapq.heappush(self._paused, (until_ns, client.number - self.spec.first_client))

    def _resume_paused(self, now: int) -> None:
        while self._paused and self._paused[0][0] <= now:
            client = self._clients[heapq.heappop(self._paused)[1]]
            if self._running and not client.knocking_ns:
                self._begin(client, now)
            else:
                self._open(client, now)

    # Requests

    def _ask(self, client: Client) -> None:
        """Send a connected client's next request, or let it leave."""
        if not self._left:
            self._leave(client)
            return
        self._left -= 1
        client.due_ns = time.monotonic_ns()
        self._send_request(client)

    def _send_request(self, client: Client) -> None:
        """Send; where the connection does not stand yet, the kernel says so and the rest follows when it does.

        Over loopback a connect that is "in progress" has in truth ended, so this spares a round of polling.
        """
        fd = client.fd
        turn = self._turns[fd]
        client.got = 0
        self._since_ns[fd] = now = time.monotonic_ns()
        try:
            count = turn.send(turn.request)
        except BlockingIOError:
            self._leave_unsent(client, memoryview(turn.request))
            return
        except OSError as error:
            self._fail(client, _outcome_of(error), _detail_of(error), time.monotonic_ns())
            return
        if client.phase == CONNECTING:
            client.connected_ns = now
        client.phase = WAITING
        if count != turn.request_size:
            self._leave_unsent(client, memoryview(turn.request)[count:])
            return
        self._awaited[fd] = None if self.spec.churn else turn.answer
        self._watch(client, _READING)

    def _leave_unsent(self, client: Client, rest: memoryview) -> None:
        client.unsent = rest
        self._awaited[client.fd] = None
        self._watch(client, _WRITING)

    def _send_rest(self, client: Client) -> None:
        assert client.unsent is not None
        try:
            count = self._turns[client.fd].send(client.unsent)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(client, _outcome_of(error), _detail_of(error), time.monotonic_ns())
            return
        client.unsent = client.unsent[count:] or None
        if client.unsent is None:
            self._watch(client, _READING)

    def _notice(self, client: Client, event: int, now: int) -> None:
        """Deal with an event that is more, or other, than bytes to read."""
        endpoint = client.endpoint
        assert endpoint is not None
        if client.phase == CONNECTING:
            code = endpoint.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self._not_connected(client, code, now)
                return
            self._connected_late(client, now)
        elif client.unsent is not None and event & select.EPOLLOUT:
            self._send_rest(client)
        if client.endpoint is endpoint and event & ~select.EPOLLOUT:
            self._read(client)

    def _connected_late(self, client: Client, now: int) -> None:
        if client.unsent is None:
            self._established(client, now)
            return
        client.unsent = None
        client.connected_ns = now
        client.phase = WAITING
        self._send_request(client)

    def _read(self, client: Client) -> None:
        """Read until nothing is left, because no edge will tell again of what is there now."""
        endpoint = client.endpoint
        while endpoint is not None and client.endpoint is endpoint:
            try:
                data = endpoint.recv(CHUNK_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                self._fail(client, _outcome_of(error), _detail_of(error), time.monotonic_ns())
                return
            self._take(client, data, time.monotonic_ns())

    def _take(self, client: Client, data: bytes, now: int) -> None:
        """Compare what arrived with the answer that is due."""
        if not data:
            self._hung_up(client, now)
            return
        if client.phase != WAITING:
            detail = f"{len(data)} bytes that nothing had asked for: {data[:60]!r}"
            self._fail(client, Outcome.EXTRA_BYTES, detail, now)
            return
        answer = self._turns[client.fd].answer
        if not client.got:
            client.first_byte_ns = now
        begin, client.got = client.got, client.got + len(data)
        if memoryview(answer)[begin : client.got] != data:
            self._fail(client, *_difference(answer, begin, data), now)
        elif client.got == len(answer):
            self._finish(client, now)
        else:
            self._awaited[client.fd] = None

    def _finish(self, client: Client, now: int) -> None:
        """The answer is whole and right: write it down and go on."""
        self._record(client, now, Outcome.ANSWERED)
        client.got = 0
        if self.spec.churn:
            self._disconnect(client, now, Outcome.ANSWERED)
            self._begin(client, now)
        else:
            self._turns[client.fd] = self._turns[client.fd].following
            client.phase = READY
            self._ask(client)

    # Ends

    def _time_out(self, client: Client, now: int) -> None:
        if client.phase == CONNECTING:
            self._fail(client, Outcome.CONNECT_TIMEOUT, f"no connection within {self.spec.timeout:g} s", now)
        else:
            self._fail(client, Outcome.TIMEOUT, f"no whole answer within {self.spec.timeout:g} s", now)

    def _hung_up(self, client: Client, now: int) -> None:
        if client.phase == LEAVING:
            self._disconnect(client, now, Outcome.ANSWERED)
            self._go(client)
            return
        size = self._turns[client.fd].answer_size
        self._fail(client, Outcome.CLOSED, f"hung up after {client.got} of the answer's {size} bytes", now)

    def _fail(self, client: Client, outcome: Outcome, detail: str, now: int) -> None:
        """Count it, write it down, hang up; the client tries again after a pause."""
        if client.phase == LEAVING and outcome != Outcome.EXTRA_BYTES:
            self._hung_up(client, now)  # all was answered; how the server ends it is its own affair
            return
        kind = outcome.kind
        self.errors[kind] = self.errors.get(kind, 0) + 1
        self.examples.setdefault(kind, f"client {client.number}: {detail}")
        leaving = client.phase == LEAVING
        if client.phase == WAITING or (self.spec.churn and self._running and not leaving):
            self._record(client, now, outcome)
            self._failed += 1
        self._disconnect(client, now, outcome)
        if self._left and not leaving:
            self._pause(client, now + PAUSE_NS)
        else:
            self._go(client, was_busy=not leaving)

    def _record(self, client: Client, now: int, outcome: Outcome) -> None:
        sent = self._since_ns[client.fd] if client.phase == WAITING else 0
        due = client.due_ns if self.spec.churn else sent
        first_byte = client.first_byte_ns if client.got else 0
        self.requests.add(client.connection, due, sent, first_byte, now, client.got, outcome)

    def _disconnect(self, client: Client, now: int, outcome: Outcome) -> None:
        fd, endpoint = client.fd, client.endpoint
        assert endpoint is not None
        self.connections.add(
            client.connection, client.number, client.began_ns, client.connected_ns, 0, now, outcome
        )
        del self._owner[fd]
        self._awaited[fd] = None
        self._since_ns[fd] = 0
        self._turns[fd].following = self._no_turn  # two turns that follow each other would never be freed
        endpoint.close()
        client.endpoint = None

    def _leave(self, client: Client) -> None:
        """Nothing is left to ask: half-close, and wait a moment for the server's end, or for bytes too many."""
        assert client.endpoint is not None
        client.phase = LEAVING
        self._since_ns[client.fd] = 0
        self._awaited[client.fd] = None
        with contextlib.suppress(OSError):  # the server was faster; reading will tell how it ended
            client.endpoint.shutdown(socket.SHUT_WR)
        self._retire()

    def _go(self, client: Client, *, was_busy: bool = True) -> None:
        client.phase = GONE
        self._present -= 1
        if was_busy:
            self._retire()

    def _retire(self) -> None:
        self._busy -= 1
        if not self._busy:
            self._finish_run(time.monotonic_ns())

    def _close_all(self, now: int) -> None:
        """Write down what is still in flight, and close everything."""
        for client in list(self._owner.values()):
            outcome = Outcome.ANSWERED if client.phase == LEAVING else Outcome.IN_FLIGHT
            if client.phase == WAITING or (self.spec.churn and client.phase == CONNECTING):
                self._record(client, 0, outcome)
            self._disconnect(client, now, outcome)
        self._epoll.close()


def _outcome_of(error: OSError) -> Outcome:
    if isinstance(error, TimeoutError):
        return Outcome.CONNECT_TIMEOUT
    return _BY_ERRNO.get(error.errno or 0, Outcome.UNREACHABLE)


def _detail_of(error: OSError) -> str:
    return error.strerror or str(error)


def _difference(answer: bytes, begin: int, data: bytes) -> tuple[Outcome, str]:
    """Say how `data`, arriving at `begin` of the answer, differs from it."""
    rest = answer[begin : begin + len(data)]
    if len(data) > len(rest) and data.startswith(rest):
        extra = data[len(rest) :]
        return Outcome.EXTRA_BYTES, f"{len(extra)} bytes after the whole answer: {extra[:60]!r}"
    at = next((i for i, (right, got) in enumerate(zip(rest, data, strict=False)) if right != got), len(rest))
    return Outcome.WRONG_BYTES, (
        f"byte {begin + at} of {len(answer)}: {data[at : at + 40]!r} where {rest[at : at + 40]!r} was due"
    )
