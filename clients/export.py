"""The requests of a run for other programs: JSON Lines, and HdrHistogram's text of the three distributions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from clients.hgrm import hgrm_lines
from clients.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np

    from clients.result import LoadResult

DISTRIBUTIONS = ("response", "service", "lateness")

# Rows are turned into Python's numbers so many at a time: a million at once would be a gigabyte.
_ROWS_AT_A_TIME = 1 << 12

MEANINGS = {
    "due_ns": "when the schedule wanted the request; in a closed loop, when the client was free to begin it",
    "ready_ns": "when the client came to it: ready - due is the client's lateness",
    "sent_ns": "when it was written: done - sent is the service time",
    "first_byte_ns": "when the first byte of its answer came",
    "done_ns": "when it ended: done - due is the response time",
    "connection": "the number of the connection that carried it, over all load processes; -1 where none did",
    "sequence": "the how manieth of its connection it was, from 0",
    "bytes": "of the answer, as far as it came",
    "outcome": "answered, in-flight (not ended when the run did), or the kind of error",
    "part": "which part of the mix it was, from 0",
}


def write_jsonl(result: LoadResult, header: dict[str, object], path: Path) -> None:
    """Write `header`, with what the columns mean, and then an object per request, in a line each.

    Times are integers, nanoseconds of the monotonic clock, 0 for what never happened; outcomes are names. Memory
    does not grow with the requests. OSError where it cannot be written.
    """
    names = result.requests.dtype.names or ()
    columns = {name: MEANINGS[name] for name in names}
    with path.open("w", encoding="utf-8") as file:
        about = {
            "columns": columns,
            "times": "nanoseconds of the monotonic clock; 0: never",
            "requests": len(result.requests),
        }
        file.write(json.dumps({**header, **about}) + "\n")
        file.writelines(request_lines(result.requests))


def request_lines(requests: np.ndarray[tuple[int], np.dtype[np.void]]) -> Iterator[str]:
    """The lines, newlines in them, of a structured array; some thousand lines to a text."""
    names = requests.dtype.names or ()
    kinds = {int(outcome): outcome.kind for outcome in Outcome}
    fields = ", ".join(f'"{name}": ' + ('"%s"' if name == "outcome" else "%d") for name in names)
    template = "{" + fields + "}\n"
    for start in range(0, len(requests), _ROWS_AT_A_TIME):
        rows = requests[start : start + _ROWS_AT_A_TIME]
        columns = [
            [kinds[value] for value in rows[name].tolist()] if name == "outcome" else rows[name].tolist()
            for name in names
        ]
        yield "".join(template % row for row in zip(*columns, strict=True))


def write_hgrm(result: LoadResult, folder: Path) -> None:
    """Write `response.hgrm`, `service.hgrm` and `lateness.hgrm`, in milliseconds; OSError where that fails."""
    for name in DISTRIBUTIONS:
        lines = hgrm_lines(getattr(result, name)())
        (folder / f"{name}.hgrm").write_text("\n".join(lines) + "\n", encoding="utf-8")
