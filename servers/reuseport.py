r"""SO_REUSEPORT: N event loops, each with a listening socket of its own on the same port; the kernel deals out.

                           /--> listener 1 --> worker 1: loop over its clients
    kernel: hash(address) <---> listener 2 --> worker 2: loop over its clients
                           \--> listener 3 --> worker 3: loop over its clients

As in `symped` each worker is the selector server, but no two of them touch one accept queue: there is no herd, no
lock, and the load is spread by a hash of the client's address and port. That is even over many clients and blind to
who is busy: a worker that is stuck strands those in its queue while others idle, and the tail of the latencies shows
it, which makes it the wrong choice where requests are very unequal. A pool of datagram servers is made in the same way.

The parent keeps every socket open, so that the queue of a worker that is killed or replaced waits for the next one. A
socket that was closed would take the clients in its queue with it; so when a worker is taken away, another takes its
socket over.

Used by: nginx (`listen ... reuseport`), Envoy, granian, DNS servers.
Source: Kerrisk, "The SO_REUSEPORT socket option" (LWN, 2013); Majkowski, "Why does one NGINX worker take all the load?"
"""

from __future__ import annotations

from functools import partial

from servers import selector
from servers.runtime.datagrams import Receiver
from servers.runtime.listener import Listener
from servers.runtime.opening import open_beside
from servers.runtime.workers import Workers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from servers.runtime.service import Service
    from servers.runtime.worker import Work, Worker


def serve(listener: Listener, service: Service) -> None:
    """Serve in each worker as the selector server does, on sockets of its own, until the server stops."""

    def work(sockets: list[socket], service_of_worker: Service) -> None:
        own = Listener(sockets, service.settings, service.lifecycle, owns_path=False)
        selector.serve(own, service_of_worker)

    Doors(listener.sockets, service, work).workers.run()


def serve_datagrams(receiver: Receiver, service: Service) -> None:
    """Answer the datagrams of a socket of its own in each worker until the server stops."""

    def work(sockets: list[socket], service_of_worker: Service) -> None:
        selector.serve_datagrams(Receiver(sockets, service.lifecycle), service_of_worker)

    Doors(receiver.sockets, service, work).workers.run()


class Doors:
    """The sockets of each worker, by its slot."""

    def __init__(self, first: list[socket], service: Service, work: Callable[[list[socket], Service], None]) -> None:
        self._first = first
        self._addresses = len(first)
        self._of_slot = {0: first}
        self._settings = service.settings
        self._work = work
        self.workers = Workers(self._prepare, service)
        self.workers.when_slot_emptied = self._hand_over

    def _prepare(self, slot: int) -> Work:
        if slot not in self._of_slot:
            self._of_slot[slot] = self._take_back() or open_beside(self._first[: self._addresses], self._settings)
        return partial(self._work, self._of_slot[slot])

    def _take_back(self) -> list[socket]:
        """Return the sockets of a slot that was taken away, if there are any: the fewer, the more even the hash."""
        spare = self._first[self._addresses :][-self._addresses :]
        if spare:
            del self._first[-self._addresses :]
            self.workers.renew([0])
        return spare

    def _hand_over(self, worker: Worker) -> None:
        """Give the sockets of a slot that is taken away to the worker of the first one, which is replaced for it."""
        self._first += self._of_slot.pop(worker.slot)
        self.workers.renew([0])
