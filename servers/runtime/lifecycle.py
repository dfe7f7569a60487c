"""How a server ends: SIGTERM or SIGINT drains it, and the grace period bounds the drain.

first SIGTERM or SIGINT     stop accepting, serve what waits in the accept queue, finish what is in flight
SIGTERM again               nothing more
SIGINT while draining       end at once
grace period over           end at once; what was in flight is counted as cut off
"""

from __future__ import annotations

import os
import signal

from servers.runtime.errors import EndNow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


RING_AGAIN = 0.1  # seconds after which the end of the grace period is told again, until it has been heard


def ignore(_number: int, _frame: FrameType | None) -> None:
    """Ignore a signal. SIG_IGN would not do: Python complains of one that came just before it was set."""


class Lifecycle:
    """Whether the server is stopping, and who must be told when it does."""

    def __init__(self, grace: float) -> None:
        self.stopping = False
        self.reason = "done"  # what ended the server
        self._grace = grace
        self._when_stopping: list[Callable[[], None]] = []
        self._server = os.getpid()
        self._held = False
        self._ending = False

    def when_stopping(self, tell: Callable[[], None]) -> None:
        """Have `tell` called when the drain begins: in the main thread, between any two bytecodes.

        Forked children inherit it with everything else, and are stopped by a signal of their own.
        """
        self._when_stopping.append(tell)

    def install(self) -> None:
        """Take over SIGTERM, SIGINT and SIGALRM, and let in those that had to wait while the server started."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGALRM, self._grace_is_over)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))

    def hold(self) -> None:
        """Put off EndNow until `release`: for a step that must not be broken off half-way."""
        self._held = True

    def release(self) -> None:
        """End a `hold`; raise EndNow if it was put off."""
        self._held = False
        if self._ending:
            raise EndNow

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and os.getpid() != self._server:
            return  # ctrl-C reaches every process of the terminal; a child waits for its parent's word
        if not self.stopping:
            self.stopping = True
            self.reason = signal.Signals(number).name
            # A timer of zero would be none at all; and one that rings but once may ring just before a system call.
            signal.setitimer(signal.ITIMER_REAL, max(self._grace, 0.001), RING_AGAIN)
            for tell in self._when_stopping:
                tell()
        elif number == signal.SIGINT:
            self._end_now("SIGINT twice")

    def _grace_is_over(self, _number: int, _frame: FrameType | None) -> None:
        self._end_now(f"{self.reason}, grace period over")

    def _end_now(self, reason: str) -> None:
        """Raise EndNow, once: another signal must not break into the clean-up that it leads to."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, ignore)
        self.reason = reason
        self._ending = True
        if not self._held:
            raise EndNow
