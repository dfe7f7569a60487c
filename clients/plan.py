"""What a load run is asked to do: `LoadPlan`, checked when it is made."""

from __future__ import annotations

import math
import os
import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clients.conversations import DATAGRAM_PROTOCOLS, LARGEST_LINE, PROTOCOLS, SMALLEST_FRAME, work_size
from clients.datagram_lines import LARGEST_DATAGRAM, SMALLEST_DATAGRAM, largest_answer

if TYPE_CHECKING:
    from clients.addresses import Address

# What a load process has open beside its connections: the standard streams, the poller, what the interpreter
# opens.
SPARE_DESCRIPTORS = 32
TIMEOUT = 5.0
DATAGRAM_TIMEOUT = 1.0  # an answer that was dropped is waited for in vain: as resolvers do, not for long


class PlanError(ValueError):
    """The plan cannot be carried out as it stands; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """One load run: closed loop, `connections` clients, each with one request in flight at a time.

    It ends after `duration` seconds, or after exactly `requests` requests where that is given. `churn` opens
    a connection per request; `close` says how such a connection ends: "fin" as applications do it, "reset" so
    that no port lingers. `size` is the bytes of a request line with its newline, of a frame with its marks, of a
    body, or of a datagram; `work` the line of the protocol `work`, or what `http` asks of /work. `warmup` None
    stands for a tenth of the duration, at most a second, and for none with `requests`. `timeout` holds for each
    connect and each request; a datagram that is not answered by then is lost. `cpus` confines the load
    processes; empty leaves them where they are. `udp` sends datagrams; `tls` speaks TLS, which believes the
    authorities of the file `ca` in place of the system's, and anybody where `insecure`. Raises PlanError.
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
    timeout: float = TIMEOUT
    processes: int = 1
    cpus: tuple[int, ...] = ()
    close: str = "fin"
    udp: bool = False
    tls: bool = False
    ca: str = ""
    insecure: bool = False

    def __post_init__(self) -> None:
        _among("protocol", self.protocol, PROTOCOLS)
        _among("close", self.close, ("fin", "reset"))
        _within("connections", self.connections, 1, 100_000)
        _within("processes", self.processes, 1, 64)
        _within("size", self.size, 1, LARGEST_LINE)
        _within("duration", self.duration, 0.01, 86_400)
        _within("timeout", self.timeout, 0.001, 3600)
        self._check_work()
        self._check_transport()
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
            "size": None if self.work else self.size,
            "work": self.work or None,
            "warmup": self.warmup_seconds,
            "timeout": self.timeout,
            "processes": self.processes,
            "cpus": list(self.cpus),
            "udp": self.udp,
            "tls": self.tls,
            "ca": self.ca or None,
            "insecure": self.insecure,
        }

    def _check_work(self) -> None:
        if self.protocol == "work" and not self.work:
            raise PlanError("the protocol work and a work line go together")
        if self.work and self.protocol not in {"work", "http"}:
            raise PlanError("a work line goes together with the protocols work and http alone")
        if self.protocol == "frames":
            _within("size of a frame, its ^ and $ included,", self.size, SMALLEST_FRAME, LARGEST_LINE)
        if self.work:
            try:
                work_size(self.work)
            except ValueError as error:
                raise PlanError(str(error)) from None

    @property
    def transport(self) -> str:
        """What carries the conversation: tcp, udp or unix."""
        return "unix" if self.address.path else "udp" if self.udp else "tcp"

    def _check_transport(self) -> None:
        if (self.ca or self.insecure) and not self.tls:
            raise PlanError("ca and insecure are for tls")
        if self.ca and self.insecure:
            raise PlanError("ca says whom to trust and insecure trusts anybody: choose one")
        if self.udp:
            self._check_datagrams()

    def _check_datagrams(self) -> None:
        if self.address.path:
            raise PlanError("udp needs HOST:PORT, not the path of a Unix socket")
        if self.tls:
            raise PlanError("tls is for streams, not for udp")
        if self.close != "fin":
            raise PlanError("a datagram socket has no connection to reset")
        if self.protocol not in DATAGRAM_PROTOCOLS:
            raise PlanError(f"over udp the protocol is one of {', '.join(DATAGRAM_PROTOCOLS)}, not {self.protocol!r}")
        _within("size of a datagram", self.size, SMALLEST_DATAGRAM, LARGEST_DATAGRAM)
        answer = largest_answer(self.protocol, self.size)
        if answer > LARGEST_DATAGRAM:
            raise PlanError(
                f"the answer to a datagram of {self.size} bytes would have {answer}, "
                f"and a datagram holds at most {LARGEST_DATAGRAM}"
            )

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
