"""What the parent tells a load process on its standard input, as one line of JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clients.addresses import Target

if TYPE_CHECKING:
    from clients.plan import LoadPlan


@dataclass(frozen=True, slots=True)
class Spec:
    """One load process's part of a plan: its clients are the `clients` numbers from `first_client` on.

    `requests` None means that the end comes by time. `authority` is what http calls the server, `name` what its
    certificate must name.
    """

    targets: tuple[Target, ...]
    protocol: str
    size_bytes: int
    work: str
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

    def to_json(self) -> str:
        """Return the line that `from_json` reads."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        fields["targets"] = [[target.family, target.address] for target in self.targets]
        return json.dumps(fields)

    @classmethod
    def from_json(cls, line: str) -> Spec:
        """Read the parent's line."""
        fields: dict[str, Any] = json.loads(line)
        fields["targets"] = tuple(
            Target(family, address if isinstance(address, str) else tuple(address))
            for family, address in fields["targets"]
        )
        fields["cpus"] = tuple(fields["cpus"])
        return cls(**fields)


def divide(plan: LoadPlan, targets: list[Target]) -> list[Spec]:
    """Divide a plan's clients and requests as evenly as possible among its load processes."""
    clients = _shares(plan.connections, plan.processes)
    requests = [None] * plan.processes if plan.requests is None else _shares(plan.requests, plan.processes)
    return [
        Spec(
            targets=tuple(targets),
            protocol=plan.protocol,
            size_bytes=plan.size,
            work=plan.work,
            first_client=sum(clients[:index]),
            clients=clients[index],
            requests=requests[index],
            churn=plan.churn,
            close=plan.close,
            timeout=plan.timeout,
            cpus=plan.cpus,
            authority=plan.address.authority,
            name=plan.address.name,
            udp=plan.udp,
            tls=plan.tls,
            ca=plan.ca,
            insecure=plan.insecure,
        )
        for index in range(plan.processes)
    ]


def _shares(total: int, parts: int) -> list[int]:
    return [total // parts + (index < total % parts) for index in range(parts)]
