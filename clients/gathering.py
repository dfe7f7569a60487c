"""What the load processes of a run recorded, put together into its result."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from clients.connection_rows import column, served
from clients.population import blocks_of
from clients.records import CONNECTION_COLUMNS, NO_CONNECTION, REQUEST_COLUMNS, REQUEST_FORMATS, Outcome
from clients.result import ClientProcess, LoadResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clients.connection_rows import Rows
    from clients.plan import LoadPlan
    from clients.population import Requests
    from clients.process import Recorded

REQUEST_TYPE = np.dtype({"names": REQUEST_COLUMNS, "formats": REQUEST_FORMATS})
_TIMES = tuple(name for name in REQUEST_COLUMNS if name.endswith("_ns"))
_CONNECTION_TIMES = [number for number, name in enumerate(CONNECTION_COLUMNS) if name.endswith("_ns")]


def gather(
    plan: LoadPlan,
    recorded: Sequence[Recorded],
    window: tuple[int, int],
    *,
    interrupted: bool,
    missing: tuple[str, ...] = (),
) -> LoadResult:
    """Put together what all load processes recorded; connections get numbers that no two share.

    `window` is when it opened and closed, in the caller's clock.
    """
    asking = [part for part in recorded if not part.report["guests"]]
    requests, connections = _numbered(asking)
    _note_admission(requests, connections)
    _note_sequence(requests, connections)
    errors, examples = _errors(recorded)
    closed_ns = window[1] if plan.requests is None else _last_moment(plan, requests, window[1])
    # Over UDP nobody waits to the end: what is not answered in time is lost.
    waited = {} if plan.udp or plan.requests is not None else _unanswered(plan, requests, connections, closed_ns)
    if waited:
        errors["unanswered"] = len(waited)
        client, seconds = next(iter(waited.items()))
        examples["unanswered"] = f"client {client}: waited {seconds:.2f} s to the end and was never answered"
    reports = [part.report for part in asking]
    return LoadResult(
        plan=plan,
        requests=requests,
        connections=connections,
        opened_ns=window[0],
        closed_ns=closed_ns,
        ended_ns=min((part.report["ended_ns"] + part.shift_ns for part in asking), default=closed_ns),
        errors=errors,
        error_examples=examples,
        cpus=plan.cpus or tuple(sorted(os.sched_getaffinity(0))),
        interrupted=interrupted,
        gave_up=any(report["gave_up"] for report in reports),
        late=sum(report["late"] for report in reports),
        duplicates=sum(report["duplicates"] for report in reports),
        idle_closed=sum(report["idle_closed"] for report in reports),
        guests={kind: told for part in recorded for kind, told in part.report["guests"].items()},
        guest_cpu_seconds=sum(part.report["evidence"]["cpu_seconds"] for part in recorded if part.report["guests"]),
        missing=missing,
        **_evidence([report["evidence"] for report in reports]),
    )


def _numbered(parts: Sequence[Recorded]) -> tuple[Requests, Rows]:
    """All rows, with connections that are numbered through all parts."""
    requests: list[Requests] = []
    connections: list[Rows] = []
    opened = 0
    for part in parts:
        request_rows = np.frombuffer(part.requests, dtype=REQUEST_TYPE)
        connection_rows: Rows = np.frombuffer(part.connections, np.int64).reshape(-1, len(CONNECTION_COLUMNS))
        if part.shift_ns:
            _shift(request_rows, connection_rows, part.shift_ns)
        if opened:
            request_rows["connection"][request_rows["connection"] != NO_CONNECTION] += opened
            connection_rows[:, 0] += opened
        opened += len(connection_rows)
        requests.append(request_rows)
        connections.append(connection_rows)
    return _joined(requests, REQUEST_TYPE, ()), _joined(connections, np.dtype(np.int64), (len(CONNECTION_COLUMNS),))


def _shift(requests: Requests, connections: Rows, shift_ns: int) -> None:
    """Move all times but those that never were."""
    for name in _TIMES:
        requests[name][requests[name] > 0] += shift_ns
    for number in _CONNECTION_TIMES:
        connections[connections[:, number] > 0, number] += shift_ns


def _errors(recorded: Sequence[Recorded]) -> tuple[dict[str, int], dict[str, str]]:
    errors: dict[str, int] = {}
    examples: dict[str, str] = {}
    for part in recorded:
        for kind, count in part.report["errors"].items():
            errors[kind] = errors.get(kind, 0) + count
        examples = {**part.report["examples"], **examples}
    return errors, examples


def _evidence(found: list[dict[str, Any]]) -> dict[str, Any]:
    """What all load processes used and saw, as `LoadResult` has it."""
    waits = [each["runnable_wait_seconds"] for each in found]
    seen = [each["mean_in_flight"] for each in found]
    return {
        "client_cpu_seconds": sum(each["cpu_seconds"] for each in found),
        "client_wait_seconds": None if None in waits else sum(waits),
        "client_processes": tuple(
            ClientProcess(each["cpu_seconds"], each["runnable_wait_seconds"], each["late_seconds"]) for each in found
        ),
        "loop_late_ns": np.array([late for each in found for late in each["late_ns"]], np.int64),
        "mean_in_flight": None if None in seen else sum(seen),
    }


def _joined(parts: list[Any], kind: np.dtype[Any], rest: tuple[int, ...]) -> Any:
    """All in one array; one part is taken as it is: a copy of millions is what would make a run's memory large."""
    if not parts:
        return np.empty((0, *rest), kind)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _last_moment(plan: LoadPlan, requests: Requests, otherwise: int) -> int:
    """When a counted run ended: with its last answer, or where that never came, when the last request was due."""
    columns = ("done_ns",) if plan.rate is None else ("due_ns", "done_ns")
    last = max((int(requests[name].max()) for name in columns if len(requests)), default=0)
    return last or otherwise


