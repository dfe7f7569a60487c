"""Judging what was found: a verdict on each point, why it matters, and what to do. Nothing here looks at the machine.

"bad" means that figures from this machine would mislead; "warning", that some of them might, or that the next
larger run will fail. The thresholds stand beside their reasons.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from clients.ceiling import Ceiling
    from tools.fitness.findings import Findings

UNKNOWN = "the system does not tell"
SPUN_WELL, SPUN_BADLY = 0.95, 0.9  # of a CPU: a loss of a tenth is more than most models differ by
BACKLOG, LEAST_BACKLOG = 4096, 1024  # the kernel's default since 5.4; with less, a burst of a thousand is cut short
MANY_PORTS, FEW_PORTS = 20_000, 1000  # Linux gives 28,232
MANY_DESCRIPTORS, FEW_DESCRIPTORS = 10_000, 1024  # for thousands of clients, and for not even a thousand
LITTLE_STEAL, MUCH_STEAL = 0.01, 0.05
OTHERS_NOTICED, OTHERS_MUCH = 0.1, 0.25  # of one CPU
OTHERS_SHARE = 0.05  # of all CPUs
SOON, LATE = 0.0003, 0.001  # seconds after a wake-up was due: the kernel's slack is 0.05 ms, a tick up to 10 ms
NEAR, FAR = 0.0001, 0.0003  # seconds of a round trip: 0.02 ms on bare metal, 0.06 ms in a virtual machine
SWAP_SHARE = 0.1  # of the memory
SLOW_KEEPALIVE, SLOW_CHURN = 10_000, 2000  # requests per second


class Verdict(StrEnum):
    """What a point means for measuring."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Check:
    """One point: what was found, in words, and what follows; `fix` is a command or a sentence, empty where good."""

    name: str
    found: str
    verdict: Verdict
    why: str
    fix: str

    def to_json(self) -> dict[str, object]:
        """Return the fields as JSON values."""
        return {**asdict(self), "verdict": self.verdict.value}


def judged(findings: Findings) -> tuple[Check, ...]:
    """Return the verdicts on all points."""
    return tuple(judge(findings) for judge in JUDGES)


def graded(value: float, good: float, bad: float) -> Verdict:
    """Grade a figure; where `good` is above `bad`, more is better."""
    sign = 1 if good > bad else -1
    if sign * value >= sign * good:
        return Verdict.GOOD
    return Verdict.BAD if sign * value < sign * bad else Verdict.WARNING


def check(name: str, found: str, verdict: Verdict, why: str, fix: str) -> Check:
    """Make a check; there is nothing to fix where all is good."""
    return Check(name, found, verdict, why, "" if verdict is Verdict.GOOD else fix)


def cpus(findings: Findings) -> Check:
    """One for the server and one for the clients, at least."""
    usable, there = findings.usable_cpus, findings.cpus
    confined = there > 1
    fix = (
        f"this process may run on {usable} of {there} CPUs: start it without taskset, or in a larger cpuset"
        if confined
        else "measure on a machine with two CPUs or more; here, compare nothing but orders of magnitude"
    )
    return check(
        "CPUs",
        f"{usable} of {there} usable",
        Verdict.GOOD if usable > 1 else Verdict.BAD,
        "server and clients that share a CPU measure each other",
        fix,
    )


def governor(findings: Findings) -> Check:
    """A frequency that does not follow the load."""
    named = ", ".join(findings.governors)
    fixed = findings.governors == ("performance",) or (not named and findings.virtual)
    fix = "sudo cpupower frequency-set --governor performance"
    if not named:
        fix = "look in the firmware's settings whether the frequency is fixed"
    return check(
        "frequency governor",
        named or UNKNOWN,
        Verdict.GOOD if fixed else Verdict.WARNING,
        "a frequency that follows the load makes light loads look slow",
        fix,
    )


def accept_queue(findings: Findings) -> Check:
    """The longest backlog that a server may ask for."""
    length = findings.somaxconn
    return check(
        "accept queue",
        UNKNOWN if length is None else f"somaxconn {length}",
        Verdict.WARNING if length is None else graded(length, BACKLOG, LEAST_BACKLOG),
        "connects that find it full wait a second for another try",
        f"sudo sysctl -w net.core.somaxconn={BACKLOG}",
    )


def ports(findings: Findings) -> Check:
    """Enough for a connection per request."""
    count, reuse = findings.ports, findings.tw_reuse
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


def descriptors(findings: Findings) -> Check:
    """The hard limit counts: load processes and servers of ours raise their own to it."""
    soft, hard = ("unlimited" if limit is None else str(limit) for limit in limits(findings))
    most = findings.hard_descriptors
    return check(
        "descriptors",
        f"{soft}, at most {hard}",
        Verdict.GOOD if most is None else graded(most, MANY_DESCRIPTORS, FEW_DESCRIPTORS),
        "every connection is one, at the server and at the client",
        "as root: ulimit -Hn 65536 && ulimit -n 65536; for good: nofile in /etc/security/limits.conf, "
        "LimitNOFILE= of a service",
    )


