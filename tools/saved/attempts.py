"""Which cells of a comparison count, of all that were begun."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tools.saved.cells import Cell


def counted(attempts: Iterable[Cell]) -> tuple[Cell, ...]:
    """Of the attempts at each cell the one that counts: the last undisturbed one, or else the last.

    Of two that were disturbed, one in which nothing was answered is no figure to take the other's place.
    """
    chosen: dict[tuple[str, str, int], Cell] = {}
    for cell in attempts:
        key = (cell.workload, cell.model, cell.round)
        if key not in chosen or not cell.disturbed or (chosen[key].disturbed and not _starved(cell, chosen[key])):
            chosen[key] = cell
    return tuple(chosen.values())


def _starved(cell: Cell, before: Cell) -> bool:
    """Whether a cell had no answers where the one before it had some."""
    return bool(before.load and before.load.requests) and not (cell.load and cell.load.requests)


def by_workload_and_model(cells: Iterable[Cell]) -> Mapping[tuple[str, str], tuple[Cell, ...]]:
    """The cells of each model on each workload, in the order of their rounds."""
    found: dict[tuple[str, str], list[Cell]] = {}
    for cell in sorted(cells, key=lambda cell: cell.round):
        found.setdefault((cell.workload, cell.model), []).append(cell)
    return {key: tuple(of) for key, of in found.items()}
