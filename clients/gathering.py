"""What the load processes of a run recorded, put together into its result."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from clients.records import CONNECTION_COLUMNS, REQUEST_COLUMNS
from clients.result import LoadResult, served

if TYPE_CHECKING:
    from clients.plan import LoadPlan
    from clients.process import LoadProcess
    from clients.result import Column, Rows


def gather(plan: LoadPlan, processes: list[LoadProcess], window: tuple[int, int], *, interrupted: bool) -> LoadResult:
    """Put together what all load processes recorded; connections get numbers that no two share."""
    requests: list[Rows] = []
    connections: list[Rows] = []
    errors: dict[str, int] = {}
    examples: dict[str, str] = {}
    opened = 0
    for process in processes:
        request_rows = _rows(process.requests, REQUEST_COLUMNS)
        connection_rows = _rows(process.connections, CONNECTION_COLUMNS)
        request_rows[:, 0] += opened
        connection_rows[:, 0] += opened
        opened += len(connection_rows)
        requests.append(request_rows)
        connections.append(connection_rows)
        assert process.report is not None
        for kind, count in process.report["errors"].items():
            errors[kind] = errors.get(kind, 0) + count
        examples = {**process.report["examples"], **examples}
    all_requests, all_connections = _joined(requests), _joined(connections)
    _note_admission(all_requests, all_connections)
    closed_ns = window[1] if plan.requests is None else _last_done(all_requests, window[1])
    # Over UDP nobody waits to the end: what is not answered in time is lost.
    waited = {} if plan.udp or plan.requests is not None else _unanswered(all_connections, closed_ns)
    if waited:
        errors["unanswered"] = len(waited)
        client, seconds = next(iter(waited.items()))
        examples["unanswered"] = f"client {client}: waited {seconds:.2f} s to the end and was never answered"
    reports = [process.report for process in processes if process.report is not None]
    return LoadResult(
        plan=plan,
        requests=all_requests,
        connections=all_connections,
        opened_ns=window[0],
        closed_ns=closed_ns,
        errors=errors,
        error_examples=examples,
        client_cpu_seconds=sum(report["cpu_seconds"] for report in reports),
        cpus=plan.cpus or tuple(sorted(os.sched_getaffinity(0))),
        interrupted=interrupted,
        gave_up=any(report["gave_up"] for report in reports),
        late=sum(report["late"] for report in reports),
        duplicates=sum(report["duplicates"] for report in reports),
    )


def _rows(data: memoryview, columns: tuple[str, ...]) -> Rows:
    """Rows in place, because a copy of millions of them is what would make a run's memory large."""
    return np.frombuffer(data, dtype=np.int64).reshape(-1, len(columns))


def _joined(parts: list[Rows]) -> Rows:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _last_done(requests: Rows, otherwise: int) -> int:
    done = requests[:, REQUEST_COLUMNS.index("done_ns")]
    return int(done.max()) if len(done) and done.max() else otherwise


def _first_bytes(requests: Rows) -> tuple[Column, Column]:
    """The connections that were answered at all, and when their first answer began; both in one order."""
    came = requests[requests[:, REQUEST_COLUMNS.index("first_byte_ns")] > 0]
    connections, rows = np.unique(came[:, 0], return_index=True)  # rows of a connection are in the order of time
    return connections, came[rows, REQUEST_COLUMNS.index("first_byte_ns")]


def _note_admission(requests: Rows, connections: Rows) -> None:
    answered, first = _first_bytes(requests)
    order = np.argsort(connections[:, 0])
    rows = order[np.searchsorted(connections[order, 0], answered)]
    connections[rows, CONNECTION_COLUMNS.index("first_answer_ns")] = first


def _unanswered(connections: Rows, closed_ns: int) -> dict[int, float]:
    """Clients that waited when the window closed and had never been answered: number -> seconds waited."""
    began, ended = (connections[:, CONNECTION_COLUMNS.index(name)] for name in ("began_ns", "ended_ns"))
    there = connections[(began <= closed_ns) & (ended > closed_ns)]
    lonely = there[~np.isin(there[:, 1], served(connections, closed_ns))]
    return {int(row[1]): (closed_ns - int(row[CONNECTION_COLUMNS.index("began_ns")])) / 1e9 for row in lonely}
