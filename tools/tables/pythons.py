"""Under which Pythons servers ran, and whose global lock was not as the interpreter had said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.verdicts.facts import has_gil, interpreter_of
from tools.words import enumerated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.saved.results import Results


def python_notes(results: Results) -> Iterator[str]:
    """What a name such as `threaded@3.13t` stands for; and of which servers the lock was on or off against that.

    What a model imports can turn the lock on in a free-threaded build; so can what measures, which servers do not
    import.
    """
    header = results.header
    pythons = "; ".join(f"{name} is {python.words}" for name, python in header.interpreters.items())
    if pythons:
        yield f"Servers ran under other Pythons than the one that measured: {pythons}."
    otherwise: dict[bool, list[str]] = {True: [], False: []}
    for variant in header.models:
        cells = [cell for cell in results.cells if cell.model == variant.name and not variant.command]
        for lock in {has_gil(cell, variant, header) for cell in cells} - {interpreter_of(variant, header).gil}:
            otherwise[lock].append(variant.name)
    if locked := otherwise[True]:
        whose = enumerated(locked)
        yield f"The GIL was on in {whose}, whose Python has it off: a package that they import turned it on."
    if free := otherwise[False]:
        whose = enumerated(free)
        yield f"The GIL was off in {whose}: it was on in the Python that measured, which imports more packages."
