"""How clients come in: from no connection to one on which a request may be sent.

open -> connecting -> TLS handshake -> greeting -> ready        each only where there is one
     -> a Unix backlog that is full: knock again
     -> whatever goes wrong: `endings` counts it, and the client pauses
"""

from __future__ import annotations

import errno
import heapq
import os
import socket
import time
from typing import TYPE_CHECKING

from clients.client import CONNECTING, GREETING, PAUSED, READY, SHAKING, WAITING, Client
from clients.connections import KNOCK_SECONDS, READING, WRITING
from clients.conversations import GREETINGS
from clients.failures import difference
from clients.records import Outcome

if TYPE_CHECKING:
    from clients.dialogues import Dialogues
    from clients.spec import Spec

PAUSE_NS = 50_000_000  # before a client that failed connects again: short, yet no storm
KNOCK_NS = int(KNOCK_SECONDS * 1e9)


class Entrance:
    """The way in for the clients of some `dialogues`. `paused` is a heap: until when, and the place among clients."""

    def __init__(self, spec: Spec, dialogues: Dialogues) -> None:
        self.paused: list[tuple[int, int]] = []
        self._spec, self._dialogues = spec, dialogues
        self._connections = dialogues.connections
        self._greeting = GREETINGS.get(spec.protocol, b"")
        self._timeout_ns = int(spec.timeout * 1e9)
        # A request may be sent before the connection is known to stand: where nothing comes before it.
        self._at_once = spec.churn and not spec.tls and not self._greeting

    def begin(self, client: Client, now: int) -> None:
        """Let a client without a connection begin one, unless nothing is left to ask."""
        if self._dialogues.demand.over:
            self._dialogues.endings.go(client)
        else:
            self._open(client, now)

    def begin_request(self, client: Client, now: int) -> None:
        """Let a client begin a connection for a request that is due."""
        client.begun = True
        self._open(client, now)

    def see_connected(self, client: Client, now: int) -> None:
        """See how a connect that was in progress has ended, and go on if it stands."""
        assert isinstance(client.endpoint, socket.socket)
        code = client.endpoint.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._dialogues.endings.fail_with(client, OSError(code, os.strerror(code)), now)
        elif client.unsent is None:
            self.connected(client, now)
        else:  # its request was to go out at once, and waits
            client.unsent = None
            client.connected_ns = now
            client.phase = WAITING
            self._dialogues.sending.send(client)

    def connected(self, client: Client, now: int) -> None:
        """The socket is connected; TLS, the greeting and the first request follow, as far as there are such."""
        client.connected_ns = now
        if self._connections.trust is None:
            self.stands(client, now)
            return
        client.phase = SHAKING
        try:
            self._connections.secure(client)
        except OSError as error:
            self._dialogues.endings.fail_with(client, error, now)
            return
        self.shake(client)

    def shake(self, client: Client) -> None:
        """Carry the TLS handshake on, as far as it goes without waiting."""
        stream = client.endpoint
        assert stream is not None
        assert not isinstance(stream, socket.socket)
        try:
            stream.handshake()
        except BlockingIOError:
            self._connections.watch(client, WRITING if stream.unsent else READING)
            return
        except OSError as error:
            self._dialogues.endings.fail_with(client, error, time.monotonic_ns())
            return
        client.secured_ns = time.monotonic_ns()
        self.stands(client, client.secured_ns)
        if client.endpoint is stream:  # what came with the end of the handshake will make no event
            self._dialogues.hearing.read(client)

    def stands(self, client: Client, now: int) -> None:
        """The connection stands; the first request follows once the server has greeted and the run has begun."""
        self._connections.watch(client, READING)
        if self._greeting:
            client.phase = GREETING
            self._connections.since_ns[client.fd] = now
        else:
            self._admit(client, now)

    def greeted(self, client: Client, data: bytes, now: int) -> None:
        """Compare what came before anything was asked with the greeting; right, it tells admission."""
        if data != self._greeting:
            wrong = difference(self._greeting, 0, data)
            self._dialogues.endings.fail(client, wrong.outcome, str(wrong), now)
            return
        client.greeted_ns = now
        self._admit(client, now)

    def _admit(self, client: Client, now: int) -> None:
        client.phase = READY
        self._connections.since_ns[client.fd] = 0
        if client.begun:
            self._dialogues.sending.send(client)
        elif self._dialogues.running:
            self._dialogues.free_places(client, now)

    def resume(self, now: int) -> None:
        """Let those whose pause is over try again."""
        while self.paused and self.paused[0][0] <= now:
            client = self._dialogues.clients[heapq.heappop(self.paused)[1]]
            if client.knocking_ns:
                self._open(client, now)
            else:
                self._dialogues.come_again(client, now)

    def pause(self, client: Client, until_ns: int) -> None:
        """Have a client without a connection wait until then."""
        client.phase = PAUSED
        heapq.heappush(self.paused, (until_ns, client.number - self._spec.first_client))

    def shut(self) -> None:
        """Let nobody begin any more: who waits outside goes."""
        for _, index in self.paused:
            client = self._dialogues.clients[index]
            if client.knocking_ns:
                self._never_opened(client, time.monotonic_ns(), Outcome.IN_FLIGHT)
            self._dialogues.endings.go(client)
        self.paused.clear()

    def too_late(self, client: Client) -> tuple[Outcome, str]:
        """What to say of a client that has been coming in for longer than the timeout."""
        seconds = f"in {self._spec.timeout:g} s"
        if client.phase == CONNECTING:
            return Outcome.CONNECT_TIMEOUT, f"no connection {seconds}"
        if client.phase == SHAKING:
            return Outcome.CONNECT_TIMEOUT, f"no TLS handshake {seconds}: is TLS spoken there?"
        return Outcome.TIMEOUT, f"no greeting {seconds}"

    def _open(self, client: Client, now: int) -> None:
        code = self._connections.open(client, now)
        if code == errno.EAGAIN:
            self._knock_again(client, now)
        elif code:
            self._dialogues.endings.fail_with(client, OSError(code, os.strerror(code)), now)
        elif self._at_once and self._dialogues.running:
            self._dialogues.sending.send(client)
        else:
            self._connections.watch(client, WRITING)

    def _knock_again(self, client: Client, now: int) -> None:
        """Have a client wait for a place in a full Unix backlog as long as it would with TCP."""
        if now - client.knocking_ns < self._timeout_ns:
            self.pause(client, now + KNOCK_NS)
            return
        detail = f"full backlog for {self._spec.timeout:g} s"
        self._dialogues.ledger.count(client, Outcome.CONNECT_TIMEOUT, detail)
        self._never_opened(client, now, Outcome.CONNECT_TIMEOUT)
        self.pause(client, now + PAUSE_NS)

    def _never_opened(self, client: Client, now: int, outcome: Outcome) -> None:
        self._connections.never_opened(client, now, outcome)
        if client.begun:
            self._dialogues.record(client, now if outcome != Outcome.IN_FLIGHT else 0, outcome)
            client.begun = False
