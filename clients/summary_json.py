"""A result as JSON: what `load --json` prints, and what a results folder keeps."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from clients.breakdown import parts, steps
from clients.littles_law import littles_law
from clients.percentiles import figures
from clients.verdict import judge

if TYPE_CHECKING:
    from clients.result import LoadResult
    from clients.verdict import KnownCeiling


def summary_of(result: LoadResult, ceiling: KnownCeiling | None = None) -> dict[str, object]:
    """Figures of the window in seconds and requests per second, errors of the whole run, and the parameters."""
    verdict, response = judge(result, ceiling), figures(result.response())
    return {
        "throughput": result.throughput,
        "loop": result.plan.loop,
        "offered": result.offered,
        "achieved": result.achieved,
        "requests": result.completed,
        "failed": result.failed,
        "shed": result.shed,
        "duration": result.duration,
        "latency": response,
        "response": response,
        "service": figures(result.service()),
        "lateness": figures(result.lateness()),
        "steps": [asdict(step) for step in steps(result)],
        "parts": [asdict(part) for part in parts(result)],
        "errors": result.errors,
        "error_examples": result.error_examples,
        "connections": result.plan.connections,
        "connections_opened": len(result.connections),
        "connections_served": result.connections_served,
        "in_flight": result.unfinished,
        "unsent": result.unsent,
        "given_up": result.given_up,
        "idle_closed": result.idle_closed,
        "lost": result.lost,
        "loss": result.loss,
        "late": result.late,
        "duplicates": result.duplicates,
        "connect": result.connect(),
        "handshake": result.handshake(),
        "admission": result.admission(),
        "warmup": result.plan.warmup_seconds,
        "client_cpu_seconds": result.client_cpu_seconds,
        "client_busy": result.client_busy,
        "client_wait_seconds": result.client_wait_seconds,
        "client_waiting": result.client_waiting,
        "loop_lateness": figures(np.sort(result.loop_late_ns) / 1e9),
        "little": littles_law(result),
        "ceiling": ceiling.to_json() if ceiling else None,
        "limit": verdict.limit or None,
        "limit_known": verdict.known,
        "limit_reasons": list(verdict.reasons),
        "guests": result.guests,
        "missing": list(result.missing),
        "cpus": list(result.cpus),
        "interrupted": result.interrupted,
        "gave_up": result.gave_up,
        "protocol": result.plan.protocol,
        "transport": result.plan.transport,
        "tls": result.plan.tls,
        "address": str(result.plan.address),
        "parameters": result.plan.to_json(),
    }
