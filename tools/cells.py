"""The records of a comparison, as they stand in its files: what was to be run, and what each cell found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tools.machine import Division, Interpreter, Machine  # noqa: TC001 - read at run time, by record_from
from tools.workloads import Workload  # noqa: TC001 - read at run time, by record_from


@dataclass(frozen=True, slots=True)
class ModelNote:
    """A model as it was compared: its name, what the registry says of it, and the options that it was started with.

    `figure_row` is its row in Figure 30.1, None where it has none.
    """

    name: str
    summary: str
    term: str
    used_by: str
    teaches: str
    figure_row: int | None = None
    options: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Header:
    """What was to be run, and on what; `duration` is each cell's window, `warm_up` what comes before it.

    `left_out` has a reason for each model that was asked for with all others and cannot run here.
    """

    started: str
    command: tuple[str, ...]
    seed: int
    rounds: int
    duration: float
    warm_up: float
    models: tuple[ModelNote, ...]
    left_out: dict[str, str]
    workloads: tuple[Workload, ...]
    division: Division
    machine: Machine
    interpreter: Interpreter

    @property
    def planned_cells(self) -> int:
        """How many cells the comparison would have if it ran to its end."""
        return len(self.models) * len(self.workloads) * self.rounds


@dataclass(frozen=True, slots=True)
class Load:
    """What the clients saw in the window, which was `window` seconds as measured and not as asked.

    `requests` counts right answers. Of `connections` clients at a time, `served` got an answer. `errors`
    counts by kind and `examples` holds one of each in words. `unfinished` requests were under way when the
    window closed.
    """

    window: float
    requests: int
    connections: int
    served: int
    unfinished: int
    errors: dict[str, int]
    examples: dict[str, str]
    client_cpu: float


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds of the server and its children over `interval` seconds, which all but covers the window.

    `method` names how they were counted. Where `complete` is false it cannot see all of them, and `reason`
    says why.
    """

    total: float
    user: float
    system: float
    interval: float
    method: str
    complete: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Peaks:
    """The most that any look saw of the server and its children, and what looking cost.

    `own_cpu` is CPU seconds that looking took in the window, on the clients' CPUs.
    `pss_bytes` is memory with shared pages divided among those that share them; None where it cannot be read.
    """

    pss_bytes: int | None
    processes: int
    threads: int
    descriptors: int | None
    samples: int
    own_cpu: float


@dataclass(frozen=True, slots=True)
class Cell:
    """One model on one workload in one round, from a server's start to its stop.

    `error` says why the cell has no figures, or not all; it is empty where all went well. `stopped` is the
    server's own last line, whole and as it came. `samples` names the file of its latencies. `position` counts
    the cells in the order in which they ran.
    """

    workload: str
    model: str
    round: int
    position: int
    started: str
    took: float
    error: str
    load: Load | None
    cpu: Cpu | None
    peaks: Peaks | None
    stopped: dict[str, Any] | None
    samples: str
