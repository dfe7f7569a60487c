"""The command `serverlab doctor`: is this machine fit to measure on, and what to change."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tools.fitness.checks import Verdict
from tools.fitness.judging import judged
from tools.fitness.looking import look
from tools.tables.tabular import Column, Table
from tools.tables.terminal import error_console, print_tables, standard_console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.fitness.checks import Check
    from tools.fitness.findings import MachineFindings

CONCLUSIONS = {
    Verdict.GOOD: "This machine is fit to measure on.",
    Verdict.WARNING: "This machine is fit to measure on, within the warnings.",
    Verdict.BAD: "Figures measured here now would mislead.",
}


def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, last on standard output.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Measure the client's ceilings anew.")] = False,
) -> int:
    """Tell whether this machine is fit to measure on, and what to change; status 1 where figures would mislead."""
    findings = found(again=again)
    checks = judged(findings)
    if as_json:
        print(json.dumps(as_object(checks, findings)))
    else:
        print_tables(standard_console(), (table(checks),))
    return 1 if worst(checks) is Verdict.BAD else 0


def found(*, again: bool) -> MachineFindings:
    """Look at the machine, and say so on a terminal: it takes some seconds."""
    if not sys.stderr.isatty():
        return look(again=again)
    with error_console().status("Looking at this machine for some 4 seconds; all its CPUs are used meanwhile."):
        return look(again=again)


def worst(checks: Sequence[Check]) -> Verdict:
    """The worst of the verdicts."""
    verdicts = {check.verdict for check in checks}
    return next((verdict for verdict in (Verdict.BAD, Verdict.WARNING) if verdict in verdicts), Verdict.GOOD)


def as_object(checks: Sequence[Check], findings: MachineFindings) -> dict[str, object]:
    """What --json prints: the conclusion, the checks, and the figures behind them, in seconds, bytes and shares."""
    return {
        "fit": worst(checks) is not Verdict.BAD,
        "verdict": worst(checks).value,
        "checks": [check.to_json() for check in checks],
        "findings": findings.to_json(),
    }


def table(checks: Sequence[Check]) -> Table:
    """All checks in one table, the fixes below it."""
    return Table(
        name="doctor",
        title="Is this machine fit to measure on?",
        lead=CONCLUSIONS[worst(checks)],
        columns=(
            Column("Check", "", "Check"),
            Column("Verdict", "", "Verdict", words=True),
            Column("Found", "", "Found", words=True),
            Column("Why it matters", "", "Why it matters", words=True),
        ),
        rows=tuple((check.name, check.verdict.value, check.found, check.why) for check in checks),
        notes=tuple(f"{check.verdict.value}, {check.name}: {check.fix}" for check in checks if check.fix),
    )
