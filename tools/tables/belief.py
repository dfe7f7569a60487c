"""How far a comparison can be believed: the control, disturbed cells, rounds that went on, and ceilings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.analysis.controls import control_ratio, session_control
from tools.analysis.narrowing import cells_wanted, too_wide
from tools.analysis.searches import searches_missing
from tools.tables.pythons import python_notes
from tools.tables.tabular import NOTHING, Column, Table, between

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.analysis.summary import Summary
    from tools.inference.control import Control
    from tools.saved.results import Results

MANY_DISTURBED = 0.25  # of the cells: with more, medians of rounds are those of a disturbed machine
COLUMNS = (
    Column("Workload", "", "Workload"),
    Column("The control by itself", "", "The control\nby itself"),
    Column("95 % interval", "", "95 %\ninterval"),
    Column("Cells disturbed", "", "Cells\ndisturbed"),
    Column("Cells run again", "", "run\nagain"),
    Column("What the clients can do", "requests/s", "The clients'\nceiling"),
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
        notes=tuple(_notes(results, found)),
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
    ceiling = results.header.ceilings.get(workload)
    return (
        workload,
        NOTHING if ratio is None else f"{ratio.estimate:.3f}",
        between(ratio),
        f"{sum(bool(cell.disturbed) for cell in counted)} of {len(counted)}",
        str(sum(cell.attempt > 1 for cell in attempts)),
        NOTHING if ceiling is None else f"{ceiling:,.0f}",
    )


def _notes(results: Results, found: Control) -> Iterator[str]:
    header = results.header
    if found.ratio is not None:
        yield (
            f"In one sentence: {found.reason}. Each figure is judged on all workloads together and on each alone, by "
            "limits so strict that chance seldom raises an alarm; an interval of the table is that of one workload, "
            "and one in twenty misses 1 by chance."
        )
    yield (
        "A cell is disturbed where something else used its CPUs, or these were slow or lost time to others; it is run "
        "again, within limits, and the last attempt that was not disturbed counts, or else the last. The ceiling is "
        "what these clients reach against a server that does nothing."
    )
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
    wide = too_wide(results, width)
    rounds = max((cell.round for cell in results.cells), default=0)
    if not wide:
        return (
            f"Rounds went on until the interval of what ranks the models was at most {width:.1%} wide for each of "
            f"them, which it was after {rounds}."
        )
    return (
        f"NOT REACHED: on {', '.join(wide)} the interval of what ranks the models is wider than {width:.1%} for some "
        f"of them after {rounds} rounds."
    )
