"""Whether a connection per request would run out of ports, told before the run.

Who closes first keeps the port in TIME_WAIT, here the client. Linux lets a new connection take such a port again after
a second where `tcp_tw_reuse` allows it (2, the default, does over loopback), so loopback churn does not run out: 66,000
connections in 5 s met no error. Elsewhere a port is gone for a minute.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

from clients.plan import PlanError

if TYPE_CHECKING:
    from clients.addresses import Target
    from clients.plan import LoadPlan

_SYSTEM = Path("/proc/sys/net/ipv4")


def check_ports(plan: LoadPlan, targets: list[Target]) -> None:
    """Refuse (PlanError) a counted churn run that needs more ports than there are."""
    lingering = plan.churn and plan.close != "reset" and not plan.udp and targets[0].family != socket.AF_UNIX
    if not lingering or plan.requests is None:
        return
    ports = port_count()
    if ports is not None and plan.requests > ports and not reused_soon(targets):
        raise PlanError(
            f"{plan.requests} connections need more than the {ports} ports of this machine, which linger for a "
            "minute each: ask for fewer, or use --close reset"
        )


def port_count() -> int | None:
    """How many ports the system gives to clients; None where it does not tell."""
    try:
        first, last = map(int, (_SYSTEM / "ip_local_port_range").read_text().split())
    except OSError:
        return None
    return last - first + 1


def reused_soon(targets: list[Target]) -> bool:
    """Whether the kernel gives a port that lingers to a new connection to these addresses."""
    try:
        reuse = int((_SYSTEM / "tcp_tw_reuse").read_text())
    except OSError:
        return False
    return reuse == 1 or (reuse == 2 and all(_is_loopback(target) for target in targets))


def _is_loopback(target: Target) -> bool:
    host = str(target.address[0])
    return host.startswith("127.") or host == "::1"
