r"""Event MPM: threads for the clients that have said something, a poller for those that are silent.

    main thread, poller                                 /-- thread: answer one request --\
      listener  --accept--> client --> [queue] -->     <--- thread: answer one request ---> rest
      resting clients --something came--> [queue] -->   \-- thread: ...                  --/
         ^                                                                               |
         +------------------------- back into the poller --------------------------------+

A keep-alive client is silent most of its time, and in a pool it holds a thread all the same: 25 of them, and nobody
else is served. Here it holds a descriptor and less than a KiB (a client of `threaded`: 25 KiB), and a thread is its own
for one exchange alone. So a few threads serve thousands of clients, of whom only some are active at a time.

It costs two switches between threads for a request that comes alone, from the poller to the pool and back. Where many
come, nobody falls asleep between them: fifty active clients took 0.1 switches a request (`prethreaded` 1.0), and no
more CPU. What waits inside a request holds its thread still: a sleep, a computation, a slow client. It is the wrong
choice where requests wait long for others (`coroutines`).

Used by: Apache's event MPM, gunicorn's gthread with keep-alive, Tomcat's NIO connector.
Source: Apache HTTP Server, mpm_event; Welsh et al., "SEDA", for the thought of it.
"""

from __future__ import annotations

from _queue import SimpleQueue
from _thread import allocate_lock
from math import inf
from select import EPOLLIN, EPOLLONESHOT, epoll
from time import monotonic

from servers.runtime.bell import Bell
from servers.runtime.limits import LONGEST_WAIT
from servers.runtime.resting import RestingConversation
from servers.runtime.scarcity import PAUSE
from servers.runtime.threads import Threads, wanted_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket

    from servers.runtime.listener import Listener
    from servers.runtime.service import Service

    Queue = SimpleQueue[RestingConversation | None]  # None tells a thread to end

SHORTEST_LOOK = 0.01  # seconds between two looks at the deadlines, each of which is a look at every client that rests


def serve(listener: Listener, service: Service) -> None:
    """Serve each request in one of the threads until the server stops and the last conversation has ended."""
    rest = Rest(service)
    with Threads(rest.work, [service] * wanted_threads(service)) as threads:
        Reception(listener, service, rest).run()
        rest.end(len(threads))


class Rest:
    """The clients that rest, those that wait for a thread, and the way from the one to the other and back.

    Attributes:
        bell: rings for signals, and for what the main thread must look at.
        poller: where clients rest; the main thread waits in it, for whatever else it watches too.
        ring_for_room: ring when a client has left.
    """

    def __init__(self, service: Service) -> None:
        self.bell = Bell()
        self.poller = epoll()
        self.poller.register(self.bell, EPOLLIN)
        self.ring_for_room = False
        self._queue: Queue = SimpleQueue()
        self._lifecycle = service.lifecycle
        self._resting: dict[int, RestingConversation] = {}  # only the main thread takes anybody out of it
        self._look_at = inf  # when the deadlines must be looked at
        self._look_at_lock = allocate_lock()

    def work(self, _service: Service) -> None:
        """Be one of the threads: take one step with each client that comes."""
        while conversation := self._queue.get():
            if conversation.exchange():
                self._put(conversation)
            elif self.ring_for_room or self._lifecycle.stopping or self._lifecycle.retiring:
                self.bell.ring()

    def end(self, threads: int) -> None:
        """Tell so many threads that there will be no more clients."""
        for _ in range(threads):
            self._queue.put(None)

    def welcome(self, conversation: RestingConversation) -> None:
        """Have a thread begin a conversation."""
        self._queue.put(conversation)

    def wake(self, descriptor: int) -> bool:
        """Have a thread go on with the client that rests at this descriptor; false where none does."""
        if conversation := self._resting.pop(descriptor, None):
            self._queue.put(conversation)
        return bool(conversation)

    def seconds_to_wait(self) -> float:
        """Return how long until the deadlines must be looked at."""
        return self._look_at - monotonic()

    def look_at_deadlines(self) -> None:
        """End who is late. A look at everybody, but only when the first of them may be late, not for every event."""
        now = monotonic()
        if now < self._look_at:
            return
        self._look_at = soonest = inf
        for conversation in list(self._resting.values()):
            if conversation.until <= now:
                conversation.expire()
            soonest = min(soonest, conversation.until)
        self._expect(max(soonest, now + SHORTEST_LOOK))

    def _put(self, conversation: RestingConversation) -> None:
        """Put a client to rest: what has come in the meantime wakes it at once."""
        descriptor = conversation.descriptor
        events, until = conversation.awaits | EPOLLONESHOT, conversation.until
        tell = self.poller.modify if conversation.watched else self.poller.register
        conversation.watched = True
        self._resting[descriptor] = conversation
        tell(descriptor, events)  # from here on it may be another thread's
        if until < self._look_at:
            self._expect(until)
            self.bell.ring()

    def _expect(self, deadline: float) -> None:
        with self._look_at_lock:
            self._look_at = min(self._look_at, deadline)


