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
    ports, needed = port_count(), ports_needed(plan, targets)
    if ports is None:
        return plan.sources
    usable = int(ports * (1 - _SPARE))
    if needed <= usable * max(1, len(plan.sources)):
        return plan.sources
    if plan.sources or not all(_is_ipv4_loopback(target) for target in targets):
        raise PlanError(_too_many(needed, ports, len(plan.sources) or 1, plan))
    count = -(-needed // usable)
    if count > _MOST_SOURCES:
        raise PlanError(_too_many(needed, ports, _MOST_SOURCES, plan))
    return tuple(f"127.0.0.{number}" for number in range(2, 2 + count))


def ports_needed(plan: LoadPlan, targets: list[Target]) -> int:
    """How many ports are in use at a time, at most, as far as that can be told before the run.

    Held clients and hostile ones have theirs all the time. With a connection per request, ports that linger are in use
    for a minute unless the kernel gives them to new connections; a closed loop without a count of requests has no
    number that could be told.
    """
    open_at_once = plan.connections + plan.hold + sum(count for _, count in plan.hostile)
    lingers = plan.churn and plan.close != "reset" and not plan.udp and not reused_soon(targets)
    if not lingers:
        return open_at_once
    return open_at_once + (_requests_in(plan, _LINGERING_SECONDS) or 0)


def _requests_in(plan: LoadPlan, seconds: float) -> int | None:
    """How many requests there are at most in so many seconds; None where only the server knows."""
    if plan.rate is not None:
        highest = max(plan.rate, plan.final_rate or 0.0)
        return int(min(highest * seconds, sum(segment.expected for segment in plan.segments)))
    return plan.requests


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
