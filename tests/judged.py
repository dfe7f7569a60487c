"""A cell of a real server, measured as a comparison does it, and judged.

What else ran on the machine is left out unless it is asked for: a busy machine is no part of these known answers.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tests.comparisons import header as made_header
from tests.comparisons import variant as made_variant
from tools.comparison.measuring import Bench, cell_of, measured
from tools.host.canary import canaries
from tools.machine import Division
from tools.verdicts.judging import judge
from tools.workloads import Workload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.verdicts.verdict import Verdict

WARM_UP = 0.2
DURATION = 1.0


@dataclass
class Judged:
    """A model with a workload's fields, on known CPUs; on none where nothing is to be pinned."""

    model: str
    plan: Mapping[str, Any]
    options: Mapping[str, int] = field(default_factory=dict)
    server: tuple[int, ...] = ()
    client: tuple[int, ...] = ()
    warm_up: float = WARM_UP

    def verdict(self, *, with_host: bool = False) -> Verdict:
        """Measure a cell, and say what limited it; what else ran is looked at where that is asked for."""
        workload = Workload(name="known", **{"connections": 10, **self.plan})
        variant = replace(made_variant(self.model), options=dict(self.options))
        division = Division(self.server, self.client, "")
        with canaries(()) as silent:
            bench = Bench(division, {}, silent, nullcontext)
            found = measured(bench, workload, variant, warm_up=self.warm_up, duration=DURATION)
            cell = cell_of(found, bench, workload, variant)
        cell = cell if with_host else replace(cell, host=None)
        return judge(cell, workload, variant, made_header(division=division))
