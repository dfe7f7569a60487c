"""Whether a load would run out of ports, told before the run; and addresses to connect from that have more.

A connection has a port of its own for as long as it is open, of each address that it connects from to one server. Who
closes first keeps the port in TIME_WAIT, here the client. Linux lets a new connection take such a port again after
a second where `tcp_tw_reuse` allows it (2, the default, does over loopback), so loopback churn does not run out: 66,000
connections in 5 s met no error. Elsewhere a port is gone for a minute.

Every address of 127.0.0.0/8 is this machine's, and has all ports: where one is too few, several are used.
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
_LINGERING_SECONDS = 60  # in TIME_WAIT
_REUSED_SECONDS = 1  # until a port that lingers is given to a new connection, where the kernel does that
_CHURN_RATE = 15_000.0  # connections a second that a load process opens and closes at most
_SPARE = 0.1  # of the ports are left to others on this machine
_MOST_SOURCES = 250  # 127.0.0.2 to 127.0.0.251


def sources_for(plan: LoadPlan, targets: list[Target]) -> tuple[str, ...]:
    """Return the addresses to connect from; empty where the system may choose.

    Raises PlanError where those that the plan names are not this machine's, and where the run would need more ports
    than there are.
    """
    if targets[0].family == socket.AF_UNIX:
        return ()
    _check_sources(plan, targets)
    ports = port_count()
    if ports is None:
        return plan.sources
    open_at_once = plan.connections + plan.hold + sum(count for _, count in plan.hostile)
    sure = open_at_once + _lingering(plan, targets, _highest_rate(plan))
    most = len(plan.sources) or (_MOST_SOURCES if all(map(_is_ipv4_loopback, targets)) else 1)
    if _addresses(sure, ports) > most:
        raise PlanError(_too_many(sure, ports, most, plan))
    likely = open_at_once + _lingering(plan, targets, _highest_rate(plan) or _CHURN_RATE * plan.processes)
    count = min(most, _addresses(likely, ports))
    if plan.sources or count == 1:
        return plan.sources
    return tuple(f"127.0.0.{number}" for number in range(2, 2 + count))


def _addresses(needed: int, ports: int) -> int:
    """How many addresses have so many ports, a few left to others."""
    return -(-needed // max(1, int(ports * (1 - _SPARE))))


def _highest_rate(plan: LoadPlan) -> float | None:
    """Requests a second at most; None in a closed loop, where the server decides."""
    return None if plan.rate is None else max(plan.rate, plan.final_rate or 0.0)


def _lingering(plan: LoadPlan, targets: list[Target], rate: float | None) -> int:
    """How many ports linger at a time after their connections, at most, at so many a second; None: nobody knows."""
    if not plan.churn or plan.close == "reset" or plan.udp:
        return 0
    seconds = _REUSED_SECONDS if reused_soon(targets) else _LINGERING_SECONDS
    if rate is None:
        return 0 if seconds == _REUSED_SECONDS else plan.requests or 0
    asked = rate * seconds
    return int(min(asked, rate * plan.duration) if plan.requests is None else min(asked, plan.requests))


def _too_many(needed: int, ports: int, addresses: int, plan: LoadPlan) -> str:
    whose = f"{ports:,} ports of this machine" if addresses == 1 else f"{ports:,} ports of {addresses} addresses each"
    advice = "ask for fewer, or name more addresses of this machine with --sources"
    lingering = ", or use --close reset, which lets none linger" if plan.churn and plan.close != "reset" else ""
    return f"{needed:,} ports would be in use at a time, more than the {whose} can give: {advice}{lingering}"


def _check_sources(plan: LoadPlan, targets: list[Target]) -> None:
    for source in plan.sources:
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        if not any(target.family == family for target in targets):
            raise PlanError(f"the server has no address that could be reached from {source}")
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((source, 0))
            except OSError as error:
                raise PlanError(f"cannot connect from {source}: {error.strerror}") from None


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
    return _is_ipv4_loopback(target) or str(target.address[0]) == "::1"


def _is_ipv4_loopback(target: Target) -> bool:
    return target.family == socket.AF_INET and str(target.address[0]).startswith("127.")
