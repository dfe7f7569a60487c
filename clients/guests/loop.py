"""The loop of the guests: one thread, one epoll, in a load process that measures no request.

poll -> `guests` sees to what happened
     -> at the moments of the run (`course`), and when a guest's pause is over
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from clients.coming_in import let_in, stay_in
from clients.course import MOST_EVENTS, SECOND_NS, Course
from clients.guests.guests import Guests
from clients.records import CONNECTION_ROW, Rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from clients.ledger import Ledger
    from clients.spec import Spec

WITHOUT_END_NS = 1 << 62
_NICENESS = 10  # on a CPU that they share with those who measure, guests give way


class GuestLoop:
    """Carry out the guests' part of a plan; the same to use as `loop.LoadLoop`, but it stays until it is told to stop.

    A run that ends by a count of requests is ended by those who count, so without an end by time only the order to stop
    ends it. `connection_rows` stays empty, and so do the ledger's rows: `guests` tells all; `ended_ns` is when all was
    closed.
    """

    ended_ns = 0

    def __init__(
        self,
        spec: Spec,
        stop_ordered: Callable[[], bool],
        on_progress: Callable[[int, int, list[int]], None],
        on_finished: Callable[[], None],
    ) -> None:
        self._guests = Guests(spec)
        self.course = Course(self._guests, spec.timeout, stop_ordered, on_progress, on_finished)
        self.connection_rows = Rows(CONNECTION_ROW)
        self._timeout_ns = int(spec.timeout * SECOND_NS)

    @property
    def ledger(self) -> Ledger:
        """The errors among what the guests met; no requests."""
        return self._guests.ledger

    @property
    def guests(self) -> dict[str, dict[str, object]]:
        """What became of the guests, by kind; see `tally.Tally.to_json`."""
        return {name: tally.to_json() for name, tally in self._guests.tallies.items()}

    def prepare(self) -> None:
        """Connect those that only hold a connection, or else the first. Raises UnreachableError.

        It takes no longer than the timeout; who is not connected by then goes on trying in the run.
        """
        os.nice(_NICENESS)
        guests = self._guests
        guests.entrance.come_first(guests.all[0])
        waiting = [guest for guest in guests.all[1:] if not guest.kind.comes_again]
        let_in(waiting, guests.entrance.come, guests.pending, self._go_on, self._timeout_ns)

    def idle(self, order: int) -> None:
        """Until the descriptor `order` is ready, note what happens to the connections."""
        stay_in(order, self._guests.epoll, self._note)

    def _note(self, seconds: float) -> None:
        """See to what happens within so many seconds."""
        guests = self._guests
        for fd, event in guests.epoll.poll(seconds, MOST_EVENTS):
            guests.notice(fd, event, time.monotonic_ns())

    def _go_on(self, seconds: float) -> None:
        """See to what happens within so many seconds, and have those try again whose pause is over."""
        self._note(seconds)
        self._guests.resume(time.monotonic_ns())

    def run(self, start_ns: int, warm_ns: int, end_ns: int | None) -> None:
        """Carry the run out; see `Course.begin`."""
        guests, course, clock = self._guests, self.course, time.monotonic_ns
        course.begin(start_ns, warm_ns, WITHOUT_END_NS if end_ns is None else end_ns)
        now = clock()
        guests.start(now)
        look_ns = 0
        while not course.is_past(now):
            if now >= look_ns:
                look_ns = course.look(now)
            elif guests.paused and guests.paused[0][0] <= now:
                guests.resume(now)
            wake_ns = min(look_ns, guests.paused[0][0]) if guests.paused else look_ns
            self._note(max(0, wake_ns - now) / SECOND_NS)
            now = clock()
        self.ended_ns = clock()
        guests.close_all(self.ended_ns)
