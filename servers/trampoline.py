r"""Trampoline: a scheduler of coroutines by hand; a task says what it waits for, and the loop goes on with another.

    poller   --> those whose descriptor is ready, and those whose time has come, are ready
    ready    --> run each until it yields what it waits for:
                   (descriptor, READ)  --\
                   (descriptor, WRITE) ---+--> waiting, by descriptor
                   a time              ------> sleeping, the earliest first
    and again

How async works underneath: the scheduler below has some sixty lines of code. A coroutine is a function that can be left
in the middle and entered again: ``await`` goes down through all of its calls to a bare ``yield``, and what is yielded
there bounces back up to the loop that called ``send``: hence the name. There are no threads in it, and no magic: a
dictionary of who waits for what, a queue of who can go on, and one system call that tells when.

The conversation (`servers.runtime.awaiting`) reads as in the threaded server, line after line, while one loop serves
all clients as in the selector server. That costs a microsecond or two per request more than the selector, and 2 KiB for
an idle client: no stack, only the frames that it was left in. It is the wrong choice wherever the selector is, and for
whoever does not want to maintain a scheduler: asyncio and trio are this with ten years of corner cases.

Used by: nobody as it stands; asyncio, trio, curio and Tornado's coroutines all are such a loop at heart.
Source: Beazley, "A Curious Course on Coroutines and Concurrency" (PyCon 2009), where an operating system is built of
generators; PEP 342, whose example names the trampoline.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from itertools import count
from math import inf
from time import monotonic
from types import coroutine

from servers.runtime.limits import LONGEST_WAIT
from servers.runtime.pollers import READ, WRITE, open_poller
from servers.runtime.tasks import Door

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from typing import Any, TypeAlias

    from servers.runtime.listener import Listener
    from servers.runtime.pollers import Poller
    from servers.runtime.service import Service

    Awaited: TypeAlias = "tuple[int, int] | float"  # a descriptor with its event, or a time
    Task: TypeAlias = Coroutine[Any, Any, None]  # it yields what it awaits, and is sent nothing


def serve(listener: Listener, service: Service) -> None:
    """Serve each client in a task of its own until the server stops and the last of them has ended."""
    scheduler = Scheduler(open_poller(service.settings.poller))
    door = Door(listener, service, scheduler)
    scheduler.start_beside(door.hear_signals)
    door.open()
    scheduler.run()


class Scheduler:
    """Runs tasks, each until it waits; see the head of this file."""

    def __init__(self, poller: Poller) -> None:
        self._poller = poller
        self._watched: dict[int, int] = {}  # the events that the poller looks for, by descriptor
        self._ready: deque[Task] = deque()
        self._waiting: dict[int, Task] = {}
        self._sleeping: list[tuple[float, int, Task]] = []  # a heap; the number keeps equal times apart
        self._number = count()
        self._living: set[Task] = set()

    # What a task asks for. These are where it is left: `await` ends at a bare `yield`.

    @coroutine
    def wait_readable(self, descriptor: int) -> Generator[Awaited, None, None]:
        """Wait until there is something to read; it may be a false alarm."""
        yield descriptor, READ

    @coroutine
    def wait_writable(self, descriptor: int) -> Generator[Awaited, None, None]:
        """Wait until something can be written; it may be a false alarm."""
        yield descriptor, WRITE

    @coroutine
    def sleep(self, seconds: float) -> Generator[Awaited, None, None]:
        """Wait so many seconds; with 0 the others get their turn."""
        yield monotonic() + seconds

    def start_soon(self, work: Callable[..., Task], *arguments: object) -> None:
        """Start a task; `run` goes on until all of these have ended."""
        task = work(*arguments)
        self._living.add(task)
        self._ready.append(task)

    def start_beside(self, work: Callable[..., Task], *arguments: object) -> None:
        """Start a task that `run` does not wait for."""
        self._ready.append(work(*arguments))

    def let_go(self, descriptor: int) -> None:
        """Have the task that waits for it wait no longer, and forget it: it may be closed then."""
        if task := self._waiting.pop(descriptor, None):
            self._ready.append(task)
        if self._watched.pop(descriptor, 0):
            self._poller.forget(descriptor)

    # The loop.

    def run(self) -> None:
        """Run until the last task that is waited for has ended."""
        while self._living:
            self._wake_those_who_can_go_on()
            # Those that become ready meanwhile come after the next look at the poller.
            for _ in range(len(self._ready)):
                self._step(self._ready.popleft())

    def _step(self, task: Task) -> None:
        """Run a task until it waits, and note for what."""
        try:
            awaited = task.send(None)
        except StopIteration:
            self._living.discard(task)
            return
        if isinstance(awaited, float):
            heappush(self._sleeping, (awaited, next(self._number), task))
            return
        descriptor, events = awaited
        self._waiting[descriptor] = task
        if self._watched.get(descriptor) != events:
            (self._poller.change if descriptor in self._watched else self._poller.watch)(descriptor, events)
            self._watched[descriptor] = events

    def _wake_those_who_can_go_on(self) -> None:
        for descriptor, _ in self._poller.wait(self._seconds_to_wait()):
            if task := self._waiting.pop(descriptor, None):
                self._ready.append(task)
            else:
                # Ready, and nobody waits for it now: looking for it any longer would be told again and again. As a rule
                # its task comes back before anything has arrived, so that nothing need be changed between two waits.
                self.let_go(descriptor)
        while self._sleeping and self._sleeping[0][0] <= monotonic():
            self._ready.append(heappop(self._sleeping)[2])

    def _seconds_to_wait(self) -> float:
        if self._ready:
            return 0.0
        next_wake = self._sleeping[0][0] if self._sleeping else inf
        return max(0.0, min(next_wake - monotonic(), LONGEST_WAIT))
