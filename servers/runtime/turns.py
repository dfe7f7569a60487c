"""Accepting in turn: a lock that a worker holds while it waits for a client, so that only one is woken for each."""

from __future__ import annotations

from servers.runtime.blocking import converse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.runtime.listener import Listener
    from servers.runtime.service import Service


def serve_in_turn(
    acquire: Callable[[], object], release: Callable[[], None], listener: Listener, service: Service
) -> None:
    """Serve clients one after another; accept each of them while holding the lock.

    A worker that is to go does not wait for its turn: the lock is there to spare the others, not to protect anything.
    """
    while True:
        service.lifecycle.break_off(acquire)
        try:
            connection = listener.accept()
        finally:
            release()
        if not connection:
            return
        converse(connection, service)
