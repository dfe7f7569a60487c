"""What a connection holds in memory, as a slope over connections that were held idle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.inference.intervals import FEWEST
from tools.inference.slopes import intercept, slope
from tools.memory.kernel_memory import counts_both_ends
from tools.tables.tabular import NOTHING, Column, Table, between, with_interval
from tools.words import significant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.inference.intervals import Interval
    from tools.saved.cells import MemoryProbe
    from tools.saved.results import Results
    from tools.tables.tabular import Content

KIBIBYTE, MEBIBYTE = 1024, 2**20


@dataclass(frozen=True, slots=True)
class Holding:
    """One model's memory: bytes for each connection, in its processes and in the kernel, and bytes without any.

    `held` is the most connections that were open, of which `admitted` had been answered in the worst round. Rounds in
    which not all had been, at every look, are in no figure, because those that wait hold nothing of the server's own:
    `left_out` names them, and without another one the slopes and the base are None.
    """

    model: str
    per_connection: Interval | None
    kernel: Interval | None
    base: Interval | None
    held: int
    admitted: int
    kernel_method: str
    failures: tuple[str, ...]
    left_out: tuple[str, ...]


def holdings(results: Results) -> tuple[Holding, ...]:
    """One for each model whose memory was probed, in the order of the header."""
    names = [model.name for model in results.header.models]
    by_model = {name: [probe for probe in results.memory if probe.model == name] for name in names}
    return tuple(_holding(name, probes) for name, probes in by_model.items() if probes)


def _holding(model: str, probes: Sequence[MemoryProbe]) -> Holding:
    whole = [probe for probe in probes if not probe.error]
    held = max((max(probe.held, default=0) for probe in whole), default=0)
    admitted = min((max(probe.admitted, default=0) for probe in whole), default=0)
    served = [probe for probe in whole if probe.held == probe.admitted]
    in_processes = [_points(probe.held, probe.pss_bytes) for probe in served]
    return Holding(
        model=model,
        per_connection=slope(in_processes),
        kernel=slope([_points(probe.held, probe.kernel_bytes) for probe in served]),
        base=intercept(in_processes),
        held=held,
        admitted=admitted,
        kernel_method=next((probe.kernel_method for probe in whole), ""),
        failures=tuple(f"round {probe.round}: {probe.error}" for probe in probes if probe.error),
        left_out=tuple(f"round {probe.round}" for probe in whole if probe not in served),
    )


def _points(held: Sequence[int], sizes: Sequence[int | None]) -> list[tuple[int, float]]:
    return [(count, float(size)) for count, size in zip(held, sizes, strict=True) if size is not None]


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


def _row(each: Holding) -> tuple[Content, ...]:
    return (
        each.model,
        significant(each.per_connection.estimate / KIBIBYTE) if each.per_connection else NOTHING,
        between(each.per_connection, 1 / KIBIBYTE),
        with_interval(each.kernel, 1 / KIBIBYTE),
        with_interval(each.base, 1 / MEBIBYTE),
        f"{each.admitted} of {each.held}",
    )


def _of_intervals(found: Sequence[Holding]) -> Iterator[str]:
    """What the intervals are of."""
    over_rounds = {each.per_connection.is_over_rounds for each in found if each.per_connection}
    if False in over_rounds:
        yield (
            f"With fewer than {FEWEST} rounds the interval is that of the line, by Student's t over the looks at a "
            "server: how far they lie from the line, and not how far another start of the server would."
        )
    if True in over_rounds:
        yield f"From {FEWEST} rounds on, the interval is over rounds (bootstrap)."


def _explained(found: Sequence[Holding]) -> tuple[str, ...]:
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


def _faults(found: Sequence[Holding]) -> Iterator[str]:
    """What failed, and which rounds are left out."""
    for each in found:
        if each.left_out and each.per_connection:
            yield f"{each.model} did not answer all connections in {', '.join(each.left_out)}: left out."
        yield from (f"{each.model}, {failure}" for failure in each.failures)
