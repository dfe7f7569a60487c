r"""Dynamic pool: preforked, with as many processes as the load needs, and a few to spare.

                  /-- worker: accept --> converse --> ...
    listener --> <--- worker: accept --> ...               parent: count those that are free
                  \-- worker: accept --> ...                 fewer than min_spare: fork 1, 2, 4 ... more
                                                             more than max_spare: retire one

A pool of fixed size is too small at noon and too large at night. Here the parent looks ten times a second at how many
workers are free. Between the two bounds it does nothing: without that gap (hysteresis) each client that comes or goes
would fork or end a process. It grows by doubling, for whoever waits is waiting now, and shrinks one by one.

It is the wrong choice where load comes in bursts shorter than its reaction, for then the forks come too late and take
CPU from those who serve; and under memory pressure, of which it makes more the more there is to do.

Used by: Apache's prefork MPM (MinSpareServers, MaxSpareServers, once a second), PHP-FPM's pm = dynamic.
Source: UNP vol. 1, section 30.6 (where the number of children is fixed); Apache HTTP Server, mpm_prefork.
"""

from __future__ import annotations

from functools import partial
from mmap import mmap

from servers.runtime.blocking import converse
from servers.runtime.workers import Workers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from servers.runtime.listener import Listener
    from servers.runtime.service import Service
    from servers.runtime.worker import Worker

LOOK = 0.1  # seconds between two looks at how many are free; Apache's second would be slow to watch
MOST = 256  # Apache's MaxRequestWorkers of this MPM
MOST_AT_ONCE = 32  # workers forked at one look, as in Apache


def serve(listener: Listener, service: Service) -> None:
    """Serve in as many workers as are needed, until the server stops and the last of them has ended."""
    listener.shared = True
    pool = Pool(listener, service)
    pool.workers.run(pool.look, every=LOOK)


class Pool:
    """The workers, and which of them are busy."""

    def __init__(self, listener: Listener, service: Service) -> None:
        self._busy = mmap(-1, service.tally.rows)  # a byte for each worker that may ever live, written by itself
        self._most = min(MOST, service.most_connections)
        self._settings = service.settings
        self._growth = 1  # how many are forked when there are too few again
        self.workers = Workers(lambda _slot: partial(work, self._busy, listener), service)
        self.workers.when_ended = self._forget

    def look(self) -> None:
        """Ask for more workers, or for one less, where too few or too many are free."""
        free = sum(not self._busy[worker.row] for worker in self.workers.in_slot.values())
        if free < self._settings.min_spare:
            self.workers.wanted = min(self._most, self.workers.wanted + self._growth)
            self._growth = min(2 * self._growth, MOST_AT_ONCE)
            return
        self._growth = 1
        if free > self._settings.max_spare:
            self.workers.wanted -= 1

    def _forget(self, worker: Worker) -> None:
        self._busy[worker.row] = False


def work(busy: mmap, listener: Listener, service: Service) -> None:
    """Serve clients one after another, and say when we are at it."""
    row = service.tally.row
    while connection := listener.accept():
        busy[row] = True
        converse(connection, service)
        busy[row] = False
