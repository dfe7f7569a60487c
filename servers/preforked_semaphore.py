r"""Preforked with a semaphore: as with a file lock, but the lock lies in memory that the workers share.

                           /-- worker: [wait --> accept --> post] --> converse --> [wait ...
    listener --> semaphore <-- worker: [wait ...
                           \-- worker: [wait ...

Without contention a semaphore costs no system call (a futex). With 15 workers 1.2 to 1.4 switches a connection were
measured, 1.7 to 2.1 without a lock, and CPU that does not reliably tell it from the other pools; multiprocessing takes
8 MiB. Nobody releases it for a holder that is killed, and the others would wait for ever: here the parent does, which
reaps the dead. It is the wrong choice where no parent looks after its workers; and Linux needs no accept lock at all.

Used by: Apache 2.2 (AcceptMutex posixsem, pthread), uWSGI's thunder lock.
Source: UNP vol. 1, section 30.8 (row 4 of Figure 30.1, where it is a mutex of pthreads in shared memory).
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from mmap import mmap
from multiprocessing import get_context
from os import getpid

from servers.runtime.turns import serve_in_turn
from servers.runtime.workers import serve_in_workers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from servers.runtime.listener import Listener
    from servers.runtime.service import Service
    from servers.runtime.worker import Worker


def serve(listener: Listener, service: Service) -> None:
    """Serve in each worker, which accepts while it holds the semaphore, until the server stops."""
    lock = Lock()
    serve_in_workers(partial(serve_in_turn, lock.acquire, lock.release), listener, service, lock.forget)


class Lock:
    """A semaphore between processes that knows its holder."""

    def __init__(self) -> None:
        self._semaphore = get_context("fork").Lock()
        self._holder = memoryview(mmap(-1, 8)).cast("q")  # a pid; 0 while nobody has it

    def acquire(self) -> None:
        """Wait for it."""
        self._semaphore.acquire()
        self._holder[0] = getpid()

    def release(self) -> None:
        """Give it back, if it is ours: who is to go may not have waited for it."""
        if self._holder[0] == getpid():
            self._give_back()

    def forget(self, dead: Worker) -> None:
        """Give it back for a worker that has died with it.

        One that was killed between its wait and its signature left no name: so a semaphore that is taken and has no
        holder is given back too. At worst two are in accept at once for a moment, which harms nobody.
        """
        holder = self._holder[0]
        if holder == dead.pid or (not holder and not self._semaphore.acquire(block=False)):
            self._give_back()
        elif not holder:
            self._semaphore.release()

    def _give_back(self) -> None:
        self._holder[0] = 0
        with suppress(ValueError):  # it was given back for us, who had not yet signed
            self._semaphore.release()
