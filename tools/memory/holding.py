"""Memory per connection: hold more and more idle connections to a server, and look at what it has at each step.

    0 open, look ... N/4 open, look ... N/2 open, look ... N open, look      the slope over these is the cost of one

Each connection makes one exchange when it is opened, so that it is known to be served, and is then left alone, for a
moment before each look, too: what waits for a client that is silent can need more than what has just answered. The
clients are sockets of this process. A connection that was made, answered and closed comes before the first look: what
a server loads with its first client is no client's.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tools.accounting.resources import memory
from tools.failure import Failure
from tools.memory.held_connections import Crowd, descriptors_for
from tools.memory.kernel_memory import kernel_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tools.accounting.meters import Meter
    from tools.accounting.processes import Process
    from tools.processes.launch import Server

LOOKS = (0.0, 0.25, 0.5, 1.0)
"""Shares of the most connections; none, and three more that show a bend where there is one."""

PATIENCE = 0.3
"""Seconds without an answer after which a connection is taken for one that waits to be admitted."""

SETTLE_INTERVAL = 0.005
SETTLE_PATIENCE = 0.5
"""Seconds until a server that is never at rest is looked at all the same."""

FIRST_PATIENCE = 5.0
"""Seconds for the answer to the first client, for whom a server may load much of what it needs."""

SILENCE = 0.3
"""Seconds for which a connection has said nothing before it is looked at as an idle one.

What serves it may need more once it finds out that nothing comes: our blocking models wait with the listener's timeout
first (0.25 s), and a thread of theirs that goes on to wait for an idle client has touched a page more.
"""

GONE_PATIENCE = 1.0
"""Seconds for the process or the thread of a connection that was closed to end."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What each look found, in the terms of `tools.saved.cells.MemoryProbe`."""

    held: tuple[int, ...]
    admitted: tuple[int, ...]
    pss_bytes: tuple[int | None, ...]
    kernel_bytes: tuple[int | None, ...]
    kernel_method: str
    processes: tuple[int, ...]

    def fields(self) -> dict[str, Any]:
        """Return the fields by their names, as MemoryProbe takes them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Look:
    held: int
    admitted: int
    pss_bytes: int | None
    kernel_bytes: int | None
    processes: int


def memory_probe(
    server: Server,
    meter: Meter,
    *,
    protocol: str,
    most: int,
    looks: Sequence[float] = LOOKS,
    patience: float = PATIENCE,
) -> Holding:
    """Hold up to `most` connections to a server that runs, and look at its memory at these shares of them.

    Where this process may not open so many, `held` shows how many there were. Once a connection has had no answer for
    `patience` seconds, the others are opened without waiting for them, until all have had theirs. All connections are
    closed in the end. Raises Failure where the server refuses one, hangs up, or gives a wrong answer.
    """
    with ExitStack() as stack:
        most = stack.enter_context(descriptors_for(most))
        crowd = stack.enter_context(Crowd(server.address, protocol))
        _make_one_before(crowd, meter, patience)
        kernel = stack.enter_context(kernel_memory(meter))
        found = []
        for number in sorted({round(most * share) for share in looks}):
            crowd.grow(number, patience)
            if number:
                time.sleep(SILENCE)
            found.append(_look(crowd, meter, kernel.read))
    return Holding(
        held=tuple(look.held for look in found),
        admitted=tuple(look.admitted for look in found),
        pss_bytes=tuple(look.pss_bytes for look in found),
        kernel_bytes=tuple(look.kernel_bytes for look in found),
        kernel_method=kernel.method,
        processes=tuple(look.processes for look in found),
    )


def _make_one_before(crowd: Crowd, meter: Meter, patience: float) -> None:
    """Be served once and hang up, and wait until the server is as it was; Failure where nobody answers.

    One that keeps what it has made for a client, as a pool that grows does, is not waited for longer than a second.
    """
    settled(meter)  # a pool that listens may still be forking
    before = _size(meter.look().processes)
    crowd.grow(1, max(patience, FIRST_PATIENCE))
    if not crowd.admitted:
        raise Failure("the server does not answer its first client")
    crowd.close()
    deadline = time.monotonic() + GONE_PATIENCE
    while _size(meter.look().processes) != before and time.monotonic() < deadline:
        time.sleep(SETTLE_INTERVAL)


def _look(crowd: Crowd, meter: Meter, read_kernel: Callable[[], int | None]) -> _Look:
    processes = settled(meter)
    crowd.hear()
    return _Look(
        held=len(crowd),
        admitted=crowd.admitted,
        pss_bytes=pss_of(processes),
        kernel_bytes=read_kernel(),
        processes=len(processes),
    )


def settled(meter: Meter) -> list[Process]:
    """Return the living processes once two looks in a row were alike, or when it is no use to wait any longer.

    A page that a process gets is a fault, and its faults are told in a hundredth of the time that its memory takes.
    """
    deadline = time.monotonic() + SETTLE_PATIENCE
    before: object = None
    while True:
        alive = living(meter.look().processes)
        now = sorted((each.key, each.threads, each.minor_faults, each.major_faults) for each in alive)
        if now == before or time.monotonic() > deadline:
            return alive
        before = now
        time.sleep(SETTLE_INTERVAL)


def living(processes: Sequence[Process]) -> list[Process]:
    """Leave out the dead, and those that have given back their memory already."""
    return [process for process in processes if not process.zombie and process.rss_bytes]


def _size(processes: Sequence[Process]) -> tuple[int, int]:
    """How many processes there are, zombies too, and how many threads."""
    return len(processes), sum(process.threads for process in processes)


def pss_of(processes: Sequence[Process]) -> int | None:
    """Return the memory of all together, shared pages divided; None where one of them may not be read.

    Pages of files are left out. They do not become more with connections; but the share of them that falls to the
    server does, with each process that it forks, and falls and rises with every Python that begins or ends on this
    machine: by as much as a hundred idle connections of a selector.
    """
    try:
        found = [memory(process.key.pid) for process in processes]
    except PermissionError:
        return None
    return sum(each.pss_bytes - each.pss_file_bytes for each in found if each)
