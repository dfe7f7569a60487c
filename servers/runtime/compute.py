"""The one burn of CPU that every model performs for `Compute`."""

from __future__ import annotations

from time import thread_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from servers.runtime.lifecycle import Lifecycle

ROUNDS_PER_LOOK = 100  # about 2 us of bytecode for each look at the clock, which is a system call of 0.3 us


def burn(seconds: float, lifecycle: Lifecycle | None = None) -> None:
    """Spend `seconds` of the calling thread's CPU time in bytecode, holding the GIL as real work does.

    Return early where this `lifecycle` is ending: for loops that hold it, into which no signal handler may raise.
    """
    end = thread_time() + seconds
    while thread_time() < end and not (lifecycle and lifecycle.ending):
        for _ in range(ROUNDS_PER_LOOK):
            pass
