"""Judging the clock, the timers and the memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.fitness.checks import UNKNOWN, Check, Verdict, check, graded
from tools.words import MEBIBYTE

if TYPE_CHECKING:
    from tools.fitness.findings import Glance, MachineFindings

SOON, LATE = 0.0003, 0.001  # seconds after a wake-up was due: the kernel's slack is 0.05 ms, a tick up to 10 ms
CHEAP, DEAR = 0.3e-6, 1e-6  # seconds of a look at the clock: 0.05 us where it is no system call; a client has three
ENOUGH_MEMORY, LITTLE_MEMORY = 512 << 20, 128 << 20  # a pool of fifty processes has 300 MiB
SWAP_SHARE = 0.1  # of the memory


def clock(glance: Glance) -> Check:
    """What a look at the clock costs, which a client pays for every request."""
    return check(
        "clock",
        f"{glance.clock_source or UNKNOWN}, {glance.clock_cost * 1e9:.0f} ns a look",
        graded(glance.clock_cost, CHEAP, DEAR),
        "a client looks at it several times for each request",
        "look what there is beside current_clocksource in /sys/devices/system/clocksource/clocksource0, and write tsc "
        "into it where it is among them; or boot with tsc=reliable",
    )


def timers(findings: MachineFindings) -> Check:
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


def memory(glance: Glance) -> Check:
    """Room for pools of processes, and for what connections take."""
    free = glance.memory_available
    return check(
        "memory",
        UNKNOWN if free is None else f"{free / MEBIBYTE:,.0f} MiB available",
        Verdict.GOOD if free is None else graded(free, ENOUGH_MEMORY, LITTLE_MEMORY),
        "a model that has processes or stacks for its clients meets the end of it first",
        "end what fills it, or measure with fewer connections",
    )


def swap(glance: Glance) -> Check:
    """Memory that is not there when it is needed."""
    used, pages = glance.swap_used_bytes, glance.swapped_in_pages
    much = used > SWAP_SHARE * glance.memory_bytes
    returned = f", {pages} pages came back while this looked" if pages else ""
    return check(
        "swap",
        f"{used / MEBIBYTE:.0f} MiB in use{returned}" if used else "none in use",
        Verdict.BAD if pages else Verdict.WARNING if much else Verdict.GOOD,
        "a page that must come back from swap takes milliseconds",
        "end what fills the memory, then: sudo swapoff -a && sudo swapon -a",
    )
