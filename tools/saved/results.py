"""A comparison as a folder of files, written record by record and read back whole.

    DIR/cells.jsonl        first line: the header (what ran, on what); then one line for each cell, memory probe, search
    DIR/samples/*.npy      the latencies of each cell, in nanoseconds, as one array of 64-bit integers
    DIR/report.html        drawn from the two above, and from nothing else
    DIR/summary.json       the figures of the tables for a program, from the same

A line is written, through to the disk, when its cell has ended and after its samples, so that a comparison that is
killed keeps every cell that it finished, also where the machine lost its power; the line that was cut short is left
out, and said so. Any other line that is not what it should be makes the whole folder unreadable: figures are either all
there or not to be trusted.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tools.failure import ResultsError
from tools.saved.attempts import by_workload_and_model, counted
from tools.saved.cells import Capacity, Cell, MemoryProbe
from tools.saved.lines import FORMAT, KINDS, VERSION, check_newest, header_of, record_of
from tools.saved.records import as_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from io import FileIO

    from numpy.typing import NDArray

    from tools.saved.header import Header

CELLS, SAMPLES, REPORT, SUMMARY = "cells.jsonl", "samples", "report.html", "summary.json"


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """A results folder as read: header, cells in the order of their running, and what a reader must know.

    `cells` has one for each model, workload and round: of several attempts the last that was not disturbed, or else the
    last. `attempts` has them all. Two of these are the same only where they are one: so what is concluded from one can
    be remembered by it.
    """

    folder: Path
    header: Header
    attempts: tuple[Cell, ...]
    notices: tuple[str, ...]
    memory: tuple[MemoryProbe, ...] = ()
    capacities: tuple[Capacity, ...] = ()
    cells: tuple[Cell, ...] = field(init=False)
    _of: Mapping[tuple[str, str], tuple[Cell, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Choose the cells that count, once: tables ask for those of a model a hundred times."""
        object.__setattr__(self, "cells", counted(self.attempts))
        object.__setattr__(self, "_of", by_workload_and_model(self.cells))

    def of(self, workload: str, model: str) -> tuple[Cell, ...]:
        """The cells of one model on one workload, in the order of their rounds."""
        return self._of.get((workload, model), ())

    def latencies(self, cell: Cell) -> NDArray[np.int64]:
        """The cell's latencies in nanoseconds, sorted; empty where it has none.

        Raises:
            ResultsError: Its file is not there or not such an array.
        """
        if not cell.samples:
            return np.empty(0, dtype=np.int64)
        path = self.folder / SAMPLES / Path(cell.samples).name  # a name only: nothing outside the folder is read
        try:
            samples = np.load(path, allow_pickle=False)
        except FileNotFoundError as error:
            raise ResultsError(f"the samples file {path} is missing") from error
        except (OSError, ValueError, EOFError) as error:
            raise ResultsError(f"{path} is damaged: {error}") from error
        if not isinstance(samples, np.ndarray) or samples.dtype != np.int64 or samples.ndim != 1:
            raise ResultsError(f"{path} is damaged: not an array of 64-bit integers")
        return samples


class Writer:
    """Appends records to a results folder that `writing` opened."""

    def __init__(self, folder: Path, stream: FileIO) -> None:
        self._folder = folder
        self._stream = stream

    @property
    def folder(self) -> Path:
        """The folder that it writes to."""
        return self._folder

    def add_header(self, header: Header) -> None:
        """Write the first line; to be called once and before any record."""
        self._line({"format": FORMAT, "version": VERSION, **as_json(header)})

    def replace_header(self, header: Header) -> None:
        """Write the first line anew; to be called before any record."""
        with _writable(self._folder):
            self._stream.seek(0)
            self._stream.truncate()
        self.add_header(header)

    def add(self, record: Cell | MemoryProbe | Capacity) -> None:
        """Write a record's line, at once; a cell's samples must have been written before."""
        kind = next(name for name, known in KINDS.items() if isinstance(record, known))
        self._line({"record": kind, **as_json(record)})

    def add_samples(self, name: str, latencies_ns: NDArray[np.int64]) -> str:
        """Write a cell's latencies and return the name by which its line must refer to them."""
        file_name = f"{name}.npy"
        folder = self._folder / SAMPLES
        with _writable(self._folder):
            array = BytesIO()  # np.save writes to a file without saying why it cannot
            np.save(array, latencies_ns.astype(np.int64), allow_pickle=False)
            with (folder / file_name).open("wb") as file:
                file.write(array.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            _keep_names(folder)
        return file_name

    def _line(self, record: dict[str, Any]) -> None:
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        with _writable(self._folder):
            if self._stream.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._stream.fileno())


