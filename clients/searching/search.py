"""The highest rate that holds an objective: doubling, then bisection, then three runs that confirm it.

    start -> x2 -> x2 -> fails          the bracket: the last rate that held, the first that failed
          -> halves of the bracket      until it is narrow (5 %)
          -> three runs at its low end  where one fails, a step down (x0.9) and three more

A search that only raises its target never ends against a server that is flat at its capacity, and one that only
looks at a percentile believes a run too short for the queue to build up. So a trial fails where less than 99 % of
what the schedule wanted was answered, or what is in flight grows, or something failed, as well as where the
percentile is above the objective. Nothing here has a clock or a socket: a probe is a function, and
`clients.searching.probing` makes one of `run_load`.

Noise: a trial that fails near the border while the rate is searched is made once more before it counts. A confirming
run has no second chance: that is what it confirms.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from clients.pacing import HIGHEST_RATE
from clients.searching.objective import Objective, ProbeFindings, too_few
from clients.searching.trials import CONFIRMING_RUNS, Phase, SearchResult, Trial, trial_of

NEARLY_ACHIEVED = 0.97  # a failing trial as good as this is made once more
NEARLY_HELD = 1.5  # so is one whose percentile is at most so many times the objective
STEP_DOWN = 0.9  # twice the bracket: a smaller step would fail by the same noise again
MOST_STEPS_DOWN = 5
LONGEST_WINDOW = 60.0  # seconds: a rate so low that the percentile takes longer is tried in longer trials alone
START_RATE = 1000.0

Probe = Callable[[float, float], ProbeFindings]
"""Runs the load at a rate per second with a window of so many seconds."""


@dataclass(slots=True)
class _Search:
    """The state of one search: the bracket, and the trials so far."""

    probe: Probe
    objective: Objective
    window: float
    on_trial: Callable[[Trial], None]
    trials: list[Trial] = field(default_factory=list)

    @property
    def lowest(self) -> float:
        """The lowest rate at which the percentile can be told in the longest trial."""
        return self.objective.requests / self.longest

    @property
    def longest(self) -> float:
        """The seconds of the longest trial, unless that turns out to have too few samples."""
        return max(LONGEST_WINDOW, self.window)

    def confirm(self, rate: float) -> Trial:
        """Make one run, longer where there were too few samples."""
        return self._run(rate, "confirming")

    def attempt(self, rate: float, phase: Phase) -> Trial:
        """Make a run, and another where the first failed near the border; the later one counts."""
        trial = self._run(rate, phase)
        return self._run(rate, phase) if is_near(trial, self.objective) else trial

    def _run(self, rate: float, phase: Phase) -> Trial:
        window = max(self.window, self.objective.requests / rate)
        trial = self._once(rate, window, phase)
        while not trial.held and trial.why == too_few(self.objective) and window < self.longest:
            window *= 2
            trial = self._once(rate, window, phase)
        return trial

    def _once(self, rate: float, window: float, phase: Phase) -> Trial:
        findings = self.probe(rate, window)
        if findings.interrupted:
            raise KeyboardInterrupt
        trial = trial_of(findings, self.objective, rate, window, phase)
        self.trials.append(trial)
        self.on_trial(trial)
        return trial


def search(
    probe: Probe,
    objective: Objective,
    *,
    start_rate: float = START_RATE,
    highest_rate: float = HIGHEST_RATE,
    window: float = 4.5,
    precision: float = 0.05,
    on_trial: Callable[[Trial], None] = lambda _trial: None,
) -> SearchResult:
    """Find the highest rate that holds `objective`, within `precision` of it.

    A trial measures for `window` seconds, or for as long as the percentile needs at its rate. Where `start_rate`
    fails, it is halved. `on_trial` hears of each trial as it ends. It always ends: after at most 34 trials of
    doubling or halving, 16 of bisection at 5 %, 18 that confirm, each at most twice as long as the longer of
    LONGEST_WINDOW and `window`. An interrupt ends it early.
    """
    if not 0.005 <= precision <= 1:
        raise ValueError(f"the precision of a search is from 0.005 to 1, not {precision:g}")
    state = _Search(probe, objective, window, on_trial)
    start = min(max(start_rate, state.lowest), highest_rate)
    try:
        low, high = _bracket(state, start, highest_rate)
        if low is None:
            return _result(state, None, precision, confirmed=False, limit=_limit(state.trials[-1]))
        low, high = _narrow(state, low, high, precision)
        rate, confirmed = _confirmed(state, low)
    except KeyboardInterrupt:
        return _result(state, _highest_held(state.trials), precision, confirmed=False, limit="interrupted")
    limit = _limit_above(state.trials, rate, confirmed)
    return _result(state, rate, precision, confirmed=confirmed, limit=limit)


def _bracket(state: _Search, start: float, highest: float) -> tuple[float | None, float | None]:
    """The last rate that held and the first that failed: by doubling, or by halving where the start failed."""
    low: float | None = None
    rate = start
    while state.attempt(rate, "doubling").held:
        low = rate
        if rate >= highest:
            return low, None
        rate = min(2 * rate, highest)
    high = rate
    while low is None and high > state.lowest:
        rate = max(high / 2, state.lowest)
        if state.attempt(rate, "doubling").held:
            low = rate
        else:
            high = rate
    return low, high


def _narrow(state: _Search, low: float, high: float | None, precision: float) -> tuple[float, float | None]:
    """Halve the bracket, as a ratio, until it is narrow."""
    while high is not None and high / low > 1 + precision:
        middle = rounded(math.sqrt(low * high))
        if state.attempt(middle, "bisection").held:
            low = middle
        else:
            high = middle
    return low, high


def _confirmed(state: _Search, rate: float) -> tuple[float | None, bool]:
    """Step down until three runs in a row hold, and say whether they did."""
    for _ in range(MOST_STEPS_DOWN + 1):
        if all(state.confirm(rate).held for _ in range(CONFIRMING_RUNS)):
            return rate, True
        rate = rounded(rate * STEP_DOWN)
        if rate < state.lowest:
            break
    return _highest_held(state.trials), False


def _result(state: _Search, rate: float | None, precision: float, *, confirmed: bool, limit: str) -> SearchResult:
    return SearchResult(state.objective, rate, confirmed, limit, precision, tuple(state.trials))


def rounded(rate: float) -> float:
    """The rate with four digits, so that it can be given to --rate again."""
    return float(f"{rate:.4g}")


def is_near(trial: Trial, objective: Objective) -> bool:
    """Whether noise may have made a trial fail.

    A stall of the machine spoils the percentile, and leaves nearly all answered; near its border a server spoils either
    by little. What is far beyond it spoils both.
    """
    if trial.held or trial.errors:
        return False
    nearly_held = trial.response is not None and trial.response <= NEARLY_HELD * objective.seconds
    return trial.achieved >= NEARLY_ACHIEVED or nearly_held


def _failures(trials: list[Trial]) -> list[Trial]:
    return [trial for trial in trials if not trial.held]


def _highest_held(trials: list[Trial]) -> float | None:
    return max((trial.rate for trial in trials if trial.held), default=None)


def _limit_above(trials: list[Trial], rate: float | None, confirmed: bool) -> str:
    """Say why the rate is not higher: what failed at the lowest rate above it."""
    failed = _failures(trials)
    if not confirmed:
        return f"no rate held in {CONFIRMING_RUNS} runs: {_limit(failed[-1])}"
    above = [trial for trial in failed if rate is not None and trial.rate > rate]
    return _limit(min(above, key=lambda trial: trial.rate)) if above else "the highest rate asked"


def _limit(trial: Trial) -> str:
    """What failed, and that it may have been the client's fault."""
    return trial.why + ("; the client may have been the limit" if trial.client_limited else "")
