"""The open loop: the schedule says when requests are due, whoever is free asks. See `demand`."""

from __future__ import annotations

import time
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Generic

from clients.askers import NEVER, Asker
from clients.pacing import due_times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clients.askers import Askers
    from clients.spec import Spec

_MOST_AT_ONCE = 256  # requests that are sent before answers are looked for again


class _Idle(Generic[Asker]):
    """A client with free `places` on a connection."""

    __slots__ = ("client", "connection", "places")

    def __init__(self, client: Asker) -> None:
        self.client, self.connection, self.places = client, client.connection, 1

    @property
    def is_lost(self) -> bool:
        """Whether the connection is gone, and the places with it."""
        return self.connection != self.client.connection or not self.client.can_ask


class OpenLoop(Generic[Asker]):
    """Requests are due when the schedule says so, whatever the server does; see `clients.pacing`.

    Of the schedule that all load processes make alike, each takes its share. Who is free longest asks next; clients
    with several places take turns, so that requests do not queue on one connection while others are idle. What finds
    nobody free waits, first come, first served, and is sent late, though its response counts from when it was due;
    where `max_waiting` wait, it is shed.
    """

    is_open = True
    thinks = True
    left = 0  # requests that may begin without being due: the fast path has none to send

    def __init__(self, spec: Spec, askers: Askers[Asker]) -> None:
        self.next_ns = NEVER
        self._askers = askers
        self._is_timed = spec.requests is None
        self._max_waiting = spec.max_waiting
        whole = due_times(spec.segments, spec.arrivals, spec.seed)
        self._schedule: Iterator[int] = islice(whole, spec.index, None, spec.processes)
        self._start_ns = 0
        self._idle: deque[_Idle[Asker]] = deque()
        self._idle_of: dict[Asker, _Idle[Asker]] = {}
        self._waiting: deque[tuple[int, int]] = deque()
        self._ended = False

    @property
    def waiting(self) -> int:
        """How many requests are due and wait for somebody who is free."""
        return len(self._waiting)

    @property
    def over(self) -> bool:
        """Whether nothing becomes due any more, and nothing waits."""
        return self._ended and not self._waiting

    @property
    def pending(self) -> bool:
        """Whether a request may still begin, though nobody may be busy."""
        if self._waiting:
            return True
        return not self._ended and (self._is_timed or self.next_ns != NEVER)

    def begin(self, start_ns: int) -> None:
        """The schedule counts from `start_ns`."""
        self._start_ns = start_ns
        self._advance()

    def _advance(self) -> None:
        due_ns = next(self._schedule, None)
        self.next_ns = NEVER if due_ns is None else self._start_ns + due_ns

    def free(self, client: Asker, _now: int) -> None:
        """A client has a place for one more request."""
        if self._waiting:
            due_ns, ready_ns = self._waiting.popleft()
            self._askers.ask(client, due_ns, ready_ns)
        elif (idle := self._idle_of.get(client)) and not idle.is_lost:
            idle.places += 1
        else:
            self._idle_of[client] = idle = _Idle(client)
            self._idle.append(idle)

    def tick(self, now: int) -> None:
        """Ask what has become due by now; much at a time goes on with the next tick."""
        for _ in range(_MOST_AT_ONCE):
            if self.next_ns > now:
                return
            self._begin_next()

    def _begin_next(self) -> None:
        """Have somebody free ask what is due next; where there is nobody it waits, as far as there is room."""
        due_ns, ready_ns = self.next_ns, time.monotonic_ns()
        self._advance()
        if (client := self._free_client()) is not None:
            self._askers.ask(client, due_ns, ready_ns)
        elif len(self._waiting) < self._max_waiting:
            self._waiting.append((due_ns, ready_ns))
        else:
            self._askers.shed(due_ns, ready_ns)

    def _free_client(self) -> Asker | None:
        while self._idle:
            idle = self._idle.popleft()
            if idle.places > 1 and not idle.is_lost:
                idle.places -= 1
                self._idle.append(idle)
            elif self._idle_of.get(idle.client) is idle:
                del self._idle_of[idle.client]
            if not idle.is_lost:
                return idle.client
        return None

    def end(self) -> None:
        """Nothing becomes due from now on; what waits is still asked, and who is free is dismissed.

        What became due before, and the loop was too late to see, is asked too.
        """
        now = time.monotonic_ns()
        while self.next_ns <= now:
            self._begin_next()
        self._ended, self.next_ns = True, NEVER
        while (client := self._free_client()) is not None:
            self._askers.dismiss(client)

    def unasked(self) -> list[tuple[int, int]]:
        """The (due_ns, ready_ns) of the requests that still wait."""
        return list(self._waiting)
