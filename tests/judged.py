"""A cell of a server whose answer is known, measured as a comparison does it, and what limited it.

What else ran on the machine is left out where it is not asked for: a busy machine is no part of these servers.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tests.comparisons import header as made_header
from tools.cells import Variant
from tools.host.canary import Canaries
from tools.machine import Division
from tools.measuring import Bench, measured
from tools.verdicts.judging import judge
from tools.workloads import Workload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.cells import Cell
    from tools.findings import Findings
    from tools.verdicts.verdict import Verdict

WARM_UP, DURATION = 0.2, 1.0


@dataclass
class Judged:
    """A server and a load on known CPUs, none where nothing is to be pinned.

    `server` and `client` are their CPUs, `plan` the workload, `options` those of the model, or of `variant` where that
    is given in its place.
    """

    model: str
    plan: Mapping[str, Any]
    options: Mapping[str, int] = field(default_factory=dict)
    server: tuple[int, ...] = ()
    client: tuple[int, ...] = ()
    variant: Variant | None = None
    warm_up: float = WARM_UP
    duration: float = DURATION

    @property
    def workload(self) -> Workload:
        """What the clients do."""
        return Workload(**{"name": "known", "protocol": "work", "connections": 4, **self.plan})

    def findings(self) -> Findings:
        """Measure it."""
        bench = Bench(Division(self.server, self.client, ""), {}, Canaries({}), nullcontext)
        return measured(bench, self.workload, self._variant(), warm_up=self.warm_up, duration=self.duration)

    def cell(self) -> Cell:
        """Measure it; the cell as it stands in the files."""
        return self.findings().cell("known", self.model, Division(self.server, self.client, ""), Canaries({}))

    def verdict(self, *, with_host: bool = False) -> Verdict:
        """Measure it, and judge."""
        cell = self.cell()
        cell = cell if with_host else replace(cell, host=None)
        header = made_header(division=Division(self.server, self.client, ""))
        return judge(cell, self.workload, self._variant(), header)

    def _variant(self) -> Variant:
        return self.variant or Variant(self.model, "", "", "", "", options=dict(self.options), model=self.model)
