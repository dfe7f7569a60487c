"""Lines of results folders that older versions wrote, brought to what is written today.

Version 1 knew four models and no options; version 2 knew neither rounds that go on, nor what limited a cell. What is
not as that version wrote it is left as it is: whoever reads the record then says what is wrong with it.
"""

from __future__ import annotations

from typing import Any

from tools.machine import Interpreter
from tools.saved.cells import Cell, Load, Peaks
from tools.saved.header import Header, Variant
from tools.saved.records import with_defaults
from tools.workloads import upgraded

ROWS_OF_VERSION_1 = {"iterative": 0, "forking": 1, "threaded": 6}  # of its four models, the selector has none


def upgraded_header(data: dict[str, Any], version: int) -> dict[str, Any]:
    """The header of an older file with all that came later."""
    data = with_defaults(Header, {"planned": _planned(data), **({"left_out": {}} if version == 1 else {}), **data})
    return {
        **data,
        "models": _each(data.get("models"), lambda model: _model(model, version)),
        "workloads": _each(data.get("workloads"), upgraded),
        "interpreter": _filled(Interpreter, data.get("interpreter")),
    }


def _planned(data: dict[str, Any]) -> int:
    """How many cells it was to have: every model ran on every workload in every round."""
    rounds, models, workloads = (data.get(name) for name in ("rounds", "models", "workloads"))
    if not isinstance(rounds, int) or not isinstance(models, list) or not isinstance(workloads, list):
        return 0
    return rounds * len(models) * len(workloads)


def upgraded_cell(data: Any) -> Any:
    """A cell of an older file with all that came later."""
    if not isinstance(data, dict):
        return data
    nested = {"load": _filled(Load, data.get("load")), "peaks": _filled(Peaks, data.get("peaks"))}
    return with_defaults(Cell, {**data, **{name: value for name, value in nested.items() if name in data}})


def _model(data: dict[str, Any], version: int) -> dict[str, Any]:
    if version == 1:
        data = {"figure_row": ROWS_OF_VERSION_1.get(str(data.get("name"))), "options": {}, **data}
    return with_defaults(Variant, {"model": data.get("name"), **data})


def _each(values: Any, upgraded: Any) -> Any:
    if not isinstance(values, list):
        return values
    return [upgraded(value) if isinstance(value, dict) else value for value in values]


def _filled(kind: Any, value: Any) -> Any:
    return with_defaults(kind, value) if isinstance(value, dict) else value
