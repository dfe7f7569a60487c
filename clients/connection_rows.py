"""Rows of connections, with the columns of `clients.records`: times between two of them, and who was answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clients.records import CONNECTION_COLUMNS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clients.population import Seconds

    Rows = np.ndarray[tuple[int, int], np.dtype[np.int64]]
    Column = NDArray[np.int64]


def column(connections: Rows, name: str) -> Column:
    """One column by its name: a view, into which may be written."""
    return connections[:, CONNECTION_COLUMNS.index(name)]


def seconds_between(connections: Rows, began: str, ended: str) -> Seconds:
    """Seconds between two times of the connections, sorted; without those to which the second never came."""
    begins, ends = column(connections, began), column(connections, ended)
    seconds: Seconds = (ends - begins)[ends > 0] / 1e9
    seconds.sort()
    return seconds


def served(connections: Rows, closed_ns: int) -> Column:
    """The numbers of the clients that were answered until then."""
    first = column(connections, "first_answer_ns")
    numbers: Column = np.unique(column(connections, "client")[(first > 0) & (first <= closed_ns)])
    return numbers
