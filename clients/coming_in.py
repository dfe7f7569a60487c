"""Before the run: how the clients of a load process come in, as many at a time as a server's backlog bears."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PENDING_CONNECTS = 100  # at a time before the start, so that the set-up does not itself overflow a backlog
_LOOK_SECONDS = 0.01
Comer = TypeVar("Comer")


def let_in(
    comers: Sequence[Comer],
    begin: Callable[[Comer, int], None],
    pending: Callable[[], int],
    note: Callable[[float], None],
    timeout_ns: int,
) -> None:
    """Have all `comers` begin to connect, and wait until none is `pending`, no longer than the timeout.

    `note` sees to what happens within so many seconds.
    """
    now = time.monotonic_ns()
    deadline_ns = now + timeout_ns
    while (comers or pending()) and now < deadline_ns:
        room = max(0, PENDING_CONNECTS - pending())
        batch, comers = comers[:room], comers[room:]
        for comer in batch:
            begin(comer, now)
        note(_LOOK_SECONDS)
        now = time.monotonic_ns()


def stay_in(order: int, epoll: select.epoll, note: Callable[[float], None]) -> None:
    """Until the descriptor `order` is ready, `note` what happens to the connections that `epoll` watches."""
    poller = select.poll()
    poller.register(order, select.POLLIN)
    poller.register(epoll, select.POLLIN)
    while order not in dict(poller.poll()):
        note(0)
