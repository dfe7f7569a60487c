r"""Pooled: the main thread accepts and puts each client into a queue, from which N threads take them.

                                    /-- thread: take --> converse --> take --> ...
    listener --accept--> [queue] --> <-- thread: take --> converse --> ...
                                    \-- thread: take --> ...

Half-sync/half-async: what arrives and what is served go at their own paces, with a queue between them, whose length
tells how far the pool is behind. Each client costs a hand-over from thread to thread that `prethreaded` does not have.

The queue is bounded: when it is full nothing is accepted, and the kernel's accept queue, which clients can feel,
fills instead. `concurrent.futures`' executors have a queue without bound; a server on one accepts whoever comes, with
a descriptor for each, and makes them wait where nobody sees it. Clients that have waited so long that they have given
up are then served all the same.

It serves as many clients at once as there are threads, and idle ones are among them (pool starvation). It is the
wrong choice for clients that stay connected (see `event_mpm`), and for work that is all bytecode.

Used by: each process of Apache's worker MPM, gunicorn's gthread, waitress, cheroot, Tomcat's older connectors.
Source: UNP vol. 1, section 30.12 (row 8 of Figure 30.1); Schmidt and Cranor, "Half-Sync/Half-Async".
"""

from __future__ import annotations

from _queue import Empty, SimpleQueue
from contextlib import suppress
from functools import partial

from servers.runtime.blocking import converse
from servers.runtime.errors import EndNow
from servers.runtime.slots import Slots
from servers.runtime.threads import Threads, services_of_workers, wanted_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket

    from servers.runtime.listener import Listener
    from servers.runtime.service import Service

    Queue = SimpleQueue[socket | None]  # None tells a thread to end


def serve(listener: Listener, service: Service) -> None:
    """Serve each client in one of the threads until the server stops and the last of them has ended."""
    queue: Queue = SimpleQueue()
    # As many may wait as are served: a thread that is done finds the next client there already.
    slots = Slots(min(2 * wanted_threads(service), service.most_connections))
    try:
        with Threads(partial(work, queue, slots), services_of_workers(service)) as threads:
            while slots.take() and (connection := listener.accept()):
                queue.put(connection)
            for _ in range(len(threads)):
                queue.put(None)
    except EndNow:
        count_as_cut_off(queue, service)
        raise


def work(queue: Queue, slots: Slots, service: Service) -> None:
    """Be one of the threads: serve the clients that come, until there will be none."""
    while connection := queue.get():
        converse(connection, service)
        slots.give()


def count_as_cut_off(queue: Queue, service: Service) -> None:
    """Count those whom we have accepted and no thread has taken."""
    with suppress(Empty):
        while True:
            if queue.get_nowait():
                service.tally.conversed(0, 0, 0, "cut-off")
