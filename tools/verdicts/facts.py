"""A cell's figures in one unit, so that they can be held against each other.

CPU is told in CPUs: 1.0 is one that was never idle.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clients.guests.hostile import HOLD, STAYING
from tools.verdicts.places import Places, places_seen, takes_all_comers

if TYPE_CHECKING:
    from tools.machine import Interpreter
    from tools.saved.cells import Cell, Load
    from tools.saved.header import Header, Variant
    from tools.workloads import Workload

SLEEP = re.compile(r"sleep=([0-9.]+)$")  # the one request of a workload that has no others


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a cell.

    `cpus` are the server's, and `shared` tells that clients ran on some of them, too. `server` is what it used of them,
    `user` of that in user mode; None where nothing can be said of it, and where `complete` is false it is the least
    that it used. Where it is `estimated`, it is what anybody used of the server's CPUs, canaries left out. `client` is
    the share of their CPUs that the clients used or waited for, `client_cpus` what they used, their guests too.
    `clients` are all that were there at a time, guests among them that hold a connection or are hostile and stay.
    `boundless` tells that whoever comes is served, so that who waits to be accepted waits for no place.
    `gil` tells that the server's interpreter has one. `asleep` is the sleep in seconds that each request asks for, None
    where it does not.
    """

    cell: Cell
    load: Load
    cpus: int
    shared: bool
    server: float | None
    user: float | None
    complete: bool
    client: float
    client_cpus: float
    clients: int
    places: Places | None
    boundless: bool
    gil: bool
    asleep: float | None
    estimated: bool = False

    @property
    def share(self) -> float | None:
        """Which share of the server's CPUs was used: by it, or where they are shared by it and the clients."""
        if self.server is None:
            return None
        return (self.server + (self.client_cpus if self.shared else 0.0)) / self.cpus

    @property
    def in_flight(self) -> float | None:
        """Requests in flight in the mean, without those whose answer was there and waited for the client."""
        seen = self.load.in_flight
        return seen / max(self.load.little or 1.0, 1.0) if seen is not None else None

    @property
    def crowded(self) -> bool:
        """Whether there were more clients at a time than can be served."""
        return self.places is not None and self.clients > self.places.number

    @property
    def of_cpus(self) -> str:
        """As in "0.93 of 1 CPU"."""
        return f"{self.cpus} CPU{'' if self.cpus == 1 else 's'}"


def facts_of(cell: Cell, load: Load, workload: Workload, variant: Variant, header: Header) -> Facts:
    """Bring together what is known; `load` is the cell's."""
    division = header.division
    everywhere = not division.server or workload.everywhere
    shared = everywhere or bool({*division.server} & {*division.client})
    cpus = header.server_cpus(workload)
    server = cell.cpu.total / cell.cpu.interval if cell.cpu and cell.cpu.interval > 0 else None
    blind = server is None or not (cell.cpu and cell.cpu.complete)
    estimate = None if shared or not blind else _estimate(cell, cpus, len({*division.server, *division.client}))
    client_cpus = (load.client_cpu + load.guest_cpu) / load.window
    return Facts(
        cell=cell,
        load=load,
        cpus=cpus,
        shared=shared,
        server=server if estimate is None else max(server or 0.0, estimate),
        user=cell.cpu.user / cell.cpu.interval if cell.cpu and cell.cpu.interval > 0 else None,
        complete=not blind or estimate is not None,
        client=_client(load, client_cpus / (len(division.client) or cpus), shared=shared),
        client_cpus=client_cpus,
        clients=load.connections + _staying(load),
        places=(places := places_seen(variant, workload, cell, cpus)),
        boundless=places is None and takes_all_comers(variant),
        gil=has_gil(cell, variant, header),
        asleep=float(asked[1]) if (asked := SLEEP.search(workload.work)) else None,
        estimated=estimate is not None,
    )


def has_gil(cell: Cell, variant: Variant, header: Header) -> bool:
    """Whether a server had a global lock, by its own word, or by what its interpreter said when it was asked.

    What a model imports can turn the lock on. Where nothing is said of it, it is taken for granted.
    """
    said = (cell.stopped or {}).get("gil")
    return said if isinstance(said, bool) else interpreter_of(variant, header).gil


def interpreter_of(variant: Variant, header: Header) -> Interpreter:
    """The interpreter that ran a variant's servers, as far as the header knows."""
    return header.interpreters.get(variant.interpreter, header.interpreter)


def _estimate(cell: Cell, cpus: int, watched: int) -> float | None:
    """What was used of the server's CPUs, less their part of what canaries took on all `watched`; None: not known.

    Where the meter is blind, what others used cannot be told from what the server did, and is in it.
    """
    if cell.host is None or cell.host.server_busy is None or cell.load is None or cell.load.window <= 0:
        return None
    canaries = cell.peaks.canary_cpu / cell.load.window / watched if cell.peaks else 0.0
    return max(0.0, (cell.host.server_busy - canaries) * cpus)


def _client(load: Load, used: float, *, shared: bool) -> float:
    """How near to their end the clients were; where the server shares their CPUs, that they waited tells of it."""
    busy = load.client_busy if load.client_busy is not None else used
    if shared:
        return busy
    return busy + (load.client_waiting or 0.0)


def _staying(load: Load) -> int:
    """How many guests were there at a time who leave only when the server ends them; others come and go.

    Hostile ones come again, so that their connections may be more than they are.
    """
    told = [(kind, load.guests.get(kind)) for kind in STAYING]
    counts = [of.get("connections" if kind == HOLD else "clients") for kind, of in told if isinstance(of, dict)]
    return sum(count for count in counts if isinstance(count, int))
