"""A result in words: what a reader sees without --json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.breakdown import parts, steps
from clients.guests.words import describe_guests
from clients.littles_law import littles_law
from clients.percentiles import figures
from clients.verdict import judge
from clients.words import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clients.plan import LoadPlan
    from clients.result import LoadResult
    from clients.verdict import KnownCeiling


def describe(result: LoadResult, ceiling: KnownCeiling | None = None, spread: Sequence[str] = ()) -> list[str]:
    """Tell a result in a few lines: what was done, how fast, how long it took, who was the limit, what went wrong.

    `spread` is more lines, of how the latencies were spread; what went wrong comes after them, last and in sight.
    """
    lines = [
        describe_plan(result.plan),
        f"  {_describe_throughput(result)}",
        *_distributions(result),
        *_of_steps(result),
        *_of_parts(result),
        f"  client    {_describe_client(result, ceiling)}",
        f"  in flight {_describe_in_flight(result)}",
        *_of_datagrams(result),
        *_of_connections(result),
        *describe_guests(result.guests),
    ]
    return [*lines, *spread, *(f"  {finding}" for finding in findings(result, ceiling))]


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def describe_plan(plan: LoadPlan) -> str:
    """Tell what was asked for."""
    each = "socket" if plan.udp else "connection"
    how = f"a {each} per request" if plan.churn else "one socket each" if plan.udp else "kept alive"
    pipeline = f", {plan.pipeline} requests in flight on each" if plan.pipeline > 1 else ""
    what = f"{_describe_request(plan)}{_describe_transport(plan)}"
    return f"{plan.address}: {plan.connections} clients, {how}{pipeline}, {what}, {_describe_loop(plan)}"


def _describe_loop(plan: LoadPlan) -> str:
    if plan.rate is None:
        return f"closed loop, thinking for {plan.think} s" if plan.think else "closed loop"
    rate = _rate(plan.rate) if plan.final_rate is None else f"{_rate(plan.rate)} to {_rate(plan.final_rate)}"
    steps = f" in {plan.steps} steps" if plan.steps else ""
    return f"open loop at {rate} requests per second{steps}, {plan.arrivals} arrivals"


def _describe_throughput(result: LoadResult) -> str:
    answers = f"{result.completed:,} right answers in {result.duration:.2f} s: {_rate(result.throughput)} per second"
    return answers if result.achieved is None else f"{answers}, {result.achieved:.1%} of what was due"


def _distributions(result: LoadResult) -> list[str]:
    """Tell response, service and lateness together, and what each of them is."""
    if result.plan.rate is None:
        begins = "beginning to connect" if result.plan.churn else "sent"
        asked = f"from {begins}: in a stall, nobody asks"
        if result.plan.think:
            asked = "from when the client had thought"
    else:
        asked = "from due: what a user feels"
    return [
        f"  response  {describe_latency(figures(result.response()))}  ({asked})",
        f"  service   {describe_latency(figures(result.service()))}  (from sent: what the server took)",
        f"  lateness  {_describe_lateness(result)}",
    ]


def _describe_lateness(result: LoadResult) -> str:
    if result.plan.rate is None and not result.plan.think:
        begins = "begins to connect" if result.plan.churn else "is sent"
        return f"none: in a closed loop a request is due when it {begins}"
    return f"{describe_latency(figures(result.lateness()))}  (of the client itself)"


def _of_steps(result: LoadResult) -> list[str]:
    return [
        f"  at {_rate(step.rate)}/s: {_rate(step.throughput)} answers per second, {describe_latency(step.response)}"
        + (f", {step.failed} failed" if step.failed else "")
        for step in steps(result)
    ]


def _of_parts(result: LoadResult) -> list[str]:
    return [f"  {part.name}: {part.requests:,} requests, {describe_latency(part.response)}" for part in parts(result)]


def _describe_client(result: LoadResult, ceiling: KnownCeiling | None) -> str:
    """Tell what the load processes used, and whether they were the limit."""
    waited = "" if result.client_waiting is None else f", waited for a CPU for {result.client_waiting:.0%} of it"
    limit = judge(result, ceiling).of_client
    most = f"; it can do {ceiling} against a server that does nothing" if ceiling else ""
    if ceiling and result.throughput > ceiling.requests_per_second:
        most = f"; against a server that does nothing, measured once, it did {_rate(ceiling.requests_per_second)}/s"
    return f"{result.client_cpu_seconds:.2f} s of CPU in the window ({result.client_busy:.0%}){waited}: {limit}{most}"


def _describe_in_flight(result: LoadResult) -> str:
    unsent = f", {result.unsent:,} of them waiting for a free client" if result.unsent else ""
    little = littles_law(result)
    mean = f"; on average {little['seen']:.3g}, by the records {little['expected']:.3g} (Little)" if little else ""
    return f"{result.unfinished:,} requests when the window closed{unsent}{mean}"


def _describe_request(plan: LoadPlan) -> str:
    if plan.mix:
        return f"mix of {plan.mix}"
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
    return "  ".join(known) or "unknown: no request that counts ended"


def findings(result: LoadResult, ceiling: KnownCeiling | None = None) -> list[str]:
    """Tell what a reader must not miss; empty where all went well."""
    return [
        *_served(result),
        *_failures(result),
        *_of_the_limit(result, ceiling),
        *_of_the_run(result),
    ]


def _served(result: LoadResult) -> list[str]:
    served, asked = result.connections_served, result.plan.connections
    everybody_asks = result.plan.rate is None and (result.plan.requests is None or result.plan.requests >= asked)
    return [f"{served} of {asked} connections were served"] if served < asked and everybody_asks else []


def _failures(result: LoadResult) -> list[str]:
    found = [
        f"{count:,} x {kind}, for example {result.error_examples.get(kind, 'unknown')}"
        for kind, count in sorted(result.errors.items(), key=lambda item: -item[1])
    ]
    if result.failed:
        found.append(f"failed requests count as at least the timeout ({result.plan.timeout:g} s) in the latency")
    if result.lost:
        found.append(f"lost datagrams count as the timeout ({result.plan.timeout:g} s) in the latency")
    if result.idle_closed:
        found.append(f"{result.idle_closed:,} connections were closed by the server while nothing was asked on them")
    return found


def _of_the_limit(result: LoadResult, ceiling: KnownCeiling | None) -> list[str]:
    """Tell who was the limit where it was not the server, and what the figures are then worth."""
    verdict, found = judge(result, ceiling), []
    if verdict.limit == "client":
        reasons = "; ".join(verdict.reasons)
        found.append(f"the client was the limit, or may have been, and not the server: {reasons}")
    elif verdict.limit:
        found += verdict.reasons
    if result.shed:
        shed = f"{result.shed:,} requests that were due were shed: {result.plan.max_waiting:,} waited already"
        found.append(f"{shed}; this is no open loop any more, and the response is of the others")
    if result.plan.rate is not None and (given_up := result.given_up):
        found.append(f"{given_up:,} requests were given up unanswered; they count with their age at the end")
    return found


def _of_the_run(result: LoadResult) -> list[str]:
    found = [f"missing: {part}" for part in result.missing]
    if result.offered == 0:
        found.append("nothing was due in the window: the rate is too low for its length")
    if result.gave_up:
        found.append(f"gave up: no right answer for three timeouts of {result.plan.timeout:g} s")
    if result.interrupted:
        found.append("interrupted: the figures are of what was measured until then")
    return found
