"""A load run as files: `load.jsonl` (a header, then the summary), and the records as numpy arrays."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clients.process import LoadError
from clients.records import CONNECTION_COLUMNS, REQUEST_COLUMNS, REQUEST_FORMATS, Outcome

if TYPE_CHECKING:
    from clients.result import LoadResult
    from clients.verdict import KnownCeiling

FORMAT_VERSION = 2


def prepare_folder(folder: str) -> None:
    """Make the folder before the run; LoadError where nothing can be written there."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LoadError(f"cannot write to {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise LoadError(f"cannot write to {folder}: Permission denied")


def save(result: LoadResult, folder: str, ceiling: KnownCeiling | None = None) -> None:
    """Write `load.jsonl`, `requests.npy` and `connections.npy` into `folder`; LoadError where that fails."""
    place = Path(folder)
    try:
        np.save(place / "requests.npy", result.requests)
        np.save(place / "connections.npy", result.connections)
        lines = (json.dumps(header(result)), json.dumps({"record": "summary", **result.summary(ceiling)}))
        (place / "load.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise LoadError(f"cannot write to {folder}: {error.strerror}") from error


def header(result: LoadResult) -> dict[str, object]:
    """Return what a reader needs to make sense of the files."""
    return {
        "record": "header",
        "format": "serverlab load",
        "version": FORMAT_VERSION,
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "interpreter": f"{platform.python_implementation()} {platform.python_version()}",
        "command": sys.argv,
        "window_ns": [result.opened_ns, result.closed_ns],
        "files": {
            "requests.npy": {"columns": REQUEST_COLUMNS, "dtypes": REQUEST_FORMATS},
            "connections.npy": {"columns": CONNECTION_COLUMNS, "dtype": "int64"},
        },
        "outcomes": {int(outcome): outcome.kind for outcome in Outcome},
    }
