"""A load run as files: `load.jsonl` (a header, then the summary), and the records in the formats that were asked."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clients.export import DISTRIBUTIONS, write_hgrm, write_jsonl
from clients.formats import FORMATS
from clients.process import LoadError
from clients.records import CONNECTION_COLUMNS, REQUEST_COLUMNS, REQUEST_FORMATS, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clients.result import LoadResult
    from clients.verdict import KnownCeiling

FORMAT_VERSION = 2


def prepare_folder(folder: str) -> None:
    """Make the folder before the run; LoadError where nothing can be written there."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LoadError(f"cannot write to {folder}: {error.strerror or f'no room, it seems ({error})'}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise LoadError(f"cannot write to {folder}: Permission denied")


def save(
    result: LoadResult, folder: str, ceiling: KnownCeiling | None = None, formats: Sequence[str] = FORMATS
) -> None:
    """Write `load.jsonl` into `folder`, and the records in each of `formats`; LoadError where that fails.

    "npy": `requests.npy` and `connections.npy`; "jsonl": `requests.jsonl`; "hgrm": `response.hgrm`, `service.hgrm` and
    `lateness.hgrm`.
    """
    place = Path(folder)
    try:
        if "npy" in formats:
            np.save(place / "requests.npy", result.requests)
            np.save(place / "connections.npy", result.connections)
        if "jsonl" in formats:
            write_jsonl(result, header(result, formats), place / "requests.jsonl")
        if "hgrm" in formats:
            write_hgrm(result, place)
        _remove_others(place, header(result, formats)["files"])
        lines = (json.dumps(header(result, formats)), json.dumps({"record": "summary", **result.summary(ceiling)}))
        (place / "load.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise LoadError(f"cannot write to {folder}: {error.strerror or f'no room, it seems ({error})'}") from error


def _remove_others(place: Path, written: object) -> None:
    """Remove what an earlier run left there in other formats: it would be taken for this one's."""
    assert isinstance(written, dict)
    names = ("requests.jsonl", "requests.npy", "connections.npy", *(f"{name}.hgrm" for name in DISTRIBUTIONS))
    for name in names:
        if name not in written:
            (place / name).unlink(missing_ok=True)


def header(result: LoadResult, formats: Sequence[str] = FORMATS) -> dict[str, object]:
    """Return what a reader needs to make sense of the files."""
    files: dict[str, dict[str, object]] = {
        "jsonl": {"requests.jsonl": {"records": "a header, then a request a line"}},
        "npy": {
            "requests.npy": {"columns": REQUEST_COLUMNS, "dtypes": REQUEST_FORMATS},
            "connections.npy": {"columns": CONNECTION_COLUMNS, "dtype": "int64"},
        },
        "hgrm": {f"{name}.hgrm": {"unit": "ms"} for name in DISTRIBUTIONS},
    }
    return {
        "record": "header",
        "format": "serverlab load",
        "version": FORMAT_VERSION,
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "interpreter": f"{platform.python_implementation()} {platform.python_version()}",
        "command": sys.argv,
        "window_ns": [result.opened_ns, result.closed_ns],
        "files": {name: what for form in formats for name, what in files[form].items()},
        "outcomes": {int(outcome): outcome.kind for outcome in Outcome},
    }