def _note_admission(requests: Requests, connections: Rows) -> None:
    """Write down when the first answer began on each connection that was answered at all."""
    order = np.argsort(connections[:, 0])
    numbers, first_answers = connections[order, 0], column(connections, "first_answer_ns")
    for rows in blocks_of(requests):
        came = rows[rows["first_byte_ns"] > 0]
        answered, first = np.unique(came["connection"], return_index=True)  # of each the first in time
        places = order[np.searchsorted(numbers, answered)]
        new = first_answers[places] == 0
        first_answers[places[new]] = came["first_byte_ns"][first[new]]


def _note_sequence(requests: Requests, connections: Rows) -> None:
    """Number the requests of each connection, whose rows are in the order of time."""
    so_far = np.zeros(len(connections) + 1, np.int64)  # the last is of those without a connection
    for rows in blocks_of(requests):
        order = np.argsort(rows["connection"], kind="stable")
        numbers = rows["connection"][order]
        begins = np.flatnonzero(np.diff(numbers, prepend=NO_CONNECTION - 1))
        lengths = np.diff(begins, append=len(rows))
        within = np.arange(len(rows)) - np.repeat(begins, lengths)
        rows["sequence"][order] = within + so_far[numbers]
        so_far[numbers[begins]] += lengths


def _unanswered(plan: LoadPlan, requests: Requests, connections: Rows, closed_ns: int) -> dict[int, float]:
    """Clients that waited when the window closed and had never been answered: number -> seconds waited."""
    began, ended = column(connections, "began_ns"), column(connections, "ended_ns")
    there = connections[(began <= closed_ns) & (ended > closed_ns)]
    lonely = there[~np.isin(there[:, 1], served(connections, closed_ns))]
    if plan.rate is not None or plan.think:  # who was asked for nothing waits for nothing
        in_flight = requests["connection"][requests["outcome"] == Outcome.IN_FLIGHT]
        lonely = lonely[np.isin(lonely[:, 0], in_flight)]
    waited = (closed_ns - column(lonely, "began_ns")) / 1e9
    return dict(zip(column(lonely, "client").tolist(), waited.tolist(), strict=True))
