"""What a connection holds in memory, as a slope over connections that were held idle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.analysis.holdings import holdings
from tools.inference.intervals import FEWEST_ROUNDS
from tools.memory.kernel_memory import counts_both_ends
from tools.tables.tabular import NOTHING, Column, Table, between, with_interval
from tools.words import KIBIBYTE, MEBIBYTE, significant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.analysis.holdings import ModelMemory
    from tools.saved.results import Results
    from tools.tables.tabular import Content


def memory_table(results: Results) -> Table | None:
    """A line for each model; None where memory was not probed."""
    found = holdings(results)
    if not found:
        return None
    return Table(
        name="memory",
        title="What a connection holds",
        lead=f"Memory for each idle connection: the slope over 0 to {max(each.held for each in found)} of them, each "
        "of which had been answered once.",
        columns=(
            Column("Model", "", "Model"),
            Column("In its processes", "KiB/connection", "In its processes,\nKiB/connection"),
            Column("95 % interval", "KiB", "95 %\ninterval"),
            Column("In the kernel", "KiB/connection", "In the kernel,\nKiB/connection"),
            Column("Without connections", "MiB", "Without\nany, MiB"),
            Column("Admitted", "connections", "Admitted"),
        ),
        rows=tuple(_row(each) for each in found),
        notes=(*(explained := _explained(found)), *_faults(found)),
        details=explained,
    )


def _row(each: ModelMemory) -> tuple[Content, ...]:
    return (
        each.model,
        significant(each.per_connection.estimate / KIBIBYTE) if each.per_connection else NOTHING,
        between(each.per_connection, 1 / KIBIBYTE),
        with_interval(each.kernel, 1 / KIBIBYTE),
        with_interval(each.base, 1 / MEBIBYTE),
        f"{each.admitted} of {each.held}",
    )


def _of_intervals(found: Sequence[ModelMemory]) -> Iterator[str]:
    """What the intervals are of."""
    over_rounds = {each.per_connection.is_over_rounds for each in found if each.per_connection}
    if False in over_rounds:
        yield (
            f"With fewer than {FEWEST_ROUNDS} rounds the interval is that of the line, by Student's t over the looks "
            "at a server: how far they lie from the line, and not how far another start of the server would."
        )
    if True in over_rounds:
        yield f"From {FEWEST_ROUNDS} rounds on, the interval is over rounds (bootstrap)."


def _explained(found: Sequence[ModelMemory]) -> tuple[str, ...]:
    """What the figures are of, and how they were measured."""
    methods = sorted({each.kernel_method for each in found if each.kernel_method})
    notes = [
        (
            "Memory of processes is their proportional set size, without pages of files: what several share is counted "
            "once. A round in which a model did not answer all connections is in no figure, because those that wait "
            "hold nothing of its own."
        )
    ]
    if methods:
        notes.append(
            f"The kernel's share is by {', '.join(methods)}: sockets, descriptors and, for models that have them, the "
            "processes and threads of a connection."
        )
    if any(counts_both_ends(method) for method in methods):
        notes.append(
            f"{' and '.join(filter(counts_both_ends, methods))}: of the whole machine, so that the kernel's share has "
            "the clients' ends of connections in it, too. A server whose clients are elsewhere takes less, of sockets "
            "about half."
        )
    return *notes, *_of_intervals(found)


def _faults(found: Sequence[ModelMemory]) -> Iterator[str]:
    """What failed, and which rounds are left out."""
    for each in found:
        if each.left_out and each.per_connection:
            yield f"{each.model} did not answer all connections in {', '.join(each.left_out)}: left out."
        yield from (f"{each.model}, {failure}" for failure in each.failures)
