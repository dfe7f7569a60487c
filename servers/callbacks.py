r"""Callbacks: asyncio's transports and protocols; the loop calls us for whatever happens, and nothing reads as a line.

    loop --> transport --connection_made--> greet
                       --data_received----> do what the session answers, write it
                       --eof_received-----> what is still owed, then the end: it is but half a close
                       --pause_writing----> the kernel takes no more: keep the effects that remain, and read nothing
                       --resume_writing---> it does again: go on with them
                       --connection_lost--> the client has vanished

The selector server with somebody else's loop: asyncio watches the sockets, reads, writes, and keeps what the kernel
does not take. So there is less to write and more to run for each event than in a loop of one's own (1.9 us in place of
1.2 for an echoed line, the kernel's 5 left aside), and less than with coroutines (4.1): no task per client, no future
to wait for. What is left of a conversation while it waits must be kept by hand (`_effects`), as in every state machine.

A write never waits and never fails: it is the limit of its buffer that makes the transport speak of back-pressure, and
a protocol that does not listen will buffer for ever. With a limit of zero bytes it keeps the rest of one effect.

It is the wrong choice where a conversation has many steps, which callbacks tear apart (write it with coroutines), and
where one answer takes long to compute or a library blocks: one client's work is every client's wait.

Used by: uvicorn's and hypercorn's protocols, aiohttp's server; in its style Twisted, from which asyncio has it.
Source: PEP 3156; Schmidt's "Proactor": one is told what has been read, not what could be.
"""

from __future__ import annotations

import asyncio
from itertools import chain
from math import inf
from time import monotonic

from servers.protocols.effects import Close, Compute, Sleep
from servers.runtime.asyncio_conversation import Conversation
from servers.runtime.asyncio_reception import Reception
from servers.runtime.compute import burn
from servers.runtime.stepwise import CLOSED, LINGERING, READING, SLEEPING, WRITING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from socket import socket

    from servers.protocols.effects import Effect, Effects
    from servers.runtime.listener import Listener
    from servers.runtime.service import Service

DEAF = frozenset((WRITING, SLEEPING))


def serve(listener: Listener, service: Service) -> None:
    """Serve all clients in one loop until the server stops and the last conversation has ended."""
    Reception(asyncio.new_event_loop(), listener, service, Channel).run()


class Channel(Conversation, asyncio.Protocol):
    """One client's conversation, a callback at a time."""

    __slots__ = ("_effects", "_full")

    def __init__(self, connection: socket, service: Service, reception: Reception) -> None:
        super().__init__(connection, service, reception)
        self._effects: Iterator[Effect] = iter(())  # what remains after an effect that had to wait
        self._full = False  # the kernel takes no more for now

    def plain_protocol(self) -> asyncio.Protocol:
        """Return the protocol, which is the conversation itself."""
        return self

    # What the transport tells.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # streams have no other
        """Greet the client."""
        self.begin(transport)
        self._attempt(self._session.started())

    def data_received(self, data: bytes) -> None:
        """Answer what has come."""
        if self._state != READING:
            return  # we have hung up: what comes is only taken off the wire
        # This runs once a request, so what most answers are, one piece of bytes, goes the shortest way.
        session = self._session
        self.bytes_in += len(data)
        self.since = monotonic()
        try:
            effects = session.received(data)
            if type(effects) is tuple and len(effects) == 1 and type(effects[0]) is bytes:
                self._transport.write(effects[0])
                self.bytes_out += len(effects[0])
                if self._full:
                    self._keep(iter(()))
                    return
            else:
                self._perform(iter(effects))
            if session.pending or self._begun:
                self._watch_deadline()
        except OSError:
            self._lose(owed=True)
        except Exception:
            self._fail()

    def eof_received(self) -> bool:
        """Answer what is still owed, then close. True where the connection is still needed for that."""
        if self._state == LINGERING:
            self.close(self.error)
        elif self._state == READING:
            self._client_ended = True
            self._attempt(self._session.ended())
        return self._state != CLOSED

    def pause_writing(self) -> None:
        """Note that the client does not take its answer: whoever has just written looks."""
        self._full = True

    def resume_writing(self) -> None:
        """Go on with what remains; not within this call, which the transport makes in the middle of its own affairs."""
        self._full = False
        self._reception.loop.call_soon(self._go_on, WRITING)

    def connection_lost(self, _error: Exception | None) -> None:
        """End the conversation, if it was not we who ended it."""
        self._lose(owed=self._state in DEAF)

    # What we do.

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
                    self._write(effect)
                    if self._state == CLOSED:
                        return
                    if self._full:
                        self._keep(effects)
                        return
                case Sleep(seconds):
                    self._sleep(seconds, effects)
                    return
                case Compute(seconds):
                    if computed:  # the next computation of this client comes after those of the others
                        self._sleep(0.0, chain((effect,), effects))
                        return
                    computed = True
                    burn(seconds, self._service.lifecycle)
                    if self._service.lifecycle.ending:
                        return  # the loop, too, is about to end
                case Close(error):
                    self._hang_up(error)
                    return
        if self._client_ended:
            self.close("")
        elif self._state != READING:
            self._enter(READING, self._service.settings.idle_timeout)
            self._watch_deadline()

    def _write(self, data: bytes) -> None:
        """Have the transport send it. A transport finds out only by sending that there is nobody any more."""
        if not self._transport.is_closing():
            self._transport.write(data)
        if self._transport.is_closing():
            self._lose(owed=True)
        else:
            self.bytes_out += len(data)

    def _keep(self, effects: Iterator[Effect]) -> None:
        """Keep what remains until the client has taken what the transport keeps."""
        self._effects = effects
        self._wait_for_room()

    def _sleep(self, seconds: float, effects: Iterator[Effect]) -> None:
        """Go on with `effects` after so many seconds."""
        self._effects = effects
        self._enter(SLEEPING, inf)
        self._reception.loop.call_later(seconds, self._go_on, SLEEPING)

    def _go_on(self, waited_in: int) -> None:
        """Go on with the effects that remain, if the conversation is still where it waited."""
        if self._state == waited_in:
            self._attempt(self._effects)

    def _enter(self, state: int, patience: float) -> None:
        """Enter a state; while answers are owed, what the client sends is left in the kernel (back-pressure)."""
        deaf = state in DEAF
        if deaf != (self._state in DEAF) and not self._client_ended:
            (self._transport.pause_reading if deaf else self._transport.resume_reading)()
        super()._enter(state, patience)
