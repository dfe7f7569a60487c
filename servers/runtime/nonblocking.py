"""The non-blocking driver: one client's conversation in steps, none of which ever waits.

A channel reads when its socket is readable and nothing is owed to the client; what cannot be sent at once is kept,
and nothing more is read until it is sent. So what a client can make the server hold is bounded by one read, and a
client that does not take its answers is no longer read (back-pressure) until its deadline ends it.

    (HANDSHAKING --TLS-->)
    READING  --effects-->  all carried out  --> READING
                           a short write    --> WRITING   --sent-->   go on with the effects that remain
                           Sleep            --> SLEEPING  --later-->  go on with the effects that remain
                           Compute          --> the same, where the loop has it done elsewhere
                           Close            --> LINGERING --EOF or time is up--> CLOSED
"""

from __future__ import annotations

from itertools import chain
from math import inf
from socket import SHUT_WR
from time import monotonic

from servers.protocols.effects import Close, Compute, Sleep
from servers.runtime.pollers import NOTHING, READ, WRITE
from servers.runtime.stepwise import CLOSED, HANDSHAKING, LINGERING, READING, SLEEPING, WRITING, Stepwise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from socket import socket
    from ssl import SSLContext
    from typing import Protocol

    from servers.protocols.effects import Effect, Effects
    from servers.runtime.service import Service

    class Loop(Protocol):
        """What a channel asks of its event loop."""

        now: float  # monotonic time at which the present round of events began

        def watch_for(self, channel: Channel, events: int) -> None:
            """Call `ready` when one of `events` comes, and no longer for others."""

        def wake(self, channel: Channel, when: float) -> None:
            """Call `wake_up` at that time."""

        def compute(self, channel: Channel, seconds: float) -> bool:
            """Burn so much CPU time; false where that is done elsewhere, and `wake_up` will be called after it."""

        def expect(self, deadline: float) -> None:
            """Call `expire` soon after `deadline`, if the channel is still late by then."""

        def closed(self, channel: Channel, descriptor: int) -> None:
            """Forget the channel; its descriptor is about to be closed."""


EVENTS = {READING: READ, WRITING: WRITE, SLEEPING: NOTHING, LINGERING: READ, HANDSHAKING: READ}


