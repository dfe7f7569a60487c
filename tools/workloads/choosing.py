"""Which workloads there are, which a comparison has where nothing is asked for, and how a user finds them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tools.workloads.reading import WorkloadError, check, parsed, read_workload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tools.workloads.workload import Workload

FOLDER = Path(__file__).resolve().parent
SUFFIX = ".toml"
DEFAULT = ("churn", "keepalive", "waiting", "computing")
"""One is all connections, one all requests, one all waiting, one all computing."""

NAMES = (*DEFAULT, "mixed", "slow-clients", "idle", "burst", "upload", "http")
"""The built-in ones in their own order."""


class UnknownWorkloadError(ValueError):
    """A workload's name that nobody knows; the message names the known ones."""


class _BuiltIn(Mapping[str, "Workload"]):
    """The built-in workloads by name, each read from its file when it is asked for."""

    def __getitem__(self, name: str) -> Workload:
        return _built_in(name)

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


@cache
def _built_in(name: str) -> Workload:
    if name not in NAMES:
        raise KeyError(name)
    return parsed(file_of(name))  # whether this machine can carry it out is told when it is chosen


WORKLOADS: Mapping[str, Workload] = _BuiltIn()


def chosen_workloads(names: Iterable[str]) -> tuple[Workload, ...]:
    """The workloads of these names and files, each once; those of `DEFAULT` where none is given.

    What ends with .toml or has a slash in it is a file, anything else the name of a built-in workload. The built-in
    ones come first in their own order, then the others by name, however they were asked for.

    Raises:
        UnknownWorkloadError: A name is not known.
        WorkloadError: A file cannot be read, two workloads have one name, or this machine cannot carry one out.
    """
    wanted = set(names) or set(DEFAULT)
    files = sorted(name for name in wanted if name.endswith(SUFFIX) or "/" in name)
    named = wanted.difference(files)
    if unknown := sorted(named.difference(NAMES)):
        raise UnknownWorkloadError(
            f"unknown workload {unknown[0]!r}: choose from {', '.join(NAMES)}, or give a file that ends with {SUFFIX}"
        )
    chosen = {name: WORKLOADS[name] for name in NAMES if name in named}
    for name, workload in chosen.items():
        check(workload, name)
    own: dict[str, Workload] = {}
    for file in files:
        workload = read_workload(Path(file))
        _refuse_double(file, workload, {**WORKLOADS, **own})
        (chosen if workload.name in NAMES else own)[workload.name] = workload
    ordered = [chosen[name] for name in NAMES if name in chosen]
    return (*ordered, *(own[name] for name in sorted(own)))


def _refuse_double(file: str, workload: Workload, known: Mapping[str, Workload]) -> None:
    """Refuse a file whose workload is called as another one; the same workload by two paths is one."""
    if workload.name in known and workload != known[workload.name]:
        other = "a built-in workload" if workload.name in NAMES else "the workload of another file"
        raise WorkloadError(f"{file}: name: {workload.name} is {other}: give this one a name of its own")


def file_of(name: str) -> Path:
    """The file of the built-in workload of this name."""
    return FOLDER / f"{name}{SUFFIX}"