class Reception:
    """The main thread: it lets clients in, as long as there is room, and waits for everything that may happen."""

    def __init__(self, listener: Listener, service: Service, rest: Rest) -> None:
        self._listener = listener
        self._service = service
        self._lifecycle = service.lifecycle
        self._rest = rest
        self._open = False  # do we watch for clients?
        self._open_again_at = -inf  # after a pause for want of descriptors
        for listening in listener.sockets:
            listening.setblocking(False)
            rest.poller.register(listening, 0)

    def run(self) -> None:
        """Run until the server stops and no client is left."""
        rest = self._rest
        self._close_if_it_is_time()  # the signal may have come before there was a bell
        while self._listener.sockets or self._service.conversations:
            self._watch_for_clients()
            for descriptor, _ in rest.poller.poll(self._seconds_to_wait()):
                if not rest.wake(descriptor):
                    self._hear(descriptor)
            rest.look_at_deadlines()
            self._close_if_it_is_time()

    def _hear(self, descriptor: int) -> None:
        if descriptor == self._rest.bell.fileno():
            self._rest.bell.read()
            return
        for listening in self._listener.sockets:
            if listening.fileno() == descriptor:
                self._accept(listening)

    def _seconds_to_wait(self) -> float:
        seconds = min(LONGEST_WAIT, self._rest.seconds_to_wait())
        if self._open_again_at > -inf:
            seconds = min(seconds, self._open_again_at - monotonic())
        return max(0.0, seconds)

    def _watch_for_clients(self) -> None:
        """Watch the listener if there is room, and only then."""
        self._rest.ring_for_room = True  # before the look: who leaves after it rings
        watch = self._has_room()
        self._rest.ring_for_room = not watch
        if watch != self._open:
            self._open = watch
            for listening in self._listener.sockets:
                self._rest.poller.modify(listening, EPOLLIN if watch else 0)

    def _has_room(self) -> bool:
        if self._open_again_at > -inf:
            if monotonic() < self._open_again_at:
                return False
            self._open_again_at = -inf
        return len(self._service.conversations) < self._service.most_connections

    def _accept(self, listening: socket) -> bool:
        """Accept as long as somebody waits and there is room; true where nobody waits any more."""
        while self._has_room():
            try:
                connection = self._listener.accept_now(listening)
            except OSError as error:
                self._listener.scarcity.suffer(error)
                self._open_again_at = monotonic() + PAUSE
                return False
            if not connection:
                return True
            self._rest.welcome(RestingConversation(connection, self._service))
            if self._listener.shared and not self._lifecycle.stopping:
                return False  # one at a time: others, who may have less to do, are told of the next one too
        return False

    def _close_if_it_is_time(self) -> None:
        """Once the server stops, accept who was promised service; an empty queue is the end of its listener."""
        if not (self._lifecycle.stopping or self._lifecycle.retiring):
            return
        for listening in list(self._listener.sockets):
            if self._lifecycle.retiring or self._accept(listening):
                self._rest.poller.unregister(listening)
                self._listener.sockets.remove(listening)
                listening.close()
