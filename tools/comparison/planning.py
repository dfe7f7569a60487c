"""What a comparison will measure, in which order, and how long it will take: no clock, no files, no processes."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from clients.verdict import SHORTEST_SECONDS
from tools.analysis.searches import searches
from tools.machine import Division, divided, usable_cpus
from tools.variants.choosing import DEFAULT, serves_all

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from tools.saved.header import Variant
    from tools.workloads import Workload


SHORTEST = SHORTEST_SECONDS  # of a window, however late it is: from less it cannot be told what was the limit
OVERHEAD = 0.22  # seconds of a cell beside its warm-up and its window: starts, connects, last answers, stops, canaries
MEMORY_SECONDS = 1.5  # of one memory probe: a start, connects, four looks, three of them after a silence
CAPACITY_SECONDS = 35.0  # of one search at a few thousand requests a second; at lower rates it takes longer
FIXED_COST = 2.0  # seconds for what is not cells: imports, and drawing the report
REPEATS = 0.05  # of the cells, at most, are run again because the machine lost CPU
FEWEST_REPEATS = 2  # that are allowed, however few cells there are
CELL, MEMORY, CAPACITY = "cell", "memory", "capacity"


@dataclass(frozen=True, slots=True)
class Timing:
    """How many rounds a comparison has, and the seconds of each cell's warm-up and window.

    A window is `duration` times its workload's weight. With `limit`, windows become shorter where the machine is so
    slow that all cells would take longer than that. It is meant for the models of the default and the control, and
    grows with more.
    """

    rounds: int
    warm_up: float
    duration: float
    limit: float | None = None

    def with_room_for(self, models: int) -> Timing:
        """The same timing for so many models: more take longer, fewer may take as long as the default."""
        return self if self.limit is None else replace(self, limit=self.limit * max(1.0, models / (len(DEFAULT) + 1)))

    def window(self, weight: float, elapsed: float, overhead: float, left: Left) -> float:
        """The next window's seconds, `elapsed` after the first cell began, where each cell takes `overhead` besides."""
        if self.limit is None:
            return self.duration * weight
        others = left.memory * MEMORY_SECONDS + left.capacity * CAPACITY_SECONDS
        each = (1 + REPEATS) * (overhead + self.warm_up)
        affordable = (self.limit - elapsed - others - left.cells * each) / (1 + REPEATS)
        return max(SHORTEST, weight * min(self.duration, left.unit(affordable)))


@dataclass(frozen=True, slots=True)
class Left:
    """What is still to be done: cells, by the weights of their workloads, memory probes, searches."""

    weights: tuple[float, ...]
    memory: int
    capacity: int

    @property
    def cells(self) -> int:
        """How many cells."""
        return len(self.weights)

    def unit(self, seconds: float) -> float:
        """The window of weight 1 with which all windows together take so long, where none is shorter than SHORTEST."""
        heavy = sorted(self.weights)
        while heavy and heavy[0] * seconds / sum(heavy) < SHORTEST:
            seconds -= SHORTEST
            del heavy[0]
        return seconds / sum(heavy) if heavy else 0.0


# At five rounds the lowest and the highest hold the median in 94 of 100 cases, at four in 87. A server's start is what
# is repeated, so rounds tell more about the noise than longer windows would; the warm-up has room for fifty forks. With
# memory probes, imports and the report the limit makes about a minute and a half.
DEFAULT_TIMING = Timing(rounds=5, warm_up=0.12, duration=0.8, limit=88)
QUICK = Timing(rounds=2, warm_up=0.1, duration=0.2, limit=21)  # there and back; 25 s with imports and report
FULL = Timing(rounds=6, warm_up=0.3, duration=3.0)
MAX_ROUNDS = 30  # where intervals are to be narrow, and --max-rounds is not given
SCALED_IN_FULL = ("waiting", "computing")  # one workload that is all waiting, and one that is all computing


