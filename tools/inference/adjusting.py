"""What a figure would have been at one speed of the CPUs: the machine's own ups and downs, taken out.

A figure goes with the speed of the CPUs that limited it, and somewhat with that of the others. By how much is known
roughly before anything is measured, since work that one CPU does alone takes twice as long on one half as fast; the
rounds say it more exactly, as far as there are rounds enough. So exponents are fitted, and drawn towards what is
expected: with few rounds alone they would be anything, and without the rounds they would be too coarse.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Rounds = Mapping[str, Mapping[int, float]]

FEWEST_CELLS = 12  # of a workload: with fewer, what is expected would be all there is
LEVEL = 0.001  # a slow spell lasts for several cells, and so goes with models by chance more often than the F test says
MOST = 1.6  # the largest exponent to believe: a busy sibling harms the kernel's work more than a loop that computes
FAST = 0.95  # of the cells were slower than the speed to which figures are brought: it has to be one that was seen
SURE_WITHIN = 0.1  # of an exponent that is expected: those of models with one limit were seen to differ by as much
MOST_NOISE = 0.06  # of a figure in one round, beside the speeds
SAME = 1e-12  # the variance of speeds that are the same
SIDES = ("server's", "clients'")


@dataclass(frozen=True, slots=True)
class Exponents:
    """The powers of the speeds of the server's and of the clients' CPUs with which a figure goes."""

    server: float
    client: float


UNADJUSTED = Exponents(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Adjusted:
    """A workload's figures at one speed, by model and round, and the exponents that brought them there, by model.

    Where nothing was adjusted there are no exponents, and `reason` says why; it also says where the speeds were not the
    same for all models.
    """

    figures: dict[str, dict[int, float]]
    exponents: dict[str, Exponents]
    reason: str


@dataclass(frozen=True, slots=True)
class _Cells:
    """Logarithms of all cells' figures and of their speeds (a row for each side), and each one's model and round."""

    figure: NDArray[np.float64]
    speeds: NDArray[np.float64]
    model: NDArray[np.int64]
    round: NDArray[np.int64]
    names: tuple[str, ...]

    def within(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The values less the mean of their model."""
        counts = np.bincount(self.model, minlength=len(self.names))
        means = np.bincount(self.model, weights=values, minlength=len(self.names)) / counts
        centred: NDArray[np.float64] = values - means[self.model]
        return centred


def adjusted(
    figures: Rounds, server: Rounds, client: Rounds, expected: Mapping[str, Exponents], sign: int = 1
) -> Adjusted:
    """One workload's figures as they would have been had its CPUs run fast in all cells.

    `figures` and the two sides' speeds are by model and round; every figure needs both speeds, and all must be above 0:
    leave out a cell before the call, or nothing is adjusted. `expected` are the exponents of each model as far as they
    are known beforehand; models of which the same is expected share what the rounds say. `sign` is 1 for throughput,
    which rises with the speed, and -1 for CPU seconds and latencies, which fall with it to the power of the exponents.
    The speed to which figures are brought is the 95th percentile of a side's.

    log figure = effect of the model + one exponent * log(server's speed) + another * log(clients' speed) + noise, by
    least squares within models and drawn towards `expected` (a normal prior of `SURE_WITHIN`, beside the noise that the
    rounds show, at most `MOST_NOISE`), from 0 to `MOST`; and not at all where that would widen what rounds differ by.
    Where a side's speeds go with the models (an analysis of variance), it is the models that slow the canary, as one
    that leaves a CPU idle does, and to adjust for that would make a present to those that disturb it most: there each
    model is brought to the 95th percentile of its own speeds. Source: analysis of covariance, Fisher, 1932; ridge
    regression, Hoerl and Kennard, 1970, here towards a prior.
    """
    reason = _refused(figures, (server, client))
    if reason:
        return Adjusted({name: dict(rounds) for name, rounds in figures.items()}, {}, reason)
    cells = _logarithms(figures, (server, client), sign)
    exponents = np.zeros((len(SIDES), len(cells.names)))
    for kind in sorted({astuple(expected[name]) for name in cells.names}):
        alike = np.array([astuple(expected[name]) == kind for name in cells.names])
        exponents[:, alike] = _fitted(cells, alike[cells.model], kind)[:, np.newaxis]
    disturbed = tuple(side for side, speeds in enumerate(cells.speeds) if _goes_with_models(cells, speeds))
    return Adjusted(
        _brought(cells, exponents, _fast(cells, disturbed), sign),
        {name: Exponents(*exponents[:, place].tolist()) for place, name in enumerate(cells.names)},
        _told(disturbed),
    )


