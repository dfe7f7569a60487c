"""How answers come in: read, compared byte for byte, and told apart where they are wrong.

read -> take -> the judge of the answer that is next -> whole: `dialogues` writes it down and goes on
                                                     -> wrong: doubled, skipped, extra or wrong bytes: `endings`
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from clients.answers import is_answer_to, is_echo_of
from clients.client import CHUNK_BYTES, CONNECTING, GREETING, SHAKING, WAITING, Client
from clients.failures import WrongAnswerError, too_much
from clients.records import Outcome

if TYPE_CHECKING:
    from clients.client import Turn
    from clients.conversations import Exchange
    from clients.dialogues import Dialogues

_TOLD_APART = (Outcome.WRONG_BYTES, Outcome.EXTRA_BYTES)


class Hearing:
    """The answers to some `dialogues` as they arrive."""

    def __init__(self, dialogues: Dialogues, protocol: str) -> None:
        self._dialogues, self._protocol = dialogues, protocol
        self._connections = dialogues.connections
        self._taking = False
        self._broken: OSError | None = None  # what was found while answers are taken that came before it

    def notice(self, client: Client, event: int, now: int) -> None:
        """Deal with an event that is more, or other, than bytes to read."""
        endpoint = client.endpoint
        assert endpoint is not None
        if client.phase == SHAKING:
            self._dialogues.entrance.shake(client)
            return
        if client.phase == CONNECTING:
            self._dialogues.entrance.see_connected(client, now)
        elif client.unsent is not None and event & select.EPOLLOUT:
            self._dialogues.sending.send_rest(client)
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
                self._dialogues.endings.fail_with(client, error, time.monotonic_ns())
                return
            self.take(client, data, time.monotonic_ns())

    def hear_out(self, client: Client, error: OSError) -> None:
        """A request could not be sent behind others: hear what was answered before the end, and fail with that.

        It may be an answer that gave room for the request, with more behind it in the same bytes: these come first.
        """
        if self._taking:
            self._broken = error
            return
        endpoint = client.endpoint
        self.read(client)
        if client.endpoint is endpoint:
            self._dialogues.endings.fail_with(client, error, time.monotonic_ns())

    def take(self, client: Client, data: bytes, now: int) -> None:
        """Compare what arrived with the answers that are due; no bytes are the server's end."""
        if not data:
            self._dialogues.endings.hung_up(client, now)
            return
        if client.phase == GREETING:
            self._dialogues.entrance.greeted(client, data, now)
            return
        endpoint = client.endpoint
        self._taking = True
        self._take_all(client, data, now)
        self._taking = False
        error, self._broken = self._broken, None
        if error is not None and client.endpoint is endpoint:
            self.hear_out(client, error)

    def _take_all(self, client: Client, data: bytes, now: int) -> None:
        endpoint, taken = client.endpoint, 0
        while taken < len(data) and client.endpoint is endpoint:
            if client.phase != WAITING:
                wrong = too_much(data[taken:], "the last answer")
                self._fail_wrong(client, data[taken:], wrong, now)
                return
            taken = self._hear(client, data, taken, now)

    def _hear(self, client: Client, data: bytes, begin: int, now: int) -> int:
        """Hear `data` from `begin` on, as far as it belongs to the answer that is next; return how far that is."""
        turn = self._connections.turns[client.fd]
        if not client.got:
            client.first_byte_ns = now
            if client.behind and turn.answer and data.startswith(turn.answer, begin):
                client.got = turn.answer_size
                self._dialogues.finish(client, now)
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
                self._dialogues.finish(client, now)
                return len(data) - len(wrong.extra)
            self._fail_wrong(client, b"" if begin else data, wrong, now)
            return len(data)
        if not whole:
            self._connections.awaited[client.fd] = None
            return len(data)
        if self._dialogues.has_fast_path and not (begin or turn.judge.last or turn.answer == data):
            turn.learn(data)
        self._dialogues.finish(client, now)
        return len(data)

    def _fail_wrong(self, client: Client, beginning: bytes, wrong: WrongAnswerError, now: int) -> None:
        """Fail with what is wrong, told as what it is: `beginning` are the bytes where an answer should begin."""
        exchange = self._connections.turns[client.fd].exchange
        previous = self._previous(client)
        if client.phase == WAITING and is_echo_of(exchange, beginning):
            echo = f"the answer is the request itself, as of an echo, and not that of the protocol {self._protocol}"
            self._dialogues.endings.fail(client, wrong.outcome, f"{echo}: {wrong}", now)
            return
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
        self._dialogues.endings.fail(client, outcome, detail, now)

    def _previous(self, client: Client) -> Exchange | None:
        """The exchange that was answered last; the fast path, which does not note it, goes round a ring of two."""
        return (
            self._connections.turns[client.fd].following.exchange if self._dialogues.has_fast_path else client.previous
        )