@contextmanager
def writing(folder: Path) -> Iterator[Writer]:
    """Make the folder of a new comparison and yield its writer.

    Raises:
        ResultsError: The folder holds something already, or cannot be made or written to.
    """
    check_new(folder)
    with _writable(folder):
        (folder / SAMPLES).mkdir(parents=True, exist_ok=True)
        stream = (folder / CELLS).open("ab", buffering=0)  # nothing waits in a buffer when a kill comes
        _keep_names(folder)
    with stream:
        _lock(folder, stream)
        check_new(folder)  # which another comparison may have been in before the lock was ours
        yield Writer(folder, stream)


def check_new(folder: Path) -> None:
    """Refuse a folder that holds something, be it but a header; ResultsError."""
    with _writable(folder):
        if folder.exists() and not (folder.is_dir() and _is_empty(folder)):
            raise ResultsError(f"{folder} exists and is not an empty folder: choose another with --output")


def _is_empty(folder: Path) -> bool:
    """Whether there is nothing in a folder, or what a kill left of one that was made and had no header yet."""
    if any(path.name not in {CELLS, SAMPLES} for path in folder.iterdir()):
        return False
    cells, samples = folder / CELLS, folder / SAMPLES
    return not (cells.exists() and cells.stat().st_size) and not (samples.exists() and any(samples.iterdir()))


@contextmanager
def resuming(folder: Path) -> Iterator[tuple[Results, Writer]]:
    """Read a comparison that was broken off, and yield it with a writer that goes on where it ends.

    A line that was cut short is removed from the file. Raises ResultsError: as `read_results`, or it is of an older
    version, or the folder cannot be written to, or another comparison is writing to it.
    """
    path = folder / CELLS
    if not path.exists():
        raise ResultsError(f"{folder} holds no comparison: {_why_none(folder)}")
    with _writable(folder):
        stream = path.open("r+b", buffering=0)
    with stream:
        _lock(folder, stream)
        results = read_results(folder)
        check_newest(path, path.read_bytes().partition(b"\n")[0])
        with _writable(folder):
            stream.truncate(path.read_bytes().rfind(b"\n") + 1)
            stream.seek(0, os.SEEK_END)
        yield results, Writer(folder, stream)


def _keep_names(folder: Path) -> None:
    """Have the disk know which files the folder has, now."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(folder: Path, stream: FileIO) -> None:
    """See to it that one process at a time adds to a folder; the lock goes with the process, however it ends."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise ResultsError(f"another comparison is writing to {folder}") from error


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Tell in one line that the folder cannot be written to, because of its rights or a full disk."""
    try:
        yield
    except OSError as error:
        raise ResultsError(f"cannot write to {folder}: {error.strerror or error}") from error


def _why_none(folder: Path) -> str:
    """Why there is no comparison in a folder, where its file is not there."""
    if not folder.exists():
        return "there is no such folder"
    return f"there is no {CELLS} in it" if folder.is_dir() else "it is no folder"


def read_results(folder: Path) -> Results:
    """Read a results folder back.

    Raises:
        ResultsError: There is none, it is of another format or version, or a line of it is damaged.
    """
    path = folder / CELLS
    try:
        lines = path.read_bytes().split(b"\n")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ResultsError(f"{folder} holds no comparison: {_why_none(folder)}") from error
    except OSError as error:
        raise ResultsError(f"cannot read {path}: {error.strerror}") from error
    last = lines.pop()  # what follows the last newline: nothing, unless a kill cut a line short
    if not lines:
        raise ResultsError(f"{folder} holds no comparison: {path.name} has no whole line")
    header, version = header_of(path, lines[0])
    records = [record_of(path, number, line, version) for number, line in enumerate(lines[1:], start=2)]
    return Results(
        folder,
        header,
        tuple(record for record in records if isinstance(record, Cell)),
        (f"the last line of {path.name} was cut short and is left out",) if last else (),
        tuple(record for record in records if isinstance(record, MemoryProbe)),
        tuple(record for record in records if isinstance(record, Capacity)),
    )
