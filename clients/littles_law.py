"""Little's law, N = X R: whether what the load loops saw agrees with what the records say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from clients.connection_rows import Column
    from clients.population import Requests
    from clients.result import LoadResult


def littles_law(result: LoadResult) -> dict[str, float] | None:
    """How many requests were in flight on average as the loops saw it, against what the records say.

    The records say it by the time that each request was in flight in the window, whatever became of it. None where
    there is too little to tell. What the loops saw more is time that an answer waited for the client.
    """
    flown_ns = 0
    for rows in result.rows.blocks():
        begun, done = _begun_ns(result, rows), rows["done_ns"]
        ended = np.minimum(np.where(done > 0, done, result.ended_ns), result.closed_ns)
        flown_ns += int(np.maximum(ended - np.maximum(begun, result.opened_ns), 0)[begun > 0].sum())
    if not result.mean_in_flight or not flown_ns:
        return None
    expected = flown_ns / (result.closed_ns - result.opened_ns)
    return {"seen": result.mean_in_flight, "expected": expected, "ratio": result.mean_in_flight / expected}


def _begun_ns(result: LoadResult, rows: Requests) -> Column:
    """When requests began to be in flight: with their connection, where each has one of its own; 0: never."""
    if not result.plan.churn or result.plan.udp:
        return rows["sent_ns"]
    began = np.zeros(len(result.connections) + 1, np.int64)  # the last is of those without a connection
    began[result.connection("connection")] = result.connection("began_ns")
    mine = began[rows["connection"]]
    found: Column = np.where(mine > 0, np.maximum(mine, rows["ready_ns"]), 0)
    return found
