"""What a load run is asked to do: `LoadPlan`, checked when it is made."""

from __future__ import annotations

import math
import os
import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clients.conversations import LARGEST_LINE, PROTOCOLS, work_size

if TYPE_CHECKING:
    from clients.addresses import Address

# What a load process has open beside its connections: the standard streams, the poller, what the interpreter
# opens.
SPARE_DESCRIPTORS = 32


class PlanError(ValueError):
    """The plan cannot be carried out as it stands; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """One load run: closed loop, `connections` clients, each with one request in flight at a time.

    It ends after `duration` seconds, or after exactly `requests` requests where that is given. `churn` opens
    a connection per request; `close` says how such a connection ends: "fin" as applications do it, "reset" so
    that no port lingers. `size` is the bytes of a request line with its newline; `work` the line of the
    protocol `work`. `warmup` None stands for a tenth of the duration, at most a second, and for none with
    `requests`. `timeout` holds for each connect and each request. `cpus` confines the load processes; empty
    leaves them where they are. Raises PlanError.
    """

    address: Address
    protocol: str = "echo"
    connections: int = 10
    duration: float = 5.0
    requests: int | None = None
    churn: bool = False
    size: int = 64
    work: str = ""
    warmup: float | None = None
    timeout: float = 5.0
    processes: int = 1
    cpus: tuple[int, ...] = ()
    close: str = "fin"

    def __post_init__(self) -> None:
        _among("protocol", self.protocol, PROTOCOLS)
        _among("close", self.close, ("fin", "reset"))
        _within("connections", self.connections, 1, 100_000)
        _within("processes", self.processes, 1, 64)
        _within("size", self.size, 1, LARGEST_LINE)
        _within("duration", self.duration, 0.01, 86_400)
        _within("timeout", self.timeout, 0.001, 3600)
        self._check_work()
        self._check_requests()
        self._check_processes()

    @property
    def warmup_seconds(self) -> float:
        """The seconds at the start of the run that are left out."""
        if self.warmup is not None:
            return self.warmup
        return 0.0 if self.requests is not None else min(1.0, self.duration / 10)

    def to_json(self) -> dict[str, object]:
        """The parameters as they are written beside results."""
        return {
            "address": str(self.address),
            "protocol": self.protocol,
            "connections": self.connections,
            "duration": None if self.requests is not None else self.duration,
            "requests": self.requests,
            "churn": self.churn,
            "close": self.close,
            "size": None if self.protocol == "work" else self.size,
            "work": self.work or None,
            "warmup": self.warmup_seconds,
            "timeout": self.timeout,
            "processes": self.processes,
            "cpus": list(self.cpus),
        }

    def _check_work(self) -> None:
        if (self.protocol == "work") != bool(self.work):
            raise PlanError("the protocol work and a work line go together")
        if self.work:
            try:
                work_size(self.work)
            except ValueError as error:
                raise PlanError(str(error)) from None

    def _check_requests(self) -> None:
        if self.requests is not None:
            _within("requests", self.requests, 1, 1_000_000_000)
            if self.warmup:
                raise PlanError("warmup goes with a duration; a counted run measures every request")
        elif self.warmup is not None:
            _within("warmup", self.warmup, 0, 3600)
            if self.warmup >= self.duration:
                raise PlanError(f"warmup ({self.warmup:g} s) must be shorter than duration ({self.duration:g} s)")

    def _check_processes(self) -> None:
        if self.processes > self.connections:
            raise PlanError(f"{self.processes} processes need at least as many connections, not {self.connections}")
        if self.requests is not None and self.processes > self.requests:
            raise PlanError(f"{self.processes} processes need at least as many requests, not {self.requests}")
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        each = -(-self.connections // self.processes) + SPARE_DESCRIPTORS
        if limit != resource.RLIM_INFINITY and each > limit:
            raise PlanError(
                f"{self.connections} connections in {self.processes} load process(es) need {each} descriptors "
                f"each, and the limit is {limit}: raise it (ulimit -Hn) or use more processes",
            )
        missing = sorted(set(self.cpus) - os.sched_getaffinity(0))
        if missing:
            raise PlanError(f"CPU {missing[0]} is not among those that this process may use")


def _among(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise PlanError(f"{name} is one of {', '.join(known)}, not {value!r}")


def _within(name: str, value: float, least: float, most: float) -> None:
    if not (math.isfinite(value) and least <= value <= most):
        raise PlanError(f"{name} is from {_plain(least)} to {_plain(most)}, not {_plain(value)}")


def _plain(value: float) -> str:
    """The number without a power of ten where it is whole."""
    return str(int(value)) if math.isfinite(value) and value == int(value) else f"{value:g}"
