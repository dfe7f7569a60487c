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
        *_of_datagrams(result),
        *_of_connections(result),
    ]
    return lines + [f"  {finding}" for finding in findings(result)]


def describe_plan(plan: LoadPlan) -> str:
    """Tell what was asked for."""
    each = "socket" if plan.udp else "connection"
    how = f"a {each} per request" if plan.churn else "one socket each" if plan.udp else "kept alive"
    return f"{plan.address}: {plan.connections} clients, {how}, {_describe_request(plan)}{_describe_transport(plan)}"


def _describe_request(plan: LoadPlan) -> str:
    if plan.work:
        return f"{'GET ' if plan.protocol == 'http' else ''}work {plan.work!r}"
    if plan.udp:
        return f"{plan.protocol}, datagrams of {plan.size} bytes"
    what = {"frames": "frames", "http": "bodies"}.get(plan.protocol, "lines")
    return f"{plan.protocol}, {what} of {plan.size} bytes"


def _describe_transport(plan: LoadPlan) -> str:
    if plan.udp:
        return ", over UDP"
    if plan.tls:
        return ", over TLS" + (" (certificate not checked)" if plan.insecure else "")
    return ""


def _of_datagrams(result: LoadResult) -> list[str]:
    """Tell what became of datagrams that were not answered in time, or more than once."""
    if result.loss is None:
        return []
    lost = f"{result.lost:,} of the datagrams, {result.loss:.2%}" if result.lost else "no datagram"
    return [f"  lost      {lost}; answers: {result.late:,} late, {result.duplicates:,} twice"]


def _of_connections(result: LoadResult) -> list[str]:
    """Tell how long it took to come in, where that is more than the kernel's handshake."""
    lines = []
    if result.plan.tls:
        lines.append(f"  handshake {describe_latency(result.handshake())}, of TLS alone")
    if any(value is not None for value in result.admission().values()):
        lines.append(f"  greeted   {describe_latency(result.admission())} after beginning to connect")
    return lines


def describe_latency(latency: dict[str, float | None]) -> str:
    """Tell the percentiles that there were enough requests for."""
    known = [f"{name} {duration(value)}" for name, value in latency.items() if value is not None]
    return "  ".join(known) or "unknown: no request ended in the window"


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= 0.9995 * scale:  # three digits of less would round up to a thousand of the smaller unit
            return f"{seconds / scale:.3g} {unit}" if seconds < 999.5 else f"{seconds:,.0f} s"
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
    if result.lost:
        found.append(f"lost datagrams count as the timeout ({result.plan.timeout:g} s) in the latency")
    if result.client_busy >= BUSY:
        found.append(f"the client used {result.client_busy:.0%} of its CPUs: the client may have been the limit")
    if result.gave_up:
        found.append(f"gave up: no right answer for three timeouts of {result.plan.timeout:g} s")
    if result.interrupted:
        found.append("interrupted: the figures are of what was measured until then")
    return found
