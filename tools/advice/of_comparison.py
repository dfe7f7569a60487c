"""What follows from a comparison, for each workload: what is known of its models, as plain values, and the advice."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clients.words import duration
from tools.advice.giving import advise
from tools.advice.standings import Figure, Memory, Standing
from tools.analysis import figures
from tools.analysis.controls import session_control
from tools.analysis.holdings import holdings
from tools.analysis.measures import measure_of
from tools.analysis.one_speed import cpu_at_one_speed
from tools.analysis.scaled import peak_in_words, scaled
from tools.inference.intervals import FEWEST_ROUNDS
from tools.inference.moderating import moderated, noise
from tools.verdicts.facts import facts_of
from tools.words import enumerated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tools.analysis.holdings import ModelMemory
    from tools.analysis.scaled import Scaled
    from tools.analysis.summary import Row, Summary
    from tools.inference.intervals import Interval
    from tools.saved.results import Results
    from tools.verdicts.places import Places
    from tools.workloads import Workload


@dataclass(frozen=True, slots=True)
class Beside:
    """What was measured beside the cells: memory by model, the others by workload and model."""

    memory: Mapping[str, Memory]
    peaks: Mapping[tuple[str, str], float]
    unsure_peaks: Mapping[tuple[str, str], str]
    capacities: Mapping[tuple[str, str], float]


def advice_of(results: Results, summaries: Sequence[Summary], *, warned: bool = True) -> dict[str, tuple[str, ...]]:
    """The sentences on each workload, by its name, the most important first; where `warned`, that all may be chance.

    Raises ResultsError where the samples of a cell are damaged or not there.
    """
    beside = _beside(results)
    reason = unsound(results) if warned else ""
    return {
        summary.workload.name: _unranked(results, summary)
        or advise(
            summary.workload.name,
            _standings(results, summary, beside),
            measure=summary.standing.measure,
            unsound=reason,
            connections=summary.workload.connections,
            server_cpus=results.header.server_cpus(summary.workload),
            rate=summary.workload.rate,
        )
        for summary in summaries
    }


def unsound(results: Results) -> str:
    """Why the session cannot be believed, by its control; empty where it can, as far as is known."""
    found = session_control(results)
    return found.reason if found.sound is False else ""


def _unranked(results: Results, summary: Summary) -> tuple[str, ...]:
    """What there is to say where there are models with figures, and too few rounds to rank them; else nothing."""
    standing = summary.standing
    if not standing.order or any(standing.tiers.values()):
        return ()
    measure = measure_of(results, summary.workload)
    told = "{:,.0f}".format if measure.more_is_better else duration
    medians = [f"{name} {told(statistics.median(measure.by_model[name].values()))}" for name in standing.order]
    what = "requests a second" if measure.more_is_better else f"the rounds' {measure.name}"
    unusable = [
        f"{row.model} ({_why_not(row)})"
        for row in summary.rows
        if row.model not in standing.order and not row.control_of
    ]
    return (
        f"On {summary.workload.name} nobody is ranked: fewer than {FEWEST_ROUNDS} rounds tell nothing apart.",
        f"By their medians of {what}: {', '.join(medians)}.",
        *([f"Nothing is concluded from {enumerated(unusable)}."] if unusable else []),
    )


def _beside(results: Results) -> Beside:
    scaling = scaled(results)
    return Beside(
        memory={each.model: memory for each in holdings(results) if (memory := _memory(each))},
        peaks={(each.workload, each.model): peak for each in scaling if (peak := _peak(each)) is not None},
        unsure_peaks={(each.workload, each.model): why for each in scaling if (why := _why_no_peak(each))},
        capacities={
            (each.workload, each.model): each.rate
            for each in results.capacities
            if each.rate is not None and each.confirmed and not each.error
        },
    )


def _memory(holding: ModelMemory) -> Memory | None:
    base, slope = _figure(holding.base), _figure(holding.per_connection)
    return Memory(base, slope) if base and slope else None


def _peak(each: Scaled) -> float | None:
    """The peak where it was passed in the measurement, and is known well: one beyond it is a guess."""
    return each.law.peak if _is_passed(each) and not (each.law.reason or each.law.is_peak_wide) else None


def _why_no_peak(each: Scaled) -> str:
    """Why a peak that seems to have been passed is not told; empty where it is, or where there is none."""
    if not _is_passed(each) or _peak(each) is not None:
        return ""
    return each.law.reason or f"the peak may be at {peak_in_words(each.law)}"


def _is_passed(each: Scaled) -> bool:
    """Whether the measurement seems to go beyond the peak."""
    return each.law.peak is not None and each.law.peak <= each.most


def _standings(results: Results, summary: Summary, beside: Beside) -> list[Standing]:
    """Of all models but the control."""
    cpu_by = _cpu_by(results, summary)
    entered = [row for row in summary.rows if not row.control_of]
    return [_standing(results, summary, row, beside, cpu_by.get(row.model, {})) for row in entered]


def _cpu_by(results: Results, summary: Summary) -> dict[str, dict[str, Figure]]:
    """The CPU for a request of each model by that of the first, and by that of the cheapest of the first tier."""
    cpu = cpu_at_one_speed(results, summary.workload).figures
    known = noise(cpu)
    costs = {row.model: row.spent.cpu.estimate for row in summary.rows if 1 in row.tiers and row.spent.cpu}
    others = {*summary.standing.order[:1], *sorted(costs, key=lambda name: costs[name])[:1]} & cpu.keys()
    return {
        name: {
            other: Figure(found.estimate, found.low, found.high)
            for other in others - {name}
            if (found := moderated(values, cpu[other], known.of(name, other)))
        }
        for name, values in cpu.items()
    }


def _standing(results: Results, summary: Summary, row: Row, beside: Beside, cpu_by: Mapping[str, Figure]) -> Standing:
    """Of one model; what is not known, or rests on too few answers, is None."""
    workload, ranked = summary.workload, summary.standing
    return Standing(
        name=row.model,
        tiers=row.tiers,
        rank=ranked.order.index(row.model) if row.model in ranked.order else len(ranked.order),
        ratio=_figure(row.against_first),
        cpu=_figure(row.spent.cpu),
        p99=_figure(row.p99_over_rounds if row.model in ranked.order else None),
        memory=beside.memory.get(row.model),
        places=_places(results, workload, row.model),
        usl_peak=beside.peaks.get((workload.name, row.model)),
        usl_unsure=beside.unsure_peaks.get((workload.name, row.model), ""),
        capacity=beside.capacities.get((workload.name, row.model)),
        verdict=row.verdict,
        cpu_by=cpu_by,
        unusable="" if row.model in ranked.order else _why_not(row),
    )


def _places(results: Results, workload: Workload, model: str) -> Places | None:
    """Those that it had in the last round that went well."""
    variant = next(each for each in results.header.models if each.name == model)
    sound = [(cell, cell.load) for cell in figures.sound(results.of(workload.name, model)) if cell.load]
    return facts_of(*sound[-1], workload, variant, results.header).places if sound else None


def _why_not(row: Row) -> str:
    if row.partial:
        return f"it served {row.served_words}"
    if row.rounds:
        return "it gave too few answers"
    return "it failed" if row.failures else "it was not measured"


def _figure(found: Interval | None) -> Figure | None:
    return Figure(found.estimate, found.low, found.high) if found else None
