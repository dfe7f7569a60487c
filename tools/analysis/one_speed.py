"""Figures as they would have been had the CPUs run at one speed, which canaries measured in every window.

A figure goes with the speed of the CPUs that limited it, and less with that of the others: a server waits for its
clients, too. How much it does is fitted for all models together that the same thing limited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.analysis import figures
from tools.analysis.served import whole
from tools.inference.adjusting import UNADJUSTED, Exponents, adjusted
from tools.verdicts.judging import judge
from tools.verdicts.rows import of_row
from tools.verdicts.verdict import CLIENT, GIL, POOL, SERVER_CPU

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tools.analysis.figures import ByRound
    from tools.inference.adjusting import Adjusted
    from tools.saved.header import Variant
    from tools.saved.results import Results
    from tools.verdicts.verdict import Verdict
    from tools.workloads import Workload

EXPECTED = {
    SERVER_CPU: Exponents(server=1.0, client=0.2),
    GIL: Exponents(server=1.0, client=0.2),
    CLIENT: Exponents(server=0.2, client=1.0),
    POOL: Exponents(server=0.5, client=0.2),  # a place that is taken computes for part of the time
}
"""How throughput goes with the two sides' speeds, by what limited it, before any round is looked at."""

SIDES = ("server_speed", "client_speed")
CPU_SECONDS = Exponents(server=1.0, client=0.0)
CPU_SECONDS_ASKED_SLOWLY = Exponents(server=1.0, client=0.5)  # who waits for slow clients is woken for each of them


def at_one_speed(results: Results, workload: Workload, raw: Mapping[str, ByRound], *, rises: bool) -> Adjusted:
    """Adjust a workload's figures, which rise with the speed or fall."""
    limits = _limits(results, workload)
    expected = {name: EXPECTED.get(limits[name], UNADJUSTED) for name in raw}  # what waits, waits as long on a slow CPU
    server, client = (_speeds(results, workload, raw, side) for side in SIDES)
    return adjusted(raw, server, client, expected, sign=1 if rises else -1)


def cpu_at_one_speed(results: Results, workload: Workload) -> Adjusted:
    """CPU per request by model and round, of those that served the workload whole and whose CPU was seen whole."""
    cells = {model.name: whole(results.of(workload.name, model.name)) for model in results.header.models}
    raw = {
        name: figures.positive(figures.cpu_per_request(of)) for name, of in cells.items() if not figures.blindness(of)
    }
    server, client = (_speeds(results, workload, raw, side) for side in SIDES)
    limits = _limits(results, workload)
    expected = {name: CPU_SECONDS_ASKED_SLOWLY if limits[name] == CLIENT else CPU_SECONDS for name in raw}
    return adjusted(raw, server, client, expected, sign=-1)


def _limits(results: Results, workload: Workload) -> dict[str, str]:
    return {model.name: verdict_on(results, workload, model).limit for model in results.header.models}


def verdict_on(results: Results, workload: Workload, model: Variant) -> Verdict:
    """What limited a model on a workload, over its rounds."""
    return of_row([judge(cell, workload, model, results.header) for cell in results.of(workload.name, model.name)])


def _speeds(results: Results, workload: Workload, names: Iterable[str], side: str) -> dict[str, ByRound]:
    """How fast the CPUs of one of the `SIDES` ran, by model and round."""
    return {
        name: {
            cell.round: speed
            for cell in figures.sound(results.of(workload.name, name))
            if cell.host and (speed := getattr(cell.host, side))
        }
        for name in names
    }
