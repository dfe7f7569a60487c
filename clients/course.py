"""The course of a run: from the agreed start, over the warm-up and the window, to the end and a moment of grace.

It is looked at every 50 ms and at each of these moments; what is late, over or ordered is seen to then. The loops
(`loop`, `datagrams`) do everything else.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from clients.evidence import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable

    from clients.ledger import Ledger

SECOND_NS = 1_000_000_000
MOST_EVENTS = 512  # that a loop takes from its poller at a time
LOOK_NS = 50_000_000  # how often timeouts and an order to stop are looked for
PROGRESS_NS = 200_000_000
GRACE_NS = 200_000_000  # after the end, for answers under way and orderly ends
# The same in an open loop: what was due in the window is waited for, because its response counts from then.
OPEN_GRACE_NS = 5_000_000_000


class Clients(Protocol):
    """All clients of a load process, as far as the course has to do with them.

    `busy` tells that a request may still begin or end; `paused` is a heap of (until when, who); `area_ns`
    is how many requests were in flight so far, times for how long.
    """

    ledger: Ledger
    paused: list[tuple[int, int]]
    area_ns: int

    @property
    def busy(self) -> bool:
        """Whether a request may still begin or end."""

    @property
    def idle(self) -> bool:
        """Whether all is well and nothing under way: that nothing is answered is nobody's fault."""

    def time_out(self, now: int) -> None:
        """End what has taken longer than the timeout."""

    def resume(self, now: int) -> None:
        """Let those whose pause is over go on."""

    def ask_no_more(self) -> None:
        """Begin no request from now on."""


class Course:
    """One run of `clients`, who give up a counted run after three timeouts without a right answer.

    `stop_ordered` is asked every 50 ms, `on_progress(completed, errors, recent)` is told 5 times a second, with
    a sample of the response times since it was told last,
    `on_finished` when the last request that counts has ended. `evidence` tells what the run cost this process in the
    window. With `drains`, what is under way at the end is waited for, up to a timeout and to `OPEN_GRACE_NS`.
    """

    def __init__(
        self,
        clients: Clients,
        timeout: float,
        stop_ordered: Callable[[], bool],
        on_progress: Callable[[int, int, list[int]], None],
        on_finished: Callable[[], None],
        *,
        drains: bool = False,
    ) -> None:
        self.evidence = Evidence()
        self.gave_up = False
        self.grace_ends_ns: int | None = None
        self._clients = clients
        self._timeout_ns = int(timeout * SECOND_NS)
        self._stop_ordered, self._on_progress, self._on_finished = stop_ordered, on_progress, on_finished
        self._warm_ns = self._progress_ns = self._answered_ns = self._answered = self._looked_ns = 0
        # Two looks more than a timeout, so that what was sent last is told to have timed out, too.
        self._grace_ns = max(GRACE_NS, min(OPEN_GRACE_NS, self._timeout_ns + 2 * LOOK_NS)) if drains else GRACE_NS
        self._end_ns: int | None = None
        self._expected_ns = 0

    def begin(self, start_ns: int, warm_ns: int, end_ns: int | None) -> None:
        """Sleep until `start_ns`; evidence counts from `warm_ns`, the end comes at `end_ns` or when all is asked."""
        self._warm_ns, self._end_ns = warm_ns, end_ns
        self._answered_ns = self._looked_ns = self._expected_ns = start_ns
        self._progress_ns = start_ns + PROGRESS_NS
        time.sleep(max(0, start_ns - time.monotonic_ns()) / SECOND_NS)

    def look(self, now: int) -> int:
        """See to everything that depends on the time; return when to look again."""
        if self.evidence.open:
            self.evidence.note(now - self._expected_ns)
        elif self.grace_ends_ns is None and now >= self._warm_ns:
            self.evidence.begin(now, self._clients.area_ns)
        self._clients.time_out(now)
        self._clients.resume(now)
        if now >= self._progress_ns:
            self._progress_ns = now + PROGRESS_NS
            ledger = self._clients.ledger
            self._on_progress(ledger.completed, sum(ledger.errors.values()), ledger.recent())
        if self.grace_ends_ns is None and self._is_over(now):
            self.evidence.end(now, self._clients.area_ns)  # what ending takes is not of the window
            self._clients.ask_no_more()
            self.finish(now)
        self._expected_ns = self._next_moment(now)
        return self._expected_ns

    def is_past(self, now: int) -> bool:
        """Whether the moment of grace is over, too; with nothing under way, the longer one ends sooner."""
        if self.grace_ends_ns is None:
            return False
        if not self._clients.busy:
            return now >= self.grace_ends_ns - self._grace_ns + GRACE_NS
        return now >= self.grace_ends_ns

    def finish(self, now: int) -> None:
        """Close the window, and give what is under way a moment to end in order."""
        if self.grace_ends_ns is not None:
            return
        self.grace_ends_ns = now + self._grace_ns
        self.evidence.end(now, self._clients.area_ns)
        self._on_finished()

    def _next_moment(self, now: int) -> int:
        moments = [now + LOOK_NS]
        if self._clients.paused:
            moments.append(self._clients.paused[0][0])
        if self.grace_ends_ns is not None:
            moments.append(self.grace_ends_ns)
        elif self._end_ns is not None:
            moments.append(self._end_ns)
        if not self.evidence.begun:
            moments.append(self._warm_ns)
        return min(moments)

    def _is_over(self, now: int) -> bool:
        if self._stop_ordered():
            self._grace_ns = GRACE_NS  # who stops a run does not want to wait for what was due
            return True
        if not self._clients.busy:
            return True
        if self._end_ns is not None:
            return now >= self._end_ns
        if self._clients.ledger.completed > self._answered:
            self._answered, self._answered_ns = self._clients.ledger.completed, now
        elif self._clients.idle:  # what was in vain before still counts
            self._answered_ns += now - self._looked_ns
        self._looked_ns = now
        # Three timeouts without a right answer: a count that will never be reached must not mean a run
        # without end.
        self.gave_up = now - self._answered_ns > 3 * self._timeout_ns
        return self.gave_up
