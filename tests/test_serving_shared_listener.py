"""A listener that processes share: who may end its waiting when the server stops."""

from __future__ import annotations

import os

import pytest

from servers.runtime.lifecycle import Lifecycle
from servers.runtime.opening import open_listener
from servers.runtime.settings import Settings


@pytest.mark.parametrize(("parent", "waits"), [(True, False), (False, True)])
def test_a_shared_listener_no_longer_waits_once_its_parent_stops(*, parent: bool, waits: bool) -> None:
    """The parent passes the word on to all workers; one that alone is stopped leaves the others to wait."""
    lifecycle = Lifecycle(1.0)
    listener = open_listener(Settings(), lifecycle)
    try:
        listener.shared = True
        if not parent:
            listener._opened_by = os.getppid()
        listener.stop_waiting()
        assert os.get_blocking(listener.sockets[0].fileno()) is waits
    finally:
        listener.close()
