"""What a search for a rate leaves behind: its trials, what came of them, and both in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from clients.searching.objective import Objective, ProbeFindings, reasons
from clients.words import duration as in_words

Phase = Literal["doubling", "bisection", "confirming"]

CONFIRMING_RUNS = 3


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of the search: `duration` is its window in seconds, `why` what failed, "" where it held."""

    rate: float
    duration: float
    phase: Phase
    achieved: float
    response: float | None
    growing: bool
    errors: int
    shed: int
    client_limited: bool
    held: bool
    why: str


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found, and the whole way there.

    `rate` held in three confirming runs where `confirmed`; otherwise it is the highest that held in a trial, None
    where none did. `limit` says what kept it from being higher. `precision` is the bracket's width that was asked for.
    """

    objective: Objective
    rate: float | None
    confirmed: bool
    limit: str
    precision: float
    trials: tuple[Trial, ...]

    def to_json(self) -> dict[str, object]:
        """The result as `load --find-rate --json` prints it; times in seconds, rates per second."""
        return {
            "objective": {"percentile": self.objective.name, "seconds": self.objective.seconds},
            "rate": self.rate,
            "confirmed": self.confirmed,
            "limit": self.limit,
            "precision": self.precision,
            "trials": [asdict(trial) for trial in self.trials],
        }


def trial_of(findings: ProbeFindings, objective: Objective, rate: float, window: float, phase: Phase) -> Trial:
    """Say whether a run held the objective, and if not, why."""
    why = reasons(findings, objective)
    return Trial(
        rate=rate,
        duration=window,
        phase=phase,
        achieved=findings.achieved,
        response=findings.response,
        growing=findings.growing,
        errors=findings.errors,
        shed=findings.shed,
        client_limited=findings.client_limited,
        held=not why,
        why="; ".join(why),
    )


def describe_trial(trial: Trial) -> str:
    """Tell one trial in a line."""
    response = "-" if trial.response is None else in_words(trial.response)
    verdict = "held" if trial.held else trial.why
    suspect = "; the client may have been the limit" if trial.client_limited and not trial.held else ""
    return (
        f"{trial.phase:<10} {trial.rate:>12,.6g}/s  achieved {trial.achieved:>6.1%}  "
        f"response {response:>7}  {verdict}{suspect}"
    )


def describe_found(result: SearchResult) -> list[str]:
    """Tell what came of a search."""
    objective = f"{result.objective.name} within {in_words(result.objective.seconds)}"
    if result.rate is None:
        return [f"  no rate holds {objective}: {result.limit}"]
    how = (
        f"in {CONFIRMING_RUNS} runs" if result.confirmed else "in a trial, but not in three runs that should confirm it"
    )
    return [f"  {result.rate:,.6g} per second hold {objective} {how}", f"  limit: {result.limit}"]
