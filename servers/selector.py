"""Selector: one thread, one loop, all clients (SPED, the Reactor pattern); nothing in it ever waits for one client.

    wait until something is ready
      listener  --> accept, as long as somebody waits and there is room
      channels  --> read, do what the session answers, send what the kernel takes
      sleepers  --> go on with those whose time has come
      deadlines --> end those who are late
    and again

Costs the least of all models per request and per idle client (half a KiB), because no scheduler and no stack stands
between two clients. It is the wrong choice where an answer takes long to compute or a library blocks: one client's
work is every client's wait, and a second CPU stays idle.

`--poller select|poll|epoll` runs the same loop on each readiness call: select and poll look at every client for every
event, epoll at the ready ones alone.

Used by: Redis, each worker of nginx, memcached's threads, HAProxy.
Source: UNP vol. 1, section 6.8; TLPI chapter 63; Schmidt's "Reactor"; Pai et al., "Flash" (SPED).
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from heapq import heappop, heappush
from itertools import count
from math import inf
from time import monotonic

from servers.runtime.bell import Bell
from servers.runtime.compute import burn
from servers.runtime.limits import DRAIN_PATIENCE, LONGEST_WAIT
from servers.runtime.nonblocking import Channel
from servers.runtime.pollers import READ, open_poller
from servers.runtime.scarcity import PAUSE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket
    from typing import Protocol

    from servers.runtime.datagrams import Receiver
    from servers.runtime.listener import Listener
    from servers.runtime.service import Service

    class Sleeper(Protocol):
        """Who wants to be woken at a time."""

        def wake_up(self) -> None:
            """Go on."""


def serve(listener: Listener, service: Service) -> None:
    """Serve all clients in one loop until the server stops and the last conversation has ended."""
    Loop(listener, service).run()


def serve_datagrams(receiver: Receiver, service: Service) -> None:
    """Answer whatever socket has a datagram until the server stops: a loop with nothing to remember of anybody."""
    poller, bell = open_poller(service.settings.poller), Bell()
    receivers = {each.fileno(): each for each in receiver.sockets}
    for descriptor in (bell.fileno(), *receivers):
        poller.watch(descriptor, READ)
    while not receiver.finished and not service.lifecycle.retiring:
        for descriptor, _ in poller.wait(DRAIN_PATIENCE if service.lifecycle.stopping else LONGEST_WAIT):
            if descriptor == bell.fileno():
                bell.read()
            elif datagram := receiver.receive_now(receivers[descriptor]):
                datagram.answer(service)


def compute_at_once(_channel: Channel, seconds: float) -> bool:
    """Burn so much CPU time, here and now: everybody waits."""
    burn(seconds)
    return True


def ignore_news(_numbers: bytes) -> None:
    """Care for no signals but those that stop the server."""


class Loop:
    """The event loop, and what the channels ask of it."""

    def __init__(
        self, listener: Listener, service: Service, compute: Callable[[Channel, float], bool] = compute_at_once
    ) -> None:
        self.now = monotonic()
        self.compute = compute
        self.when_signalled: Callable[[bytes], None] = ignore_news
        self.bell = Bell()
        self._listener = listener
        self._service = service
        self._poller = open_poller(service.settings.poller)
        self._channels: dict[int, Channel] = {}
        self._others: dict[int, Callable[[], None]] = {}  # what to call for descriptors that are no client's
        self._accepting = False
        self._accept_again_at = inf  # after a pause for want of descriptors
        self._sleepers: list[tuple[float, int, Sleeper]] = []  # a heap; the number keeps equal times apart
        self._number = count()
        self._look_at = inf  # when the deadlines must be looked at

    def run(self) -> None:
        """Run until the server stops and no client is left."""
        self._wake_on_signals()
        for listening in self._listener.sockets:
            listening.setblocking(False)
            self._others[listening.fileno()] = partial(self._accept, listening)
        self._resume_accepting()
        self._drain_when_stopping()  # the signal may have come before there was a loop to tell
        while self._listener.sockets or self._channels:
            ready = self._poller.wait(self._seconds_to_wait())
            self.now = monotonic()
            for descriptor, _ in ready:
                if channel := self._channels.get(descriptor):
                    channel.ready()
                elif other := self._others.get(descriptor):
                    other()
            self._keep_time()

    # What channels ask for.

    def watch_for(self, channel: Channel, events: int) -> None:
        """Tell the channel when one of `events` comes."""
        self._poller.change(channel.connection.fileno(), events)

    def wake(self, sleeper: Sleeper, when: float) -> None:
        """Wake the sleeper, mostly a channel, at that time."""
        heappush(self._sleepers, (when, next(self._number), sleeper))

    def call_when_readable(self, descriptor: int, call: Callable[[], None]) -> None:
        """Call this whenever a descriptor that is no client's is readable."""
        self._poller.watch(descriptor, READ)
        self._others[descriptor] = call

    def forget(self, descriptor: int) -> None:
        """Undo `call_when_readable`, before the descriptor is closed."""
        self._poller.forget(descriptor)
        del self._others[descriptor]

    def expect(self, deadline: float) -> None:
        """Look at the deadlines by then."""
        self._look_at = min(self._look_at, deadline)

    def closed(self, channel: Channel, descriptor: int) -> None:
        """Forget the channel, whose place another client may take."""
        if self._channels.pop(descriptor, None) is channel:
            with suppress(OSError):  # TLS closes a connection that it cannot be spoken on, which epoll has noticed
                self._poller.forget(descriptor)
            if not self._accepting and self._accept_again_at == inf:
                self._resume_accepting()

    # Accepting.

    def _accept(self, listening: socket) -> None:
        """Accept as long as somebody waits and there is room; once the server stops, an empty queue is the end."""
        while len(self._channels) < self._service.most_connections:
            try:
                connection = self._listener.accept_now(listening)
            except OSError as error:
                self._listener.scarcity.suffer(error)
                self._accept_again_at = self.now + PAUSE
                break
            if not connection:
                if self._service.lifecycle.stopping:
                    self._stop_listening(listening)
                return
            self._welcome(connection)
            if self._listener.shared and not self._service.lifecycle.stopping:
                return  # one at a time: others, who may have less to do, are told of the next one too
        self._pause_accepting()

    def _welcome(self, connection: socket) -> None:
        connection.setblocking(False)
        channel = Channel(connection, self._service, self)
        self._channels[connection.fileno()] = channel
        self._poller.watch(connection.fileno(), READ)
        channel.start()

    def _pause_accepting(self) -> None:
        if self._accepting:
            self._accepting = False
            for listening in self._listener.sockets:
                self._poller.forget(listening.fileno())

    def _resume_accepting(self) -> None:
        self._accepting = True
        self._accept_again_at = inf
        for listening in self._listener.sockets:
            self._poller.watch(listening.fileno(), READ)
        if self._service.lifecycle.stopping:
            self._accept_the_rest()

    def _accept_the_rest(self) -> None:
        """Accept who is left in the queues, if anybody is: an empty queue would never become ready."""
        for listening in list(self._listener.sockets):
            self._accept(listening)

    def _stop_listening(self, listening: socket) -> None:
        if self._accepting:
            self._poller.forget(listening.fileno())
        del self._others[listening.fileno()]
        self._listener.sockets.remove(listening)
        listening.close()

    # Time and signals.

    def _seconds_to_wait(self) -> float:
        next_wake = self._sleepers[0][0] if self._sleepers else inf
        when = min(next_wake, self._look_at, self._accept_again_at)
        return max(0.0, min(when - monotonic(), LONGEST_WAIT))

    def _keep_time(self) -> None:
        while self._sleepers and self._sleepers[0][0] <= self.now:
            heappop(self._sleepers)[2].wake_up()
        if self._look_at <= self.now:
            self._look_at_deadlines()
        if self._accept_again_at <= self.now:
            self._resume_accepting()

    def _look_at_deadlines(self) -> None:
        """End who is late. A look at every client, but only when the first of them may be late, not for every event."""
        self._look_at = inf
        for channel in list(self._channels.values()):
            channel.expire(self.now)
        for channel in self._channels.values():
            self.expect(max(channel.since + channel.patience, self.now + 0.01))

    def _wake_on_signals(self) -> None:
        self._service.leave_drain_to_loop()
        self.call_when_readable(self.bell.fileno(), self._on_signal)

    def _on_signal(self) -> None:
        self.when_signalled(self.bell.read())
        self._drain_when_stopping()

    def _drain_when_stopping(self) -> None:
        if self._service.lifecycle.stopping:
            self._service.drain()
            self._accept_the_rest()  # after that: who comes from the queue now has some time for a request
        elif self._service.lifecycle.retiring:
            for listening in list(self._listener.sockets):
                self._stop_listening(listening)
