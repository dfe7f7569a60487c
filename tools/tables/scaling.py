"""How throughput goes with the number of connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tools.analysis.scaled import peak_in_words, scaled
from tools.inference.intervals import Interval
from tools.tables.tabular import NOTHING, Column, Table, between
from tools.verdicts.verdict import HOST_NOISE
from tools.words import significant, two_digits

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from tools.analysis.scaled import Scaled
    from tools.inference.scaling import Usl
    from tools.saved.results import Results
    from tools.workloads import Workload

Key = TypeVar("Key", bound="Hashable")
THOUSANDTHS = 1000  # kappa is small, because it goes with the square of the connections


def scaling_table(results: Results) -> Table | None:
    """A line for each workload and model; None where nothing was measured at several numbers of connections."""
    found = scaled(results)
    if not found:
        return None
    return Table(
        name="scaling",
        title="How models scale",
        lead="The Universal Scalability Law, X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1)), fitted over N "
        "connections; servers may use every CPU.",
        columns=(
            Column("Model", "", "Model"),
            Column("Workload", "", "Workload", words=True),
            Column("lambda, one connection", "requests/s", "lambda\n/s"),
            Column("sigma, contention", "", "sigma"),
            Column("95 % interval of sigma", "", "95 %\ninterval"),
            Column("kappa, crosstalk", "thousandths", "kappa\n/1000"),
            Column("95 % interval of kappa", "thousandths", "95 %\ninterval"),
            Column("Peak", "connections", "Peak\nat"),
            Column("Limited by, with most connections", "", "Limited\nby", words=True),
        ),
        rows=tuple(_scaling_row(each) for each in found),
        notes=(_parameters(max(results.header.server_cpus(each) for each in _sizes(results))), *_scaling_notes(found)),
    )


def _scaling_row(each: Scaled) -> tuple[str, ...]:
    law = each.law
    known, kappa = law.sigma is not None, _in_thousandths(law.kappa)
    return (
        each.model,
        each.workload,
        NOTHING if law.lambda_ is None else significant(law.lambda_),
        two_digits(law.sigma.estimate) if law.sigma else NOTHING,
        between(law.sigma, words=two_digits),
        two_digits(kappa.estimate) if kappa else NOTHING,
        between(kappa, words=two_digits),
        peak_in_words(law) if known else NOTHING,
        each.verdict.limit or NOTHING,
    )


def _in_thousandths(figure: Interval | None) -> Interval | None:
    """The same in thousandths, to three decimals: what is less is what a fit leaves of 0."""
    if figure is None:
        return None
    low, high = ((None if end is None else round(end * THOUSANDTHS, 3)) for end in (figure.low, figure.high))
    return Interval(round(figure.estimate * THOUSANDTHS, 3), low, high, figure.rounds)


def _sizes(results: Results) -> list[Workload]:
    """The workloads at several numbers of connections."""
    return [each for each in results.header.workloads if each.scaling_of]


def _parameters(cpus: int) -> str:
    """What the parameters mean, where servers could use so many CPUs."""
    alone = "one CPU: with it, a server that only computes has a sigma of 1"
    several = f"{cpus} CPUs: with them, a server that only computes has a sigma near 1/{cpus}, or less and a kappa"
    return (
        "lambda is the throughput of one connection. sigma is the share of a request that only one can be in at a "
        "time: 0 scales with the connections, 1 does not scale at all. It holds what CPUs limit, too, and servers had "
        f"{alone if cpus == 1 else several}, however it is built. kappa is what connections cost each other; the peak "
        "is where more of them begin to cost more than they bring: a guess beyond those that were measured. Where it "
        "is known to no better than a factor of two, the ends of its 95 % interval stand in its place."
    )


def _scaling_notes(found: Sequence[Scaled]) -> Iterator[str]:
    noisy = [each for each in found if each.verdict.limit == HOST_NOISE]
    if noisy:
        which = "all of these" if len(noisy) == len(found) else _listed(noisy)
        yield f"Something else used the CPUs (host-noise) while {which} had most connections."
    judged = [each for each in found if each.law.sigma is not None and each.verdict.limit and each not in noisy]
    for (most, sentence), alike in _grouped(judged, lambda each: (each.most, each.verdict.sentence)).items():
        sigmas = ", ".join(f"{each.model} on {each.workload} {_sigma(each.law)}" for each in alike)
        yield f"sigma of {sigmas}; with {most} connections: {sentence}."
    fitted = [each for each in found if not each.law.is_poor and each.law.reason]
    for reason, alike in _grouped(fitted, lambda each: each.law.reason).items():
        yield f"{reason[:1].upper()}{reason[1:]} ({_listed(alike)})."
    missed = [f"{each.model} on {each.workload} by {each.law.misfit:.0%}" for each in found if each.law.is_poor]
    if missed:
        yield f"The law does not describe these, and their parameters mean little: it misses {', '.join(missed)}."


def _grouped(found: Sequence[Scaled], key: Callable[[Scaled], Key]) -> dict[Key, list[Scaled]]:
    groups: dict[Key, list[Scaled]] = {}
    for each in found:
        groups.setdefault(key(each), []).append(each)
    return groups


def _listed(found: Sequence[Scaled]) -> str:
    return ", ".join(f"{each.model} on {each.workload}" for each in found)


def _sigma(law: Usl) -> str:
    ends = between(law.sigma, words=two_digits)
    told = two_digits(law.sigma.estimate) if law.sigma else NOTHING
    return told if ends == NOTHING else f"{told} ({ends})"
