"""How many clients, or requests, a server can serve at a time: what a pool is the limit by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from servers.registry import CONCURRENCY, MODELS, MORE_CLIENTS_THAN_WORKERS
from tools.variants.choosing import THREADS

if TYPE_CHECKING:
    from servers.registry import Entry
    from tools.saved.cells import Cell
    from tools.saved.header import Variant
    from tools.workloads import Workload

COMPUTES = "cpu="  # in a request of the protocol work: what the model `offloading` hands to its pool


@dataclass(frozen=True, slots=True)
class Places:
    """So many can be served at a time; `kind` names one of the places ("thread").

    A client holds its place for as long as it is connected, or where `by_request` is true for a request alone.
    """

    number: int
    kind: str
    by_request: bool = False

    @property
    def words(self) -> str:
        """As in "all of its 25 threads were taken"."""
        if self.number == 1:
            return f"its only {self.kind}"
        return f"all of its {self.number:,} {self.kind}s"

    @property
    def verb(self) -> str:
        """What goes with the words."""
        return "was" if self.number == 1 else "were"


def places_seen(variant: Variant, workload: Workload, cell: Cell, cpus: int) -> Places | None:
    """The places that a model had in a cell, on so many `cpus`; None: as many as come, or it is no model of ours."""
    entry = None if variant.command else MODELS.get(variant.model or variant.name)
    if entry is None:
        return None
    if CONCURRENCY in entry.cannot:
        return Places(1, "place")
    if "min_spare" in entry.options:
        return _grown(cell)
    if MORE_CLIENTS_THAN_WORKERS in entry.cannot:
        return _fixed(entry, variant, cell, cpus, by_request=False)
    if entry.name == "event_mpm" or (entry.name == "offloading" and COMPUTES in workload.work):
        return _fixed(entry, variant, cell, cpus, by_request=True)
    return None


def takes_all_comers(variant: Variant) -> bool:
    """Whether a variant is a model of ours that is no pool: whoever comes is served beside the others."""
    entry = None if variant.command else MODELS.get(variant.model or variant.name)
    if entry is None or "min_spare" in entry.options:
        return False
    return not {CONCURRENCY, MORE_CLIENTS_THAN_WORKERS} & entry.cannot.keys()


def _fixed(entry: Entry, variant: Variant, cell: Cell, cpus: int, *, by_request: bool) -> Places:
    workers = (variant.options.get("workers") or _counted(cell) or cpus) if "workers" in entry.options else 1
    if "threads" not in entry.options:
        return Places(workers, "worker", by_request)
    return Places(workers * (variant.options.get("threads") or THREADS), "thread", by_request)


def _grown(cell: Cell) -> Places | None:
    """A pool that grows is as large as it came to be; one of the processes is their parent."""
    if cell.peaks is None or cell.peaks.processes < 2:
        return None
    return Places(cell.peaks.processes - 1, "worker")


def _counted(cell: Cell) -> int:
    """How many workers the server's last line counts connections of."""
    counts = (cell.stopped or {}).get("connections_per_worker")
    return len(counts) if isinstance(counts, list) else 0
