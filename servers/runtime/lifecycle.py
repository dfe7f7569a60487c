"""How a server ends: SIGTERM or SIGINT drains it, and the grace period bounds the drain.

first SIGTERM or SIGINT     stop accepting, serve what waits in the accept queue, finish what is in flight
SIGTERM again               nothing more
SIGINT while draining       end at once
grace period over           end at once; what was in flight is counted as cut off

A worker knows one more way, SIGUSR1 from its parent: it retires. It accepts nobody any more, for others do, and serves
the clients that it has until they leave.
"""

from __future__ import annotations

import os
import signal

from servers.runtime.errors import BrokenOff, EndNow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


RING_AGAIN = 0.1  # seconds after which the end of the grace period is told again, until it has been heard
RETIRE = signal.SIGUSR1
WORKER_SIGNALS = (signal.SIGTTIN, signal.SIGTTOU, signal.SIGHUP)  # see `workers`


def ignore(_number: int, _frame: FrameType | None) -> None:
    """Ignore a signal. SIG_IGN would not do: Python complains of one that came just before it was set."""


class Lifecycle:
    """Whether the server is stopping, and who must be told when it does.

    Attributes:
        stopping: the drain has begun.
        retiring: this worker is to accept nobody any more.
        ending: the server ends at once; those who hold (see `hold`) must look.
        reason: what ended the server.
    """

    def __init__(self, grace: float) -> None:
        self.stopping = False
        self.retiring = False
        self.ending = False
        self.reason = "done"
        self._grace = grace
        self._when_stopping: list[Callable[[], None]] = []
        self._when_over: list[Callable[[], None]] = []
        self._server = os.getpid()
        self._held = False
        self._breaks_off = False

    def when_stopping(self, tell: Callable[[], None]) -> None:
        """Have `tell` called when the drain begins: in the main thread, between any two bytecodes.

        Forked children inherit it with everything else, and are stopped by a signal of their own.
        """
        self._when_stopping.append(tell)

    def when_over(self, clean_up: Callable[[], None]) -> None:
        """Have `clean_up` called at the very end: a model that is ended at once may be so between any two steps."""
        self._when_over.append(clean_up)

    def clean_up(self) -> None:
        """Do what is to be done when the model has ended, however it did."""
        for clean_up in self._when_over:
            clean_up()

    def install(self) -> None:
        """Take over the signals of the server, and let in those that had to wait while it started."""
        for number in self.signals():
            signal.signal(number, self.signalled)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))

    def signals(self) -> tuple[signal.Signals, ...]:
        """Return the signals that `signalled` answers."""
        return (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, RETIRE)

    def hold(self) -> None:
        """Put off EndNow until `release`: for a step that must not be broken off half-way.

        An event loop that would swallow what its callbacks raise holds for as long as it runs, and looks at `ending`.
        """
        self._held = True

    def release(self) -> None:
        """End a `hold`; raise EndNow if it was put off."""
        self._held = False
        if self.ending:
            raise EndNow

    def break_off(self, wait: Callable[[], object]) -> None:
        """Call `wait`; return before its end where the word comes to stop or to retire, or has come already.

        The system call in it would be restarted after a signal. It is for waits that nothing is lost with.
        """
        try:
            self._breaks_off = True
            if not (self.stopping or self.retiring):
                wait()
            self._breaks_off = False
        except BrokenOff:
            pass

    def signalled(self, number: int, _frame: FrameType | None = None) -> None:
        """Do what a signal asks: the handler of all of them; asyncio's loops call it themselves."""
        if number == RETIRE:
            self.retiring = os.getpid() != self._server
        elif number == signal.SIGALRM:
            self._end_now(f"{self.reason}, grace period over")
        else:
            self._stop(number)
        if self._breaks_off and (self.stopping or self.retiring):
            self._breaks_off = False
            raise BrokenOff

    def _stop(self, number: int) -> None:
        if number == signal.SIGINT and os.getpid() != self._server:
            return  # ctrl-C reaches every process of the terminal; a child waits for its parent's word
        name = signal.Signals(number).name  # first: no other signal is heard between the next three lines
        if not self.stopping:
            self.stopping = True
            self.reason = name
            # A timer of zero would be none at all; and one that rings but once may ring just before a system call.
            signal.setitimer(signal.ITIMER_REAL, max(self._grace, 0.001), RING_AGAIN)
            for tell in self._when_stopping:
                tell()
        elif number == signal.SIGINT:
            self._end_now("SIGINT twice")

    def hear_no_more(self) -> None:
        """Ignore all signals from now on: the server is at its end."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in self.signals():
            signal.signal(number, ignore)

    def _end_now(self, reason: str) -> None:
        """Raise EndNow, once: another signal must not break into the clean-up that it leads to."""
        self.hear_no_more()
        self.reason = reason
        self.ending = True
        if not self._held:
            raise EndNow
