"""What a server does when the system lacks a descriptor, a process or a thread: say so once, pause, try again.

Spinning is the classic fault (socketserver at 90 % CPU, asyncio with thousands of log lines): whoever holds what is
lacking needs the CPU to give it back.
"""

from __future__ import annotations

import errno
import time
from math import inf

from servers.runtime.messages import warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Started = TypeVar("Started")

SCARCE = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN))
PAUSE = 0.1  # seconds, trio's: long enough to cost nothing, short enough that nobody minds
EPISODE_GAP = 1.0  # seconds without a failure that end an episode; one success may be the last for a while


class Scarcity:
    """Episodes in which `action` fails for want of something that others may give back."""

    def __init__(self, action: str) -> None:
        self._action = action
        self._last_failure = -inf

    def suffer(self, error: OSError) -> None:
        """Log the first failure of an episode; raise what is no scarcity."""
        if error.errno not in SCARCE:
            raise error
        now = time.monotonic()
        last, self._last_failure = self._last_failure, now  # before the warning: other threads may fail meanwhile
        if now - last > EPISODE_GAP:
            warn("%s: %s; trying again until something is given back", self._action, error.strerror)

    def insist(self, start: Callable[[], Started]) -> Started:
        """Call `start` until it succeeds, with a pause between two calls, and return what it returns."""
        while True:
            try:
                return start()
            except OSError as error:
                self.suffer(error)
                time.sleep(PAUSE)
