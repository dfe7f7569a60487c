"""Figures as they would have been had the CPUs run at one speed, which canaries measured in every window.

A figure goes with the speed of the CPUs that limited it, and less with that of the others: a server waits for its
clients, too. By how much is fitted to the rounds, for all models together of which the same is expected. What limited
a model tells what to expect of it; where something else on the machine did, what its two sides used tells it.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from tools.analysis import figures
from tools.analysis.served import whole
from tools.inference.adjusting import UNADJUSTED, Exponents, adjusted
from tools.verdicts.judging import judge
from tools.verdicts.rows import of_row
from tools.verdicts.verdict import CLIENT, GIL, HOST_NOISE, POOL, SERVER_CPU, UNKNOWN

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
"""How throughput goes with the two sides' speeds, by what limited it, before any round is looked at.

What waits, or was not let in, does so for as long on a slow CPU: for other limits nothing is expected.
"""

NOT_TOLD = (HOST_NOISE, UNKNOWN)
SIDES = ("server_speed", "client_speed")
CPU_SECONDS = Exponents(server=1.0, client=0.0)  # half as fast, it computes for twice as long
CPU_SECONDS_ASKED_SLOWLY = Exponents(server=1.0, client=0.5)  # who waits for slow clients is woken for each of them


def at_one_speed(results: Results, workload: Workload, raw: Mapping[str, ByRound], *, rises: bool) -> Adjusted:
    """Adjust a workload's figures, which rise with the speed or fall."""
    limits = _limits(results, workload)
    expected = {
        name: _by_use(results, workload, name) if limits[name] in NOT_TOLD else EXPECTED.get(limits[name], UNADJUSTED)
        for name in raw
    }
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


def _by_use(results: Results, workload: Workload, model: str) -> Exponents:
    """What is expected where nothing tells the limit: by the shares of their CPUs that both sides used, to a tenth.

    Squared, since a CPU that is half idle holds up little; and both together no more than one CPU alone would.
    """
    cells = figures.sound(results.of(workload.name, model))
    cpus = results.header.server_cpus(workload)
    server = [cell.cpu.total / cell.cpu.interval / cpus for cell in cells if cell.cpu and cell.cpu.interval > 0]
    client = [cell.load.client_busy for cell in cells if cell.load and cell.load.client_busy is not None]
    squares = [statistics.median(shares) ** 2 if shares else 0.0 for shares in (server, client)]
    together = max(1.0, sum(squares))
    return Exponents(*(round(square / together, 1) for square in squares))


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
