"""Judging the CPUs: how many, whose, how fast, and who else uses them. The thresholds stand beside their reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.fitness.checks import UNKNOWN, Check, Verdict, check, graded

if TYPE_CHECKING:
    from tools.fitness.findings import Glance, MachineFindings

SPUN_WELL, SPUN_BADLY = 0.95, 0.9  # of a CPU: a loss of a tenth is more than most models differ by
LITTLE_STEAL, MUCH_STEAL = 0.01, 0.05
OTHERS_NOTICED, OTHERS_MUCH = 0.1, 0.25  # of one CPU
OTHERS_SHARE = 0.05  # of all CPUs
BOTH_SIDES = 2  # CPUs: one for the server and one for the clients


def cpus(glance: Glance) -> Check:
    """One for the server and one for the clients, at least."""
    usable, there = glance.usable_cpus, glance.cpus
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


def cores(glance: Glance) -> Check:
    """Two CPUs that are one core, on both sides."""
    pairs = ", ".join(f"{server} and {client}" for server, client in glance.shared_cores)
    return check(
        "cores",
        f"CPUs {pairs} share a core" if pairs else "server and clients share none",
        Verdict.WARNING if pairs else Verdict.GOOD,
        "what one side computes slows the other, and no counter tells",
        "keep the CPUs of a core on one side: --server-cpus, --client-cpus",
    )


def quota(glance: Glance) -> Check:
    """A limit on CPU time, which stops whoever has used it up for the rest of a tenth of a second."""
    limit = glance.quota
    enough = limit is None or limit >= glance.usable_cpus
    return check(
        "CPU quota",
        "none" if limit is None else f"{limit:g} of {glance.usable_cpus} CPUs",
        Verdict.GOOD if enough else Verdict.WARNING if limit and limit >= BOTH_SIDES else Verdict.BAD,
        "who has used it up stands still until the next period, server and clients alike",
        "run without the quota: docker run without --cpus, a service without CPUQuota=",
    )


def governor(glance: Glance) -> Check:
    """A frequency that does not follow the load."""
    named = ", ".join(glance.governors)
    fixed = glance.governors == ("performance",) or (not named and glance.virtual)
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


def turbo(glance: Glance) -> Check:
    """A frequency that depends on the other CPUs and on the temperature."""
    return check(
        "turbo",
        UNKNOWN if glance.turbo is None else "on" if glance.turbo else "off",
        Verdict.WARNING if glance.turbo else Verdict.GOOD,
        "a CPU is faster while others idle, and slows down as it warms",
        "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo; "
        "where that is not there: echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost",
    )


def canary(findings: MachineFindings) -> Check:
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


def culprit(findings: MachineFindings) -> str:
    """Who may have taken the CPU, and what to do about it."""
    if sum(other.share for other in findings.others) >= OTHERS_NOTICED:
        return "end what else runs here (see: other processes), and look again"
    if findings.steal and findings.steal >= LITTLE_STEAL:
        return "the hypervisor gave it to others: measure at another time, or on a machine of your own"
    return (
        "no process here took it: look for a quota (cat /sys/fs/cgroup/cpu.max), else it was the hypervisor; "
        "measure at another time"
    )


def busy(glance: Glance) -> Check:
    """How much others compute now; what ran in the last minute, as a comparison before this one, has ended."""
    used = sum(other.share for other in glance.others)
    heavy = used >= OTHERS_MUCH and used / glance.usable_cpus >= OTHERS_SHARE
    return check(
        "other processes",
        f"{used:.0%} of a CPU used by others",
        Verdict.BAD if heavy else Verdict.WARNING if used >= OTHERS_NOTICED else Verdict.GOOD,
        "their work is done in the time of what is measured",
        "wait until they are done, or end those that are yours and need not run; serverlab doctor names them",
    )


def others(glance: Glance) -> Check:
    """Who else computes, and whether much ran in the last minute."""
    verdict = busy(glance).verdict
    named = ", ".join(f"{other.name} (pid {other.pid}) {other.share:.0%}" for other in glance.others[:3])
    if not named and glance.load_average > glance.usable_cpus:
        verdict = Verdict.WARNING
    return check(
        "other processes",
        f"{named or 'none busy'}; load average {glance.load_average:g}",
        verdict,
        "their work is done in the time of what is measured",
        "wait until they are done, or end those that are yours and need not run"
        if glance.others
        else "much was running in the last minute: wait until it has calmed down",
    )


def stolen(findings: MachineFindings) -> Check:
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


def control_group(glance: Glance) -> Check:
    """The accounting that sees all."""
    return check(
        "control group",
        glance.cgroup or ": ".join(filter(None, ("none", glance.cgroup_fault))),
        Verdict.GOOD if glance.cgroup else Verdict.WARNING,
        "only its counter sees the CPU of children that nobody waits for",
        "run as root, or: systemd-run --user --scope --property=Delegate=yes serverlab compare",
    )
