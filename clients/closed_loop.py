"""The closed loop: a client that is free asks, at once or when it has thought. See `demand`."""

from __future__ import annotations

import heapq
import random
import time
from typing import TYPE_CHECKING, Generic

from clients.askers import NEVER, Asker
from clients.distributions import read_distribution

if TYPE_CHECKING:
    from clients.askers import Askers
    from clients.spec import Spec

_UNCOUNTED = 1 << 60  # requests that are left where the end comes by time
_THOUGHTS = 4096  # times to think that are drawn before the run, and taken again and again


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
        self.left = _UNCOUNTED if spec.requests is None else spec.requests
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
