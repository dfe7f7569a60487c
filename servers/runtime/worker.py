"""One worker: as its parent knows it, and what its own process does from the fork to its end."""

from __future__ import annotations

import signal
from time import monotonic

from servers.runtime.errors import CannotServe, EndNow
from servers.runtime.lifecycle import WORKER_SIGNALS
from servers.runtime.messages import report_failure, warn
from servers.runtime.orphans import die_with

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.runtime.service import Service

    Work = Callable[[Service], None]


class Worker:
    """One of them, as its parent knows it."""

    __slots__ = ("pid", "row", "slot", "started", "told")

    def __init__(self, pid: int, slot: int, row: int) -> None:
        self.pid = pid
        self.slot = slot
        self.row = row
        self.started = monotonic()
        self.told = 0  # how often it has been told to retire


def part_from(parent: int) -> None:
    """Begin the life of a worker, in its process: what its parent hears, it does not, and it ends with its parent."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in WORKER_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    die_with(parent)


def work_to_the_end(work: Work, service: Service) -> int:
    """Do a worker's work, in its process; return the exit status."""
    try:
        work(service)
    except EndNow:
        service.cut_off()
    except CannotServe as error:
        warn("%s", error)
        return 1
    except Exception:
        report_failure("a worker failed")
        return 1
    return 0
