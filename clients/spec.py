"""What the parent tells a load process on its standard input, as one line of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from clients.addresses import Target
from clients.pacing import Segment

if TYPE_CHECKING:
    from clients.plan import LoadPlan

SPEC_VERSION = 2


@dataclass(frozen=True, slots=True)
class Spec:
    """One load process's part of a plan: its clients are the `clients` numbers from `first_client` on.

    `requests` None means that the end comes by time. `authority` is what http calls the server, `name` what its
    certificate must name. The process is number `index` of `processes`: of the requests that the schedule of an open
    loop wants, whose rates are `segments`, every so manieth is its own. A Spec that has `hold` or `hostile` clients is
    for a process of theirs, and has no others.
    """

    targets: tuple[Target, ...]
    protocol: str
    size: str
    work: str
    mix: str
    first_client: int
    clients: int
    requests: int | None
    churn: bool
    close: str
    timeout: float
    cpus: tuple[int, ...]
    authority: str
    name: str
    udp: bool
    tls: bool
    ca: str
    insecure: bool
    index: int
    processes: int
    segments: tuple[Segment, ...]
    arrivals: str
    seed: int
    max_waiting: int
    think: str
    pipeline: int
    sources: tuple[str, ...]
    hold: int = 0
    hostile: tuple[tuple[str, int], ...] = ()

    def to_json(self) -> str:
        """Return the line that `from_json` reads."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        fields["targets"] = [[target.family, target.address] for target in self.targets]
        fields["segments"] = [asdict(segment) for segment in self.segments]
        return json.dumps(fields)

    @classmethod
    def from_json(cls, line: str) -> Spec:
        """Read the parent's line."""
        fields: dict[str, Any] = json.loads(line)
        fields["targets"] = tuple(
            Target(family, address if isinstance(address, str) else tuple(address))
            for family, address in fields["targets"]
        )
        fields["segments"] = tuple(Segment(**segment) for segment in fields["segments"])
        fields["hostile"] = tuple((kind, count) for kind, count in fields["hostile"])
        for name in ("cpus", "sources"):
            fields[name] = tuple(fields[name])
        return cls(**fields)


def divide(plan: LoadPlan, targets: list[Target], sources: tuple[str, ...] = ()) -> list[Spec]:
    """Divide a plan's clients and requests as evenly as possible among its load processes.

    Clients that are held or hostile get one more process, the last, so that they never delay the others.
    """
    clients = _shares(plan.connections, plan.processes)
    requests = [None] * plan.processes if plan.requests is None else _shares(plan.requests, plan.processes)
    shares: list[dict[str, Any]] = [
        {"first_client": sum(clients[:index]), "clients": clients[index], "requests": requests[index], "index": index}
        for index in range(plan.processes)
    ]
    if plan.hold or plan.hostile:
        guests = {"hold": plan.hold, "hostile": plan.hostile}
        shares.append({"first_client": plan.connections, "clients": 0, "requests": None, "index": 0, **guests})
    common = _common(plan, targets, sources)
    return [Spec(**common, **share) for share in shares]


def _common(plan: LoadPlan, targets: list[Target], sources: tuple[str, ...]) -> dict[str, Any]:
    """What all load processes are told alike."""
    return {
        "targets": tuple(targets),
        "protocol": plan.protocol,
        "size": str(plan.size),
        "work": plan.work,
        "mix": plan.mix,
        "churn": plan.churn,
        "close": plan.close,
        "timeout": plan.timeout,
        "cpus": plan.cpus,
        "authority": plan.address.authority,
        "name": plan.address.name,
        "udp": plan.udp,
        "tls": plan.tls,
        "ca": plan.ca,
        "insecure": plan.insecure,
        "processes": plan.processes,
        "segments": plan.segments,
        "arrivals": plan.arrivals,
        "seed": plan.seed,
        "max_waiting": -(-plan.max_waiting // plan.processes),
        "think": plan.think,
        "pipeline": plan.pipeline,
        "sources": sources,
    }


def _shares(total: int, parts: int) -> list[int]:
    return [total // parts + (index < total % parts) for index in range(parts)]
