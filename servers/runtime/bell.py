"""How an event loop hears of signals: a descriptor that becomes readable when one has come.

A handler alone would not end the loop's wait, for Python restarts the system call that it interrupts (PEP 475).
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress


class Bell:
    """A pipe into which the interpreter writes the number of every signal that has a Python handler."""

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        self._poll = select.poll()
        self._poll.register(self._read_end, select.POLLIN)

    def fileno(self) -> int:
        """Return the descriptor to watch."""
        return self._read_end

    def ring(self) -> None:
        """Make it readable without a signal: for a forked child that has news for its parent."""
        with suppress(BlockingIOError):  # full of news already
            os.write(self._write_end, b"\0")

    def read(self) -> bytes:
        """Return the numbers of the signals that have come since the last look; empty where none has."""
        with suppress(BlockingIOError):
            return os.read(self._read_end, 4096)
        return b""

    def wait(self, seconds: float) -> bytes:
        """Wait for a signal, at most so long; return what `read` does."""
        self._poll.poll(max(0.0, seconds) * 1000)
        return self.read()

    def close(self) -> None:
        """Hear no more: in a forked child, whose signals are none of its parent's."""
        signal.set_wakeup_fd(-1)
        os.close(self._read_end)
        os.close(self._write_end)
