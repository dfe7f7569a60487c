"""When the clients of a load process ask: the disciplines.

    closed loop   a client that is free asks: at once, or when it has thought
    open loop     the schedule says when requests are due, whoever is free asks; what finds nobody free waits its turn

A client has a place for each request that it may have in flight, and tells of each place that is `free`. The demand has
it ask, at that moment or at `next_ns`, when `tick` is to be called; or dismisses it, when nothing is left to ask. A
place goes with its connection: on one that was lost in the meantime nothing is asked.
"""

from __future__ import annotations

import heapq
import random
import time
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from clients.distributions import read_distribution
from clients.pacing import due_times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clients.spec import Spec

NEVER = 1 << 62
UNCOUNTED = 1 << 60  # requests that are left where the end comes by time
_THOUGHTS = 4096  # times to think that are drawn before the run, and taken again and again
_MOST_AT_ONCE = 256  # requests that are sent before answers are looked for again


class Place(Protocol):
    """A client, as far as a demand has to do with it."""

    connection: int

    @property
    def can_ask(self) -> bool:
        """Whether it can send a request, or begin a connection for one."""


Asker = TypeVar("Asker", bound=Place)
Asker_contra = TypeVar("Asker_contra", bound=Place, contravariant=True)


class Askers(Protocol[Asker_contra]):
    """Those who carry a demand out."""

    def ask(self, client: Asker_contra, due_ns: int, ready_ns: int) -> None:
        """Have a client that is free ask; the loop came to it at `ready_ns`."""

    def dismiss(self, client: Asker_contra) -> None:
        """A client that is free will not be asked for anything any more."""

    def shed(self, due_ns: int, now: int) -> None:
        """A request that was due is not asked: too many wait already."""


class _Thought(Generic[Asker]):
    """A client will ask at `due_ns`, on `connection`; `is_over` once that time has come and it could not."""

    __slots__ = ("client", "connection", "due_ns", "is_over", "number")

    def __init__(self, due_ns: int, number: int, client: Asker) -> None:
        self.due_ns, self.number, self.client, self.connection = due_ns, number, client, client.connection
        self.is_over = False

    def __lt__(self, other: _Thought[Asker]) -> bool:
        return (self.due_ns, self.number) < (other.due_ns, other.number)

    @property
    def is_lost(self) -> bool:
        """Whether the connection is gone on which it would ask."""
        return self.connection != self.client.connection or not self.client.can_ask


class ClosedLoop(Generic[Asker]):
    """A client that is free asks, `think` seconds later where it thinks.

    The first thoughts are cut short at random, so that clients do not think in step. A server may close a connection
    while its client thinks: then the thought goes on on the next. `left` counts the requests that may still begin.
    """

    is_open = False
    pending = False  # a request begins only with a client that is busy
    waiting = 0

    def __init__(self, spec: Spec, askers: Askers[Asker]) -> None:
        self.left = UNCOUNTED if spec.requests is None else spec.requests
        self._askers = askers
        self._places = spec.clients * spec.pipeline
        self._random = random.Random(f"{spec.seed} {spec.index} think")
        think = read_distribution(spec.think) if spec.think else None
        draws = think.draws(_THOUGHTS, self._random.getrandbits(62)) if think else []
        self._thoughts_ns = [int(draw * 1e9) for draw in draws]
        self._thinking: list[_Thought[Asker]] = []
        self._thoughts_of: dict[Asker, list[_Thought[Asker]]] = {}
        self._thought = 0

    @property
    def thinks(self) -> bool:
        """Whether time passes between an answer and the next request."""
        return bool(self._thoughts_ns)

    @property
    def over(self) -> bool:
        """Whether nothing is left to ask."""
        return not self.left

    @property
    def next_ns(self) -> int:
        """When `tick` has something to do."""
        return self._thinking[0].due_ns if self._thinking else NEVER

    def begin(self, start_ns: int) -> None:
        """The run starts then: a closed loop needs not know."""

    def free(self, client: Asker, now: int) -> None:
        """A client has a place for one more request, of which at least one is left."""
        if not self._thoughts_ns:
            self.left -= 1
            self._askers.ask(client, now, now)
            return
        if not self._goes_on_thinking(client):
            self._begin_thinking(client, now)

    def _goes_on_thinking(self, client: Asker) -> bool:
        """Have a client whose connection was lost go on where it was; return whether it was thinking."""
        for thought in self._thoughts_of.get(client, ()):
            if thought.connection != client.connection:
                thought.connection = client.connection
                if thought.is_over:
                    thought.is_over = False
                    heapq.heappush(self._thinking, thought)
                return True
        return False

    def _begin_thinking(self, client: Asker, now: int) -> None:
        thought_ns = self._thoughts_ns[self._thought % _THOUGHTS]
        if self._thought < self._places:
            thought_ns = int(thought_ns * self._random.random())
        thought = _Thought(now + thought_ns, self._thought, client)
        self._thought += 1
        self._thoughts_of.setdefault(client, []).append(thought)
        heapq.heappush(self._thinking, thought)

    def tick(self, now: int) -> None:
        """Have those ask who have thought until now."""
        while self._thinking and self._thinking[0].due_ns <= now and self.left:
            thought = heapq.heappop(self._thinking)
            if thought.is_lost:
                thought.is_over = True
                continue
            self._thoughts_of[thought.client].remove(thought)
            self.left -= 1
            self._askers.ask(thought.client, thought.due_ns, time.monotonic_ns())
        if not self.left:
            self.end()

    def end(self) -> None:
        """Nobody asks any more; who thinks is dismissed."""
        self.left = 0
        thinking, self._thinking = self._thinking, []
        for thought in thinking:
            if not thought.is_lost:
                self._askers.dismiss(thought.client)

    def unasked(self) -> list[tuple[int, int]]:
        """Nothing is due that nobody asks."""
        return []


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


Demand = ClosedLoop[Asker] | OpenLoop[Asker]


def demand_for(spec: Spec, askers: Askers[Asker]) -> Demand[Asker]:
    """The discipline of a load process."""
    return OpenLoop(spec, askers) if spec.segments else ClosedLoop(spec, askers)
