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


@dataclass(frozen=True, slots=True)
class Findings:
    """A machine as far as it can mislead; None where the system does not tell.

    `virtual` says whether it told that it is a virtual machine. `governors` are those of the usable CPUs, each
    once. `tw_reuse` is the kernel's setting of that name. `cgroup` is the method of accounting that a control group
    gives, empty where none can be made, with the reason in `cgroup_fault`. `steal` is the share of the CPU time that
    the hypervisor admits to have given away, `swapped_in_pages` what came back from swap, both during the probes.
    `round_trip` is the median of a byte there and back over loopback TCP, in seconds, `apart` whether its ends
    had a CPU each. `keepalive` and `churn` are the client's ceilings with 50 kept connections, and with 10 clients
    that open one per request; where there is none, its fault may say why.
    """

    cpus: int
    usable_cpus: int
    governors: tuple[str, ...]
    virtual: bool
    somaxconn: int | None
    ports: int | None
    tw_reuse: int | None
    soft_descriptors: int | None
    hard_descriptors: int | None
    cgroup: str
    cgroup_fault: str
    spins: tuple[Spin, ...]
    steal: float | None
    load_average: float
    others: tuple[Busy, ...]
    clock_resolution: float
    wakes: Wakes
    round_trip: float | None
    apart: bool
    memory_bytes: int
    swap_used_bytes: int
    swapped_in_pages: int
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
