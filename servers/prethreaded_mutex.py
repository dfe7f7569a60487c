r"""Prethreaded with a mutex: as `prethreaded`, but one thread at a time waits in accept, the others for their turn.

                        /-- thread: [lock --> accept --> unlock] --> converse --> [lock ...
    listener --> mutex <--- thread: [lock ...
                        \-- thread: [lock ...

In Stevens' time many threads could not safely wait in accept on one socket, or were all woken by one client; his server
has this mutex for that. Linux wakes one thread for each client and needs none: measured here, the mutex makes no
difference to CPU that can be reproduced, though each connection took one more switch between threads (3.2 to 3.9, and
2.2 to 2.5 without it). It is the wrong choice wherever `prethreaded` works, and for the same clients as that: those
that stay connected.

Used by: Stevens' own server; uWSGI's threads (its thunder_mutex).
Source: UNP vol. 1, section 30.11 (row 7 of Figure 30.1).
"""

from __future__ import annotations

from _thread import allocate_lock
from functools import partial

from servers.runtime.blocking import converse
from servers.runtime.threads import serve_in_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType

    from servers.runtime.listener import Listener
    from servers.runtime.service import Service


def serve(listener: Listener, service: Service) -> None:
    """Serve in each thread, which accepts while it holds the mutex, until the server stops."""
    serve_in_threads(partial(serve_in_turn, allocate_lock()), listener, service)


def serve_in_turn(mutex: LockType, listener: Listener, service: Service) -> None:
    """Serve clients one after another; accept each of them while holding the mutex."""
    while True:
        with mutex:
            connection = listener.accept()
        if not connection:
            return
        converse(connection, service)
