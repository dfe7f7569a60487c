"""All judges in the order in which they are told, and the verdicts on what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.fitness import connections, processors, time_and_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.fitness.checks import Check
    from tools.fitness.findings import Glance, MachineFindings

JUDGES: tuple[Callable[[MachineFindings], Check], ...] = (
    processors.cpus,
    processors.cores,
    processors.quota,
    processors.canary,
    processors.others,
    processors.stolen,
    processors.governor,
    processors.turbo,
    time_and_memory.clock,
    time_and_memory.timers,
    connections.loopback,
    connections.accept_queue,
    connections.ports,
    connections.descriptors,
    processors.control_group,
    time_and_memory.memory,
    time_and_memory.swap,
    connections.keepalive,
    connections.churn,
)
"""In the order in which they are told: first what spoils most."""

AT_A_GLANCE: tuple[Callable[[Glance], Check], ...] = (
    processors.cpus,
    processors.cores,
    processors.quota,
    processors.busy,
    processors.governor,
    processors.turbo,
    time_and_memory.clock,
    processors.control_group,
    time_and_memory.memory,
    time_and_memory.swap,
)
"""Those that need no probe, and that hold whatever is measured."""


def judged(findings: MachineFindings) -> tuple[Check, ...]:
    """Return the verdicts on all points."""
    return tuple(judge(findings) for judge in JUDGES)


def judged_at_a_glance(glance: Glance) -> tuple[Check, ...]:
    """Return the verdicts on what holds for every comparison, and is seen at a glance."""
    return tuple(judge(glance) for judge in AT_A_GLANCE)
