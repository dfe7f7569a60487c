"""What was found on a machine: figures without a judgement."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from clients.ceiling import Ceiling


class Spin(NamedTuple):
    """A loop pinned to a CPU: the CPU time it got, as a share of the time that passed."""

    cpu: int
    share: float


class Busy(NamedTuple):
    """Another process, and how much of one CPU it used meanwhile, as a share."""

    name: str
    pid: int
    share: float


class Wakes(NamedTuple):
    """How much later than asked short sleeps ended, in seconds: in the middle, and the worst."""

    median: float
    worst: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """A machine as far as it is seen without a probe; None where the system does not tell.

    `shared_cores` are CPUs of the server and of the clients that are one core, in pairs. `quota` is how many CPUs the
    control groups that we are in allow. `governors` are those of the usable CPUs, each once. `turbo` tells whether a
    CPU may be faster than its nominal frequency, `virtual` whether the processor says that it is a virtual machine's.
    `tw_reuse` is the kernel's setting of that name. `cgroup` is the method of accounting that a control group gives,
    empty where none can be made, with the reason in `cgroup_fault`. `clock_cost` is what a look at the clock takes, in
    seconds. `others` and `swapped_in_pages`, which came back from swap, are of the time in which this looked.
    """

    cpus: int
    usable_cpus: int
    shared_cores: tuple[tuple[int, int], ...]
    quota: float | None
    governors: tuple[str, ...]
    turbo: bool | None
    virtual: bool
    somaxconn: int | None
    ports: int | None
    tw_reuse: int | None
    soft_descriptors: int | None
    hard_descriptors: int | None
    cgroup: str
    cgroup_fault: str
    load_average: float
    others: tuple[Busy, ...]
    clock_source: str
    clock_resolution: float
    clock_cost: float
    memory_bytes: int
    memory_available: int | None
    swap_used_bytes: int
    swapped_in_pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFindings(Glance):
    """A machine as far as it can mislead, with what probes found.

    `steal` is the share of the CPU time that the hypervisor admits to have given away while CPUs were wanted.
    `round_trip` is the median of a byte there and back over loopback TCP, in seconds, `apart` whether its ends
    had a CPU each. `keepalive` and `churn` are the client's ceilings with 50 kept connections, and with 10 clients
    that open one per request; where there is none, its fault may say why.
    """

    spins: tuple[Spin, ...]
    steal: float | None
    wakes: Wakes
    round_trip: float | None
    apart: bool
    keepalive: Ceiling | None
    keepalive_fault: str
    churn: Ceiling | None
    churn_fault: str

    def to_json(self) -> dict[str, object]:
        """Return the fields as JSON values."""
        return {
            **asdict(self),
            "spins": [spin._asdict() for spin in self.spins],
            "others": [other._asdict() for other in self.others],
            "wakes": self.wakes._asdict(),
        }
