"""What a figure would have been at one speed of the CPUs: the machine's own ups and downs, taken out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Rounds = Mapping[str, Mapping[int, float]]

FEWEST_CELLS = 12  # of a workload: with fewer the exponent is a guess
LEVEL = 0.01  # how readily a relation may be taken for one by chance
MOST = 1.2  # the largest exponent to believe: 1 is computing alone, memory and kernel are below it
FAST = 0.95  # the share of cells that were slower than the reference, which has to be one that was seen


@dataclass(frozen=True, slots=True)
class Adjusted:
    """A workload's figures at one speed, by model and round.

    A figure goes as the speed to the power of `exponent`, and `explained` is the share of the variance within models
    that this took out. Where the figures are as they were, the exponent is 0 and `reason` says why.
    """

    figures: dict[str, dict[int, float]]
    exponent: float
    explained: float
    reason: str


@dataclass(frozen=True, slots=True)
class _Logs:
    """The logarithms of figures and speeds of all cells, and the number of each one's model."""

    figure: NDArray[np.float64]
    speed: NDArray[np.float64]
    model: NDArray[np.int64]
    models: int

    def within(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The values less the mean of their model."""
        counts = np.bincount(self.model, minlength=self.models)
        means = np.bincount(self.model, weights=values, minlength=self.models) / counts
        centred: NDArray[np.float64] = values - means[self.model]
        return centred


def adjusted(figures: Rounds, speeds: Rounds, sign: int = 1, reference: float | None = None) -> Adjusted:
    """One workload's figures as they would have been had all cells run at the speed `reference`.

    `figures` and `speeds` are by model and round. `sign` is 1 for throughput, which rises with the speed, and -1 for
    CPU seconds and latencies, which fall. Without a reference it is the 95th percentile of the speeds. Every
    figure needs a speed, and both must be above 0: leave out a cell that has none before the call, or nothing is
    adjusted.

    log figure = effect of the model + exponent * log(speed / reference) + noise, by least squares within models: the
    exponent is common to all of them, so that a model is not adjusted by its own noise, and limited to 0 to `MOST`. It
    is used only where it takes out more than chance would (the F test at `LEVEL`), and not where the speeds go with the
    models (an analysis of variance): there it is the models that slow the canary, and to adjust would make a present to
    those that disturb it most. Source: analysis of covariance, Fisher, 1932.
    """
    reason = _refused(figures, speeds)
    if reason:
        return _unchanged(figures, reason)
    logs = _logarithms(figures, speeds)
    exponent, explained, reason = _exponent(logs, sign)
    if reason:
        return _unchanged(figures, reason)
    target = float(np.quantile(np.exp(logs.speed), FAST)) if reference is None else reference
    found = {
        model: {it: value * (target / speeds[model][it]) ** exponent for it, value in rounds.items()}
        for model, rounds in figures.items()
    }
    return Adjusted(found, exponent, explained, "")


def _unchanged(figures: Rounds, reason: str) -> Adjusted:
    return Adjusted({model: dict(rounds) for model, rounds in figures.items()}, 0.0, 0.0, reason)


def _refused(figures: Rounds, speeds: Rounds) -> str:
    """Why these cannot be adjusted; empty where they can be tried."""
    cells = [(model, number) for model, rounds in figures.items() for number in rounds]
    if len(cells) < FEWEST_CELLS:
        return f"{len(cells)} cells are too few to tell what the CPUs' speed did: {FEWEST_CELLS} are needed"
    unknown = sum(1 for model, number in cells if speeds.get(model, {}).get(number, 0) <= 0)
    if unknown:
        return f"the CPUs' speed is not known in {unknown} of {len(cells)} cells"
    if any(figures[model][number] <= 0 for model, number in cells):
        return "a figure is not above 0"
    if len(cells) - len([rounds for rounds in figures.values() if rounds]) < 2:
        return "no model ran in more than one round"
    return ""


def _logarithms(figures: Rounds, speeds: Rounds) -> _Logs:
    measured = [(model, rounds) for model, rounds in figures.items() if rounds]
    cells = [(place, name, number) for place, (name, rounds) in enumerate(measured) for number in rounds]
    return _Logs(
        np.log([figures[name][number] for _, name, number in cells]),
        np.log([speeds[name][number] for _, name, number in cells]),
        np.array([place for place, _, _ in cells], dtype=np.int64),
        len(measured),
    )


def _exponent(logs: _Logs, sign: int) -> tuple[float, float, str]:
    """The exponent, the share of the variance within models that it explains, and why it is not to be used."""
    speed, figure = logs.within(logs.speed), logs.within(logs.figure)
    freedom = len(speed) - logs.models - 1
    squares = float(speed @ speed)
    if squares < 1e-12 * len(speed):
        return 0.0, 0.0, "the CPUs' speed was the same in all cells"
    if _likely(float(logs.speed.var()) * len(speed) - squares, squares, logs.models - 1, freedom + 1) < LEVEL:
        return 0.0, 0.0, "the CPUs' speed went with the models: they slow what measures it"
    slope = float(speed @ figure) / squares
    left = figure - slope * speed
    if slope * sign <= 0 or _likely(slope**2 * squares, float(left @ left), 1, freedom) >= LEVEL:
        return 0.0, 0.0, "the CPUs' speed explains no more of the figures than chance would"
    exponent = sign * min(abs(slope), MOST)
    left = figure - exponent * speed
    return exponent, 1 - float(left @ left) / float(figure @ figure), ""


def _likely(explained: float, left: float, terms: int, freedom: int) -> float:
    """How often chance explains so much with so many terms, by the F test."""
    from scipy import special  # noqa: PLC0415

    if terms < 1:
        return 1.0
    if left <= 0:
        return 0.0
    return float(special.fdtrc(terms, freedom, max(0.0, explained) / terms / (left / freedom)))
