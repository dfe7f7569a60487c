r"""Coroutines: asyncio's streams; a task per client on one loop, and the conversation reads from top to bottom.

    loop --> task: read --> answer: write, drain, sleep --> read ...     at each await another task goes on
         --> task: read --> ...
         --> task: ...

What a client is at is kept where a thread keeps it, in a stack of calls, but a small one (an idle client takes 6.5 KiB
in all, one of `threaded` 20 to 30) that gives way to others at an ``await`` and nowhere else: no lock is needed between
two of them. Between reader and socket lies a buffer of asyncio's, filled ahead of us up to its limit; and
``writer.write`` never waits, so that it is ``await writer.drain()`` that keeps memory bounded. Costs twice what
callbacks cost for each request, beside what the kernel takes for it: the buffer, a future to wait for, and a task that
is woken one turn of the loop later.

It is the wrong choice where one answer takes long to compute or calls what blocks: that holds up every other task, and
nothing in the code shows it. And where a loop does little but copy bytes, hardly any other costs more.

Used by: aiohttp's handlers, Starlette, asyncpg, the `websockets` library; the usual way to write asyncio since 3.5.
Source: PEP 492; CPython's `asyncio/streams.py`.
"""

from __future__ import annotations

import asyncio
from functools import partial
from math import inf
from time import monotonic

from servers.protocols.effects import Close, Compute, Sleep
from servers.runtime.asyncio_conversation import Conversation
from servers.runtime.asyncio_loop import run
from servers.runtime.asyncio_reception import Reception
from servers.runtime.compute import burn
from servers.runtime.datagrams import Datagram
from servers.runtime.stepwise import CLOSED, LINGERING, READING, SLEEPING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket
    from typing import Any

    from servers.protocols.effects import Effects
    from servers.runtime.datagrams import Receiver
    from servers.runtime.listener import Listener
    from servers.runtime.service import Service


def serve(listener: Listener, service: Service) -> None:
    """Serve each client in a task of its own until the server stops and the last of them has ended."""
    Reception(asyncio.new_event_loop(), listener, service, Dialogue).run()


class Dialogue(Conversation):
    """One client's conversation, as a coroutine."""

    __slots__ = ("_writer",)

    def plain_protocol(self) -> asyncio.Protocol:
        """Return asyncio's own protocol of streams, which starts `converse` once the client is there."""
        loop = self._reception.loop
        reader = asyncio.StreamReader(self._service.settings.receive_size, loop)
        return asyncio.StreamReaderProtocol(reader, self.converse, loop)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the client, from greeting to goodbye."""
        self._writer = writer
        self.begin(writer.transport)  # type: ignore[arg-type]  # it reads too, which its type does not promise
        try:
            if not await self._hold(reader):
                await self._linger(reader)
        except OSError:
            self._lose(owed=self._state != READING)
        except asyncio.CancelledError:
            pass  # the server ends at once; asyncio's streams would log a traceback of a task that ends as cancelled
        except Exception:
            self._fail()
        finally:
            self.close(self.error)

    async def _hold(self, reader: asyncio.StreamReader) -> bool:
        """Greet, read and answer until the client says no more; False where it is the server that hangs up."""
        session, size_bytes = self._session, self._service.settings.receive_size
        going_on = await self._answer(session.started())
        while going_on and (data := await reader.read(size_bytes)):
            if self._state == CLOSED:  # its deadline came in the same round of the loop as these bytes
                break
            self.bytes_in += len(data)
            self.since = monotonic()
            going_on = await self._answer(session.received(data))
            if session.pending or self._begun:
                self._watch_deadline()
        if going_on and self._state != CLOSED:
            self._client_ended = True
            going_on = await self._answer(session.ended())
        return going_on

    async def _answer(self, effects: Effects) -> bool:
        """Carry out `effects` in order; False once the server has hung up."""
        computed = False
        for effect in effects:
            match effect:
                case bytes():
                    self._writer.write(effect)
                    self.bytes_out += len(effect)
                    # Nearly always all has been sent by now, and a drain that need not wait costs a coroutine.
                    if self._transport.get_write_buffer_size() or self._transport.is_closing():
                        await self._drain_writer()
                case Sleep(seconds):
                    await self._sleep(seconds)
                case Compute(seconds):
                    if computed:
                        await self._sleep(0.0)  # the next computation of this client comes after those of the others
                    computed = True
                    burn(seconds, self._service.lifecycle)
                    if self._service.lifecycle.ending:
                        await self._sleep(inf)  # the loop is about to end, and with it this task
                case Close(error):
                    self._hang_up(error)
                    return False
        if self._state != READING:
            self._enter(READING, self._service.settings.idle_timeout)
            self._watch_deadline()
        return True

    async def _drain_writer(self) -> None:
        """Wait until the client takes its answer. Raise OSError where there is none any more, or its time is up."""
        self._wait_for_room()
        await self._writer.drain()
        if self._state == CLOSED:
            raise ConnectionAbortedError

    async def _sleep(self, seconds: float) -> None:
        self._enter(SLEEPING, inf)
        await asyncio.sleep(seconds)

    async def _linger(self, reader: asyncio.StreamReader) -> None:
        """Take what the client still sends off the wire, for a while: closing with unread input would be a reset."""
        while self._state == LINGERING and await reader.read(65536):
            pass


def serve_datagrams(receiver: Receiver, service: Service) -> None:
    """Answer datagrams as the loop tells of them, until the server stops."""
    loop, told = asyncio.new_event_loop(), asyncio.Event()
    lifecycle = service.lifecycle

    def look() -> None:
        if lifecycle.stopping or lifecycle.retiring:
            told.set()

    run(loop, loop.create_task(answer_until(told, receiver, service)), lifecycle, look)


async def answer_until(told: asyncio.Event, receiver: Receiver, service: Service) -> None:
    """Have datagrams answered until we are told to stop, and then those that wait already."""
    loop, transports = asyncio.get_running_loop(), []
    for each in receiver.sockets:
        each.setblocking(False)
        transport, _ = await loop.create_datagram_endpoint(partial(Answering, each, service), sock=each)
        transports.append(transport)
    await told.wait()
    while service.lifecycle.stopping and not receiver.finished:  # noqa: ASYNC110  no event tells of an empty buffer
        await asyncio.sleep(0)
    for transport in transports:
        transport.abort()


class Answering(asyncio.DatagramProtocol):
    """Answers each datagram from the socket it came to.

    The transport's own `sendto` would queue without bound what the kernel does not take; a datagram may be lost.
    """

    def __init__(self, receiver: socket, service: Service) -> None:
        self._receiver = receiver
        self._service = service

    def datagram_received(self, data: bytes, sender: Any) -> None:
        """Answer it."""
        Datagram(self._receiver, data, sender).answer(self._service)
