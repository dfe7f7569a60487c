"""What a load run is asked to do: `LoadPlan`, checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from clients.mixes import Part, read_mix, single_part
from clients.pacing import Segment, segments
from clients.plan_checks import PlanError, check

if TYPE_CHECKING:
    from clients.addresses import Address

__all__ = ["DATAGRAM_TIMEOUT", "TIMEOUT", "LoadPlan", "PlanError"]

TIMEOUT = 5.0
DATAGRAM_TIMEOUT = 1.0  # an answer that was dropped is waited for in vain: as resolvers do, not for long
MAX_WAITING = 100_000


@dataclass(frozen=True)
class LoadPlan:
    """One load run of `connections` clients, in a closed or an open loop. Raises PlanError where it makes no sense.

    Closed loop (`rate` None): each client asks when it has been answered, and has thought for `think` seconds, a
    number or a distribution (`clients.distributions`). Open loop: requests are due at `rate` a second whatever the
    server does, at times that follow from `arrivals` ("poisson" or "constant") and `seed` alone; from `rate` to
    `final_rate` in a ramp, or in so many `steps`. One that finds no client free waits for one; where `max_waiting`
    wait already, it is shed. A client has up to `pipeline` requests in flight on its connection.

    The run ends after `duration` seconds, or after exactly `requests` requests where that is given. `churn` opens
    a connection per request; `close` says how such a connection ends: "fin" as applications do it, "reset" so
    that no port lingers. `size` is the bytes of a request line with its newline, of a frame with its marks, of a
    body, or of a datagram; `work` the line of the protocol `work`, or what `http` asks of /work: numbers in both may be
    distributions. `mix` is several of these with their shares (`clients.mixes`), in place of both. `warmup` None
    stands for a tenth of the duration, at most a second, and for none with `requests`. `timeout` holds for each
    connect and each request; a datagram that is not answered by then is lost. `cpus` confines the load
    processes; empty leaves them where they are. `udp` sends datagrams; `tls` speaks TLS, which believes the
    authorities of the file `ca` in place of the system's, and anybody where `insecure`.

    `hold` more connections are opened and stay silent, and `hostile` clients, so many of each kind
    (`clients.guests.hostile`), do their worst meanwhile. `sources` are the addresses to connect from; empty leaves that
    to the system, or to `clients.ports` where one address has not ports enough.
    """

    address: Address
    protocol: str = "echo"
    connections: int = 10
    duration: float = 5.0
    requests: int | None = None
    churn: bool = False
    size: int | str = 64
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
    rate: float | None = None
    final_rate: float | None = None
    steps: int = 0
    arrivals: str = "poisson"
    seed: int = 1
    max_waiting: int = MAX_WAITING
    think: str = ""
    pipeline: int = 1
    mix: str = ""
    hold: int = 0
    hostile: tuple[tuple[str, int], ...] = ()
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check(self)

    @property
    def warmup_seconds(self) -> float:
        """The seconds at the start of the run that are left out."""
        if self.warmup is not None:
            return self.warmup
        return 0.0 if self.requests is not None else min(1.0, self.duration / 10)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """What is asked, with its shares: the parts of the mix, or the one that size and work describe."""
        return read_mix(self.mix) if self.mix else (single_part(self.protocol, str(self.size), self.work),)

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The rates of an open loop over the whole run; a counted one is as long as its requests take.

        Where the rate is constant, the warm-up is a segment of its own: then the window has exactly its share.
        """
        if self.rate is None:
            return ()
        if self.final_rate is None and self.requests is None and self.warmup_seconds:
            window = self.duration - self.warmup_seconds
            return tuple(Segment(seconds, self.rate, self.rate) for seconds in (self.warmup_seconds, window))
        mean_rate = (self.rate + (self.rate if self.final_rate is None else self.final_rate)) / 2
        seconds = self.duration if self.requests is None else self.requests / mean_rate
        return segments(self.rate, self.final_rate, self.steps, seconds)

    @property
    def loop(self) -> str:
        """Who decides when the next request comes: "open" the schedule, "closed" the answer before."""
        return "closed" if self.rate is None else "open"

    @property
    def transport(self) -> str:
        """What carries the conversation: tcp, udp or unix."""
        return "unix" if self.address.path else "udp" if self.udp else "tcp"

    def to_json(self) -> dict[str, object]:
        """The parameters as they are written beside results."""
        is_open = self.rate is not None
        return {
            "address": str(self.address),
            "protocol": self.protocol,
            "connections": self.connections,
            "duration": None if self.requests is not None else self.duration,
            "requests": self.requests,
            "churn": self.churn,
            "close": self.close,
            "size": None if self.work or self.mix else self.size,
            "work": self.work or None,
            "mix": self.mix or None,
            "loop": self.loop,
            "rate": self.rate,
            "final_rate": self.final_rate,
            "steps": self.steps,
            "arrivals": self.arrivals if is_open else None,
            "seed": self.seed,
            "max_waiting": self.max_waiting if is_open else None,
            "think": self.think or None,
            "pipeline": self.pipeline,
            "warmup": self.warmup_seconds,
            "timeout": self.timeout,
            "processes": self.processes,
            "cpus": list(self.cpus),
            "udp": self.udp,
            "tls": self.tls,
            "ca": self.ca or None,
            "insecure": self.insecure,
            "hold": self.hold,
            "hostile": dict(self.hostile),
            "sources": list(self.sources),
        }
