"""Whether a plan can be carried out as it stands: every number and every combination, before anything runs."""

from __future__ import annotations

import ipaddress
import math
import os
import resource
from typing import TYPE_CHECKING

from clients.conversations import DATAGRAM_PROTOCOLS, LARGEST_LINE, PROTOCOLS, SMALLEST_FRAME
from clients.datagram_lines import LARGEST_DATAGRAM, SMALLEST_DATAGRAM, largest_answer
from clients.distributions import read_distribution
from clients.guests.hostile import HOSTILE_KINDS, MOST_CLIENTS
from clients.pacing import ARRIVALS, HIGHEST_RATE

if TYPE_CHECKING:
    from clients.plan import LoadPlan

# What a load process has open beside its connections: the standard streams, the poller, what the interpreter
# opens.
SPARE_DESCRIPTORS = 32
DEEPEST_PIPELINE = 10_000
LONGEST_THINK = 3600.0
MOST_STEPS = 1000


class PlanError(ValueError):
    """The plan cannot be carried out as it stands; the message is one line for the user."""


def check(plan: LoadPlan) -> None:
    """Raise PlanError with the first thing that is wrong with `plan`."""
    _among("protocol", plan.protocol, PROTOCOLS)
    _among("close", plan.close, ("fin", "reset"))
    _within("connections", plan.connections, 1, MOST_CLIENTS)
    _within("processes", plan.processes, 1, 64)
    _within("duration", plan.duration, 0.01, 86_400)
    _within("timeout", plan.timeout, 0.001, 3600)
    _within("seed", plan.seed, 0, 2**63 - 1)
    _check_conversation(plan)
    _check_transport(plan)
    _check_requests(plan)
    _check_discipline(plan)
    _check_guests(plan)
    _check_processes(plan)
    _check_sources(plan)


def _check_conversation(plan: LoadPlan) -> None:
    if plan.mix and plan.work:
        raise PlanError("a mix says its own work lines: give one or the other")
    if plan.protocol == "work" and not (plan.work or plan.mix):
        raise PlanError("the protocol work and a work line go together")
    if plan.work and plan.protocol not in {"work", "http"}:
        raise PlanError("a work line goes together with the protocols work and http alone")
    if isinstance(plan.size, int) and not (plan.work or plan.mix):
        if plan.protocol == "frames":
            _within("size of a frame, its ^ and $ included,", plan.size, SMALLEST_FRAME, LARGEST_LINE)
        _within("size", plan.size, 1, LARGEST_LINE)
    try:
        parts = plan.parts
    except ValueError as error:
        raise PlanError(str(error)) from None
    if parts[0].protocol != plan.protocol:
        raise PlanError(f"the mix speaks {parts[0].protocol}, and the protocol is {plan.protocol}")


def _check_transport(plan: LoadPlan) -> None:
    if (plan.ca or plan.insecure) and not plan.tls:
        raise PlanError("ca and insecure are for tls")
    if plan.ca and plan.insecure:
        raise PlanError("ca says whom to trust and insecure trusts anybody: choose one")
    if plan.udp:
        _check_datagrams(plan)


def _check_datagrams(plan: LoadPlan) -> None:
    if plan.address.path:
        raise PlanError("udp needs HOST:PORT, not the path of a Unix socket")
    if plan.tls:
        raise PlanError("tls is for streams, not for udp")
    if plan.close != "fin":
        raise PlanError("a datagram socket has no connection to reset")
    if plan.protocol not in DATAGRAM_PROTOCOLS:
        raise PlanError(f"over udp the protocol is one of {', '.join(DATAGRAM_PROTOCOLS)}, not {plan.protocol!r}")
    if plan.mix or not isinstance(plan.size, int):
        raise PlanError("over udp all datagrams are of one size: a mix or a distribution is for streams")
    if plan.pipeline > 1:
        raise PlanError("over udp a client has one datagram in flight: pipeline is for streams")
    _within("size of a datagram", plan.size, SMALLEST_DATAGRAM, LARGEST_DATAGRAM)
    answer = largest_answer(plan.protocol, plan.size)
    if answer > LARGEST_DATAGRAM:
        raise PlanError(
            f"the answer to a datagram of {plan.size} bytes would have {answer}, "
            f"and a datagram holds at most {LARGEST_DATAGRAM}"
        )


