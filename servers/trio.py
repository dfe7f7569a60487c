"""Structured concurrency: trio's tasks live in a nursery, which does not end before all that was started in it has.

    nursery of the attendants: one hears signals, one looks at the deadlines
      nursery of the clients:  a task accepts, and starts a task for each client
      ends when nobody accepts any more and the last client has left: that is the drain
    cancelled then, with whatever is left in it: that is the end of the grace period, too

In asyncio a task is started into the blue, and whoever forgets it loses its errors. Here a task has a parent, which
waits for it, gets its error and can cancel it with all its siblings, so that draining and ending, which other models
must write out, are the end of a block and the cancelling of a scope.

It costs twice the CPU of the selector where connections last, and half as much again where each is for one request, for
every wait goes through a scheduler written in Python, which can cancel any of them, and through an epoll_ctl of its
own; 14 MiB of modules; and 5 KiB for an idle client. It is the wrong choice where the processor is what you lack; the
right one where many things go on for one client, some of which may fail.

Used by: Hypercorn's trio worker, and what is written for anyio and run on trio. (extra: trio)
Source: Smith, "Notes on structured concurrency, or: Go statement considered harmful" (2018).
"""

from __future__ import annotations

from contextlib import suppress

import trio

from servers.runtime.tasks import Door

TYPE_CHECKING = False
if TYPE_CHECKING:
    from servers.runtime.listener import Listener
    from servers.runtime.service import Service


def serve(listener: Listener, service: Service) -> None:
    """Serve each client in a task of its own until the server stops and the last of them has ended."""
    service.lifecycle.hold()  # trio must not be broken off half-way through something of its own
    trio.run(serve_in_nurseries, listener, service)
    service.lifecycle.release()


async def serve_in_nurseries(listener: Listener, service: Service) -> None:
    """Serve until the nursery of the clients is empty, or all are cancelled."""
    async with trio.open_nursery() as attendants:
        async with trio.open_nursery() as clients:
            door = Door(listener, service, Tasks(clients, attendants))
            attendants.start_soon(cancel_at_the_end, door, attendants.cancel_scope)
            door.open()
        attendants.cancel_scope.cancel()


async def cancel_at_the_end(door: Door, everything: trio.CancelScope) -> None:
    """Hear signals, and cancel everything when the server is to end at once."""
    await door.hear_signals()
    everything.cancel()


class Tasks:
    """What a server of tasks asks of its scheduler, as trio has it."""

    def __init__(self, clients: trio.Nursery, attendants: trio.Nursery) -> None:
        self.start_soon = clients.start_soon
        self.start_beside = attendants.start_soon
        self.sleep = trio.sleep
        self.let_go = trio.lowlevel.notify_closing

    async def wait_readable(self, descriptor: int) -> None:
        """Wait until there is something to read, or it is let go."""
        with suppress(trio.ClosedResourceError):
            await trio.lowlevel.wait_readable(descriptor)

    async def wait_writable(self, descriptor: int) -> None:
        """Wait until something can be written, or it is let go."""
        with suppress(trio.ClosedResourceError):
            await trio.lowlevel.wait_writable(descriptor)
