"""A check: a verdict on one point, why it matters, and what to do. Nothing here looks at the machine.

"bad" means that figures from this machine would mislead; "warning", that some of them might, or that the next
larger run will fail.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

UNKNOWN = "the system does not tell"


class Verdict(StrEnum):
    """What a point means for measuring."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Check:
    """One point: what was found, in words, and what follows; `fix` is a command or a sentence, empty where good."""

    name: str
    found: str
    verdict: Verdict
    why: str
    fix: str

    def to_json(self) -> dict[str, object]:
        """Return the fields as JSON values."""
        return {**asdict(self), "verdict": self.verdict.value}


def graded(value: float, good: float, bad: float) -> Verdict:
    """Grade a figure; where `good` is above `bad`, more is better."""
    sign = 1 if good > bad else -1
    if sign * value >= sign * good:
        return Verdict.GOOD
    return Verdict.BAD if sign * value < sign * bad else Verdict.WARNING


def check(name: str, found: str, verdict: Verdict, why: str, fix: str) -> Check:
    """Make a check; there is nothing to fix where all is good."""
    return Check(name, found, verdict, why, "" if verdict is Verdict.GOOD else fix)
