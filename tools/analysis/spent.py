"""What a request cost a model on a workload, over all its rounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.analysis import figures
from tools.analysis.figures import over_rounds

if TYPE_CHECKING:
    from tools.inference.intervals import Interval
    from tools.saved.cells import Cell


@dataclass(frozen=True, slots=True)
class Spent:
    """What a request cost: medians over the rounds with their intervals; None where it is not known.

    `cpu` is CPU seconds, `user` and `system` its parts, `per_connection` by connections that were begun. `blind` says
    why CPU cannot be had where the method did not see all of it; `apart` is the most by which the server's own account
    differed from ours, as a share. `voluntary`, `involuntary`, `minor` and `major` are context switches and page faults
    for a request, from when a server listened to its end, and `faults` both kinds of these; where not
    `counts_complete`, the least that there were. `measuring` is the share of a CPU that measuring took.
    """

    cpu: Interval | None
    user: Interval | None
    system: Interval | None
    per_connection: Interval | None
    blind: str
    method: str
    apart: float | None
    voluntary: Interval | None
    involuntary: Interval | None
    minor: Interval | None
    major: Interval | None
    faults: Interval | None
    measuring: Interval | None
    counts_complete: bool


def spent_in(cells: tuple[Cell, ...], *, whole: bool) -> Spent:
    """What requests cost in these cells; CPU only where they served their workload `whole`."""
    blind = figures.blindness(cells)
    seen = whole and not blind
    sound = figures.sound(cells)

    def of_life(kind: str) -> Interval | None:
        return over_rounds(figures.per_request_of_life(cells, lambda cell: figures.counted(cell, kind)))

    return Spent(
        cpu=over_rounds(figures.cpu_per_request(cells)) if seen else None,
        user=over_rounds(figures.cpu_per_request(cells, "user")) if seen else None,
        system=over_rounds(figures.cpu_per_request(cells, "system")) if seen else None,
        per_connection=over_rounds(figures.cpu_per_connection(cells)) if seen else None,
        blind=blind,
        method=next((cell.cpu.method for cell in sound if cell.cpu), ""),
        apart=figures.counted_apart(cells),
        voluntary=of_life("voluntary"),
        involuntary=of_life("involuntary"),
        minor=of_life("minor"),
        major=of_life("major"),
        faults=of_life("faults"),
        measuring=over_rounds(figures.measuring_share(cells)),
        counts_complete=all(cell.counts.complete for cell in sound if cell.counts),
    )
