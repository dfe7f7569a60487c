"""What the clients of one cell do: `Workload`, a plain value that knows its JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from clients.guests.hostile import STAYING
from clients.plan import LoadPlan

if TYPE_CHECKING:
    from clients.addresses import Address

CLIENT_TIMEOUT = 5.0  # seconds for a connect or an answer; longer where a window is longer, so that waiting is waiting
APART, ALL = "apart", "all"
_OF_VERSION_2 = ("name", "protocol", "connections", "churn", "work", "asks", "shows")  # and size_bytes


@dataclass(frozen=True, slots=True)
class Workload:
    """What the clients of one cell do, and what the server is told about it.

    `protocol` to `timeout` are those of `clients.plan.LoadPlan`, which checks them; `size` is bytes or a distribution
    as text, empty where `work` or `mix` says it; `timeout` None waits at least as long as the whole load. `asks` and
    `shows` are one sentence each for a newcomer: what it asks of a server, and what its figures tell.

    `weight` says how long its windows are beside those of the other workloads of a comparison. `cpus` is "apart" (the
    server keeps off the CPUs of the clients, where there are two) or "all" (it may use every CPU). `server` holds
    options that every server is started with, by their names in `servers.runtime.settings`. `scaling_of` names the
    workload that this one is at another number of connections.
    """

    name: str
    protocol: str
    connections: int
    churn: bool = False
    size: str = ""
    work: str = ""
    mix: str = ""
    rate: float | None = None
    arrivals: str = "poisson"
    think: str = ""
    pipeline: int = 1
    hold: int = 0
    hostile: dict[str, int] = field(default_factory=dict)
    close: str = "fin"
    processes: int = 1
    timeout: float | None = None
    weight: float = 1.0
    cpus: str = APART
    server: dict[str, int] = field(default_factory=dict)
    scaling_of: str = ""
    asks: str = ""
    shows: str = ""

    @property
    def size_bytes(self) -> int:
        """The bytes of a request where all have the same, 0 where they have not or `work` says it."""
        return int(self.size) if self.size.isdecimal() else 0

    @property
    def everywhere(self) -> bool:
        """Whether its servers may use every CPU, those of the clients too."""
        return self.cpus == ALL

    @property
    def staying(self) -> int:
        """How many clients beside the measured ones stay connected: those that hold, and hostile ones that stay."""
        return self.hold + sum(count for kind, count in self.hostile.items() if kind in STAYING)

    def load_plan(
        self, address: Address, *, warm_up: float, duration: float, cpus: tuple[int, ...] = (), seed: int = 1
    ) -> LoadPlan:
        """What the clients do to the server at `address`, for `warm_up` and then `duration` seconds, from `cpus`.

        Raises PlanError where that cannot be.
        """
        whole = warm_up + duration
        return LoadPlan(
            address=address,
            protocol=self.protocol,
            connections=self.connections,
            duration=whole,
            churn=self.churn,
            size=int(self.size) if self.size.isdecimal() else self.size or 1,  # not looked at where there is none
            work=self.work,
            warmup=warm_up,
            timeout=max(CLIENT_TIMEOUT, whole + 1) if self.timeout is None else self.timeout,
            processes=self.processes,
            cpus=cpus,
            close=self.close,
            rate=self.rate,
            arrivals=self.arrivals,
            seed=seed,
            think=self.think,
            pipeline=self.pipeline,
            mix=self.mix,
            hold=self.hold,
            hostile=tuple(self.hostile.items()),
        )

    def at_once(self, connections: int) -> Workload:
        """The same with so many connections, for a server that may use every CPU, as a fit over concurrency needs it.

        A load process needs a client at the least, so that there may be fewer of them.
        """
        clients = "one client" if connections == 1 else f"{connections} clients"
        return replace(
            self,
            name=f"{self.name} x {connections}",
            connections=connections,
            processes=min(self.processes, connections),
            cpus=ALL,
            scaling_of=self.name,
            asks=f"What {self.name} asks, of {clients} at a time.",
        )


def upgraded(data: dict[str, Any]) -> dict[str, Any]:
    """A workload of a results file of version 1 or 2 with all that came later; anything else as it is."""
    size = data.get("size_bytes")
    if type(size) is not int:
        return data
    later = {name: value for name, value in asdict(Workload("", "", 0)).items() if name not in _OF_VERSION_2}
    kept = {name: value for name, value in data.items() if name != "size_bytes"}
    return {**later, "size": str(size or ""), **kept}
