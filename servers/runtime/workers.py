"""Workers: processes forked beforehand, of which the parent keeps as many as are asked for.

The parent serves nobody. It sleeps until a signal comes, and then:

    SIGCHLD     a worker has ended: another takes its place, after a pause where they end as soon as they start
    SIGTTIN     one more
    SIGTTOU     one less
    SIGHUP      new ones for all, one by one
    SIGTERM     every worker drains (see `lifecycle`)

A worker that is taken away or replaced retires: it accepts nobody any more and serves the clients that it has until
they leave, so that no request fails. A worker whose parent is killed is killed with it.

`worker` is one of them, `restarts` the pauses before another takes its place, `retirement` how it is told to retire.
"""

from __future__ import annotations

import gc
import os
import signal
from functools import partial
from mmap import mmap

from servers.runtime.bell import Bell
from servers.runtime.children import Children
from servers.runtime.lifecycle import WORKER_SIGNALS, ignore
from servers.runtime.limits import LONGEST_WAIT
from servers.runtime.messages import warn
from servers.runtime.restarts import Restarts
from servers.runtime.retirement import Retirement
from servers.runtime.worker import Worker, part_from, work_to_the_end

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.runtime.listener import Listener
    from servers.runtime.service import Service
    from servers.runtime.worker import Work

    Serve = Callable[[Listener, Service], None]

SIGNALS = (signal.SIGCHLD, *WORKER_SIGNALS)


def nothing(_about: object = None) -> None:
    """Do nothing about it."""


def serve_in_workers(
    serve: Serve, listener: Listener, service: Service, when_ended: Callable[[Worker], None] = nothing
) -> None:
    """Run the model `serve` in each worker, all of them on the one listener, until the server stops."""
    listener.shared = True
    workers = Workers(lambda _slot: partial(serve, listener), service)
    workers.when_ended = when_ended
    workers.run()


def wanted_workers(service: Service) -> int:
    """Return how many workers there are to be: as many as asked for, but no more than clients may be served at once."""
    asked_for = service.settings.workers or len(os.sched_getaffinity(0))
    return min(asked_for, service.most_connections)


