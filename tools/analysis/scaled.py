"""How the throughput of each model goes with the number of connections."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.analysis import figures
from tools.analysis.one_speed import verdict_on
from tools.inference.scaling import usl
from tools.words import two_digits

if TYPE_CHECKING:
    from tools.inference.scaling import Usl
    from tools.saved.header import Variant
    from tools.saved.results import Results
    from tools.verdicts.verdict import Verdict

NEVER = "never"  # the peak of a curve that does not fall
POOR = "poor fit"  # in place of a peak that would mean little


@dataclass(frozen=True, slots=True)
class Scaled:
    """One model on one workload over several numbers of connections, of which `most` was the largest.

    `points` are the throughputs by connections and round; `verdict` says what limited it with most connections.
    """

    workload: str
    model: str
    points: dict[int, dict[int, float]]
    law: Usl
    verdict: Verdict

    @property
    def most(self) -> int:
        """The largest number of connections."""
        return max(self.points)


def scaled(results: Results) -> tuple[Scaled, ...]:
    """One for each workload and model that was measured at several numbers of connections."""
    bases = dict.fromkeys(each.scaling_of for each in results.header.workloads if each.scaling_of)
    found = (_scaled(results, base, model) for base in bases for model in results.header.models)
    return tuple(each for each in found if each)


def _scaled(results: Results, base: str, model: Variant) -> Scaled | None:
    sizes = {each.connections: each for each in results.header.workloads if each.scaling_of == base}
    cells = {size: results.of(each.name, model.name) for size, each in sizes.items()}
    points = {size: dict(figures.throughputs(of)) for size, of in cells.items() if figures.sound(of)}
    if not points:
        return None
    verdict = verdict_on(results, sizes[max(points)], model)
    return Scaled(base, model.name, points, usl(points), verdict)


def peak_in_words(law: Usl) -> str:
    """Where throughput begins to fall, or what stands in its place: its interval where that is wide, or a poor fit."""
    if law.is_poor:
        return POOR
    if law.peak_ends and law.is_peak_wide:
        low, high = law.peak_ends
        return f"{two_digits(low)} or {NEVER}" if math.isinf(high) else f"{two_digits(low)} to {two_digits(high)}"
    return NEVER if law.peak is None else two_digits(law.peak)