def limits(findings: Findings) -> tuple[int | None, int | None]:
    """The soft and the hard limit of descriptors."""
    return findings.soft_descriptors, findings.hard_descriptors


def control_group(findings: Findings) -> Check:
    """The accounting that sees all."""
    return check(
        "control group",
        findings.cgroup or f"none: {findings.cgroup_fault}",
        Verdict.GOOD if findings.cgroup else Verdict.WARNING,
        "only its counter sees the CPU of children that nobody waits for",
        "run as root, or: systemd-run --user --scope --property=Delegate=yes serverlab compare",
    )


def canary(findings: Findings) -> Check:
    """Whether a CPU that is wanted is got."""
    if not findings.spins:
        found, verdict = "no loop came to its end", Verdict.BAD
    else:
        worst = min(findings.spins, key=lambda spin: spin.share)
        found = f"{worst.share:.0%} of CPU {worst.cpu}, the worst of {len(findings.spins)}"
        verdict = graded(worst.share, SPUN_WELL, SPUN_BADLY)
    return check(
        "CPU when wanted", found, verdict, "what a server does not get, it seems not to need", culprit(findings)
    )


def culprit(findings: Findings) -> str:
    """Who may have taken the CPU, and what to do about it."""
    if sum(other.share for other in findings.others) >= OTHERS_NOTICED:
        return "end what else runs here (see: other processes), and look again"
    if findings.steal and findings.steal >= LITTLE_STEAL:
        return "the hypervisor gave it to others: measure at another time, or on a machine of your own"
    return (
        "no process here took it: look for a quota (cat /sys/fs/cgroup/cpu.max), else it was the hypervisor; "
        "measure at another time"
    )


def others(findings: Findings) -> Check:
    """Who else computes."""
    used = sum(other.share for other in findings.others)
    heavy = used >= OTHERS_MUCH and used / findings.usable_cpus >= OTHERS_SHARE
    verdict = Verdict.BAD if heavy else Verdict.WARNING if used >= OTHERS_NOTICED else Verdict.GOOD
    named = ", ".join(f"{other.name} (pid {other.pid}) {other.share:.0%}" for other in findings.others[:3])
    if not named and findings.load_average > findings.usable_cpus:
        verdict = Verdict.WARNING
    return check(
        "other processes",
        f"{named or 'none busy'}; load average {findings.load_average:g}",
        verdict,
        "their work is done in the time of what is measured",
        "wait until they are done, or end those that are yours and need not run"
        if findings.others
        else "much was running in the last minute: wait until it has calmed down",
    )


def stolen(findings: Findings) -> Check:
    """What a hypervisor admits."""
    kind = "a virtual machine" if findings.virtual else "no virtual machine, as far as is told"
    steal = findings.steal
    return check(
        "virtualisation",
        f"{kind}; steal {UNKNOWN if steal is None else f'{steal:.1%}'}",
        Verdict.GOOD if steal is None else graded(steal, LITTLE_STEAL, MUCH_STEAL),
        "stolen time is in every latency",
        "measure at another time, or on a machine with CPUs of its own",
    )


def timers(findings: Findings) -> Check:
    """How late a sleep of a millisecond ends."""
    wakes = findings.wakes
    verdict = graded(wakes.median, SOON, LATE)
    if findings.clock_resolution > SOON:
        verdict = Verdict.BAD
    return check(
        "timers",
        f"{wakes.median * 1000:.2f} ms late, at worst {wakes.worst * 1000:.1f} ms; "
        f"the clock tells {findings.clock_resolution * 1e9:g} ns",
        verdict,
        "an open loop sends each request when it is due",
        "free the CPUs (see: CPU when wanted); else it is a kernel without high-resolution timers",
    )


def loopback(findings: Findings) -> Check:
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


def swap(findings: Findings) -> Check:
    """Memory that is not there when it is needed."""
    used, pages = findings.swap_used_bytes, findings.swapped_in_pages
    much = used > SWAP_SHARE * findings.memory_bytes
    returned = f", {pages} pages came back while this looked" if pages else ""
    return check(
        "swap",
        f"{used / 2**20:.0f} MiB in use{returned}" if used else "none in use",
        Verdict.BAD if pages else Verdict.WARNING if much else Verdict.GOOD,
        "a page that must come back from swap takes milliseconds",
        "end what fills the memory, then: sudo swapoff -a && sudo swapon -a",
    )


def keepalive(findings: Findings) -> Check:
    """What the client can do with connections that it keeps."""
    return ceiling_check("client's ceiling, keepalive", findings.keepalive, findings.keepalive_fault, SLOW_KEEPALIVE)


def churn(findings: Findings) -> Check:
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


JUDGES: tuple[Callable[[Findings], Check], ...] = (
    cpus,
    canary,
    others,
    stolen,
    governor,
    timers,
    loopback,
    accept_queue,
    ports,
    descriptors,
    control_group,
    swap,
    keepalive,
    churn,
)
"""In the order in which they are told: first what spoils most."""
