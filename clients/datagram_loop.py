"""The load loop over UDP: one thread, one epoll, clients with one datagram in flight each.

poll -> `datagrams` hears what came, and asks again
     -> at the moments of the run (`course`), and when the first datagram that is out will be lost
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from clients.course import MOST_EVENTS, SECOND_NS, Course
from clients.datagrams import Callers
from clients.failures import UnreachableError, detail_of, outcome_of
from clients.polling import poll_closely

if TYPE_CHECKING:
    from collections.abc import Callable

    from clients.spec import Spec


class DatagramLoop:
    """Carry out one process's part of a plan over UDP; the same to use as `loop.LoadLoop`."""

    ended_ns = 0

    def __init__(
        self,
        spec: Spec,
        stop_ordered: Callable[[], bool],
        on_progress: Callable[[int, int, list[int]], None],
        on_finished: Callable[[], None],
    ) -> None:
        self._callers = Callers(spec)
        is_open = self._callers.demand.is_open
        self.course = Course(self._callers, spec.timeout, stop_ordered, on_progress, on_finished, drains=is_open)
        self.ledger, self.connection_rows = self._callers.ledger, self._callers.sockets.rows
        self._churn = spec.churn

    def prepare(self) -> None:
        """Find the server, and open all sockets where they are kept. Raises UnreachableError."""
        callers, sockets = self._callers.callers, self._callers.sockets
        sockets.find_server(callers[0].lines.request(0))
        try:
            for caller in () if self._churn else callers:
                sockets.open(caller, time.monotonic_ns())
        except OSError as error:
            raise UnreachableError(outcome_of(error), detail_of(error)) from error

    def idle(self, order: int) -> None:
        """Wait until the descriptor `order` is ready: before the run nothing happens here."""
        select.select([order], [], [])

    def run(self, start_ns: int, warm_ns: int, end_ns: int | None) -> None:
        """Carry the run out; see `Course.begin`. Until the end of its grace: a last answer may come twice."""
        callers, course, demand, clock = self._callers, self.course, self._callers.demand, time.monotonic_ns
        epoll, owner = callers.sockets.epoll, callers.sockets.owner
        course.begin(start_ns, warm_ns, end_ns)
        callers.start(start_ns)
        look_ns, now = 0, clock()
        while not course.is_past(now):
            if now >= look_ns:
                look_ns = course.look(now)
                look_ns = min(look_ns, callers.earliest_loss() or look_ns)
            if now >= demand.next_ns:
                demand.tick(now)
                now = clock()
            in_flight = callers.outstanding
            seconds = max(0, min(look_ns, demand.next_ns) - now) / SECOND_NS
            for fd, _ in poll_closely(epoll, seconds, MOST_EVENTS):
                if caller := owner.get(fd):  # None: it was closed after the poll
                    callers.hear(caller)
            if not callers.busy and course.grace_ends_ns is None:
                look_ns = 0
            last, now = now, clock()
            callers.area_ns += in_flight * (now - last)
        callers.close_all(clock())
        self.ended_ns = clock()
