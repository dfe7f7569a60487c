"""What a comparison will measure, in which order, and how long it will take: no clock, no files, no processes."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tools.choosing import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.cells import Variant
    from tools.workloads import Workload


SHORTEST = 0.1  # seconds of a window, however late it is: less is not worth a server's start
OVERHEAD = 0.25  # seconds of a cell beside its warm-up and its window: starts, connects, last answers, stops
FIXED_COST = 2.0  # seconds for what is not cells: imports, and drawing the report


@dataclass(frozen=True, slots=True)
class Timing:
    """How many rounds a comparison has, and the seconds of each cell's warm-up and window.

    With `limit`, windows become shorter where the machine is so slow that all cells would take longer than
    that. It is meant for the six models of the default, and grows with more.
    """

    rounds: int
    warm_up: float
    duration: float
    limit: float | None = None

    def with_room_for(self, models: int) -> Timing:
        """The same timing for so many models: more take longer, fewer may take as long as the default."""
        return self if self.limit is None else replace(self, limit=self.limit * max(1.0, models / len(DEFAULT)))

    def window(self, elapsed: float, overhead: float, cells_left: int) -> float:
        """The next window's seconds, `elapsed` after the first cell began; each cell has such an overhead."""
        if self.limit is None:
            return self.duration
        affordable = (self.limit - elapsed) / cells_left - overhead - self.warm_up
        return min(self.duration, max(SHORTEST, affordable))


# Twenty-four cells a round on two CPUs. Four rounds are two whole turns of A B C D D C B A: a server's start is
# what is repeated, so rounds tell more about the noise than longer windows would. Windows are as long as a p99 of
# five hundred answers a second needs, and the warm-up has room for fifty forks.
FULL = Timing(rounds=4, warm_up=0.2, duration=0.55, limit=92)
QUICK = Timing(rounds=2, warm_up=0.1, duration=0.15, limit=21)  # one turn; what 25 s allow with imports and report


@dataclass(frozen=True, slots=True)
class Step:
    """One cell to be measured; `round` and `position` count from 1."""

    workload: Workload
    model: Variant
    round: int
    position: int

    @property
    def name(self) -> str:
        """A name for its files."""
        return f"{self.workload.name}-{self.model.name}-{self.round}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be compared, in which order: equal plans give equal orders. `left_out` is what cannot be, and why."""

    models: tuple[Variant, ...]
    workloads: tuple[Workload, ...]
    timing: Timing
    seed: int
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long the comparison will about take."""
        each = OVERHEAD + self.timing.warm_up + self.timing.duration
        cells = each * len(self.models) * len(self.workloads) * self.timing.rounds
        return FIXED_COST + min(cells, self.timing.limit or cells)

    def steps(self) -> tuple[Step, ...]:
        """Every cell in the order of its running.

        In each workload the order of the models is shuffled by the seed, anew for every other round; the
        round after it repeats the whole round backwards, so that every cell has the same mean place in time.
        """
        shuffling = random.Random(self.seed)
        ordered: list[tuple[Workload, Variant, int]] = []
        forwards: list[tuple[Workload, Variant]] = []
        for number in range(1, self.timing.rounds + 1):
            forwards = self._shuffled(shuffling) if number % 2 else forwards[::-1]
            ordered += [(workload, model, number) for workload, model in forwards]
        return tuple(Step(*each, position) for position, each in enumerate(ordered, start=1))

    def _shuffled(self, shuffling: random.Random) -> list[tuple[Workload, Variant]]:
        count = len(self.models)
        return [(workload, model) for workload in self.workloads for model in shuffling.sample(self.models, count)]
