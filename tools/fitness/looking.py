"""Looking at a machine: a glance at what the system tells, and the probes, one after the other."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from clients.addresses import NOWHERE
from clients.ceiling import ceiling, forget
from clients.plan import LoadPlan, PlanError
from tools.failure import Failure
from tools.fitness.findings import MachineFindings
from tools.fitness.glancing import glance, text_of
from tools.fitness.probes import round_trip, spin, wakes
from tools.fitness.watching import Watch
from tools.machine import divided, usable_cpus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clients.ceiling import Ceiling

KEPT_CONNECTIONS = 50
CHURNING_CLIENTS = 10
CEILING_SECONDS = 0.4  # of load, for each ceiling: it is remembered, and a comparison waits for it
STEAL = 8  # the field of the first line of /proc/stat, after its name and those of other uses


def look(*, again: bool = False) -> MachineFindings:
    """Find out all; takes about 4 s, and up to 8 where something else takes the CPUs.

    With `again`, ceilings that are remembered are forgotten first. Raises Failure where there is no /proc to read.
    """
    if not Path("/proc/stat").exists():
        raise Failure("doctor reads Linux's /proc, which is not here")
    cpus = usable_cpus()
    division = divided(cpus)
    watch, times = Watch(), cpu_times()
    spins = spin(cpus)  # whoever wants the CPUs, too, is seen meanwhile
    steal, seen = stolen(times, cpu_times()), glance(division, watch)
    if again:
        forget()
    keepalive, keepalive_fault = ceiling_of(KEPT_CONNECTIONS, division.client)
    churn, churn_fault = ceiling_of(CHURNING_CLIENTS, division.client, churn=True)
    return MachineFindings(
        **{field.name: getattr(seen, field.name) for field in dataclasses.fields(seen)},
        spins=spins,
        steal=steal,
        wakes=wakes(),
        round_trip=round_trip((division.client[0], division.server[0]) if division.disjoint else None),
        apart=division.disjoint,
        keepalive=keepalive,
        keepalive_fault=keepalive_fault,
        churn=churn,
        churn_fault=churn_fault,
    )


def ceiling_of(connections: int, cpus: tuple[int, ...], *, churn: bool = False) -> tuple[Ceiling | None, str]:
    """Return the ceiling of a client on these CPUs, or None and the reason, as far as there is a known one."""
    try:
        plan = LoadPlan(NOWHERE, connections=connections, churn=churn, cpus=cpus)
    except PlanError as error:
        return None, str(error)
    return ceiling(plan, seconds=CEILING_SECONDS), ""


def cpu_times() -> list[int]:
    """Return the ticks of all CPUs together, by use, from the first line of /proc/stat."""
    return [int(word) for word in text_of("/proc/stat").partition("\n")[0].split()[1:] if word.isdigit()]


def stolen(before: Sequence[int], after: Sequence[int]) -> float | None:
    """Return the share of the ticks between two `cpu_times` that the hypervisor gave to others."""
    spent = [late - early for early, late in zip(before, after, strict=True)]
    total = sum(spent[:STEAL])  # what guests used, which follows, is in the user's time already
    return spent[STEAL - 1] / total if len(spent) >= STEAL and total > 0 else None
