"""Forked children: counted, reaped with ``waitpid``, told to stop, and ended when they must be."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from functools import partial

from servers.runtime.scarcity import Scarcity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.runtime.service import Service

# Seconds after which a child is told once more. The first time may fall between its look and its wait; and what comes
# just after a fork is lost, for the interpreter begins a child's life by forgetting its parent's signals.
RETELL = 0.5
LAST_WORDS = 1.0  # seconds that children have to count what they did before they are killed
LAST_RETELL = 0.1  # seconds after which they are reminded of that


class Children:
    """As many children as there may be connections, each with a row of the tally that no other living child has."""

    def __init__(self, service: Service, *, new_rows: bool = False) -> None:
        """With `new_rows` no row is used again as long as there are others: what each child did is told apart."""
        self.row_of: dict[int, int] = {}
        self._most = service.most_connections
        self._tally = service.tally
        self._rows_used = 0
        self._new_rows = new_rows
        self._free_rows: list[int] = []
        self._scarcity = Scarcity("fork")
        self._parent = os.getpid()
        self._lifecycle = service.lifecycle
        service.lifecycle.when_stopping(self._tell_to_stop)
        service.lifecycle.when_over(self.end_now)

    def make_room(self) -> bool:
        """Reap who has ended, and wait for one where there are as many as there may be; always true."""
        self.reap()
        while len(self.row_of) >= self._most:
            self._reap_one(0)
        return True

    def fork(self) -> int:
        """Fork; return the child's row of the tally in the child, and 0 in the parent."""
        row = self._row()
        return 0 if self._scarcity.insist(partial(self._fork, row)) else row

    def fork_now(self) -> int:
        """Fork, as `fork` does. Raise OSError where the system lacks something, in place of waiting for it."""
        row = self._row()
        try:
            return 0 if self._fork(row) else row
        except OSError:
            self._free_rows.append(row)
            raise

    def _row(self) -> int:
        if not self._free_rows or (self._new_rows and self._rows_used + 1 < self._tally.rows):
            # Where more live than there are rows, they share the last one, and a count may be lost.
            self._rows_used = min(self._rows_used + 1, self._tally.rows - 1)
            return self._rows_used
        return self._free_rows.pop()

    def _fork(self, row: int) -> int:
        self._lifecycle.hold()  # a child that we did not know of could not be ended
        try:
            pid = os.fork()
            if pid:
                self.row_of[pid] = row
        finally:
            self._lifecycle.release()
        return pid

    def reap(self, tell: Callable[[int, int], None] | None = None) -> None:
        """Reap every child that has ended, without waiting; `tell` the pid and the status of each that was ours."""
        while self._reap_one(os.WNOHANG, tell):
            pass

    def wait_for_all(self) -> None:
        """Wait until the last child has ended of itself."""
        self._wait(RETELL)
        self._tell_to_stop()
        while self.row_of:
            self._reap_one(0)

    def end_now(self) -> None:
        """End at once what children are left: they count what they did as cut off, or are killed."""
        if os.getpid() != self._parent:
            return  # a child that was ended before it could begin
        for _ in range(round(LAST_WORDS / LAST_RETELL)):
            self._signal(signal.SIGALRM)  # their own grace period is over
            self._wait(LAST_RETELL)
        self._signal(signal.SIGKILL)
        while self.row_of and self._reap_one(0):
            pass

    def _reap_one(self, options: int, tell: Callable[[int, int], None] | None = None) -> int:
        """Reap one child; return its pid, or 0 where none has ended (or there is none)."""
        try:
            pid, status = os.waitpid(-1, options)
        except ChildProcessError:
            self._free_rows += self.row_of.values()  # somebody else reaped them: nothing is left to wait for
            self.row_of.clear()
            return 0
        row = self.row_of.pop(pid, 0)  # as process 1 of a container we reap strangers too
        if row:
            self._free_rows.append(row)
            if os.WIFSIGNALED(status):
                # It could not count its conversation itself; how many a worker had, nobody knows.
                self._tally.conversed(0, 0, 0, "killed", connections=0 if self._new_rows else 1)
            if tell:
                tell(pid, status)
        return pid

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.row_of and time.monotonic() < deadline:
            if not self._reap_one(os.WNOHANG):
                time.sleep(0.005)

    def _tell_to_stop(self) -> None:
        if os.getpid() == self._parent:  # a child has inherited this, and must not stop its siblings
            self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        for pid in list(self.row_of):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
