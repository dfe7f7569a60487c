"""The first record of a comparison, as it stands in its file: what was to be run, and on what."""

from __future__ import annotations

from dataclasses import dataclass, field

from tools.machine import Division, Interpreter, Machine  # noqa: TC001 - read at run time, by record_from
from tools.workloads import Workload  # noqa: TC001 - read at run time, by record_from


@dataclass(frozen=True, slots=True)
class Variant:
    """A server as it was compared: its name in the tables, what the registry says of it, and how it was started.

    `model` is its name in the registry, empty where it is a `command` of the user's, whose words are given. `options`
    are those that it was started with. `interpreter` is a key of the header's `interpreters`, empty for the Python that
    measured. `control_of` names the variant that this one is, entered a second time. `figure_row` is its row in
    Figure 30.1, None where it has none.
    """

    name: str
    summary: str
    term: str
    used_by: str
    teaches: str
    figure_row: int | None = None
    options: dict[str, int] = field(default_factory=dict)
    model: str = ""
    command: tuple[str, ...] = ()
    interpreter: str = ""
    control_of: str = ""


@dataclass(frozen=True, slots=True)
class Amiss:
    """What made figures less sure: a check of the machine that was not good, as `tools.fitness` has it.

    `verdict` is "bad" where figures would mislead, "warning" where some of them might. `fix` says what to change.
    """

    name: str
    verdict: str
    found: str
    why: str
    fix: str


@dataclass(frozen=True, slots=True)
class Header:
    """What was to be run, and on what; `duration` is each cell's window, `warm_up` what comes before it.

    `left_out` has a reason for each model that was asked for with all others and cannot run here. `planned` is how many
    cells are certain to be run. Windows became shorter where all would have taken longer than `limit` seconds. With
    `until_width`, rounds go on until the interval of what ranks the models is at most so wide, as a share of the
    figure, for each of them, or `max_rounds` are done. `held` is the most connections that memory was measured with (0:
    it was not), in so many `memory_rounds`. `objective` is what a capacity was searched for, empty where none was.
    `ceilings` has the requests per second that these clients reach against a server that does nothing, by workload,
    where that is known. `interpreters` are those that ran servers, by name, and `pythons` are their programs. `amiss`
    is what a glance at the machine found before anything was run, the worst first.
    """

    started: str
    command: tuple[str, ...]
    seed: int
    rounds: int
    duration: float
    warm_up: float
    models: tuple[Variant, ...]
    left_out: dict[str, str]
    workloads: tuple[Workload, ...]
    division: Division
    machine: Machine
    interpreter: Interpreter
    planned: int = 0
    limit: float | None = None
    until_width: float | None = None
    max_rounds: int = 0
    held: int = 0
    memory_rounds: int = 0
    objective: str = ""
    ceilings: dict[str, float] = field(default_factory=dict)
    interpreters: dict[str, Interpreter] = field(default_factory=dict)
    pythons: dict[str, str] = field(default_factory=dict)
    amiss: tuple[Amiss, ...] = ()

    @property
    def control(self) -> Variant | None:
        """The variant that is another one, entered a second time."""
        return next((model for model in self.models if model.control_of), None)

    def server_cpus(self, workload: Workload) -> int:
        """How many CPUs the servers of a workload may use."""
        serving = self.division.serving(everywhere=workload.everywhere)
        return len(serving) or max(1, self.machine.usable_cpus)
