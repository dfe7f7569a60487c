"""The watch over a run's workers, in a thread of its own: who has gone? And those who are there learn that we are."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING

from clients.cluster import task
from clients.process import LoadError

if TYPE_CHECKING:
    from collections.abc import Callable

    from clients.cluster.link import Link

PERIOD = 1.0  # seconds after which the scheduler is asked again who is there
_RENEWAL = 5  # every so manieth time the workers learn that we are; they write each of our questions in their log


class Watch:
    """Looks from `begin` to `end_soon` at the workers that `needed` returns, and tells `on_lost` who has gone, and why.

    Both are called in its thread; `on_lost` again and again, until the worker is needed no more.
    """

    def __init__(
        self, link: Link, run: str, needed: Callable[[], set[str]], on_lost: Callable[[set[str], str], None]
    ) -> None:
        self._link, self._run, self._needed, self._on_lost = link, run, needed, on_lost
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_until_over, daemon=True)

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end_soon(self) -> None:
        """Look no more; a look that has begun goes on."""
        self._over.set()

    def join(self) -> None:
        """Wait until the thread has ended, after `end_soon`, if it was ever started."""
        if self._thread.is_alive():
            self._thread.join()

    def _look_until_over(self) -> None:
        for turn in itertools.count(1):
            if self._over.wait(PERIOD):
                return
            needed = self._needed()
            try:
                there = needed.intersection(self._link.workers())
            except LoadError as error:
                self._on_lost(needed, str(error))
                return
            if needed - there:
                self._on_lost(needed - there, "the worker is gone")
            if turn % _RENEWAL == 0:
                self._link.try_to_ask(sorted(there), task.renew, self._run)
