"""The lines of a comparison's file: from one line to the record that it holds, or to what is wrong with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tools.failure import ResultsError
from tools.saved.cells import Capacity, Cell, MemoryProbe
from tools.saved.header import Header
from tools.saved.old_results import upgraded_cell, upgraded_header
from tools.saved.records import DamagedError, Record, record_from

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = "serverlab-comparison"
VERSION = 3  # to be raised whenever a reader of the last version would misread a file
KINDS: dict[str, type[Any]] = {"cell": Cell, "memory": MemoryProbe, "capacity": Capacity}
"""What a line after the header can be, by the name that it begins with."""


def header_of(path: Path, line: bytes) -> tuple[Header, int]:
    """The first line of this file, of whatever version, and its version; ResultsError where it is no such line."""
    data = _parsed(path, 1, line)
    if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
        raise ResultsError(f"{path} is not a comparison of serverlab's")
    version = data.pop("version", None)
    if version not in range(1, VERSION + 1):
        raise ResultsError(f"{path} has format version {version!r}, and this serverlab reads versions 1 to {VERSION}")
    return _record(path, 1, Header, data if version == VERSION else upgraded_header(data, version)), version


def check_newest(path: Path, line: bytes) -> None:
    """Refuse a first line of an older version: with lines of this one after it no version could read the file."""
    _, version = header_of(path, line)
    if version != VERSION:
        raise ResultsError(
            f"{path} has format version {version}, which can be read and not gone on with: begin a new comparison"
        )


def record_of(path: Path, number: int, line: bytes, version: int) -> Any:
    """A line after the first, as one of `KINDS`; ResultsError where it is damaged."""
    data = _parsed(path, number, line)
    if version < VERSION:
        return _record(path, number, Cell, upgraded_cell(data))
    kind = data.pop("record", None) if isinstance(data, dict) else None
    if kind not in KINDS:
        raise ResultsError(f"{path}, line {number} is damaged: it is no record of a comparison")
    return _record(path, number, KINDS[kind], data)


def _parsed(path: Path, number: int, line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:  # a byte that is no UTF-8 is a ValueError too
        raise ResultsError(f"{path}, line {number} is damaged: {error}") from error


def _record(path: Path, number: int, kind: type[Record], data: object) -> Record:
    try:
        return record_from(kind, data)
    except DamagedError as error:
        raise ResultsError(f"{path}, line {number} is damaged: {error}") from error
