"""A workload's TOML file: its keys are the fields of `Workload`, and what is wrong with one is told in a line."""

from __future__ import annotations

import re
import tomllib
from dataclasses import MISSING, dataclass, fields, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from clients.addresses import NOWHERE
from clients.guests.hostile import HOSTILE_KINDS
from clients.plan import PlanError
from tools.failure import Failure
from tools.workloads.workload import ALL, APART, Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

SERVER_OPTIONS: dict[str, tuple[int, int]] = {
    "backlog": (0, 1 << 30),
    "max_connections": (1, 1_000_000),
    "receive_size": (1, 1 << 30),
    "idle_timeout": (1, 86_400),
    "request_timeout": (1, 86_400),
    "max_line": (1, 1 << 30),
    "max_size": (1, 1 << 30),
    "max_sleep": (0, 86_400),
    "max_cpu": (0, 86_400),
}
"""What a workload may tell its servers, each with its least and its most: what is held equal for every model.

`python -m servers` takes the same, which a test holds. The grace is the comparison's own; a model's options are given
on the command line.
"""

LARGEST_WHOLE = 2**63 - 1  # TOML asks for no more, and a larger number need not fit a float
MOST_WEIGHT = 100.0
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}", re.ASCII)  # files and places in a page are named after it


class WorkloadError(Failure):
    """A workload that cannot be read or used; the message is one line that names the file and the key."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What the value of a key can be: its `types` as TOML has them, that in words, and the field's value from it."""

    types: tuple[type, ...]
    words: str
    value: Callable[[Any], object]


def _seconds(value: float | str) -> str:
    """A number without an exponent, which a distribution does not know; or what is one already."""
    return value if isinstance(value, str) else f"{Decimal(str(value)):f}"


TEXT = Kind((str,), "a text in quotes", str)
WHOLE = Kind((int,), "a whole number", int)
NUMBER = Kind((int, float), "a number", float)
FLAG = Kind((bool,), "true or false", bool)
SIZE = Kind((int, str), 'bytes as a whole number, or a distribution such as "64..4096"', str)
SECONDS = Kind((int, float, str), 'seconds as a number, or a distribution such as "exp(0.1)"', _seconds)
COUNTS = Kind((dict,), "a table of whole numbers", dict)

KEYS = {
    **dict.fromkeys(("name", "protocol", "work", "mix", "arrivals", "close", "cpus", "asks", "shows"), TEXT),
    **dict.fromkeys(("connections", "pipeline", "hold", "processes"), WHOLE),
    **dict.fromkeys(("rate", "timeout", "weight"), NUMBER),
    **dict.fromkeys(("hostile", "server"), COUNTS),
    "churn": FLAG,
    "size": SIZE,
    "think": SECONDS,
}


def read_workload(path: Path) -> Workload:
    """The workload of this file; its name is the file's, without the ending, where it gives none.

    Raises:
        WorkloadError: The file cannot be read, a key of it is unknown, missing, of the wrong type or has a value that
            cannot be, or its clients are more than this process may have descriptors.
    """
    workload = parsed(path)
    check(workload, str(path))
    return workload


def parsed(path: Path) -> Workload:
    """The workload of this file, of which a load run may still refuse what it asks for. Raises WorkloadError."""
    try:
        with path.open("rb") as file:
            data = tomllib.load(file)
    except OSError as error:
        raise WorkloadError(f"{path}: {error.strerror}") from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise WorkloadError(f"{path}: it is not TOML: {error}") from error
    try:
        return _workload(path, data)
    except ValueError as error:
        raise WorkloadError(f"{path}: {error}") from None


def check(workload: Workload, where: str) -> None:
    """Raise WorkloadError, with `where` it is from and the key, if a load run would refuse the workload."""
    if fault := _fault(workload):
        key = next((name for name in KEYS if _is_to_blame(name, workload)), "")
        key = "" if fault.startswith(f"{key} ") else key  # which it names itself
        raise WorkloadError(": ".join(filter(None, (where, key, fault))))


def _workload(path: Path, data: Mapping[str, Any]) -> Workload:
    """The workload, its types and what no load run looks at checked; ValueError tells the key."""
    for key in data:
        if key not in KEYS:
            raise ValueError(f"{key}: there is no such key; there are {', '.join(KEYS)}")
    values: dict[str, Any] = {"name": path.stem, **{key: _value(KEYS[key], key, data[key]) for key in data}}
    for key in ("protocol", "connections"):
        if key not in values:
            raise ValueError(f"{key}: it is missing, and has no default")
    if "size" not in values and not (values.get("work") or values.get("mix")):
        values["size"] = "64"
    elif values.get("work") or values.get("mix"):
        _refuse("size" in values, "size", "work and mix say their own sizes")
    values.setdefault("asks", f"{values['connections']} clients at a time do what {path.name} says.")
    values.setdefault("shows", f"How each model copes with what {path.name} says.")
    _refuse(values.get("size") == "", "size", f"{SIZE.words}, not ''")
    _refuse("arrivals" in values and "rate" not in values, "arrivals", "it is of an open loop: give its rate")
    workload = Workload(**values)
    _check_ours(workload)
    return workload


def _value(kind: Kind, key: str, value: object) -> object:
    if type(value) not in kind.types:  # a bool is an int by inheritance, and is not a count
        raise ValueError(f"{key} is {kind.words}, not {value!r}")
    if isinstance(value, int) and abs(value) > LARGEST_WHOLE:
        raise ValueError(f"{key} is at most {LARGEST_WHOLE} either way")
    if isinstance(value, dict):
        for name, count in value.items():
            _value(WHOLE, f"{key}.{name}", count)
    return kind.value(value)


def _check_ours(workload: Workload) -> None:
    """Check what no load run looks at, and what it would not tell by its key."""
    _refuse(
        NAME.fullmatch(workload.name) is None,
        "name",
        f"at most 60 letters, digits and . _ -, beginning with a letter or digit, not {workload.name!r}",
    )
    _refuse(workload.cpus not in {APART, ALL}, "cpus", f'"{APART}" or "{ALL}", not {workload.cpus!r}')
    _refuse(
        not 0 < workload.weight <= MOST_WEIGHT,
        "weight",
        f"above 0 and at most {MOST_WEIGHT:g}, not {workload.weight:g}",
    )
    for kind in workload.hostile:
        _refuse(kind not in HOSTILE_KINDS, f"hostile.{kind}", f"there are {', '.join(HOSTILE_KINDS)}")
    for option, value in workload.server.items():
        _refuse(option not in SERVER_OPTIONS, f"server.{option}", f"there are {', '.join(SERVER_OPTIONS)}")
        least, most = SERVER_OPTIONS[option]
        _refuse(not least <= value <= most, f"server.{option}", f"from {least} to {most}, not {value}")


def _refuse(wrong: bool, key: str, words: str) -> None:
    if wrong:
        raise ValueError(f"{key}: {words}")


def _fault(workload: Workload) -> str:
    """What a load run would refuse in it; empty where nothing is."""
    try:
        workload.load_plan(NOWHERE, warm_up=0.0, duration=1.0)
    except PlanError as error:
        return str(error)
    return ""


def _is_to_blame(key: str, workload: Workload) -> bool:
    """Whether the workload would be accepted without what this key says."""
    default = next(each for each in fields(Workload) if each.name == key)
    if default.default is not MISSING:
        value: Any = default.default
    elif default.default_factory is not MISSING:
        value = default.default_factory()
    else:
        value = {"protocol": "echo", "connections": 1, "name": workload.name}[key]
    return not _fault(replace(workload, **{key: value}))
