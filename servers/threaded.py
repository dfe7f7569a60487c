"""Threaded: a thread per connection (MT); all share one memory, and in CPython one interpreter lock.

    listener --accept--> thread: converse
             --accept--> thread: converse      at most max_connections; past them nothing is accepted
             --accept--> ...

Costs a thread's start for each connection, 20 to 30 KiB of memory while it idles (and 512 KiB of address space; 8 MiB
by the system's default), and the kernel's scheduling of them all. Under the GIL they take turns at Python code: threads
help those who wait, not those who compute. It is the wrong choice for many thousands of idle clients, and for work that
is all bytecode.

Used by: `socketserver.ThreadingMixIn`, MySQL, most Java servers before Loom.
Source: UNP vol. 1, section 30.10 (row 6 of Figure 30.1); TLPI section 60.3.
"""

from __future__ import annotations

from _thread import stack_size, start_new_thread
from errno import EAGAIN
from functools import partial

from servers.runtime.blocking import converse
from servers.runtime.scarcity import Scarcity
from servers.runtime.slots import Slots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.runtime.datagrams import Receiver
    from servers.runtime.listener import Listener
    from servers.runtime.service import Service


def serve(listener: Listener, service: Service) -> None:
    """Serve each client in a thread of its own until the server stops and the last of them has ended."""
    stack_size(service.settings.thread_stack)
    slots = Slots(service.most_connections)
    scarcity = Scarcity("start a thread")
    while slots.take() and (connection := listener.accept()):
        scarcity.insist(partial(start, partial(converse, connection, service), slots))
    slots.give()
    slots.wait_until_all_are_free()


def serve_datagrams(receiver: Receiver, service: Service) -> None:
    """Answer each datagram in a thread of its own until the server stops and the last of them has ended."""
    stack_size(service.settings.thread_stack)
    slots = Slots(service.most_connections)
    scarcity = Scarcity("start a thread")
    while slots.take() and (datagram := receiver.receive()):
        scarcity.insist(partial(start, partial(datagram.answer, service), slots))
    slots.give()
    slots.wait_until_all_are_free()


def start(work: Callable[[], None], slots: Slots) -> None:
    """Start the thread of one client. Raise BlockingIOError, as fork would, where the system has no thread left."""
    try:
        # threading.Thread.start would wait until the thread runs, here on the accept path.
        start_new_thread(work_in_slot, (work, slots))
    except RuntimeError as error:
        raise BlockingIOError(EAGAIN, str(error)) from None


def work_in_slot(work: Callable[[], None], slots: Slots) -> None:
    """Serve one client, then let another one in."""
    try:
        work()
    finally:
        slots.give()
