"""How requests go out: at once as far as there is room, and the rest when there is more.

send -> all of it -> wait for the answer
     -> a part: keep the rest `unsent`, and what is asked behind it `queued` -> send_rest, when the poller tells of room
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from clients.client import CONNECTING, WAITING, Asked, Client
from clients.connections import READING, WRITING

if TYPE_CHECKING:
    from clients.dialogues import Dialogues


class Sending:
    """The requests of some `dialogues` on their way out."""

    def __init__(self, dialogues: Dialogues) -> None:
        self._dialogues = dialogues
        self._connections = dialogues.connections

    def send(self, client: Client) -> None:
        """Send; where the connection does not stand yet, the kernel says so, and the request waits for it.

        Over loopback a connect that is "in progress" has in truth ended, so this spares churn a round of
        polling.
        """
        fd = client.fd
        turn = self._connections.turns[fd]
        self._connections.since_ns[fd] = now = time.monotonic_ns()
        try:
            count = turn.send(turn.request)
        except BlockingIOError:
            if client.phase != CONNECTING:
                client.phase = WAITING
            self.leave_unsent(client, 0)
            return
        except OSError as error:
            self._dialogues.endings.fail_with(client, error, time.monotonic_ns())
            return
        if client.phase == CONNECTING:
            client.connected_ns = now
        client.phase = WAITING
        if count != turn.request_size:
            self.leave_unsent(client, count)
            return
        self._connections.awaited[fd] = turn.answer if self._dialogues.has_fast_path else None
        self._connections.watch(client, READING)

    def send_behind(self, client: Client, due_ns: int, ready_ns: int) -> None:
        """Send a request though the one before is not answered."""
        last = client.behind[-1].turn if client.behind else self._connections.turns[client.fd]
        turn = client.turn_after(last)
        sent_ns = time.monotonic_ns()
        if self._dialogues.is_due_when_sent:
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
            self._dialogues.hearing.hear_out(client, error)
            return
        if count != turn.request_size:
            self._keep_unsent(client, turn.request, count)

    def leave_unsent(self, client: Client, count: int) -> None:
        """Only the first `count` bytes of the request could be sent; the rest follows when there is room."""
        self._keep_unsent(client, self._connections.turns[client.fd].request, count)

    def _keep_unsent(self, client: Client, request: bytes, count: int) -> None:
        client.unsent = memoryview(request)[count:]
        self._connections.awaited[client.fd] = None
        self._connections.watch(client, WRITING)

    def send_rest(self, client: Client) -> None:
        """Send on where there was no room before."""
        while client.unsent is not None:
            try:
                count = self._connections.turns[client.fd].send(client.unsent)
            except BlockingIOError:
                return
            except OSError as error:
                self._dialogues.endings.fail_with(client, error, time.monotonic_ns())
                return
            client.unsent = client.unsent[count:] or None
            if client.unsent is None and client.queued:
                client.unsent = memoryview(client.queued.popleft())
        self._connections.watch(client, READING)
