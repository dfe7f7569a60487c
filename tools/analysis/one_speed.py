"""Figures as they would have been had the CPUs run at one speed, which canaries measured in every window.

A figure goes with the speed of the CPUs that limited it, and less with that of the others: a server waits for its
clients, too. So it is adjusted for one and then for the other, each where that explains what rounds differ by.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.analysis import figures
from tools.analysis.served import whole
from tools.inference.adjusting import adjusted
from tools.verdicts.judging import judge
from tools.verdicts.rows import of_row
from tools.verdicts.verdict import CLIENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.analysis.figures import ByRound
    from tools.saved.header import Variant
    from tools.saved.results import Results
    from tools.verdicts.verdict import Verdict
    from tools.workloads import Workload

SERVER, CLIENTS = "server_speed", "client_speed"


@dataclass(frozen=True, slots=True)
class AtOneSpeed:
    """Figures by model and round, and how they went with speeds.

    That is to the power of `exponent` with the speed of the CPUs that limited each model, and of `other_exponent` with
    that of the other side; 0.0 where it explained nothing. Where neither did, `reason` has the words.
    """

    by_model: Mapping[str, ByRound]
    exponent: float
    other_exponent: float
    reason: str


def at_one_speed(results: Results, workload: Workload, raw: Mapping[str, ByRound], *, rises: bool) -> AtOneSpeed:
    """Adjust a workload's figures, which rise with the speed or fall."""
    sides = {
        model.name: CLIENTS if verdict_on(results, workload, model).limit == CLIENT else SERVER
        for model in results.header.models
        if model.name in raw
    }
    others = {name: SERVER if side == CLIENTS else CLIENTS for name, side in sides.items()}
    sign = 1 if rises else -1
    first = adjusted(raw, _speeds(results, workload, sides), sign=sign)
    second = adjusted(first.figures, _speeds(results, workload, others), sign=sign)
    return AtOneSpeed(second.figures, first.exponent, second.exponent, first.reason and second.reason)


def cpu_at_one_speed(results: Results, workload: Workload) -> AtOneSpeed:
    """CPU per request by model and round, of those that served the workload whole and whose CPU was seen whole."""
    cells = {model.name: whole(results.of(workload.name, model.name)) for model in results.header.models}
    raw = {
        name: figures.positive(figures.cpu_per_request(of)) for name, of in cells.items() if not figures.blindness(of)
    }
    found = adjusted(raw, _speeds(results, workload, dict.fromkeys(raw, SERVER)), sign=-1)
    return AtOneSpeed(found.figures, found.exponent, 0.0, found.reason)


def verdict_on(results: Results, workload: Workload, model: Variant) -> Verdict:
    """What limited a model on a workload, over its rounds."""
    return of_row([judge(cell, workload, model, results.header) for cell in results.of(workload.name, model.name)])


def _speeds(results: Results, workload: Workload, sides: Mapping[str, str]) -> dict[str, ByRound]:
    """How fast the CPUs of each model's side ran, as shares of their median in the session, by round."""
    usual = {side: _usual(results, side) for side in (SERVER, CLIENTS)}
    return {
        name: {
            cell.round: getattr(cell.host, side) / usual[side]
            for cell in figures.sound(results.of(workload.name, name))
            if cell.host and getattr(cell.host, side) and usual[side]
        }
        for name, side in sides.items()
    }


def _usual(results: Results, side: str) -> float:
    """The median speed of a side's CPUs; the two sides' are not alike."""
    speeds = [speed for cell in results.cells if cell.host and (speed := getattr(cell.host, side))]
    return statistics.median(speeds) if speeds else 0.0
