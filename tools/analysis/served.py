"""Which cells tell of their workload: those in which nearly all of what it asks for was served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.analysis.figures import sound
from tools.verdicts.judging import MOSTLY_SERVED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tools.saved.cells import Cell, Load


def is_whole(load: Load) -> bool:
    """Whether nearly all clients got an answer; where requests are due at a rate, whether nearly all had theirs.

    With fewer, figures would be those of another workload. At a rate a client may be asked less than once in a window,
    so that clients without an answer say nothing there, unless they are kept waiting.
    """
    if load.achieved is not None:
        return load.achieved >= MOSTLY_SERVED and not keeps_waiting(load)
    return load.served >= MOSTLY_SERVED * load.connections


def keeps_waiting(load: Load) -> bool:
    """Whether many clients never had an answer and all of these wait for one, while others were asked again and again.

    Requests that are due find a client free among the few that are served, and nearly all are answered.
    """
    unserved = load.connections - load.served
    few = load.served < MOSTLY_SERVED * load.connections
    return few and load.unfinished >= unserved and load.requests > load.connections


def whole(cells: Iterable[Cell]) -> list[Cell]:
    """Of a model's cells on a workload the sound ones that served it whole; none where most of the sound did not.

    A single round that was badly served is left out; a model that seldom serves all has no figures.
    """
    of_all = sound(cells)
    found = [cell for cell in of_all if cell.load and is_whole(cell.load)]
    return found if 2 * len(found) >= len(of_all) else []
