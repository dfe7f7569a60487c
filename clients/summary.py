"""A result in words: what a reader sees without --json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.result import BUSY

if TYPE_CHECKING:
    from clients.plan import LoadPlan
    from clients.result import LoadResult


def describe(result: LoadResult) -> list[str]:
    """Tell a result in a few lines: what was done, how fast, how long it took, what went wrong."""
    rate = f"{result.throughput:,.0f}" if result.throughput >= 100 else f"{result.throughput:.3g}"
    lines = [
        describe_plan(result.plan),
        f"  {result.completed:,} right answers in {result.duration:.2f} s: {rate} per second",
        f"  latency   {describe_latency(result.latency())}",
        f"  client    {result.client_cpu_seconds:.2f} s of CPU in the window",
        f"  in flight {result.in_flight} requests when the window closed",
    ]
    return lines + [f"  {finding}" for finding in findings(result)]


def describe_plan(plan: LoadPlan) -> str:
    """Tell what was asked for."""
    how = "a connection per request" if plan.churn else "kept alive"
    what = f"work {plan.work!r}" if plan.work else f"{plan.protocol}, lines of {plan.size} bytes"
    return f"{plan.address}: {plan.connections} clients, {how}, {what}"


def describe_latency(latency: dict[str, float | None]) -> str:
    """Tell the percentiles that there were enough requests for."""
    known = [f"{name} {duration(value)}" for name, value in latency.items() if value is not None]
    return "  ".join(known) or "unknown: no request ended in the window"


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def findings(result: LoadResult) -> list[str]:
    """Tell what a reader must not miss; empty where all went well."""
    found = []
    served, asked = result.connections_served, result.plan.connections
    if served < asked and (result.plan.requests is None or result.plan.requests >= asked):
        found.append(f"{served} of {asked} connections were served")
    found += [
        f"{count:,} x {kind}, for example {result.error_examples.get(kind, 'unknown')}"
        for kind, count in sorted(result.errors.items(), key=lambda item: -item[1])
    ]
    if result.failed:
        found.append(f"failed requests count as at least the timeout ({result.plan.timeout:g} s) in the latency")
    if result.client_busy >= BUSY:
        found.append(f"the client used {result.client_busy:.0%} of its CPUs: the client may have been the limit")
    if result.gave_up:
        found.append(f"gave up: no right answer for three timeouts of {result.plan.timeout:g} s")
    if result.interrupted:
        found.append("interrupted: the figures are of what was measured until then")
    return found
