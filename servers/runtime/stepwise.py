"""What conversations in steps have in common, whoever watches their sockets: states, deadlines, and how they end.

None of the steps waits. No state has a timer of its own, which would cost more than the step: a conversation notes
since when it is in its state and how long it may be, and its loop looks when the first of them may be late.

    READING    for what the client says; nothing is owed to it
    WRITING    for the client to take what is owed; nothing is read meanwhile (back-pressure)
    SLEEPING   for a time, or for a computation that is done elsewhere
    LINGERING  for the client to hang up, as the server has
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from math import inf
from socket import SHUT_RD

from servers.runtime.hanging_up import discard_what_arrived, reset_on_close
from servers.runtime.limits import DRAIN_PATIENCE, LINGER
from servers.runtime.messages import report_bug

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket

    from servers.runtime.service import Service
    from servers.runtime.tls import Tls

CONNECTING, HANDSHAKING, READING, WRITING, SLEEPING, LINGERING, CLOSED = range(7)


class Stepwise(ABC):
    """One client's conversation, which may stay in its state until `since` plus `patience`, in monotonic time.

    A driver adds its steps, and `close`, `_now`, `_expect` and `_end_sending`, which its loop decides.
    """

    __slots__ = (
        "_begun",
        "_client_ended",
        "_requests_sent",
        "_requests_then",
        "_service",
        "_session",
        "_state",
        "_write_began",
        "bytes_in",
        "bytes_out",
        "connection",
        "error",
        "patience",
        "since",
    )

    def __init__(self, connection: socket | Tls, service: Service) -> None:
        self.connection = connection
        self._service = service
        self._session = service.session()
        self._state = CONNECTING
        self._client_ended = False
        self._begun = 0.0  # when the request began that has not arrived whole; 0 where there is none
        self._requests_then = 0  # how many were answered by then
        self._write_began = 0.0  # when the client first did not take an answer at once; 0 where it did
        self._requests_sent = 0  # how many had been answered by then
        self.bytes_in = 0
        self.bytes_out = 0
        self.error = ""
        self.since, self.patience = 0.0, inf
        service.conversations.add(self)

    @property
    def requests(self) -> int:
        """How many requests have been answered."""
        return self._session.requests

    @abstractmethod
    def close(self, error: str) -> None:
        """End the conversation here and now, and count it with `error` as its kind, empty where all was well."""

    def expire(self, now: float) -> None:
        """End a conversation that is past its deadline; do nothing for another."""
        if self.since + self.patience > now:
            return
        if self._state == WRITING:
            reset_on_close(self.connection)
            self.close("write-timeout")
        elif self._state == HANDSHAKING:
            self.close("handshake-timeout")
        elif self._state == READING and self._session.pending:
            self._give_up("request-timeout")
        elif self._state == READING and not self._service.lifecycle.stopping:
            self._give_up("idle-timeout")
        else:
            self.close(self.error)

    def drain(self) -> None:
        """Let the conversation end when nothing is in flight: what has arrived is answered, nothing more is awaited."""
        if self._state == READING and not self._session.pending:
            with suppress(OSError):  # the client may have reset the connection
                self.connection.shutdown(SHUT_RD)

    # What its loop decides.

    @abstractmethod
    def _now(self) -> float:
        """Return the time, or that at which the present round of events began."""

    @abstractmethod
    def _expect(self, deadline: float) -> None:
        """Have `expire` called soon after `deadline`."""

    @abstractmethod
    def _end_sending(self) -> None:
        """Tell the client that nothing more will come."""

    # States and deadlines.

    def _enter(self, state: int, patience: float) -> None:
        self._state = state
        self._stay(patience)

    def _stay(self, patience: float) -> None:
        self.since = self._now()
        self.patience = patience
        self._expect(self.since + patience)

    def _begin_to_read(self) -> None:
        """Wait for the client's first words; one from the queue of a server that stops has a moment for them."""
        if self._service.lifecycle.stopping:
            self._enter(READING, DRAIN_PATIENCE)
            self._begun, self._requests_then = self.since, -1  # so that it is drained after its first request
        else:
            self._enter(READING, self._service.settings.idle_timeout)

    def _wait_for_room(self) -> None:
        """Give the client its time to take what is kept for it, the same for a whole answer."""
        if not self._write_began or self.requests != self._requests_sent:
            self._write_began = self._now()
            self._requests_sent = self.requests
        self._enter(WRITING, self._service.settings.request_timeout)
        self.since = self._write_began

    def _watch_deadline(self) -> None:
        """Give a request that is not whole yet its own time from its first byte, however many pieces it comes in."""
        if self._state != READING:
            return
        if not self._session.pending:
            self._begun = 0.0
            self._stay(self._service.settings.idle_timeout)
            if self._service.lifecycle.stopping:
                self.drain()
            return
        if not self._begun or self.requests != self._requests_then:
            self._begun = self._now()
            self._requests_then = self.requests
            self._stay(self._service.settings.request_timeout)
        self.since = self._begun

    # Ends.

    def _hang_up(self, error: str) -> None:
        """Close so that the last answer arrives whole: closing with unread input would reset the connection."""
        if self._client_ended:
            self.close(error)
            return
        self.error = error
        self._end_sending()
        self._enter(LINGERING, LINGER)

    def _give_up(self, error: str) -> None:
        """Close on a client whose time is up, so that it is no reset."""
        with suppress(OSError):
            self._end_sending()
            discard_what_arrived(self.connection)
        self.close(error)

    def _lose(self, *, owed: bool) -> None:
        """End a conversation whose client vanished: ordinary, and an error only if something was owed or begun."""
        self.close(self.error or ("reset" if owed or self._session.pending else ""))

    def _fail(self) -> None:
        report_bug()
        self.close("handler")
