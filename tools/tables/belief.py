"""How far a comparison can be believed: the control, disturbed cells, rounds that went on, and ceilings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.analysis.controls import control_ratio, session_control
from tools.analysis.figures import sound
from tools.analysis.measures import measure_of
from tools.analysis.narrowing import cells_wanted, too_wide, widths
from tools.analysis.searches import searches_missing
from tools.tables.pythons import python_notes
from tools.tables.tabular import NOTHING, Column, Table, between
from tools.words import enumerated

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.analysis.summary import Summary
    from tools.inference.control import Control
    from tools.saved.cells import Cell
    from tools.saved.results import Results

IN_A_CELL = "(in a cell)"
MANY_DISTURBED = 0.25  # of the cells: with more, medians of rounds are those of a disturbed machine
COLUMNS = (
    Column("Workload", "", "Workload"),
    Column("Ranked by", "", "Ranked\nby", words=True),
    Column("The control by itself in that", "", "The control\nby itself"),
    Column("95 % interval", "", "95 %\ninterval"),
    Column("Cells disturbed", "", "Cells\ndisturbed"),
    Column("Cells run again", "", "Cells run\nagain"),
    Column("What the clients can do at least", "requests/s", "The clients can\ndo at least, /s"),
)


def belief_table(results: Results, summaries: Sequence[Summary]) -> Table:
    """What a reader must know before believing the other tables."""
    again = results.header.control
    found = session_control(results)
    return Table(
        name="belief",
        title="How far this can be believed",
        lead=" ".join((_lead(found, again.control_of if again else ""), *_mostly_disturbed(results))),
        columns=COLUMNS,
        rows=tuple(_row(results, summary.workload.name, summary) for summary in summaries),
        notes=(*(explained := tuple(_explained(found))), *_notes(results)),
        details=explained,
    )


def _lead(found: Control, model: str) -> str:
    if not model:
        return "No model was entered twice, so that nothing tells whether equal servers would have come out equal."
    if found.sound is None:
        return f"{model} was entered twice, but {found.reason}."
    if found.slight:
        return f"{model} was entered twice and differs from itself by less than would mislead: {found.reason}."
    if found.sound:
        return f"{model} was entered twice and does not differ from itself by more than chance explains."
    return (
        f"UNSOUND: {model} was entered twice and differs from itself ({found.reason}). What differs by as much "
        "elsewhere may be the machine, too: run the comparison again, on a quieter machine."
    )


def _mostly_disturbed(results: Results) -> Iterator[str]:
    """That a good part of the figures is of a machine that others used, too."""
    disturbed = sum(bool(cell.disturbed) for cell in results.cells)
    if disturbed > MANY_DISTURBED * len(results.cells):
        yield (
            f"DISTURBED: something else used the machine in {disturbed} of {len(results.cells)} cells. Intervals are "
            "as wide as that made them, and on a quiet machine the order may be another."
        )


def _row(results: Results, workload: str, summary: Summary) -> tuple[str, ...]:
    attempts = [cell for cell in results.attempts if cell.workload == workload]
    counted = [cell for cell in results.cells if cell.workload == workload]
    ratio = control_ratio(results, summary.workload)
    return (
        workload,
        measure_of(results, summary.workload).name,
        NOTHING if ratio is None else f"{ratio.estimate:.3f}",
        between(ratio),
        f"{sum(bool(cell.disturbed) for cell in counted)} of {len(counted)}",
        str(sum(cell.attempt > 1 for cell in attempts)),
        _most_done(counted, results.header.ceilings.get(workload)),
    )


def _most_done(cells: Sequence[Cell], against_nothing: float | None) -> str:
    """The most that the clients did: against a server that does nothing, or marked in a cell where that was more."""
    if against_nothing is None:
        return NOTHING
    loads = [cell.load for cell in sound(cells)]
    reached = max((load.requests / load.window for load in loads if load), default=0.0)
    return f"{reached:,.0f} {IN_A_CELL}" if reached > against_nothing else f"{against_nothing:,.0f}"


def _explained(found: Control) -> Iterator[str]:
    """How the table is to be read."""
    if found.ratio is not None:
        yield (
            f"In one sentence: {found.reason}. Each figure is judged on all workloads together and on each alone, by "
            "limits so strict that chance seldom raises an alarm; an interval of the table is that of one workload, "
            "and one in twenty misses 1 by chance."
        )
    yield (
        "A cell is disturbed where something else used its CPUs, or these were slow or lost time to others; it is run "
        "again, within limits, and the last attempt that was not disturbed counts, or else the last. What "
        "the clients can do at least is what they did once, before the first cell, against a server that does nothing, "
        "or with one of these servers, where that was more (in a cell)."
    )


def _notes(results: Results) -> Iterator[str]:
    header = results.header
    yield from python_notes(results)
    if not header.division.disjoint:
        yield f"The server and the clients were not kept on CPUs of their own: {header.division.reason}."
    if header.amiss:
        listed = "; ".join(f"{each.name}: {each.found}" for each in header.amiss)
        yield f"What of the machine makes figures less sure: {listed}. The report says what to change."
    if header.until_width is not None:
        yield _narrowed(results, header.until_width)
    reasons = sorted({cell.disturbed for cell in results.cells if cell.disturbed})
    if reasons:
        yield f"What disturbed cells that count, for example: {reasons[0]}."
    if len(results.cells) < (wanted := cells_wanted(results)):
        yield f"{len(results.cells)} of {wanted} cells were measured: the comparison was broken off."
    if missing := searches_missing(results):
        listed = ", ".join(f"{model} on {workload}" for workload, model in missing)
        yield f"No capacity was searched of {listed}: the comparison was broken off."


def _narrowed(results: Results, width: float) -> str:
    wide = {name: _widest(results, name) for name in too_wide(results, width)}
    rounds = max((cell.round for cell in results.cells), default=0)
    if not wide:
        return (
            f"Rounds went on until the interval of what ranks the models was at most {width:.1%} wide for each of "
            f"them, which it was after {rounds}."
        )
    listed = ", ".join(f"{name} ({widest})" for name, widest in wide.items())
    return (
        f"NOT REACHED: after {rounds} rounds the interval of what ranks the models is wider than {width:.1%} for some "
        f"of them on {listed}."
    )


def _widest(results: Results, workload: str) -> str:
    """How wide the interval of what ranks the models is that is the widest on a workload, and whose it is."""
    found = {model: width for (name, model), width in widths(results).items() if name == workload}
    unknown = sorted(model for model, width in found.items() if width is None)
    if unknown:
        return f"{enumerated(unknown)}: not known"
    model, widest = max(((model, width or 0.0) for model, width in found.items()), key=lambda pair: pair[1])
    return f"{model}: {widest:.1%}"
