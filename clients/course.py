"""The course of a run: from the agreed start, over the warm-up and the window, to the end and a moment of grace.

It is looked at every 50 ms and at each of these moments; what is late, over or ordered is seen to then. The loops
(`loop`, `datagrams`) do everything else.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from clients.ledger import Ledger

SECOND_NS = 1_000_000_000
LOOK_NS = 50_000_000  # how often timeouts and an order to stop are looked for
PROGRESS_NS = 200_000_000
GRACE_NS = 200_000_000  # after the end, for answers under way and orderly ends


class Clients(Protocol):
    """All clients of a load process, as far as the course has to do with them.

    `busy` counts those that may still have a request to end; `paused` is a heap of (until when, who).
    """

    ledger: Ledger
    busy: int
    paused: list[tuple[int, int]]

    def time_out(self, now: int) -> None:
        """End what has taken longer than the timeout."""

    def resume(self, now: int) -> None:
        """Let those whose pause is over go on."""

    def ask_no_more(self) -> None:
        """Begin no request from now on."""


class Course:
    """One run of `clients`, who give up a counted run after three timeouts without a right answer.

    `stop_ordered` is asked every 50 ms, `on_progress(completed, errors)` is told 5 times a second,
    `on_finished` when the last request that counts has ended. `cpu_seconds` is of the window, once it is over.
    """

    def __init__(
        self,
        clients: Clients,
        timeout: float,
        stop_ordered: Callable[[], bool],
        on_progress: Callable[[int, int], None],
        on_finished: Callable[[], None],
    ) -> None:
        self.cpu_seconds = 0.0
        self.gave_up = False
        self.grace_ends_ns: int | None = None
        self._clients = clients
        self._timeout_ns = int(timeout * SECOND_NS)
        self._stop_ordered, self._on_progress, self._on_finished = stop_ordered, on_progress, on_finished
        self._warm_ns = self._progress_ns = self._answered_ns = self._answered = 0
        self._end_ns: int | None = None
        self._cpu_began: float | None = None

    def begin(self, start_ns: int, warm_ns: int, end_ns: int | None) -> None:
        """Sleep until `start_ns`; CPU time counts from `warm_ns`, the end comes at `end_ns` or when all is asked."""
        self._warm_ns, self._end_ns = warm_ns, end_ns
        self._progress_ns, self._answered_ns = start_ns + PROGRESS_NS, start_ns
        time.sleep(max(0, start_ns - time.monotonic_ns()) / SECOND_NS)

    def look(self, now: int) -> int:
        """See to everything that depends on the time; return when to look again."""
        if self._cpu_began is None and now >= self._warm_ns:
            self._cpu_began = time.process_time()
        self._clients.time_out(now)
        self._clients.resume(now)
        if now >= self._progress_ns:
            self._progress_ns = now + PROGRESS_NS
            self._on_progress(self._clients.ledger.completed, sum(self._clients.ledger.errors.values()))
        if self.grace_ends_ns is None and self._is_over(now):
            self._clients.ask_no_more()
            self.finish(now)
        return self._next_moment(now)

    def is_past(self, now: int) -> bool:
        """Whether the moment of grace is over, too."""
        return self.grace_ends_ns is not None and now >= self.grace_ends_ns

    def finish(self, now: int) -> None:
        """Close the window, and give what is under way a moment to end in order."""
        if self.grace_ends_ns is not None:
            return
        self.grace_ends_ns = now + GRACE_NS
        if self._cpu_began is not None:
            self.cpu_seconds = time.process_time() - self._cpu_began
        self._on_finished()

    def _next_moment(self, now: int) -> int:
        moments = [now + LOOK_NS]
        if self._clients.paused:
            moments.append(self._clients.paused[0][0])
        if self.grace_ends_ns is not None:
            moments.append(self.grace_ends_ns)
        elif self._end_ns is not None:
            moments.append(self._end_ns)
        if self._cpu_began is None:
            moments.append(self._warm_ns)
        return min(moments)

    def _is_over(self, now: int) -> bool:
        if self._stop_ordered() or not self._clients.busy:
            return True
        if self._end_ns is not None:
            return now >= self._end_ns
        if self._clients.ledger.completed > self._answered:
            self._answered, self._answered_ns = self._clients.ledger.completed, now
        # Three timeouts without a right answer: a count that will never be reached must not mean a run
        # without end.
        self.gave_up = now - self._answered_ns > 3 * self._timeout_ns
        return self.gave_up
