"""How many clients a model serves at once: a counted number of slots."""

from __future__ import annotations

from threading import Condition


class Slots:
    """Slots that the accepting thread takes and the serving threads give back."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = count
        self._changed = Condition()

    def take(self) -> bool:
        """Wait for a free slot and take it; always true, so that it reads well in a loop's condition."""
        with self._changed:
            while not self._free:
                self._changed.wait()
            self._free -= 1
        return True

    def give(self) -> None:
        """Give a slot back."""
        with self._changed:
            self._free += 1
            self._changed.notify()

    def wait_until_all_are_free(self) -> None:
        """Wait for the last conversation to end."""
        with self._changed:
            while self._free < self._count:
                self._changed.wait()