def _check_requests(plan: LoadPlan) -> None:
    if plan.requests is not None:
        _within("requests", plan.requests, 1, 1_000_000_000)
        if plan.warmup:
            raise PlanError("warmup goes with a duration; a counted run measures every request")
    elif plan.warmup is not None:
        _within("warmup", plan.warmup, 0, 3600)
        if plan.warmup >= plan.duration:
            raise PlanError(f"warmup ({plan.warmup:g} s) must be shorter than duration ({plan.duration:g} s)")


def _check_discipline(plan: LoadPlan) -> None:
    _among("arrivals", plan.arrivals, ARRIVALS)
    _within("pipeline", plan.pipeline, 1, DEEPEST_PIPELINE)
    _within("max_waiting", plan.max_waiting, 0, 100_000_000)
    if plan.pipeline > 1 and plan.churn:
        raise PlanError("a connection per request has one request in flight: pipeline goes with kept connections")
    if plan.think:
        _check_think(plan)
    if plan.rate is None:
        if plan.final_rate is not None or plan.steps:
            raise PlanError("steps and a final rate go with a rate")
        return
    _within("rate", plan.rate, 1e-3, HIGHEST_RATE)
    if plan.final_rate:
        _within("rate", plan.final_rate, 1e-3, HIGHEST_RATE)
    if plan.steps:
        _within("steps", plan.steps, 2, MOST_STEPS)
    if plan.steps and plan.final_rate is None:
        raise PlanError("steps go with a rate that changes, as 100..5000")
    if plan.requests is not None and plan.final_rate is not None:
        raise PlanError("a rate that changes goes with a duration, not with a count of requests")


def _check_think(plan: LoadPlan) -> None:
    if plan.rate is not None:
        raise PlanError("think is of a closed loop; in an open one the rate says when requests are due")
    try:
        think = read_distribution(plan.think)
    except ValueError as error:
        raise PlanError(str(error)) from None
    _within("think", think.mean, 0, LONGEST_THINK)


def _check_guests(plan: LoadPlan) -> None:
    _within("hold", plan.hold, 0, MOST_CLIENTS)
    for kind, count in plan.hostile:
        _among("hostile", kind, tuple(HOSTILE_KINDS))
        _within(f"clients that are {kind}", count, 1, MOST_CLIENTS)
    if (plan.hold or plan.hostile) and (plan.udp or plan.tls):
        raise PlanError("held and hostile clients speak plain streams: neither udp nor tls")


def _check_processes(plan: LoadPlan) -> None:
    if plan.processes > plan.connections:
        raise PlanError(f"{plan.processes} processes need at least as many connections, not {plan.connections}")
    if plan.requests is not None and plan.processes > plan.requests:
        raise PlanError(f"{plan.processes} processes need at least as many requests, not {plan.requests}")
    _check_descriptors("connections", plan.connections, plan.processes)
    _check_descriptors("held and hostile clients", plan.hold + sum(count for _, count in plan.hostile), 1)
    missing = sorted(set(plan.cpus) - os.sched_getaffinity(0))
    if missing:
        raise PlanError(f"CPU {missing[0]} is not among those that this process may use")


def _check_descriptors(what: str, count: int, processes: int) -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    each = -(-count // processes) + SPARE_DESCRIPTORS
    if count and limit != resource.RLIM_INFINITY and each > limit:
        raise PlanError(
            f"{count} {what} in {processes} load process(es) need {each} descriptors "
            f"each, and the limit is {limit}: raise it (ulimit -Hn) or use more processes",
        )


def _check_sources(plan: LoadPlan) -> None:
    if plan.sources and plan.address.path:
        raise PlanError("sources are addresses of a network: a Unix socket has none")
    for source in plan.sources:
        try:
            ipaddress.ip_address(source)
        except ValueError:
            raise PlanError(f"a source is an IP address of this machine, not {source!r}") from None


def _among(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise PlanError(f"{name} is one of {', '.join(known)}, not {value!r}")


def _within(name: str, value: float, least: float, most: float) -> None:
    if not (math.isfinite(value) and least <= value <= most):
        raise PlanError(f"{name} must be from {_plain(least)} to {_plain(most)}, not {_plain(value)}")


def _plain(value: float) -> str:
    """The number without a power of ten where it is whole."""
    return str(int(value)) if math.isfinite(value) and value == int(value) else f"{value:g}"
