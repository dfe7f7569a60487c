"""Three ways to ask the kernel which descriptors are ready, behind the same four calls.

``epoll`` costs in proportion to the ready descriptors, ``poll`` and ``select`` to all that are watched; ``select``
refuses descriptors from 1024 on. The standard library's ``selectors`` hides the same differences behind an object per
event, which costs a microsecond per request.
"""

from __future__ import annotations

import select
from resource import RLIMIT_NOFILE, getrlimit, setrlimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Poller(Protocol):
        """What an event loop asks of the kernel."""

        def watch(self, descriptor: int, events: int) -> None:
            """Begin to watch; `events` is READ, WRITE or NOTHING."""

        def change(self, descriptor: int, events: int) -> None:
            """Watch for other events than before."""

        def forget(self, descriptor: int) -> None:
            """Watch no more; must come before the descriptor is closed."""

        def wait(self, seconds: float) -> list[tuple[int, int]]:
            """Return (descriptor, events) of those that are ready; empty when `seconds` have passed."""


# The numbers of epoll and of poll are the same on Linux; select is given them by hand.
NOTHING = 0
READ = select.POLLIN
WRITE = select.POLLOUT

SOON = 0.1  # seconds; for a longer wait a millisecond more is less than one in a hundred
FD_SETSIZE = 1024  # how many descriptors select can name


class Epoll:
    """Linux's epoll, level-triggered."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.watch = self._epoll.register
        self.change = self._epoll.modify
        self.forget = self._epoll.unregister

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """Return (descriptor, events) of those that are ready."""
        if 0 < seconds < SOON:
            # epoll counts in whole milliseconds, rounded up; select, which watches the epoll itself, in microseconds.
            select.select([self._epoll], (), (), seconds)
            seconds = 0
        return self._epoll.poll(seconds)


class Poll:
    """POSIX poll: the whole list of descriptors goes to the kernel with every call."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self.watch = self._poll.register
        self.change = self._poll.modify
        self.forget = self._poll.unregister

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """Return (descriptor, events) of those that are ready."""
        return self._poll.poll(seconds * 1000)


class Select:
    """BSD's select: three bit sets of 1024 descriptors.

    The process is given no descriptor that select could not name: so accept fails for want of one, and clients past
    that wait in the backlog like any others.
    """

    def __init__(self) -> None:
        soft, hard = getrlimit(RLIMIT_NOFILE)
        setrlimit(RLIMIT_NOFILE, (min(soft, FD_SETSIZE), hard))
        self._readers: set[int] = set()
        self._writers: set[int] = set()

    def watch(self, descriptor: int, events: int) -> None:
        """Begin to watch."""
        self.change(descriptor, events)

    def change(self, descriptor: int, events: int) -> None:
        """Watch for other events than before."""
        for watched, event in ((self._readers, READ), (self._writers, WRITE)):
            (watched.add if events & event else watched.discard)(descriptor)

    def forget(self, descriptor: int) -> None:
        """Watch no more."""
        self.change(descriptor, NOTHING)

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """Return (descriptor, READ or WRITE) of those that are ready; one that is both comes twice."""
        readable, writable, _ = select.select(self._readers, self._writers, (), seconds)
        return [(descriptor, READ) for descriptor in readable] + [(descriptor, WRITE) for descriptor in writable]


POLLERS: dict[str, Callable[[], Poller]] = {"epoll": Epoll, "poll": Poll, "select": Select}


def open_poller(name: str) -> Poller:
    """Return a new poller of that name. Raise KeyError for an unknown one."""
    return POLLERS[name]()
