"""How workers are told to retire: to accept nobody any more, and to end when their clients have left.

The first word is lost on a worker that was forked but this moment, so it is said more than once.
"""

from __future__ import annotations

import os
from math import inf
from time import monotonic

from servers.runtime.children import RETELL
from servers.runtime.lifecycle import RETIRE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from servers.runtime.worker import Worker

TOLD_ENOUGH = 4  # times that a worker is told to retire; whoever stays after that has clients


def signal_to_retire(worker: Worker) -> None:
    """Send a worker the signal at which it retires."""
    os.kill(worker.pid, RETIRE)


class Retirement:
    """Tells those of the `living` workers, by pid, who are to retire.

    Attributes:
        dismiss: how one is told.
    """

    def __init__(self, living: Mapping[int, Worker]) -> None:
        self.dismiss: Callable[[Worker], None] = signal_to_retire
        self._living = living
        self._retell_at = -inf

    def tell(self, worker: Worker) -> None:
        """Tell a worker, unless it has ended."""
        if worker.pid in self._living:
            worker.told += 1
            self.dismiss(worker)

    def retell(self) -> None:
        """Tell those who are still there once more, when it is time to."""
        if monotonic() >= self._retell_at:
            self._retell_at = monotonic() + RETELL
            for worker in self._reluctant():
                self.tell(worker)

    def seconds_to_wait(self) -> float:
        """Return how long `retell` need not be called."""
        return max(0.0, self._retell_at - monotonic()) if self._reluctant() else inf

    def _reluctant(self) -> list[Worker]:
        return [worker for worker in self._living.values() if 0 < worker.told < TOLD_ENOUGH]
