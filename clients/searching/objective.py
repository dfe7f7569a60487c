"""What a rate must hold: a percentile below a time, and what else a run at that rate must not show."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from clients.durations import UNITS
from clients.percentiles import samples_for
from clients.words import duration as in_words

NAMES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999, "p999": 0.999}

LEAST_ACHIEVED = 0.99
LEAST_REQUESTS = 500  # of a trial: with fewer, what is in flight at the window's edges is more than one percent
MARGIN = 1.5  # more requests than a percentile needs: Poisson arrivals and errors leave fewer than were asked


@dataclass(frozen=True, slots=True)
class Objective:
    """The share `percentile` (0.99) of the requests is answered within `seconds` of being due."""

    percentile: float
    seconds: float

    @property
    def name(self) -> str:
        """The percentile as it is written: p99, p99.9."""
        return f"p{self.percentile * 100:.6g}"

    @property
    def requests(self) -> int:
        """How many requests a trial asks for, so that the percentile can be told."""
        return math.ceil(MARGIN * max(LEAST_REQUESTS, samples_for(self.percentile)))

    def __str__(self) -> str:
        return f"{self.name}={in_words(self.seconds).replace(' ', '')}"


def read_objective(text: str) -> Objective:
    """Read `p99=50ms`; ValueError with one line for the user where it is none."""
    found = re.fullmatch(r"(p[0-9.]+)\s*=\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(us|ms|s)", text.strip().lower())
    if not found or found[1] not in NAMES:
        known = ", ".join(NAMES)
        raise ValueError(f"an objective is a percentile and a time with its unit, as p99=50ms ({known}), not {text!r}")
    seconds = float(found[2]) * UNITS[found[3]]
    if not 0 < seconds <= 3600:
        raise ValueError(f"the time of an objective is over 0 and up to an hour, not {text!r}")
    return Objective(NAMES[found[1]], seconds)


@dataclass(frozen=True, slots=True)
class ProbeFindings:
    """What a probe tells of a run at one rate.

    `achieved` is right answers by what the schedule wanted, `response` the objective's percentile in seconds, None
    where too few requests ended; `growing` whether what was in flight grew; `shed` requests that were never sent,
    because too many waited; `client_limited` whether the load processes may have been what was slow.
    """

    achieved: float
    response: float | None
    growing: bool = False
    errors: int = 0
    shed: int = 0
    client_limited: bool = False
    interrupted: bool = False


def reasons(findings: ProbeFindings, objective: Objective) -> list[str]:
    """All that kept a run from holding the objective; none where it held."""
    found = []
    if findings.errors:
        found.append(f"{findings.errors:,} errors" if findings.errors > 1 else "1 error")
    if findings.shed:
        found.append(f"{findings.shed:,} requests shed")
    if findings.achieved < LEAST_ACHIEVED:
        found.append(f"achieved only {math.floor(findings.achieved * 1000) / 10:g} %")
    if findings.growing:
        found.append("in flight grew")
    if findings.response is not None and findings.response > objective.seconds:
        found.append(f"{objective.name} {in_words(findings.response)}, above {in_words(objective.seconds)}")
    if findings.response is None and not found:
        found.append(too_few(objective))
    return found


def too_few(objective: Objective) -> str:
    """The reason of a run that was too short."""
    return f"too few requests to tell {objective.name}"