def _refused(figures: Rounds, sides: tuple[Rounds, Rounds]) -> str:
    """Why these cannot be adjusted; empty where they can be tried."""
    cells = [(model, number) for model, rounds in figures.items() for number in rounds]
    if len(cells) < FEWEST_CELLS:
        return f"{len(cells)} cells are too few to tell what the CPUs' speed did: {FEWEST_CELLS} are needed"
    unknown = sum(1 for model, number in cells if min(side.get(model, {}).get(number, 0) for side in sides) <= 0)
    if unknown:
        return f"the CPUs' speed is not known in {unknown} of {len(cells)} cells"
    if any(figures[model][number] <= 0 for model, number in cells):
        return "a figure is not above 0"
    if len(cells) - len([rounds for rounds in figures.values() if rounds]) < 2:
        return "no model ran in more than one round"
    return ""


def _logarithms(figures: Rounds, sides: tuple[Rounds, Rounds], sign: int) -> _Cells:
    measured = [(model, rounds) for model, rounds in figures.items() if rounds]
    cells = [(place, name, number) for place, (name, rounds) in enumerate(measured) for number in rounds]
    return _Cells(
        sign * np.log([figures[name][number] for _, name, number in cells]),
        np.log([[side[name][number] for _, name, number in cells] for side in sides]),
        np.array([place for place, _, _ in cells], dtype=np.int64),
        np.array([number for _, _, number in cells], dtype=np.int64),
        tuple(name for name, _ in measured),
    )


def _goes_with_models(cells: _Cells, speeds: NDArray[np.float64]) -> bool:
    """Whether a side's speeds differ between the models by more than chance would, by the F test at `LEVEL`."""
    from scipy import special  # noqa: PLC0415

    within = cells.within(speeds)
    left = float(within @ within)
    terms, freedom = len(cells.names) - 1, len(speeds) - len(cells.names)
    if terms < 1 or left < SAME * len(speeds):
        return False
    explained = float(speeds.var()) * len(speeds) - left
    return bool(special.fdtrc(terms, freedom, max(0.0, explained) / terms / (left / freedom)) < LEVEL)


def _fitted(cells: _Cells, chosen: NDArray[np.bool_], expected: tuple[float, ...]) -> NDArray[np.float64]:
    """The two exponents of the chosen cells; 0 where to adjust by them would make rounds differ more than they do."""
    speeds = np.stack([cells.within(side)[chosen] for side in cells.speeds])
    figure = cells.within(cells.figure)[chosen]
    squares = speeds @ speeds.T
    alone = np.linalg.lstsq(speeds.T, figure, rcond=None)[0]
    freedom = max(1, len(figure) - len(set(cells.model[chosen].tolist())) - len(SIDES))
    noise = min(MOST_NOISE**2, max(SAME, float(np.sum((figure - alone @ speeds) ** 2)) / freedom))
    weight = noise / SURE_WITHIN**2 * np.eye(len(SIDES))
    found = np.clip(np.linalg.solve(squares + weight, speeds @ figure + weight @ expected), 0, MOST)
    left = figure - found @ speeds
    return found if left @ left <= figure @ figure else np.zeros(len(SIDES))


def _fast(cells: _Cells, disturbed: tuple[int, ...]) -> NDArray[np.float64]:
    """The logarithm of the speed to which each model (a column) is brought, for each side (a row)."""
    found = np.repeat(np.quantile(cells.speeds, FAST, axis=1)[:, np.newaxis], len(cells.names), axis=1)
    for side in disturbed:
        found[side] = [np.quantile(cells.speeds[side, cells.model == it], FAST) for it in range(len(cells.names))]
    return found


def _brought(
    cells: _Cells, exponents: NDArray[np.float64], fast: NDArray[np.float64], sign: int
) -> dict[str, dict[int, float]]:
    """The figures at the speeds to which they are brought."""
    logs = cells.figure + ((fast[:, cells.model] - cells.speeds) * exponents[:, cells.model]).sum(axis=0)
    found: dict[str, dict[int, float]] = {name: {} for name in cells.names}
    for place, number, log in zip(cells.model, cells.round, logs, strict=True):
        found[cells.names[place]][int(number)] = math.exp(sign * log)
    return found


def _told(disturbed: tuple[int, ...]) -> str:
    """What is said of the sides whose speeds went with the models; empty where there is none."""
    if not disturbed:
        return ""
    sides = " and of the ".join(SIDES[side] for side in disturbed)
    return f"the speed of the {sides} CPUs went with the models, and each was brought to the fastest of its own"
