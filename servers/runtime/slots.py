"""How many clients a model serves at once: a counted number of slots."""

from __future__ import annotations

from _queue import Empty, SimpleQueue  # without queue and threading, which would be memory that a fork copies

from servers.runtime.limits import ACCEPT_WAIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    SlotQueue = SimpleQueue[None]


class Slots:
    """Slots that the accepting thread takes and the serving threads give back."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._free: SlotQueue = SimpleQueue()  # of so many tokens: its waiting is in C, a Condition's is not
        for _ in range(count):
            self._free.put(None)

    def take(self) -> bool:
        """Wait for a free slot and take it; always true, so that it reads well in a loop's condition."""
        while True:
            try:
                self._free.get(timeout=ACCEPT_WAIT)
            except Empty:
                continue  # a signal that the kernel gave to another thread is handled here, between two waits
            return True

    def give(self) -> None:
        """Give a slot back."""
        self._free.put(None)

    def wait_until_all_are_free(self) -> None:
        """Wait for the last conversation to end; the slots are not for use after that."""
        for _ in range(self._count):
            self.take()
