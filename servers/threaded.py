"""Threaded: a thread per connection (MT); all share one memory, and in CPython one interpreter lock.

    listener --accept--> thread: converse
             --accept--> thread: converse      at most max_connections; past them nothing is accepted
             --accept--> ...

Costs a thread's start for each connection, 20 to 30 KiB of memory while it idles (and 8 MiB of address space), and
the kernel's scheduling of them all. Under the GIL they take turns at Python code: threads help those who wait, not
those who compute. It is the wrong choice for many thousands of idle clients, and for work that is all bytecode.

Used by: `socketserver.ThreadingMixIn`, MySQL, most Java servers before Loom.
Source: UNP vol. 1, section 30.11 (row 6 of Figure 30.1); TLPI section 60.3.
"""

from __future__ import annotations

from _thread import start_new_thread

from servers.runtime.blocking import converse
from servers.runtime.scarcity import Scarcity
from servers.runtime.slots import Slots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket

    from servers.runtime.listener import Listener
    from servers.runtime.service import Service


def serve(listener: Listener, service: Service) -> None:
    """Serve each client in a thread of its own until the server stops and the last of them has ended."""
    slots = Slots(service.settings.max_connections)
    scarcity = Scarcity("start a thread")
    while slots.take() and (connection := listener.accept()):
        # threading.Thread.start would wait until the thread runs, here on the accept path.
        scarcity.insist(lambda: start_new_thread(converse_in_slot, (connection, service, slots)))  # noqa: B023
    slots.give()
    slots.wait_until_all_are_free()


def converse_in_slot(connection: socket, service: Service, slots: Slots) -> None:
    """Serve one client, then let another one in."""
    try:
        converse(connection, service)
    finally:
        slots.give()
