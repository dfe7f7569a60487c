"""The plan that follows from the command line of `serverlab load`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.arguments import Parser, address_of, check_transport
from clients.mixes import read_mix
from clients.plan import DATAGRAM_TIMEOUT, MAX_WAITING, TIMEOUT, LoadPlan, PlanError
from clients.searching.search import START_RATE

if TYPE_CHECKING:
    import argparse


def plan_of(options: argparse.Namespace, parser: Parser) -> LoadPlan:
    """Return the plan that the options describe; ends with status 2 where they describe none."""
    if options.export and options.output is None:
        parser.error("--export says in which formats to save, and --output where: give both")
    if (options.work or options.mix) and options.size is not None:
        parser.error("--size is for what is echoed; a work line and a mix say their own sizes")
    if not _is_open(options) and (options.arrivals or options.max_waiting is not None):
        parser.error("--arrivals and --max-waiting are of an open loop: give its --rate")
    check_transport(options, parser)
    default_timeout = DATAGRAM_TIMEOUT if options.udp else TIMEOUT
    try:
        return LoadPlan(
            address=address_of(options, parser),
            protocol=options.protocol or _protocol_of(options),
            connections=options.connections,
            duration=options.duration,
            requests=options.requests,
            churn=options.churn,
            size=_size_of(options.size),
            work=options.work,
            warmup=options.warmup,
            timeout=default_timeout if options.timeout is None else options.timeout,
            processes=options.processes,
            cpus=options.cpus,
            close=options.close,
            udp=options.udp,
            tls=options.tls,
            ca=options.ca,
            insecure=options.insecure,
            rate=_first_rate(options),
            final_rate=options.rate[1],
            steps=options.steps,
            arrivals=options.arrivals or "poisson",
            seed=options.seed,
            max_waiting=MAX_WAITING if options.max_waiting is None else options.max_waiting,
            think=options.think,
            pipeline=options.pipeline,
            mix=options.mix,
            hold=options.hold,
            hostile=tuple(options.hostile),
            sources=options.sources,
        )
    except ValueError as error:  # PlanError among them
        parser.error(str(error))


def _is_open(options: argparse.Namespace) -> bool:
    return options.rate[0] is not None or options.find_rate is not None


def _first_rate(options: argparse.Namespace) -> float | None:
    """The rate asked for, or the one to search from; PlanError where a search makes no sense."""
    if options.find_rate is None:
        rate: float | None = options.rate[0]
        return rate
    if options.requests is not None or options.rate[1] is not None or options.steps:
        raise PlanError("--find-rate tries one rate after the other, each for --duration: no requests, ramp or steps")
    return options.rate[0] or START_RATE


def _size_of(text: str | None) -> int | str:
    """A number of bytes, or the distribution that the text may be."""
    if text is None:
        return 64
    return int(text) if text.isdecimal() else text


def _protocol_of(options: argparse.Namespace) -> str:
    """What a mix or a work line speaks, where the options do not say it."""
    if options.mix:
        return read_mix(options.mix)[0].protocol
    return "work" if options.work else "echo"
