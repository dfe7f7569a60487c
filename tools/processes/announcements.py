"""What a server prints about itself: one JSON line when it listens, one when it has stopped."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import IO, Any

from tools.accounting.readings import NOTHING, Times

OUTPUT_LIMIT = 1 << 20
"""Bytes at either end of what a server printed in which its lines are looked for."""


@dataclass(frozen=True, slots=True)
class StoppedLine:
    """What a server counted: totals of its life, and CPU seconds of itself and of its reaped children.

    A count that the server did not give is 0; `fields` has the line as it was.
    """

    model: str
    protocol: str
    connections: int = 0
    requests: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    cpu: Times = NOTHING
    cpu_of_children: Times = NOTHING
    fields: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> StoppedLine:
        """Return the record of a stopped line."""
        cpu = line.get("cpu", {})
        return cls(
            model=str(line.get("model", "")),
            protocol=str(line.get("protocol", "")),
            connections=int(line.get("connections", 0)),
            requests=int(line.get("requests", 0)),
            bytes_in=int(line.get("bytes_in", 0)),
            bytes_out=int(line.get("bytes_out", 0)),
            errors={str(kind): int(count) for kind, count in line.get("errors", {}).items()},
            cpu=times(cpu.get("self", {})),
            cpu_of_children=times(cpu.get("children", {})),
            fields=line,
        )

    def to_json(self) -> dict[str, object]:
        """Return the fields as JSON values."""
        return asdict(self)


def times(fields: dict[str, Any]) -> Times:
    """Return the `user` and `system` seconds of a JSON object."""
    return Times(float(fields.get("user", 0.0)), float(fields.get("system", 0.0)))


def event(line: str, name: str) -> dict[str, Any] | None:
    """Return the JSON object on a line if it announces this event, else None."""
    try:
        content = json.loads(line)
    except ValueError:
        return None
    return content if isinstance(content, dict) and content.get("event") == name else None


def first_line(output: IO[bytes]) -> str | None:
    """Return the first line of a file that is being written, or None while it is not whole."""
    line, newline, _ = os.pread(output.fileno(), OUTPUT_LIMIT, 0).partition(b"\n")
    return line.decode(errors="replace") if newline else None


def last_lines(output: IO[bytes], limit: int = OUTPUT_LIMIT) -> list[str]:
    """Return the lines at the end of a file, looking at `limit` bytes at most."""
    size = os.fstat(output.fileno()).st_size
    content = os.pread(output.fileno(), limit, max(0, size - limit))
    return content.decode(errors="replace").splitlines()


def stopped_line(output: IO[bytes]) -> StoppedLine | None:
    """Return the last stopped line in a file, or None where there is none that can be read."""
    for line in reversed(last_lines(output)):
        found = event(line, "stopped")
        if found is not None:
            try:
                return StoppedLine.from_json(found)
            except (AttributeError, TypeError, ValueError):  # its fields are not what ours are
                return None
    return None
