"""When the clients of a load process ask: the disciplines.

    closed loop   a client that is free asks: at once, or when it has thought
    open loop     the schedule says when requests are due, whoever is free asks; what finds nobody free waits its turn

A client has a place for each request that it may have in flight, and tells of each place that is `free`. The demand has
it ask, at that moment or at `next_ns`, when `tick` is to be called; or dismisses it, when nothing is left to ask. A
place goes with its connection: on one that was lost in the meantime nothing is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.askers import Asker
from clients.closed_loop import ClosedLoop
from clients.open_loop import OpenLoop

if TYPE_CHECKING:
    from clients.askers import Askers
    from clients.spec import Spec

Demand = ClosedLoop[Asker] | OpenLoop[Asker]


def demand_for(spec: Spec, askers: Askers[Asker]) -> Demand[Asker]:
    """The discipline of a load process."""
    return OpenLoop(spec, askers) if spec.segments else ClosedLoop(spec, askers)
