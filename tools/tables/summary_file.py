"""The figures of a comparison's tables for a program: one JSON object, printed by --json and saved beside it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tools.analysis.controls import session_control
from tools.analysis.process_control import process_control
from tools.analysis.summary import summarized
from tools.failure import ResultsError
from tools.saved.results import SUMMARY
from tools.tables.advice_of import advice_of
from tools.tables.memory import holdings
from tools.tables.scaling import scaled

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
    """Times in seconds, sizes in bytes, throughputs in requests a second; intervals as estimate, low, high, rounds."""
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
        "control": {"reason": control.reason, "ratio": _interval(control.ratio)},
        "workloads": {each.workload.name: _workload(each, advice[each.workload.name]) for each in summaries},
        "process_control": [
            {
                "model": each.model,
                "cpu_per_connection": _interval(each.cpu),
                "beyond_iterative": _interval(each.difference),
                "tiers": each.tiers,
                "reason": each.reason,
            }
            for each in process_control(results)
        ],
        "memory": [
            {
                "model": each.model,
                "bytes_per_connection": _interval(each.per_connection),
                "kernel_bytes_per_connection": _interval(each.kernel),
                "base_bytes": _interval(each.base),
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
                "sigma": _interval(each.law.sigma),
                "kappa": _interval(each.law.kappa),
                "peak": each.law.peak,
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
            "exponent": standing.exponent,
            "other_exponent": standing.other_exponent,
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
        "throughput": _interval(row.throughput),
        "by_the_first": _interval(row.against_first),
        "tiers": row.tiers,
        "limit": row.verdict.limit or None,
        "limit_sentence": row.verdict.sentence,
        "limit_evidence": row.verdict.evidence,
        "p50": None if row.p50_ns is None else row.p50_ns / 1e9,
        "p99": None if row.p99_ns is None else row.p99_ns / 1e9,
        "cpu_per_request": _interval(spent.cpu),
        "cpu_user_per_request": spent.user,
        "cpu_system_per_request": spent.system,
        "cpu_per_connection": _interval(spent.per_connection),
        "cpu_method": spent.method,
        "cpu_blind": spent.blind or None,
        "cpu_apart": spent.apart,
        "voluntary_switches_per_request": spent.voluntary,
        "involuntary_switches_per_request": spent.involuntary,
        "minor_faults_per_request": spent.minor,
        "major_faults_per_request": spent.major,
        "counts_complete": spent.counts_complete,
        "measuring_cpu": spent.measuring,
        "peak_pss_bytes": row.memory_bytes,
        "processes": row.processes,
        "threads": row.threads,
        "descriptors": row.descriptors,
        "offered": row.offered,
        "achieved": row.achieved,
        "errors": dict(row.errors),
        "failures": row.failures,
        "disturbed": row.disturbed,
    }


def _interval(figure: Interval | None) -> dict[str, float | int | None] | None:
    return asdict(figure) if figure else None
