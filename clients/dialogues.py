"""What the clients of a load process say and hear: everything but the fast path, which is `loop`.

`entrance` -> ask -> take ... take -> finish -> ask ...                kept alive
                                             -> close, `entrance`      churn, or the server's last answer
whatever goes wrong -> fail: count it, write it down, close, pause, `entrance`
nothing left to ask -> leave: half-close, wait for the server's end
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from typing import TYPE_CHECKING

from clients.client import (
    CHUNK_BYTES,
    CONNECTING,
    FRESH,
    GONE,
    GREETING,
    LEAVING,
    READY,
    SHAKING,
    WAITING,
    Client,
)
from clients.connections import READING, WRITING, Connections
from clients.conversations import exchanges_for
from clients.entrance import PAUSE_NS, Entrance
from clients.failures import WrongAnswerError, detail_of, outcome_of
from clients.ledger import Ledger
from clients.records import Outcome

if TYPE_CHECKING:
    from clients.spec import Spec

UNCOUNTED = 1 << 60  # requests that are left where the end comes by time


class Dialogues:
    """The clients of one load process and all that they do, driven by events.

    `left` counts the requests that may still begin, `busy` the clients that may still have one to end,
    `present` those that are not gone. What ended or failed is in `ledger`.
    """

    def __init__(self, spec: Spec) -> None:
        self.ledger = Ledger()
        self.clients = [
            Client(number, exchanges_for(spec, number))
            for number in range(spec.first_client, spec.first_client + spec.clients)
        ]
        self.connections = Connections(spec, self.clients[0])
        self.entrance = Entrance(spec, self)
        self.paused = self.entrance.paused
        self.left = UNCOUNTED if spec.requests is None else spec.requests
        self.busy = self.present = len(self.clients)
        self.running = False
        self._timeout_ns = int(spec.timeout * 1e9)
        self._spec = spec
        # A fast path may not take what TLS has decrypted: it would not look whether there is more.
        self._no_fast_path = spec.churn or spec.tls

    def start(self) -> None:
        """Let every client that has a connection ask, and those that never tried begin."""
        self.running = True
        for client in self.clients:
            if client.phase == READY:
                self.ask(client)
            elif client.phase == FRESH:
                self.entrance.begin(client, time.monotonic_ns())
            elif client.phase == GREETING:  # the timeout is for what is asked of a server in the run
                self.connections.since_ns[client.fd] = time.monotonic_ns()

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

    def ask(self, client: Client) -> None:
        """Send a connected client's next request, or let it leave."""
        if not self.left:
            self._leave(client)
            return
        self.left -= 1
        client.due_ns = time.monotonic_ns()
        self.send_request(client)

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
        self.connections.awaited[fd] = None if self._no_fast_path else turn.answer
        self.connections.watch(client, READING)

    def leave_unsent(self, client: Client, count: int) -> None:
        """Only the first `count` bytes of the request could be sent; the rest follows when there is room."""
        client.unsent = memoryview(self.connections.turns[client.fd].request)[count:]
        self.connections.awaited[client.fd] = None
        self.connections.watch(client, WRITING)

    def _send_rest(self, client: Client) -> None:
        assert client.unsent is not None
        try:
            count = self.connections.turns[client.fd].send(client.unsent)
        except BlockingIOError:
            return
        except OSError as error:
            self.fail_with(client, error, time.monotonic_ns())
            return
        client.unsent = client.unsent[count:] or None
        if client.unsent is None:
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
        """Compare what arrived with the answer that is due; no bytes are the server's end."""
        if not data:
            self._hung_up(client, now)
            return
        if client.phase == GREETING:
            self.entrance.greeted(client, data, now)
            return
        if client.phase != WAITING:
            detail = f"{len(data)} bytes after the last answer: {data[:60]!r}"
            self.fail(client, Outcome.EXTRA_BYTES, detail, now)
            return
        if not client.got:
            client.first_byte_ns = now
        begin, client.got = client.got, client.got + len(data)
        self._judge(client, begin, data, now)

    def _judge(self, client: Client, begin: int, data: bytes, now: int) -> None:
        turn = self.connections.turns[client.fd]
        try:
            whole = turn.judge.hear(begin, data)
        except WrongAnswerError as wrong:
            self.fail(client, wrong.outcome, str(wrong), now)
            return
        if not whole:
            self.connections.awaited[client.fd] = None
            return
        if not (begin or turn.judge.last or self._no_fast_path or turn.answer == data):
            turn.learn(data)
        self._finish(client, now)

    def _finish(self, client: Client, now: int) -> None:
        """The answer is whole and right: write it down and go on."""
        self._record(client, now, Outcome.ANSWERED)
        client.got = 0
        if self._spec.churn or self.connections.turns[client.fd].judge.last:
            self.connections.close(client, now, Outcome.ANSWERED)
            self.entrance.begin(client, now)
        else:
            self.connections.turns[client.fd] = self.connections.turns[client.fd].following
            client.phase = READY
            self.ask(client)

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

    def fail(self, client: Client, outcome: Outcome, detail: str, now: int) -> None:
        """Count it, write it down, hang up; the client tries again after a pause."""
        if client.phase == LEAVING:
            self._fail_leaving(client, outcome, detail, now)
            return
        self.ledger.count(client, outcome, detail)
        if client.phase == WAITING or client.begun:
            self._record(client, now, outcome)
        self.connections.close(client, now, outcome)
        if self.left:
            self.entrance.pause(client, now + PAUSE_NS)
        else:
            self.go(client)

    def _fail_leaving(self, client: Client, outcome: Outcome, detail: str, now: int) -> None:
        """All was answered: how the server ends is its own affair, unless it says more than it was asked."""
        if outcome == Outcome.EXTRA_BYTES:
            self.ledger.count(client, outcome, detail)
        self._depart(client, now, outcome if outcome == Outcome.EXTRA_BYTES else Outcome.ANSWERED)

    def _record(self, client: Client, done_ns: int, outcome: Outcome) -> None:
        sent_ns = self.connections.since_ns[client.fd] if client.phase == WAITING else 0
        if not self._spec.churn:
            client.due_ns = sent_ns
        self.ledger.request_ended(client, sent_ns, done_ns, outcome)

    def _leave(self, client: Client) -> None:
        """Nothing is left to ask: half-close, and wait for the server's end, or for bytes too many."""
        assert client.endpoint is not None
        client.phase = LEAVING
        self.connections.since_ns[client.fd] = 0
        self.connections.awaited[client.fd] = None
        with contextlib.suppress(OSError):  # the server was faster; reading will tell how it ended
            client.endpoint.shutdown(socket.SHUT_WR)
        self.busy -= 1

    def _depart(self, client: Client, now: int, outcome: Outcome) -> None:
        self.connections.close(client, now, outcome)
        client.phase = GONE
        self.present -= 1

    def go(self, client: Client) -> None:
        """A client without a connection asks no more."""
        client.phase = GONE
        self.present -= 1
        self.busy -= 1

    def ask_no_more(self) -> None:
        """Begin no request from now on; who has nothing under way is gone."""
        self.left = 0
        self.entrance.shut()

    def close_all(self, now: int) -> None:
        """Write down what is still in flight, and close everything."""
        for client in list(self.connections.owner.values()):
            outcome = Outcome.ANSWERED if client.phase == LEAVING else Outcome.IN_FLIGHT
            if client.phase == WAITING or (client.begun and client.phase != LEAVING):
                self._record(client, 0, outcome)
            self.connections.close(client, now, outcome)
        self.connections.epoll.close()
