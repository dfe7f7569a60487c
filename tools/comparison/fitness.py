"""What of the machine makes the figures of a plan less sure, from a glance before its first cell.

What a probe of seconds would find is left to `serverlab doctor`. How long a queue, how many descriptors and how many
ports are enough depends on the plan: here they are judged by what it asks for.
"""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING

from clients.addresses import NOWHERE, Target
from clients.plan import PlanError
from clients.plan_checks import SPARE_DESCRIPTORS
from clients.ports import sources_for
from tools.comparison.asked import AskedError
from tools.fitness.checks import Check, Verdict, check
from tools.fitness.connections import FULL_QUEUE, MORE_DESCRIPTORS, ONE_EACH, longer_queue, ports
from tools.fitness.glancing import glance
from tools.fitness.judging import judged_at_a_glance
from tools.saved.header import Amiss
from tools.variants.commands import USUAL
from tools.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.comparison.planning import Plan
    from tools.fitness.findings import Glance
    from tools.workloads import Workload

TARGETS = [Target(socket.AF_INET, (NOWHERE.host, NOWHERE.port))]  # of the host where servers listen
WORST_FIRST = (Verdict.BAD, Verdict.WARNING)


def check_possible(plan: Plan) -> None:
    """Refuse a plan of which a workload cannot be carried out here, before anything is run; AskedError names it."""
    for workload in plan.workloads:
        timing = plan.timing
        try:
            asked = workload.load_plan(
                NOWHERE,
                warm_up=timing.warm_up,
                duration=timing.duration * workload.weight,
                cpus=plan.division.client,
                seed=plan.seed,
            )
            sources_for(asked, TARGETS)
        except PlanError as error:
            raise AskedError(f"{workload.name} cannot be run here: {error}") from error


def amiss(plan: Plan) -> tuple[Amiss, ...]:
    """Glance at the machine, for some 50 ms, and return what makes the plan's figures less sure, the worst first."""
    return judged_for(plan, glance(plan.division))


def judged_for(plan: Plan, seen: Glance) -> tuple[Amiss, ...]:
    """Return what was seen and is not good for this plan, the worst first."""
    passed_on = replace(seen, cgroup_fault="")  # which names a user's session, and a report is made to be passed on
    checks = (*judged_at_a_glance(passed_on), *_checks_of(plan, seen))
    ordered = (each for verdict in WORST_FIRST for each in checks if each.verdict is verdict)
    return tuple(Amiss(each.name, each.verdict.value, each.found, each.why, each.fix) for each in ordered)


def in_a_line(found: Sequence[Amiss]) -> str:
    """What is amiss in one sentence; nothing where nothing is."""
    if not found:
        return ""
    things = f"{counted(len(found), 'thing')} make{'s' if len(found) == 1 else ''} figures less sure"
    return f"This machine: {things}: {', '.join(each.name for each in found)}; serverlab doctor says more."


def _checks_of(plan: Plan, seen: Glance) -> Iterator[Check]:
    """The checks that depend on what the plan asks for."""
    yield _accept_queue(plan.workloads, seen)
    most = max(plan.workloads, key=_clients)
    yield _descriptors(most, seen.hard_descriptors, "may have", Verdict.BAD)
    if any(model.command for model in plan.models):  # servers of ours raise their own limit
        yield _descriptors(most, seen.soft_descriptors, "begins, if it is yours, with", Verdict.WARNING)
    if any(workload.churn for workload in plan.workloads):
        yield ports(seen)


def _accept_queue(workloads: Sequence[Workload], seen: Glance) -> Check:
    """Whether clients find a place in the queue that servers ask for, as far as it is the kernel that shortens it."""
    wanted = max(min(_backlog(workload), _clients(workload)) for workload in workloads)
    asked, length = max(map(_backlog, workloads)), seen.somaxconn
    return check(
        "accept queue",
        f"servers ask for {asked:,} places, and somaxconn allows {length}",
        Verdict.BAD if length is not None and length < wanted else Verdict.GOOD,
        FULL_QUEUE,
        longer_queue(asked),
    )


def _descriptors(most: Workload, limit: int | None, has: str, verdict: Verdict) -> Check:
    """Whether one process can serve all clients of the workload that has most of them."""
    needed = _clients(most) + SPARE_DESCRIPTORS
    few = limit is not None and limit < needed
    return check(
        "descriptors",
        f"a server of one process needs {needed:,} for {most.name}, and {has} {limit}",
        verdict if few else Verdict.GOOD,
        ONE_EACH,
        MORE_DESCRIPTORS,
    )


def _backlog(workload: Workload) -> int:
    """The queue that servers of this workload ask for."""
    return int(workload.server.get("backlog", USUAL["backlog"]))


def _clients(workload: Workload) -> int:
    """The most clients of a workload that are connected at a time."""
    return workload.connections + workload.hold + sum(workload.hostile.values())
