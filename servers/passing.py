r"""Descriptor passing: the parent accepts, and hands each connection to a worker that it chooses (SCM_RIGHTS).

                                     --descriptor--> worker: converse
    listener --accept--> parent: choose              <--"free"--
                                     --descriptor--> worker: converse
                                                     <--"free"--

Scheduling is in user space: the parent knows who is free, and may choose as it likes. Here it takes the one that has
served the fewest, so that the load is spread evenly; `passing_first_free` takes the first of the row, as Stevens does.
It costs a message to the worker with the descriptor and one back for each connection, which makes it the dearest of
the pools, and one parent through which everything goes: the wrong choice where the kernel's own choice will do.

Used by: Node's cluster (round robin among its workers).
Source: UNP vol. 1, sections 15.7 and 30.9 (row 5 of Figure 30.1).
"""

from __future__ import annotations

import select
import socket
from contextlib import suppress
from functools import partial
from time import sleep

from servers.runtime.blocking import converse
from servers.runtime.scarcity import PAUSE
from servers.runtime.workers import Workers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.runtime.listener import Listener
    from servers.runtime.service import Service
    from servers.runtime.worker import Work, Worker

    Choose = Callable[[list["Desk"]], "Desk"]


def serve(listener: Listener, service: Service) -> None:
    """Pass each client to the free worker that has served the fewest, until the server stops."""
    deal(listener, service, lambda free: min(free, key=lambda desk: desk.served))


def deal(listener: Listener, service: Service, choose: Choose) -> None:
    """Pass each client to the free worker that is chosen, until the server stops and the last of them has ended."""
    dealer = Dealer(listener, service, choose)
    dealer.run()


class Desk:
    """A worker's place at the parent's: the channel to it, and what the parent knows of it."""

    def __init__(self) -> None:
        self.channel, self.workers_end = socket.socketpair()
        self.free = False
        self.served = 0

    def hear(self) -> None:
        """Take the word that the worker is free; there is none where it has ended."""
        with suppress(OSError):
            self.free = bool(self.channel.recv(1))


class Dealer:
    """The parent: it accepts when somebody is free."""

    def __init__(self, listener: Listener, service: Service, choose: Choose) -> None:
        self._listener = listener
        self._lifecycle = service.lifecycle
        self._choose = choose
        self._workers = Workers(self._prepare, service)
        self._workers.when_started = self._open_desk
        self._workers.when_ended = self._workers.retirement.dismiss = self._close_desk
        self._desks: dict[int, Desk] = {}  # by the worker's pid, in the order of their start
        self._next_desk = Desk()
        self._poll = select.poll()
        self._poll.register(self._workers.bell, select.POLLIN)
        self._watching = False  # do we wait for clients?
        self._hears: dict[int, Callable[[], object]] = {}  # by descriptor, what to call when it is ready
        for listening in listener.sockets:
            listening.setblocking(False)
            self._hears[listening.fileno()] = partial(self._deal_from, listening)

    def run(self) -> None:
        """Deal until the server stops and nobody is left who waited then."""
        with self._workers:
            while not self._lifecycle.stopping:
                self._step()
            while self._desks and any(map(self._deal_from, self._listener.sockets)):
                while self._desks and not self._free():
                    self._step()
            for worker_pid in list(self._desks):
                self._desks.pop(worker_pid).channel.close()  # no more clients: that is what tells a worker to end

    def _step(self) -> None:
        """Wait for news of workers, of signals and, if somebody is free, of clients."""
        self._watch_for_clients(bool(self._free()))
        for descriptor, _ in self._poll.poll(self._workers.seconds_to_wait() * 1000):
            if hear := self._hears.get(descriptor):
                hear()
        self._workers.attend(self._workers.bell.read())

    def _watch_for_clients(self, watch: bool) -> None:
        if watch != self._watching:
            self._watching = watch
            for listening in self._listener.sockets:
                self._poll.register(listening, select.POLLIN if watch else 0)

    def _free(self) -> list[Desk]:
        return [desk for desk in self._desks.values() if desk.free]

    def _deal_from(self, listening: socket.socket) -> bool:
        """Accept a client for a free worker; true where there may be more of them."""
        if not (free := self._free()):
            return True
        try:
            connection = self._listener.accept_now(listening)
        except OSError as error:
            self._listener.scarcity.suffer(error)
            sleep(PAUSE)
            return True
        if connection:
            with connection:
                self._pass(connection, self._choose(free))
        return bool(connection)

    def _pass(self, connection: socket.socket, desk: Desk) -> None:
        desk.free = False
        desk.served += 1
        with suppress(OSError):  # the worker was killed this moment, with its client
            socket.send_fds(desk.channel, [b"."], [connection.fileno()])

    def _prepare(self, _slot: int) -> Work:
        self._next_desk = Desk()
        return partial(work, self._next_desk, list(self._desks.values()))

    def _open_desk(self, worker: Worker) -> None:
        self._desks[worker.pid] = desk = self._next_desk
        desk.workers_end.close()
        self._poll.register(desk.channel, select.POLLIN)
        self._hears[desk.channel.fileno()] = desk.hear

    def _close_desk(self, worker: Worker) -> None:
        if desk := self._desks.pop(worker.pid, None):
            self._poll.unregister(desk.channel)
            del self._hears[desk.channel.fileno()]
            desk.channel.close()


def work(desk: Desk, others: list[Desk], service: Service) -> None:
    """Be a worker: serve the clients that the parent passes, until it passes no more."""
    for channel in (desk.channel, *(other.channel for other in others)):
        channel.close()  # or a worker would not see the end of its own while a younger one held it open
    while connection := receive(desk.workers_end):
        converse(connection, service)


def receive(channel: socket.socket) -> socket.socket | None:
    """Say that we are free, and wait for a client; None once there will be none."""
    try:
        channel.send(b".")
        _, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
    except OSError:
        return None  # the parent has closed its end between the two
    return socket.socket(fileno=descriptors[0]) if descriptors else None