class Workers:
    """The workers of one server.

    Attributes:
        wanted: how many there are to be.
        in_slot: the worker of each slot 0, 1, ... up to `wanted`; those that retire have lost theirs.
        bell: what tells of signals; a parent that does more than wait for them watches it and calls `attend`.
        when_started, when_ended: called in the parent with each worker that has started or ended.
        when_slot_emptied: called with the worker whose slot is taken away for good.
        retirement: how those who lose their slots are told to retire.
    """

    def __init__(self, prepare: Callable[[int], Work], service: Service, bell: Bell | None = None) -> None:
        """Call `prepare` with a slot before each fork, in the parent; what it returns is the work of the worker.

        A parent that serves clients itself has a `bell` already; its workers do not, and are not counted as such.
        """
        self.wanted = wanted_workers(service)
        self.in_slot: dict[int, Worker] = {}
        self.when_started: Callable[[Worker], None] = nothing
        self.when_ended: Callable[[Worker], None] = nothing
        self.when_slot_emptied: Callable[[Worker], None] = nothing
        self._prepare = prepare
        self._service = service
        self._most = service.most_connections
        self._share = memoryview(mmap(-1, 8)).cast("q")  # how many clients each worker may serve, which all can read
        self._ready = mmap(-1, service.tally.rows)  # a byte for each, which it sets when it is about to serve
        self._parent = os.getpid()
        self._children = Children(service, new_rows=True)
        self._living: dict[int, Worker] = {}
        self.retirement = Retirement(self._living)
        self._to_renew: list[int] = []
        self._replaced: Worker | None = None  # retires as soon as the one in its place is ready
        self._restarts = Restarts()
        self._serve_clients = bell is None
        self.bell = bell or Bell()
        for number in SIGNALS:
            signal.signal(number, ignore)  # the bell hears only of signals that have a handler
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WORKER_SIGNALS)

    def run(self, look: Callable[[], None] = nothing, every: float = LONGEST_WAIT) -> None:
        """Keep the workers until the server stops and the last of them has ended; `look` at them every so often."""
        with self:
            while not self._service.lifecycle.stopping:
                self.attend(self.bell.wait(min(self.seconds_to_wait(), every)))
                look()

    def __enter__(self) -> None:
        """Fork the first workers."""
        gc.freeze()  # a collection in a worker must not touch, and so copy, what the parent made
        self._fill_slots()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait until the last worker has ended of itself, unless the parent is ended: then all are, at its end."""
        if not kind:
            self._children.wait_for_all()

    def renew(self, slots: list[int]) -> None:
        """Have a new worker take each of these slots, one after the other."""
        self._to_renew += [slot for slot in slots if slot not in self._to_renew]

    def attend(self, news: bytes) -> None:
        """Do what signals have asked for. Raise CannotServe where workers end as soon as they start, one and all."""
        for number in news:
            self._hear(number)
        self._children.reap(self._bury)
        if self._is_over:
            return
        self._empty_slots()
        self._fill_slots()
        self._renew_next()
        self.retirement.retell()

    def seconds_to_wait(self) -> float:
        """Return how long `attend` need not be called where there is no news."""
        if self.lacking:
            return self._restarts.seconds_to_wait()
        return min(self.retirement.seconds_to_wait(), LONGEST_WAIT)

    @property
    def lacking(self) -> bool:
        """True where there are fewer than there are to be."""
        return len(self.in_slot) < self.wanted and not self._is_over

    @property
    def _is_over(self) -> bool:
        """True once no worker is replaced any more; a parent that serves clients itself needs its own to the end."""
        return self._service.lifecycle.stopping and self._serve_clients

    def served(self, worker: Worker) -> int:
        """Return how many connections a worker has served to their ends."""
        return self._service.tally.connections(worker.row)

    def _hear(self, number: int) -> None:
        if number == signal.SIGTTIN:
            self.wanted = min(self.wanted + 1, self._most)
        elif number == signal.SIGTTOU:
            self.wanted = max(1, self.wanted - 1)
        elif number == signal.SIGHUP:
            self.renew(sorted(self.in_slot))
        elif number == 0 and self._replaced:  # one that is ready has rung
            successor = self.in_slot.get(self._replaced.slot)
            if not successor or self._ready[successor.row]:
                self.retirement.tell(self._replaced)
                self._replaced = None

    def _empty_slots(self) -> None:
        while len(self.in_slot) > self.wanted:
            worker = self.in_slot.pop(max(self.in_slot))
            self.retirement.tell(worker)
            self.when_slot_emptied(worker)

    def _fill_slots(self) -> None:
        self._share[0] = max(1, self._most // self.wanted)
        for slot in range(self.wanted):
            if slot not in self.in_slot and not self._restarts.seconds_to_wait():
                self._try_to_start(slot)

    def _renew_next(self) -> None:
        if self._to_renew and not self._replaced and not self._restarts.seconds_to_wait():
            slot = self._to_renew.pop(0)
            if old := self.in_slot.get(slot):
                self._try_to_start(slot)
                if self.in_slot[slot] is old:
                    self._to_renew.append(slot)  # for want of something that others may give back
                else:
                    self._replaced = old

    def _try_to_start(self, slot: int) -> None:
        """Start a worker, or try again later: the parent may have clients to serve meanwhile."""
        try:
            self._start(slot)
        except OSError as error:
            self._restarts.suffer(error)

    def _start(self, slot: int) -> None:
        work = self._prepare(slot)
        row = self._children.fork_now()
        if row:
            self._be_worker(work, row)
        pid = next(reversed(self._children.row_of))
        worker = Worker(pid, slot, self._children.row_of[pid])
        self._living[pid] = self.in_slot[slot] = worker
        if self._serve_clients:
            self._service.tally.worker(worker.row)
        self.when_started(worker)

    def _be_worker(self, work: Work, row: int) -> None:
        """Be the child: do the work and end."""
        status = 1
        try:
            part_from(self._parent)
            service = self._service.worker(row)
            service.share = self._share
            self._ready[row] = True
            self.bell.ring()
            self.bell.close()
            status = work_to_the_end(work, service)
        finally:
            os._exit(status)  # never return into the parent's loop

    def _bury(self, pid: int, status: int) -> None:
        """Take note of a worker that has ended, and of whether it has failed to start."""
        worker = self._living.pop(pid)
        self._ready[worker.row] = False
        if self.in_slot.get(worker.slot) is worker:
            if not self._service.lifecycle.stopping:
                self._lament(worker, status)
            del self.in_slot[worker.slot]
            if self._replaced and self._replaced.slot == worker.slot and self._replaced.pid in self._living:
                self.in_slot[worker.slot], self._replaced = self._replaced, None  # the old one goes on
        elif self._replaced is worker:
            self._replaced = None
        self.when_ended(worker)

    def _lament(self, worker: Worker, status: int) -> None:
        how = f"by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"with status {os.WEXITSTATUS(status)}"
        if status:
            warn("worker %d has ended %s", worker.pid, how)
        self._restarts.note_end(worker.started, how, has_served=self.served(worker) > 0)
