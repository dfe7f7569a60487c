"""Comparisons whose cells are made up in place of being measured, to see which are run, in which order, and how often.

No server is started, and no time passes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from tests.comparisons import cell as made_cell
from tools.comparison import carrying_out, comparing
from tools.comparison.carrying_out import carried_out, resumed
from tools.host.canary import Canaries
from tools.host.judging import disturbed
from tools.machine import Division
from tools.saved.results import Results, read_results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import pytest
    from numpy.typing import NDArray

    from tools.comparison.comparing import Done
    from tools.comparison.planning import Plan, Step
    from tools.saved.cells import Cell, Host

SEED = 7
APART = Division((1,), (0,), "")


@dataclass
class Told:
    """An observer that remembers what it was told, and that may do something when a step has ended."""

    steps: list[tuple[str, str, int, int]] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    wide: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    tried: list[tuple[float, float]] = field(default_factory=list)
    certain: int = 0
    at_end: Callable[[int], None] = lambda _: None

    def began(self, plan: Plan, division: Division, steps: Sequence[Step], done: Sequence[Done]) -> None:  # noqa: ARG002 - as the protocol names them
        """Remember how many steps are certain."""
        self.certain = len(steps)

    def next(self, step: Step, attempt: int) -> None:
        """Remember the step."""
        workload = step.workload.name if step.workload else step.kind
        self.steps.append((workload, step.model.name, step.round, attempt))

    def tries(self, rate: float, seconds: float) -> None:
        """Remember the rate."""
        self.tried.append((rate, seconds))

    def ended(self, done: Done) -> None:
        """Remember what it became."""
        self.done.append(done)
        self.at_end(len(self.done))

    def goes_on(self, steps: Sequence[Step], wide: Sequence[str]) -> None:
        """Remember why."""
        self.wide.append((len(steps), tuple(wide)))


@dataclass
class Found:
    """What a cell found that was not measured: so many requests in a window of a second."""

    requests: int
    served: int
    host: Host | None
    load: bool = True

    def cell(self, workload: str, model: str) -> Cell:
        """The cell that it becomes."""
        made = made_cell(workload, model)
        assert made.load is not None
        load = replace(made.load, requests=self.requests, served=self.served)
        why = disturbed(self.host) if self.host else ""
        return replace(made, load=load, host=self.host, disturbed=why)

    def latencies_ns(self) -> NDArray[np.int64]:
        """No latencies."""
        return np.empty(0, dtype=np.int64)


class Comparing:
    """Carries out plans whose cells find what a test says: `requests` and `host` are asked for each attempt."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.folder = folder
        self.requests: Callable[[str, str, int], int] = lambda _workload, _model, _round: 1000
        self.served: Callable[[str], int] = lambda _: 50
        self.host: Iterator[Host | None] = iter(lambda: None, 0)
        patch.setattr(comparing, "measured", self._found)
        patch.setattr(comparing, "cell_of", lambda found, _, workload, variant: found.cell(workload.name, variant.name))
        patch.setattr(carrying_out, "ceiling", lambda *_, **__: None)
        patch.setattr(carrying_out, "canaries", _no_canaries)

    def _found(self, _bench: object, workload: object, variant: object, **options: object) -> Found:
        name, model, seed = workload.name, variant.name, options["seed"]  # type: ignore[attr-defined]
        assert isinstance(seed, int)
        return Found(self.requests(name, model, seed - SEED), self.served(model), next(self.host))

    def carry_out(self, plan: Plan, told: Told | None = None) -> Results:
        """Carry out a plan, and read what came of it."""
        carried_out(replace(plan, division=APART), self.folder, ("test",), told or Told())
        return read_results(self.folder)

    def resume(self, told: Told | None = None) -> Results:
        """Go on with it."""
        resumed(self.folder, told or Told())
        return read_results(self.folder)


class _no_canaries:  # noqa: N801 - it stands for a function
    """Canaries of which there are none."""

    def __init__(self, _: object) -> None: ...

    def __enter__(self) -> Canaries:
        return Canaries({})

    def __exit__(self, *_: object) -> None: ...
