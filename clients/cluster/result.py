"""The result of a load from many machines: a load's result, and which worker had which share of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clients.result import LoadResult

if TYPE_CHECKING:
    from clients.verdict import KnownCeiling


@dataclass(frozen=True, slots=True)
class WorkerShare:
    """What a Dask worker had of a run: its clients, how far its clock may be off in seconds, and why it is missing."""

    worker: str
    clients: int
    clock_uncertainty: float
    missing: str


@dataclass(frozen=True, slots=True, eq=False)
class ClusterResult(LoadResult):
    """A result from many machines. `cpus` are those of all machines, one after the other."""

    shares: tuple[WorkerShare, ...] = ()

    def summary(self, ceiling: KnownCeiling | None = None) -> dict[str, object]:
        """What `load --json` prints, and beside it what each worker had."""
        shares = [{name: getattr(share, name) for name in WorkerShare.__slots__} for share in self.shares]
        return {**LoadResult.summary(self, ceiling), "cluster": shares}


def describe_shares(result: LoadResult) -> list[str]:
    """Tell in a line per worker what it had of a run."""
    shares = result.shares if isinstance(result, ClusterResult) else ()
    return [
        f"  worker    {share.worker}: {share.clients} clients, clock within {share.clock_uncertainty * 1e3:.1f} ms"
        + (f"; missing: {share.missing}" if share.missing else "")
        for share in shares
    ]
