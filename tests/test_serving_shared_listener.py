"""A listener that processes share: who may end its waiting when the server stops."""

from __future__ import annotations

import os
import signal
import socket

import pytest

from servers.runtime.lifecycle import Lifecycle
from servers.runtime.opening import open_listener
from servers.runtime.settings import Settings


@pytest.mark.parametrize(
    ("parent", "passed", "waits"), [(True, False, False), (False, False, True), (True, True, True)]
)
def test_a_shared_listener_no_longer_waits_once_its_parent_stops(*, parent: bool, passed: bool, waits: bool) -> None:
    """The parent passes the word on to all workers; one that alone is stopped leaves the others to wait.

    So does the parent where the listener was passed to it: whoever did that may have it still.
    """
    lifecycle = Lifecycle(1.0)
    settings = Settings()
    opened = socket.create_server(("127.0.0.1", 0)) if passed else None
    if opened:
        settings.fd = opened.detach()
    listener = open_listener(settings, lifecycle)
    try:
        listener.shared = True
        if not parent:
            listener._opened_by = os.getppid()
        listener.stop_waiting()
        assert os.get_blocking(listener.sockets[0].fileno()) is waits
    finally:
        listener.close()


def test_a_worker_that_has_not_heard_the_word_stops_when_the_waiting_has_ended() -> None:
    """A signal that comes just after the fork is lost; it would ask in vain until it is told again."""
    lifecycle = Lifecycle(1.0)
    before = {number: signal.getsignal(number) for number in lifecycle.signals()}
    lifecycle.install()
    listener = open_listener(Settings(), lifecycle)
    try:
        listener.shared = True
        os.set_blocking(listener.sockets[0].fileno(), False)  # as the parent does it: all have the same file
        assert listener.accept() is None
        assert lifecycle.reason == "SIGTERM"
    finally:
        listener.close()
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
