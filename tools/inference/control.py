"""The built-in control: one model, entered twice, must not differ from itself."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from tools.inference.intervals import FEWEST_ROUNDS
from tools.inference.ratios import of_logarithms

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from tools.inference.intervals import Interval

FALSE_ALARMS = 0.005  # of sound sessions, over all their figures: half of the 1 in 100 that is promised
NEGLIGIBLE = 0.01  # two entries this near to each other mislead nobody, however surely they differ
ENOUGH_TO_FLIP = 12  # pairs: from here on chance alone can fall below what one of several tests may take
FLIPS = 9999
SEED = 26


@dataclass(frozen=True, slots=True)
class Control:
    """What the control says of the session.

    `sound` is None where there were too few pairs to say. `ratio` is that of the second entry to the first, of the
    figure in which they differ most surely, with its interval of 99 %; `reason` is a sentence for the reader. A session
    that is sound although they surely differ is `slight`: they do by less than `NEGLIGIBLE`.
    """

    sound: bool | None
    ratio: Interval | None
    reason: str
    slight: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """How surely two entries differ in a figure: `chance` is how often a sound session has one like it."""

    chance: float
    where: str
    logs: tuple[float, ...]

    @property
    def negligible(self) -> bool:
        """Whether it would mislead nobody."""
        return abs(statistics.fmean(self.logs)) < NEGLIGIBLE

    @property
    def alarming(self) -> bool:
        """Whether a session that has it is unsound."""
        return self.chance <= FALSE_ALARMS and not self.negligible


def control(pairs: Mapping[tuple[str, str], Sequence[float]]) -> Control:
    """Judge a session by the natural logarithms of the second entry's figures divided by the first's.

    `pairs` has those of each round by workload and figure, as `log_ratios` gives them. Each figure is tested on all
    workloads together and on each alone, and the tests share `FALSE_ALARMS` among them.

    It relies on the order of a plan, in which the entry that runs first is drawn anew for every other round of each
    workload, and is the other one in the round after it. So a sound session's logarithms are as often below 0 as above
    it, however wild, and what the order does comes with both signs, which makes an alarm rarer. From `ENOUGH_TO_FLIP`
    pairs on that is all that is used: the signs are flipped at random, and few flips may lie as far from 0 as what was
    seen (Fisher's randomisation test). Fewer pairs have too few flips, so there Student's t is asked, which outliers
    make less, not more, ready to raise an alarm. A bootstrap (Efron) could not do this: at five pairs one sound session
    in sixteen has all on one side.
    """
    found = strongest(pairs)
    if found is None:
        return Control(None, None, f"the control ran in fewer than {FEWEST_ROUNDS} rounds")
    second = f"the second entry reached {math.exp(statistics.fmean(found.logs)):.3f} of the first in {found.where}"
    slight = found.chance <= FALSE_ALARMS and not found.alarming
    if found.alarming:
        says = "the control differs from itself"
    elif slight:
        says = "the control differs from itself by less than 1 %"
    else:
        says = "the control differs from itself by no more than chance explains"
    return Control(not found.alarming, of_logarithms(found.logs, confidence=0.99), f"{says}: {second}", slight)


def strongest(pairs: Mapping[tuple[str, str], Sequence[float]]) -> Finding | None:
    """The figure in which the entries differ most surely, if any an alarming one; None where all have too few pairs.

    Its `chance` allows for all that were tested: half of it for the workloads together, half for each alone, where
    there are several (Bonferroni).
    """
    figures = sorted({figure for _, figure in pairs})
    found = []
    for figure in figures:
        known = {workload: list(logs) for (workload, its), logs in pairs.items() if its == figure and logs}
        tested = [_together(figure, known), *(_alone(figure, known) if len(known) > 1 else [])]
        shares = [1.0] if len(known) < 2 else [0.5] + [0.5 / len(known)] * len(known)
        found += [
            Finding(min(1.0, it.chance * len(figures) / share), it.where, it.logs)
            for it, share in zip(tested, shares, strict=True)
            if len(it.logs) >= FEWEST_ROUNDS
        ]
    return min(found, key=lambda finding: (not finding.alarming, finding.chance), default=None)


def chance(logs: Sequence[float], scatter: float = 0.0) -> float:
    """How often logarithms that differ from 0 by chance alone have a mean as far from it, on either side.

    Their scatter is taken for no less than `scatter`, where Student's t needs it.
    """
    values = np.asarray(logs, dtype=np.float64)
    if len(values) < 2 or not values.any():
        return 1.0
    if len(values) < ENOUGH_TO_FLIP:
        return _student(values, scatter)
    sums = np.abs(_signs(len(values)) @ values)
    as_far = np.count_nonzero(sums >= abs(values.sum()) * (1 - 1e-9))  # the order of adding must not decide
    return float((as_far + 1) / (FLIPS + 1))


def _together(figure: str, known: Mapping[str, Sequence[float]]) -> Finding:
    """What all workloads' logarithms of a figure say."""
    logs = tuple(log for its in known.values() for log in its)
    where = " and ".join(known) if len(known) < 3 else f"all {len(known)} workloads"
    return Finding(chance(logs), f"{figure} on {where}", logs)


def _alone(figure: str, known: Mapping[str, Sequence[float]]) -> Iterator[Finding]:
    """What each workload's logarithms say. They are taken to scatter no less than those of the other workloads do.

    Where a busy neighbour doubles every other figure, five pairs that were all hit alike differ little among
    themselves by luck, and would look surer than they are.
    """
    for workload, logs in known.items():
        others = np.array([log for name, its in known.items() if name != workload for log in its])
        yield Finding(chance(logs, float(np.sqrt(np.mean(others**2)))), f"{figure} on {workload}", tuple(logs))


def _student(values: NDArray[np.float64], scatter: float) -> float:
    """The two-sided tail of Student's t of a mean of 0."""
    from scipy import special  # noqa: PLC0415 - a third of a second, and few commands need it

    error = max(float(values.std(ddof=1)), scatter) / math.sqrt(len(values))
    if not error:
        return 0.0
    return float(2 * special.stdtr(len(values) - 1, -abs(float(values.mean())) / error))


@lru_cache(maxsize=4)
def _signs(count: int) -> NDArray[np.float64]:
    """Random signs, one row a flip: the same for all figures with as many pairs."""
    return np.random.default_rng(SEED).choice((-1.0, 1.0), size=(FLIPS, count))
