"""Frozen dataclasses to JSON and back, checked on the way in: a file is outside, whoever wrote it.

Writing needs nothing of its own (`dataclasses.asdict`). Reading checks every name and every type, so that the
rest of the program can rely on a record whatever file it came from.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any, TypeVar

Record = TypeVar("Record")


class DamagedError(ValueError):
    """What was read is not such a record; the message says which field is wrong and how."""


def as_json(record: Any) -> dict[str, Any]:
    """The record as values that `json` can write; nested records become objects, tuples become lists."""
    return dataclasses.asdict(record)


def record_from(kind: type[Record], data: object) -> Record:
    """The record of this dataclass that `data`, as `json` read it, stands for.

    A field that is missing has its default, if it has one: older files lack what came later.

    Understands the field types int, float, str, bool, Any, None, unions of them, `dict[str, T]`, `tuple[T,
    ...]` and nested dataclasses.

    Raises:
        DamagedError: A field without a default is missing, or one is not known, or has another type.
    """
    return typing.cast("Record", _record(kind, data, kind.__name__))


def with_defaults(kind: Any, data: dict[str, Any]) -> dict[str, Any]:
    """The object of an older file with the fields that its record has got since: those that have a default."""
    missing = [each for each in dataclasses.fields(kind) if each.name not in data]
    defaults: dict[str, Any] = {}
    for each in missing:
        if each.default_factory is not dataclasses.MISSING:
            defaults[each.name] = each.default_factory()
        elif each.default is not dataclasses.MISSING:
            defaults[each.name] = list(each.default) if isinstance(each.default, tuple) else each.default
    return {**data, **defaults}


def _record(kind: Any, data: object, where: str) -> Any:
    if not isinstance(data, dict):
        raise DamagedError(f"{where} should be an object, not {type(data).__name__}")
    hints, data = typing.get_type_hints(kind), with_defaults(kind, data)
    if odd := sorted(hints.keys() ^ data.keys()):
        raise DamagedError(f"{where} has {'no' if odd[0] in hints else 'an unknown'} field {odd[0]!r}")
    return kind(**{name: _value(hint, data[name], f"{where}.{name}") for name, hint in hints.items()})


def _value(hint: Any, data: object, where: str) -> Any:
    if hint is Any:
        return data
    if dataclasses.is_dataclass(hint):
        return _record(hint, data, where)
    origin = typing.get_origin(hint)
    if origin in {types.UnionType, typing.Union}:
        return _one_of(typing.get_args(hint), data, where)
    if origin is tuple:
        return tuple(_value(typing.get_args(hint)[0], item, where) for item in _checked(list, data, where))
    if origin is dict:
        inner = typing.get_args(hint)[1]
        return {str(key): _value(inner, item, where) for key, item in _checked(dict, data, where).items()}
    if hint is float and type(data) is int:
        return float(data)
    return _checked(hint, data, where)


def _one_of(hints: tuple[Any, ...], data: object, where: str) -> Any:
    """The value as the one alternative that is not None; no record of ours has two."""
    if data is None and type(None) in hints:
        return None
    return _value(next(hint for hint in hints if hint is not type(None)), data, where)


def _checked(kind: Any, data: object, where: str) -> Any:
    if type(data) is not kind:  # a bool is an int by inheritance, and is not a count
        raise DamagedError(f"{where} should be {kind.__name__}, not {type(data).__name__}")
    return data
