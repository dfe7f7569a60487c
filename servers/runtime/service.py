"""What a model is asked to serve: one value that holds everything that is not the model."""

from __future__ import annotations

from time import sleep

from servers.protocols.effects import Close
from servers.runtime.compute import burn
from servers.runtime.tally import Tally

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from ssl import SSLContext
    from typing import Protocol

    from servers.protocols.effects import Effect
    from servers.protocols.session import Limits, NewSession, Session
    from servers.runtime.lifecycle import Lifecycle
    from servers.runtime.settings import Settings

    class AnyConversation(Protocol):
        """What the drivers' conversations have in common."""

        bytes_in: int
        bytes_out: int
        error: str  # the kind that it is counted under, empty where all was well

        @property
        def requests(self) -> int:
            """How many requests have been answered."""

        def drain(self) -> None:
            """Let the conversation end when nothing is in flight."""


def _whole_conversation(session: Session, datagram: bytes) -> Iterator[Effect]:
    """Yield the effects of a conversation in which the client sends this and no more."""
    if datagram:
        yield from session.received(datagram)
    yield from session.ended()


class Service:
    """A protocol with its limits, the settings held equal for every model, the tally and the lifecycle.

    Attributes:
        share: a cell with how many clients may be served at once here; of workers, one that their parent writes.
        tls: what wraps each connection, None where nothing does.
        conversations: those that are going on.
        sleep, compute: how whoever may block carries out these effects.
    """

    def __init__(
        self, new_session: NewSession, limits: Limits, settings: Settings, tally: Tally, lifecycle: Lifecycle
    ) -> None:
        self._new_session = new_session
        self._limits = limits
        self.settings = settings
        self.tally = tally
        self.lifecycle = lifecycle
        self.share: Sequence[int] = (settings.max_connections,)
        self.tls: SSLContext | None = None
        self.conversations: set[AnyConversation] = set()
        self.sleep: Callable[[float], object] = sleep
        self.compute: Callable[[float], None] = burn
        self._drains_itself = True
        lifecycle.when_stopping(self._drain_at_once)

    @property
    def most_connections(self) -> int:
        """How many clients may be served at once here: a worker's share of `max_connections`, which may change."""
        return self.share[0]

    def session(self) -> Session:
        """Begin a client's conversation."""
        return self._new_session(self._limits)

    def answer(self, datagram: bytes) -> bytes:
        """Return the answer to a datagram, which is a whole conversation, and count it."""
        session, parts, error = self.session(), [b""], ""
        for effect in _whole_conversation(session, datagram):
            if isinstance(effect, bytes):
                parts.append(effect)
            elif isinstance(effect, Close):
                parts, error = parts[-1:], effect.error  # the refusal alone, without what was answered before it
                break
        answer = b"".join(parts)
        self.tally.conversed(session.requests, len(datagram), len(answer), error, connections=0)
        return answer

    def uncounted(self) -> Service:
        """Return a service like this one, with a tally of its own."""
        return Service(self._new_session, self._limits, self.settings, Tally(), self.lifecycle)

    def worker(self, row: int) -> Service:
        """Return this service for a worker that counts in `row` of the tally; for a worker's own threads, itself."""
        if self.tally.row:
            return self
        made = Service(self._new_session, self._limits, self.settings, self.tally.worker(row), self.lifecycle)
        made.share, made.tls = self.share, self.tls
        return made

    def finish(self, conversation: AnyConversation) -> None:
        """Count a conversation that is over, unless `cut_off` has done so."""
        try:
            self.conversations.remove(conversation)  # atomic, so it decides who counts
        except KeyError:
            return
        self.tally.conversed(conversation.requests, conversation.bytes_in, conversation.bytes_out, conversation.error)

    def cut_off(self) -> None:
        """Count the conversations that are still going on as cut off: nobody waits for them any more."""
        for conversation in list(self.conversations):
            conversation.error = "cut-off"
            self.finish(conversation)

    def drain(self) -> None:
        """Let all conversations end when nothing is in flight in them."""
        for conversation in list(self.conversations):
            conversation.drain()

    def leave_drain_to_loop(self) -> None:
        """Have an event loop call `drain` between two of its steps, in place of the signal handler in one of them."""
        self._drains_itself = False

    def _drain_at_once(self) -> None:
        if self._drains_itself:
            self.drain()