class Channel(Stepwise):
    """One client's conversation over a non-blocking socket."""

    __slots__ = ("_descriptor", "_effects", "_loop", "_receive_size", "_unsent")

    def __init__(self, connection: socket, service: Service, loop: Loop) -> None:
        super().__init__(connection, service)
        self._descriptor = connection.fileno()  # a connection that TLS has given up no longer knows it
        self._receive_size = service.settings.receive_size
        self._loop = loop
        self._state = READING  # which is what it is watched for from the first
        self._effects: Iterator[Effect] = iter(())  # what remains after an effect that had to wait
        self._unsent: bytes | memoryview = b""  # the rest of a short write

    def start(self) -> None:
        """Begin the conversation: the protocol may greet."""
        if self._service.tls:
            self._secure(self._service.tls)
        else:
            self._greet()

    def _secure(self, context: SSLContext) -> None:
        from servers.runtime.tls import Tls  # noqa: PLC0415  only a server that speaks it pays for it

        self._enter(HANDSHAKING, self._service.settings.handshake_timeout)
        try:
            self.connection = Tls(self.connection, context)  # type: ignore[arg-type]  # a socket until now
        except OSError:
            self.close("handshake")  # the client has gone already
            return
        self._shake_hands()

    def _shake_hands(self) -> None:
        """Go on with the handshake of TLS, as far as it goes without waiting."""
        try:
            awaited = self.connection.shake_hands()  # type: ignore[union-attr]  # a Tls in this state
        except OSError:
            self._give_up("handshake")
            return
        if awaited:
            self._loop.watch_for(self, awaited)
            return
        self._loop.watch_for(self, READ)
        self._state = READING
        self._greet()

    def _greet(self) -> None:
        self._begin_to_read()
        self._attempt(self._session.started())

    def ready(self) -> None:
        """Take the step that the socket is ready for."""
        if self._state != READING:
            self._ready_for_the_rest()
            return
        # From here to `_perform` runs once a request: it is written flat, because each call would cost 50 ns.
        try:
            data = self.connection.recv(self._receive_size)
        except BlockingIOError:
            return  # the readiness was a false alarm
        except OSError:
            self._lose(owed=False)
            return
        session = self._session
        try:
            if data:
                self.bytes_in += len(data)
                self.since = self._loop.now
                self._perform(iter(session.received(data)))
            else:
                self._client_ended = True
                self._perform(iter(session.ended()))
            if session.pending or self._begun:
                self._watch_deadline()
        except OSError:
            self._lose(owed=True)
        except Exception:
            self._fail()

    def wake_up(self) -> None:
        """Go on after a sleep."""
        if self._state == SLEEPING:
            self._attempt(self._effects)

    def close(self, error: str) -> None:
        """End the conversation here and now, and count it with `error` as its kind, empty where all was well."""
        if self._state == CLOSED:
            return
        self._state = CLOSED
        self.error = error
        self._loop.closed(self, self._descriptor)
        self.connection.close()
        self._service.finish(self)

    def _now(self) -> float:
        return self._loop.now

    def _expect(self, deadline: float) -> None:
        self._loop.expect(deadline)

    def _end_sending(self) -> None:
        self.connection.shutdown(SHUT_WR)

    def _attempt(self, effects: Effects) -> None:
        try:
            self._perform(iter(effects))
        except OSError:
            self._lose(owed=True)
        except Exception:
            self._fail()

    def _perform(self, effects: Iterator[Effect]) -> None:
        """Carry out `effects` in order, until one must wait or none is left."""
        computed = False
        for effect in effects:
            match effect:
                case bytes():
                    try:
                        sent = self.connection.send(effect)
                    except BlockingIOError:
                        sent = 0
                    self.bytes_out += sent
                    if sent < len(effect):
                        self._keep(effect, sent, effects)
                        return
                case Sleep(seconds):
                    self._sleep(seconds, effects)
                    return
                case Compute(seconds):
                    if computed:  # the next computation of this client comes after those of the others
                        self._sleep(0.0, chain((effect,), effects))
                        return
                    computed = True
                    if not self._loop.compute(self, seconds):
                        self._effects = effects
                        self._enter(SLEEPING, inf)
                        return
                case Close(error):
                    self._hang_up(error)
                    return
        if self._client_ended:
            self.close("")
        elif self._state != READING:
            self._enter(READING, self._service.settings.idle_timeout)
            self._watch_deadline()

    def _keep(self, data: bytes | memoryview, sent: int, effects: Iterator[Effect]) -> None:
        """Keep what the kernel did not take of `data`, and the effects behind it, until it takes more."""
        self._unsent = memoryview(data)[sent:]
        self._effects = effects
        self._wait_for_room()

    def _sleep(self, seconds: float, effects: Iterator[Effect]) -> None:
        """Go on with `effects` after so many seconds."""
        self._effects = effects
        self._enter(SLEEPING, inf)
        self._loop.wake(self, monotonic() + seconds)

    def _ready_for_the_rest(self) -> None:
        """Take a step in any state but READING."""
        try:
            if self._state == WRITING:
                self._flush()
            elif self._state == HANDSHAKING:
                self._shake_hands()
            elif self._state == LINGERING and self.connection.recv(65536) == b"":
                self.close(self.error)
            elif self._state == SLEEPING:
                self._lose(owed=True)  # nothing was asked for: only a broken connection is told all the same
        except BlockingIOError:
            pass
        except OSError:
            self._lose(owed=self._state != LINGERING)

    def _flush(self) -> None:
        sent = self.connection.send(self._unsent)
        self.bytes_out += sent
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._unsent = b""
            self._attempt(self._effects)

    def _enter(self, state: int, patience: float) -> None:
        if EVENTS[state] != EVENTS[self._state]:
            self._loop.watch_for(self, EVENTS[state])
        super()._enter(state, patience)
