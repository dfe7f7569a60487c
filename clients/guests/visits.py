"""What guests do once they are in: the moves of their scripts, and what the server makes of them.

go_on -> a move -> sent, heard or waited for -> go_on ... until the script is over: leave
      -> whatever the server does meanwhile: its end or its reset is written down, and ends the visit
"""

from __future__ import annotations

import errno
import math
import select
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from clients.connections import RESET_ON_CLOSE
from clients.conversations import GREETINGS
from clients.course import SECOND_NS
from clients.failures import WrongAnswerError
from clients.guests.guest import Hearing
from clients.guests.hostile import Ask, AskLast, Deafen, Move, Reset, Rouse, Send, Wait, Wire
from clients.guests.tally import Ending
from clients.records import Outcome

if TYPE_CHECKING:
    from clients.guests.guest import Guest
    from clients.guests.guests import Guests
    from clients.spec import Spec

CHUNK_BYTES = 64 * 1024
MOST_READS = 16  # of one guest in a round, so that a server that says much does not keep the others waiting


class GuestVisits:
    """The visits of some `guests`, from connections that stand on."""

    def __init__(self, spec: Spec, guests: Guests) -> None:
        self._guests = guests
        self._wire = Wire(spec)
        self._greeting = GREETINGS.get(spec.protocol, b"")
        self._timeout_ns = int(spec.timeout * SECOND_NS)

    # Carrying scripts out

    def begin(self, guest: Guest, now: int) -> None:
        """Have a guest whose connection stands do what it came for."""
        guest.script = guest.kind.script(self._wire, guest.number, guest.visits)
        self.go_on(guest, now)

    def go_on(self, guest: Guest, now: int) -> None:
        """Make the next moves, up to one that takes time."""
        assert guest.script is not None
        assert guest.endpoint is not None
        self._guests.expect_nothing(guest)
        guest.hearing = None
        for move in guest.script:
            if isinstance(move, Reset):
                guest.endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                break
            if not isinstance(move, Deafen):
                self._make(guest, move, now)
                return
            guest.deaf = True
            self._guests.watch(guest)
        self._guests.end(guest, Ending.LEFT, now)

    def _make(self, guest: Guest, move: Move, now: int) -> None:
        """Begin a move that takes time, after which the script goes on."""
        match move:
            case Send(data):
                self._say(guest, data)
            case Ask(exchange):
                self._ask(guest, exchange.request, Hearing(exchange), now)
            case AskLast(exchange):
                self._ask(guest, exchange.request, Hearing(exchange, owed=True), now)
            case Rouse(request):
                self._ask(guest, request, Hearing(None), now)
            case Wait(seconds) if seconds != math.inf:
                self._guests.sleep(guest, now + int(seconds * SECOND_NS))

    def _say(self, guest: Guest, data: bytes) -> None:
        guest.unsent = memoryview(data)
        self._guests.watch(guest)

    def _ask(self, guest: Guest, request: bytes, hearing: Hearing, now: int) -> None:
        guest.hearing = hearing
        self._guests.expect_by(guest, now + self._timeout_ns)
        self._say(guest, request)

    def _send(self, guest: Guest, now: int) -> None:
        assert guest.endpoint is not None
        if guest.unsent is None:
            return
        try:
            count = guest.endpoint.send(guest.unsent)
        except BlockingIOError:
            return
        except OSError as error:
            self._cannot_send(guest, error, now)
            return
        guest.tally.bytes_sent += count
        guest.unsent = guest.unsent[count:] or None
        if guest.unsent is None:
            self._sent(guest, now)

    def _sent(self, guest: Guest, now: int) -> None:
        self._guests.watch(guest)
        if guest.hearing is None:
            self.go_on(guest, now)
        elif guest.hearing.owed:
            assert guest.endpoint is not None
            with suppress(OSError):  # the server was faster; reading will tell how it ended
                guest.endpoint.shutdown(socket.SHUT_WR)

    def _cannot_send(self, guest: Guest, error: OSError, now: int) -> None:
        """See to what the server said before it ended the connection, and how it did.

        EPIPE says that an orderly end had come before what was sent met with a reset.
        """
        endpoint = guest.endpoint
        heard = None if guest.deaf else self._take(guest, now)
        if guest.endpoint is endpoint:
            in_order = error.errno == errno.EPIPE and heard is not Ending.RESET
            self._ended_by_server(guest, Ending.CLOSED if in_order else Ending.RESET, now)

    # What the server does

    def notice(self, guest: Guest, event: int, now: int) -> None:
        """See to what happened on a guest's connection."""
        endpoint = guest.endpoint
        if event & ~select.EPOLLOUT:
            ending = _end_unheard(guest) if guest.deaf else self._take(guest, now)
            if ending and guest.endpoint is endpoint:
                self._ended_by_server(guest, ending, now)
        if event & select.EPOLLOUT and guest.endpoint is endpoint:
            self._send(guest, now)

    def _take(self, guest: Guest, now: int) -> Ending | None:
        """Read what there is; return how the server ended the connection, where it has."""
        endpoint = guest.endpoint
        assert endpoint is not None
        for _ in range(MOST_READS):
            try:
                data = endpoint.recv(CHUNK_BYTES)
            except BlockingIOError:
                return None
            except OSError:
                return Ending.RESET
            if not data:
                return Ending.CLOSED
            self._hear(guest, data, now)
            if guest.endpoint is not endpoint:
                return None
        return None

    def _hear(self, guest: Guest, data: bytes, now: int) -> None:
        try:
            guest.hear(data, self._greeting)
        except WrongAnswerError as wrong:
            self.miss(guest, wrong.outcome, str(wrong))
            self._guests.end(guest, Ending.LEFT, now)
            return
        if guest.hearing and guest.hearing.whole and not guest.hearing.owed:
            self.go_on(guest, now)

    def _ended_by_server(self, guest: Guest, ending: Ending, now: int) -> None:
        hearing = guest.hearing
        if hearing and ending is Ending.RESET:
            self.miss(guest, Outcome.RESET, f"reset after {guest.so_far()}")
        elif hearing and not hearing.whole:
            self.miss(guest, Outcome.CLOSED, f"hung up after {guest.so_far()}")
        self._guests.end(guest, ending, now)

    def miss(self, guest: Guest, outcome: Outcome, detail: str) -> None:
        """Count an answer that did not come, or not rightly; where it was owed, that is an error of the run."""
        guest.tally.fail(outcome.kind)
        if guest.hearing and guest.hearing.owed:
            errors = self._guests.ledger.errors
            errors[outcome.kind] = errors.get(outcome.kind, 0) + 1
            self._guests.ledger.examples.setdefault(outcome.kind, f"{guest.name} client {guest.number}: {detail}")


def _end_unheard(guest: Guest) -> Ending:
    """How the server ended the connection of a guest that does not read."""
    assert guest.endpoint is not None
    code = guest.endpoint.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return Ending.CLOSED if code in {0, errno.EPIPE} else Ending.RESET
