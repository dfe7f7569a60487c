"""What a connection holds in memory: a slope over connections that were held idle, for each model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.inference.slopes import intercept, slope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.inference.intervals import Interval
    from tools.saved.cells import MemoryProbe
    from tools.saved.results import Results


@dataclass(frozen=True, slots=True)
class ModelMemory:
    """What one model holds: bytes for each connection, in its processes and in the kernel, and bytes without any.

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


def holdings(results: Results) -> tuple[ModelMemory, ...]:
    """One for each model whose memory was probed, in the order of the header."""
    names = [model.name for model in results.header.models]
    by_model = {name: [probe for probe in results.memory if probe.model == name] for name in names}
    return tuple(_holding(name, probes) for name, probes in by_model.items() if probes)


def _holding(model: str, probes: Sequence[MemoryProbe]) -> ModelMemory:
    whole = [probe for probe in probes if not probe.error]
    held = max((max(probe.held, default=0) for probe in whole), default=0)
    admitted = min((max(probe.admitted, default=0) for probe in whole), default=0)
    served = [probe for probe in whole if probe.held == probe.admitted]
    in_processes = [_points(probe.held, probe.pss_bytes) for probe in served]
    return ModelMemory(
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
