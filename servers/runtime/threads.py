"""Threads started beforehand, each of which does the work of one worker until there is none left.

The main thread must stay free for signal handlers, which run in no other: it starts the others and waits for them. They
block all signals: one that the kernel gave to another thread would not end the main thread's wait.
"""

from __future__ import annotations

import os
from _queue import Empty, SimpleQueue
from _thread import stack_size, start_new_thread
from functools import partial
from signal import SIG_BLOCK, SIG_SETMASK, SIGTERM, pthread_sigmask, valid_signals

from servers.runtime.errors import CannotServe, EndNow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from servers.runtime.listener import Listener
    from servers.runtime.service import Service

    Serve = Callable[[Listener, Service], None]
    Work = Callable[[Service], None]


def serve_in_threads(serve: Serve, listener: Listener, service: Service) -> None:
    """Run the model `serve` in each thread of a pool, all of them on the one listener, until the server stops."""
    with Threads(partial(serve, listener), services_of_workers(service)):
        pass


def wanted_threads(service: Service) -> int:
    """Return how many threads there are to be: as many as asked for, but no more than clients may be served at once."""
    return min(service.settings.threads, service.most_connections)


def services_of_workers(service: Service) -> list[Service]:
    """Return a service for each thread, in whose name it counts what it serves."""
    return [service.worker(number) for number in range(1, wanted_threads(service) + 1)]


LOOK_AGAIN = 0.25
"""Seconds after which a wait for the threads looks whether a signal has come in the moment in which it began."""


class Threads:
    """The threads of a pool.

    In a with statement: at its end it waits until the last thread has ended of itself. What ends one otherwise is a
    bug: the server stops then, and the statement raises it.
    """

    def __init__(self, work: Work, services: list[Service]) -> None:
        """Start one at `work` with each service. Raise CannotServe where the system has not so many threads."""
        self._work = work
        self._ends: SimpleQueue[BaseException | None] = SimpleQueue()
        self._services = services
        stack_size(services[0].settings.thread_stack)
        mask = pthread_sigmask(SIG_BLOCK, valid_signals())  # which a thread inherits
        try:
            self._start()
        finally:
            pthread_sigmask(SIG_SETMASK, mask)

    def __len__(self) -> int:
        return len(self._services)

    def __enter__(self) -> Self:
        """Have them at work."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for all of them, unless the server is ended at once: then count what they are at as cut off."""
        try:
            if not kind:
                self._wait()
        except EndNow:
            kind = EndNow
            raise
        finally:
            if kind:
                for service in self._services:
                    service.cut_off()

    def _start(self) -> None:
        for number, service in enumerate(self._services):
            try:
                start_new_thread(self._run, (service,))
            except RuntimeError:
                raise CannotServe(f"the system has {number} threads for us, not {len(self._services)}") from None

    def _wait(self) -> None:
        for _ in self._services:
            if failure := self._next_end():
                raise failure

    def _next_end(self) -> BaseException | None:
        """Wait until a thread has ended, and return what ended it.

        A signal that comes between Python's last look for one and the system call that waits does not end that call:
        its handler would never run. So the wait begins anew every so often.
        """
        while True:
            try:
                return self._ends.get(timeout=LOOK_AGAIN)
            except Empty:
                pass

    def _run(self, service: Service) -> None:
        failure = None
        try:
            self._work(service)
        except BaseException as error:
            failure = error
            os.kill(os.getpid(), SIGTERM)  # the main thread may be anywhere
        self._ends.put(failure)
