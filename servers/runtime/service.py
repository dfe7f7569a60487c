"""What a model is asked to serve: one value that holds everything that is not the model."""

from __future__ import annotations

from servers.runtime.tally import Tally

TYPE_CHECKING = False
if TYPE_CHECKING:
    from servers.protocols.session import Limits, NewSession, Session
    from servers.runtime.blocking import Conversation
    from servers.runtime.lifecycle import Lifecycle
    from servers.runtime.settings import Settings


class Service:
    """A protocol with its limits, the settings held equal for every model, the tally and the lifecycle."""

    def __init__(
        self, new_session: NewSession, limits: Limits, settings: Settings, tally: Tally, lifecycle: Lifecycle
    ) -> None:
        self._new_session = new_session
        self._limits = limits
        self.settings = settings
        self.tally = tally
        self.lifecycle = lifecycle
        self.conversations: set[Conversation] = set()  # those of the blocking driver that are going on
        lifecycle.when_stopping(self._drain)

    def session(self) -> Session:
        """Begin a client's conversation."""
        return self._new_session(self._limits)

    def uncounted(self) -> Service:
        """Return a service like this one, with a tally of its own."""
        return Service(self._new_session, self._limits, self.settings, Tally(), self.lifecycle)

    def finish(self, conversation: Conversation) -> None:
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

    def _drain(self) -> None:
        for conversation in list(self.conversations):
            conversation.drain()
