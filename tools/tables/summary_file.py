"""The figures of a comparison's tables for a program: one JSON object, printed by --json and saved beside it."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tools.advice.of_comparison import advice_of
from tools.analysis.controls import session_control
from tools.analysis.holdings import holdings
from tools.analysis.process_control import process_control
from tools.analysis.scaled import scaled
from tools.analysis.summary import summarized
from tools.failure import ResultsError
from tools.saved.results import SUMMARY

if TYPE_CHECKING:
    from tools.analysis.summary import Row, Summary
    from tools.inference.intervals import Interval
    from tools.saved.results import Results


def write_summary(results: Results, found: dict[str, Any]) -> None:
    """Save the object as `summary.json` in the results folder; an older one stays whole until then.

    Raises:
        ResultsError: The folder cannot be written to.
    """
    path = results.folder / SUMMARY
    try:
        half = path.with_suffix(".json.part")
        half.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        half.replace(path)
    except OSError as error:
        raise ResultsError(f"cannot write {path}: {error.strerror}") from error


def summary_of(results: Results) -> dict[str, Any]:
    """Times in seconds, sizes in bytes, throughputs in requests a second; intervals as estimate, low, high, rounds.

    What is a number under its own name has its interval under this name in `over_rounds`. The estimate is the median of
    the rounds, which for p50 and p99 is not that of all answers together, as the number is. An end of a peak's interval
    is null where throughput may as well never fall.
    """
    control = session_control(results)
    header = results.header
    summaries = summarized(results)
    advice = advice_of(results, summaries)
    return {
        "folder": str(results.folder),
        "seed": header.seed,
        "planned": header.planned,
        "cells": len(results.cells),
        "disturbed": sum(bool(cell.disturbed) for cell in results.cells),
        "sound": control.sound,
        "amiss": [asdict(each) for each in header.amiss],
        "control": {"reason": control.reason, "ratio": interval_object(control.ratio)},
        "workloads": {each.workload.name: _workload(each, advice[each.workload.name]) for each in summaries},
        "process_control": [
            {
                "model": each.model,
                "cpu_per_connection": interval_object(each.cpu),
                "baseline": each.baseline,
                "beyond_iterative": interval_object(each.difference),
                "tiers": each.tiers,
                "reason": each.reason,
            }
            for each in process_control(results)
        ],
        "memory": [
            {
                "model": each.model,
                "bytes_per_connection": interval_object(each.per_connection),
                "kernel_bytes_per_connection": interval_object(each.kernel),
                "base_bytes": interval_object(each.base),
                "held": each.held,
                "admitted": each.admitted,
                "kernel_method": each.kernel_method,
            }
            for each in holdings(results)
        ],
        "scaling": [
            {
                "workload": each.workload,
                "model": each.model,
                "lambda": each.law.lambda_,
                "sigma": interval_object(each.law.sigma),
                "kappa": interval_object(each.law.kappa),
                "peak": each.law.peak,
                "peak_ends": _finite(each.law.peak_ends),
                "misfit": each.law.misfit,
                "limit": each.verdict.limit,
                "reason": each.law.reason,
            }
            for each in scaled(results)
        ],
        "capacities": [asdict(each) for each in results.capacities],
    }


def _workload(summary: Summary, advice: tuple[str, ...]) -> dict[str, Any]:
    standing = summary.standing
    return {
        "ranked_by": standing.measure,
        "order": standing.order,
        "adjustment": {
            "exponents": {name: asdict(exponents) for name, exponents in standing.exponents.items()},
            "reason": standing.adjustment,
        },
        "models": {row.model: _row(row) for row in summary.rows},
        "advice": advice,
    }


def _row(row: Row) -> dict[str, Any]:
    spent = row.spent
    return {
        "control_of": row.control_of or None,
        "rounds": row.rounds,
        "connections": row.connections,
        "served": row.served,
        "partial": row.partial,
        "left_out": row.left_out,
        "throughput": interval_object(row.throughput),
        "by_the_first": interval_object(row.against_first),
        "tiers": row.tiers,
        "limit": row.verdict.limit or None,
        "limit_sentence": row.verdict.sentence,
        "limit_evidence": row.verdict.evidence,
        "p50": None if row.p50_ns is None else row.p50_ns / 1e9,
        "p99": None if row.p99_ns is None else row.p99_ns / 1e9,
        "cpu_per_request": interval_object(spent.cpu),
        "cpu_user_per_request": _estimate(spent.user),
        "cpu_system_per_request": _estimate(spent.system),
        "cpu_per_connection": interval_object(spent.per_connection),
        "cpu_method": spent.method,
        "cpu_blind": spent.blind or None,
        "cpu_apart": spent.apart,
        "voluntary_switches_per_request": _estimate(spent.voluntary),
        "involuntary_switches_per_request": _estimate(spent.involuntary),
        "minor_faults_per_request": _estimate(spent.minor),
        "major_faults_per_request": _estimate(spent.major),
        "counts_complete": spent.counts_complete,
        "measuring_cpu": _estimate(spent.measuring),
        "peak_pss_bytes": _estimate(row.memory_bytes),
        "processes": row.processes,
        "threads": row.threads,
        "descriptors": row.descriptors,
        "offered": row.offered,
        "achieved": _estimate(row.achieved),
        "errors": dict(row.errors),
        "failures": row.failures,
        "disturbed": row.disturbed,
        "over_rounds": {name: interval_object(figure) for name, figure in _over_rounds(row).items()},
    }


def _over_rounds(row: Row) -> dict[str, Interval | None]:
    """The figures of a round that stand above without their intervals, by the names that they have there."""
    spent = row.spent
    return {
        "p50": row.p50_over_rounds,
        "p99": row.p99_over_rounds,
        "cpu_user_per_request": spent.user,
        "cpu_system_per_request": spent.system,
        "voluntary_switches_per_request": spent.voluntary,
        "involuntary_switches_per_request": spent.involuntary,
        "minor_faults_per_request": spent.minor,
        "major_faults_per_request": spent.major,
        "measuring_cpu": spent.measuring,
        "peak_pss_bytes": row.memory_bytes,
        "achieved": row.achieved,
    }


def interval_object(figure: Interval | None) -> dict[str, float | int | None] | None:
    """An interval as the object that stands for it in JSON."""
    return asdict(figure) if figure else None


def _finite(ends: tuple[float, float] | None) -> list[float | None] | None:
    """The ends of an interval, None for one that is infinite, of which JSON has no number."""
    return [end if math.isfinite(end) else None for end in ends] if ends else None


def _estimate(figure: Interval | None) -> float | None:
    return figure.estimate if figure else None
