"""Judging what connections need: queue, ports, descriptors, loopback, and clients that are fast enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.fitness.checks import UNKNOWN, Check, Verdict, check, graded

if TYPE_CHECKING:
    from clients.ceiling import Ceiling
    from tools.fitness.findings import Glance, MachineFindings

BACKLOG, LEAST_BACKLOG = 4096, 1024  # the kernel's default since 5.4; with less, a burst of a thousand is cut short
MANY_PORTS, FEW_PORTS = 20_000, 1000  # Linux gives 28,232
MANY_DESCRIPTORS, FEW_DESCRIPTORS = 10_000, 1024  # for thousands of clients, and for not even a thousand
NEAR, FAR = 0.0001, 0.0003  # seconds of a round trip: 0.02 ms on bare metal, 0.06 ms in a virtual machine
SLOW_KEEPALIVE, SLOW_CHURN = 10_000, 2000  # requests per second
FULL_QUEUE = "connects that find it full wait a second for another try"
ONE_EACH = "every connection is one, at the server and at the client"
MORE_DESCRIPTORS = (
    "as root: ulimit -Hn 65536 && ulimit -n 65536; for good: nofile in /etc/security/limits.conf, LimitNOFILE= of a "
    "service"
)


def longer_queue(least: int = BACKLOG) -> str:
    """The command that lets a server ask for so long a queue."""
    return f"sudo sysctl -w net.core.somaxconn={least}"


def accept_queue(glance: Glance) -> Check:
    """The longest backlog that a server may ask for."""
    length = glance.somaxconn
    return check(
        "accept queue",
        UNKNOWN if length is None else f"somaxconn {length}",
        Verdict.WARNING if length is None else graded(length, BACKLOG, LEAST_BACKLOG),
        FULL_QUEUE,
        longer_queue(),
    )


def ports(glance: Glance) -> Check:
    """Enough for a connection per request."""
    count, reuse = glance.ports, glance.tw_reuse
    if count is None:
        verdict = Verdict.WARNING
    else:
        verdict = graded(count, MANY_PORTS, FEW_PORTS)
        if verdict is Verdict.GOOD and reuse == 0:
            verdict = Verdict.WARNING
    settings = 'net.ipv4.ip_local_port_range="32768 60999"' if count is None or count < MANY_PORTS else ""
    settings += " net.ipv4.tcp_tw_reuse=2" if reuse == 0 else ""
    return check(
        "client ports",
        UNKNOWN if count is None else f"{count}, tcp_tw_reuse {UNKNOWN if reuse is None else reuse}",
        verdict,
        "a connection per request keeps its port for a minute, unless it is used again",
        f"sudo sysctl -w {settings.strip()}; or load with --close reset",
    )


def descriptors(glance: Glance) -> Check:
    """The hard limit counts: load processes and servers of ours raise their own to it."""
    soft, hard = ("unlimited" if limit is None else str(limit) for limit in limits(glance))
    most = glance.hard_descriptors
    return check(
        "descriptors",
        f"{soft}, at most {hard}",
        Verdict.GOOD if most is None else graded(most, MANY_DESCRIPTORS, FEW_DESCRIPTORS),
        ONE_EACH,
        MORE_DESCRIPTORS,
    )


def limits(glance: Glance) -> tuple[int | None, int | None]:
    """The soft and the hard limit of descriptors."""
    return glance.soft_descriptors, glance.hard_descriptors


def loopback(findings: MachineFindings) -> Check:
    """The floor under every latency."""
    trip = findings.round_trip
    where = "between two CPUs" if findings.apart else "on one CPU"
    return check(
        "loopback round trip",
        "no byte came back" if trip is None else f"{trip * 1e6:.0f} us {where}",
        Verdict.BAD if trip is None else graded(trip, NEAR, FAR),
        "no latency measured here is lower, and it is in all of them",
        "free the CPUs (see: CPU when wanted); in a virtual machine, sleeping CPUs wake slowly: boot with idle=poll",
    )


def keepalive(findings: MachineFindings) -> Check:
    """What the client can do with connections that it keeps."""
    return ceiling_check("client's ceiling, keepalive", findings.keepalive, findings.keepalive_fault, SLOW_KEEPALIVE)


def churn(findings: MachineFindings) -> Check:
    """What the client can do with a connection per request."""
    return ceiling_check("client's ceiling, churn", findings.churn, findings.churn_fault, SLOW_CHURN)


def ceiling_check(name: str, ceiling: Ceiling | None, fault: str, least: float) -> Check:
    """Judge a ceiling: a throughput near it is the client's, not the server's."""
    why = "a throughput near it says more of the client than of the server"
    if ceiling is None:
        found = f"not measured: {fault}" if fault else "could not be measured"
        return check(name, found, Verdict.BAD, why, "mend what is bad above, and look again: serverlab doctor")
    fast = ceiling.requests_per_second >= least
    return check(
        name,
        f"{ceiling}, {ceiling.client_cpu_per_request * 1e6:.1f} us of CPU each ({ceiling.measured_at})",
        Verdict.GOOD if fast and ceiling.limited_by_client else Verdict.WARNING,
        why,
        "only a lower bound: free the CPUs, and measure it anew: serverlab doctor --again"
        if fast
        else "if the machine was busy then, measure it anew: serverlab doctor --again; else load with --processes 2",
    )