@dataclass(frozen=True, slots=True)
class Step:
    """One measurement of a plan: a cell, a model's memory probe (no workload), or the search for its capacity."""

    kind: str
    workload: Workload | None
    model: Variant
    round: int

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What it is known by in the files."""
        return self.kind, self.workload.name if self.workload else "", self.model.name, self.round

    @property
    def name(self) -> str:
        """A name for its files and its line of progress."""
        what = self.workload.name if self.workload else self.kind
        return f"{what}-{self.model.name}-{self.round}".replace("/", "_").replace(" ", "_")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be compared, in which order: equal plans give equal orders. `left_out` is what cannot be, and why.

    With `until_width`, rounds are added until no interval of what ranks the models is wider than that, or there are
    `max_rounds`. Memory is probed with up to `held` connections in the first `memory_rounds`, and a capacity is
    searched for the `objective` after all rounds. `division` tells the CPUs of servers, of which some models have a
    worker each.
    """

    models: tuple[Variant, ...]
    workloads: tuple[Workload, ...]
    timing: Timing
    seed: int
    left_out: Mapping[str, str] = field(default_factory=dict)
    until_width: float | None = None
    max_rounds: int = MAX_ROUNDS
    held: int = 0
    memory_rounds: int = 0
    objective: str = ""
    division: Division = field(default_factory=lambda: divided(usable_cpus()))

    @property
    def seconds(self) -> float:
        """How long the comparison will about take, with no more rounds than are certain."""
        left = self.left(self.steps())
        others = MEMORY_SECONDS * left.memory + CAPACITY_SECONDS * left.capacity
        return FIXED_COST + self.cell_seconds * left.cells + others

    @property
    def cell_seconds(self) -> float:
        """How long a cell will about take, on the average of all that are certain."""
        left = self.left(self.steps())
        cells = sum(map(self.seconds_of, left.weights))
        if self.timing.limit is not None:  # which is that of the memory probes, too
            cells = min(cells, self.timing.limit - MEMORY_SECONDS * left.memory)
        return cells / max(1, left.cells)

    def seconds_of(self, weight: float) -> float:
        """How long a cell of a workload with this weight takes where nothing limits the time."""
        return OVERHEAD + self.timing.warm_up + max(SHORTEST, self.timing.duration * weight)

    @property
    def seconds_at_most(self) -> float:
        """How long it will about take if it needs all the rounds that it may have."""
        if self.until_width is None:
            return self.seconds
        per_round = replace(
            self, timing=replace(self.timing, rounds=1), until_width=None, memory_rounds=0, objective=""
        )
        return self.seconds + (self.max_rounds - self.timing.rounds) * (per_round.seconds - FIXED_COST)

    def steps(self) -> tuple[Step, ...]:
        """Every step that is certain, in the order of its running: the rounds, then the searches."""
        certain = zip(range(self.timing.rounds), self.rounds(), strict=False)
        return (*(step for _, steps in certain for step in steps), *self.searches())

    def rounds(self) -> Iterator[tuple[Step, ...]]:
        """The steps of the first round, of the second, and so on without end.

        In each workload the order of the models is shuffled by the seed, anew for every other round; the
        round after it repeats the whole round backwards, so that in two rounds all have the same mean place in time.
        Of an odd number of rounds the last has no such counterpart, and its order is by chance.
        """
        shuffling = random.Random(self.seed)
        forwards: list[tuple[Workload | None, Variant]] = []
        number = 0
        while True:
            number += 1
            forwards = self._shuffled(shuffling) if number % 2 else forwards[::-1]
            steps = (Step(CELL if workload else MEMORY, workload, model, number) for workload, model in forwards)
            yield tuple(step for step in steps if self._is_wanted(step))

    def searches(self) -> tuple[Step, ...]:
        """The searches for capacities; none where there is no objective, nor at other numbers of connections."""
        return tuple(Step(CAPACITY, workload, model, 1) for workload, model in searches(self))

    def left(self, steps: Iterable[Step]) -> Left:
        """What these steps come to."""
        kinds = list(steps)
        return Left(
            weights=tuple(step.workload.weight for step in kinds if step.kind == CELL and step.workload),
            memory=sum(step.kind == MEMORY for step in kinds),
            capacity=sum(step.kind == CAPACITY for step in kinds),
        )

    def _shuffled(self, shuffling: random.Random) -> list[tuple[Workload | None, Variant]]:
        count = len(self.models)
        probed = (None,) if self.memory_rounds else ()
        return [
            (workload, model)
            for workload in (*self.workloads, *probed)
            for model in shuffling.sample(self.models, count)
        ]

    def _is_wanted(self, step: Step) -> bool:
        """Whether a step is worth its time.

        Where time is limited, a model that cannot serve a workload's clients side by side shows that in one round.
        """
        if step.workload is None:
            return step.round <= self.memory_rounds and not step.model.control_of
        if step.workload.scaling_of:
            return not step.model.control_of and serves_all(step.model, step.workload, self.division)
        once = self.timing.limit is not None and not serves_all(step.model, step.workload, self.division)
        return step.round == 1 or not once


def without(steps: Iterable[Step], done: Collection[tuple[str, str, str, int]]) -> tuple[Step, ...]:
    """The steps that are not done."""
    return tuple(step for step in steps if step.key not in done)
