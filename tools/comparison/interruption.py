"""Signals that end a comparison: heard at any time, and acted on only where that leaves nothing behind."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the last: its terminal was closed


class Interruption:
    """Signals to end, heard at any time, and acted on only where that leaves nothing behind.

    `signal` is the first signal heard, 0 before. Starting and stopping a server must run to their ends, which
    are near; the load between them is broken off at once.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._may_raise = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear the signals in this block, and leave them as they were."""
        before = {number: signal.signal(number, self._heard) for number in HEARD}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Break this block off with KeyboardInterrupt when a signal comes, or has come."""
        self._may_raise = True
        try:
            if self.signal:
                raise KeyboardInterrupt
            yield
        finally:
            self._may_raise = False

    def _heard(self, number: int, _: FrameType | None) -> None:
        self.signal = self.signal or number
        if self._may_raise:
            self._may_raise = False  # once: cleaning up is not to be broken off
            raise KeyboardInterrupt
