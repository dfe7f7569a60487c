"""What stands below a workload's tables: what is special about its rows, in one sentence for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.verdict import BUSY
from tools.analysis.figures import NOTICEABLE_APART
from tools.analysis.measures import THROUGHPUT
from tools.analysis.statistics import samples_needed
from tools.inference.adjusting import UNADJUSTED
from tools.inference.intervals import FEWEST_ROUNDS
from tools.verdicts.verdict import CLIENT, HOST_NOISE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.analysis.summary import Row, Summary
    from tools.inference.adjusting import Exponents


def ranked_by(summary: Summary) -> Iterator[str]:
    """What the tiers are by, where that is not the throughput."""
    if summary.standing.measure != THROUGHPUT:
        yield f"Requests are due at a given rate, so tiers go by the time of an answer ({summary.standing.measure})."


def brought_to_one_speed(summary: Summary) -> Iterator[str]:
    """How figures were adjusted for tiers and ratios, where they were."""
    standing = summary.standing
    alike: dict[Exponents, list[str]] = {}
    for name in standing.order:
        alike.setdefault(standing.exponents.get(name, UNADJUSTED), []).append(name)
    powers = [
        f"{each.server:.2f} and {each.client:.2f} ({', '.join(names)})"
        for each, names in alike.items()
        if each != UNADJUSTED
    ]
    if powers:
        yield (
            "For tiers and ratios, figures are brought to one speed of the CPUs, which canaries measured in every "
            f"window. They went with the server's and the clients' to the powers of {'; '.join(powers)}."
        )
        if standing.adjustment:
            yield f"But {standing.adjustment}."


def remarks(summary: Summary, planned_rounds: int) -> list[str]:
    """What is special about the ranking of these rows; nothing where all went well."""
    rows = summary.rows
    of_all = (
        *_noise(rows),
        *_partial(rows),
        *_busy(rows),
        *_overflows(rows),
        *_too_few(rows),
        *detailed_remarks(summary),
    )
    return [*of_all, *(remark for row in rows for remark in _of_one(row, planned_rounds))]


def detailed_remarks(summary: Summary) -> tuple[str, ...]:
    """Those of the remarks that change nothing in how the rows are to be taken."""
    return *_few_of_their_own(summary.rows), *_unfinished(summary.rows)


def cost_remarks(summary: Summary) -> Iterator[str]:
    """What is special about the costs, and what measuring them cost."""
    shares = [row.spent.measuring.estimate for row in summary.rows if row.spent.measuring is not None]
    if shares:
        yield f"Measuring, canaries included, took {_range(shares)} of one CPU."
    if summary.workload.hold or summary.workload.hostile:
        yield "CPU per request includes what serving the held and hostile clients took, who ask for none that counts."
    uncounted = [row.model for row in summary.rows if not row.spent.counts_complete]
    if uncounted:
        yield (
            f"Of {', '.join(uncounted)} some children were waited for by nobody: waits, preemptions and page faults "
            "are the least that there were."
        )
    for row in summary.rows:
        apart = row.spent.apart
        if apart is not None and apart > NOTICEABLE_APART:
            yield (
                f"{row.model}: the server's own account of its CPU and {row.spent.method} are {apart:.0%} apart in a "
                "round: one of them has not seen all, and its CPU is not to be relied on."
            )


def _noise(rows: Sequence[Row]) -> Iterator[str]:
    """That the machine was the limit of every row, once."""
    judged = [row for row in rows if row.verdict.limit]
    if judged and all(row.verdict.limit == HOST_NOISE for row in judged):
        yield (
            "In most rounds of every row something else than this comparison used the CPUs (host-noise): what limits "
            "the servers cannot be told, and their figures are this hour's of this machine."
        )


def _overflows(rows: Sequence[Row]) -> Iterator[str]:
    """Whose accept queue was full; the kernel counts it, whatever else ran."""
    full = [f"{row.model} {row.overflows:,}" for row in rows if row.overflows]
    if full:
        yield (
            f"The accept queue was full and turned connection requests away, which ask again after a second: "
            f"{', '.join(full)} times."
        )


def _partial(rows: Sequence[Row]) -> Iterator[str]:
    for part, by_clients in (("clients", True), ("requests due", False)):
        partial = [f"{row.model} {row.served_part}" for row in rows if row.partial and row.by_clients is by_clients]
        if partial:
            yield (
                f"Some served only a few of the {part} and kept the others waiting ({', '.join(partial)}): their speed "
                "with the few is left out, because it says nothing about the workload."
            )
    for row in rows:
        if row.rounds and not row.partial and row.achieved is None and row.served < row.connections:
            yield f"{row.model} had served {row.served} of {row.connections} clients when a round was over."


def _busy(rows: Sequence[Row]) -> Iterator[str]:
    """Clients that were nearly used up where the verdict is another."""
    busy = [
        f"{row.model} {row.client_busy:.0%}"
        for row in rows
        if not row.partial and row.verdict.limit != CLIENT and row.client_busy and row.client_busy >= BUSY
    ]
    if busy:
        yield (
            f"The clients and the sampling used most of their CPU ({', '.join(busy)}), so that they may have been the "
            "limit rather than the server."
        )


def _too_few(rows: Sequence[Row]) -> Iterator[str]:
    """Why rows have no p99."""
    few = [row for row in rows if row.rounds and not row.partial and row.p99_ns is None]
    if few:
        counts = ", ".join(f"{row.model} gave {len(row.latencies_ns):,}" for row in few)
        yield f"A p99 needs {samples_needed(0.99):,} answers: {counts}."


def _few_of_their_own(rows: Sequence[Row]) -> Iterator[str]:
    """Which p99 have no interval, or one of some rounds alone, where the rounds would do for one."""
    counts = [
        (row.model, row.p99_over_rounds.rounds if row.p99_over_rounds else 0, row.throughput.rounds)
        for row in rows
        if row.p99_ns is not None and row.throughput and row.throughput.rounds >= FEWEST_ROUNDS
    ]
    few = [f"{model} {own} of {rounds}" for model, own, rounds in counts if own < rounds]
    if few:
        yield (
            f"A round needs {samples_needed(0.99):,} answers, too, for a p99 of its own, and the interval of p99 is of "
            f"such rounds alone: {', '.join(few)}."
        )


def _unfinished(rows: Sequence[Row]) -> Iterator[str]:
    """What the windows cut off."""
    cut = {row.model: f"{row.unfinished:,}" for row in rows if row.unfinished and not row.partial}
    if cut:
        each = ", ".join(f"{model} {count}" for model, count in cut.items())
        alike = len(cut) > 1 and len(set(cut.values())) == 1
        told = f"{next(iter(cut.values()))} of each model" if alike else each
        yield f"Requests that still waited when a window closed, and are in no figure (the most in a round): {told}."


def _of_one(row: Row, planned_rounds: int) -> Iterator[str]:
    if row.achieved is not None and row.offered is not None:
        answered = f"{row.achieved.estimate:.1%} were answered"
        yield f"{row.model}: {row.offered:,.0f} requests were due a second, and {answered}."
    if row.spent.blind:
        yield f"{row.model}: CPU not compared, because {row.spent.blind}."
    if 0 < row.rounds < planned_rounds and not row.partial:
        yield f"{row.model} has {row.rounds} of {planned_rounds} rounds."
    for left_out in row.left_out:
        yield f"{row.model}, {left_out}, and is left out."
    for failure in row.failures:
        yield f"{row.model}, {failure}"
    for kind, text in row.examples.items():
        yield f"{row.model}, an example of {kind}: {text}"


def _range(shares: Sequence[float]) -> str:
    low, high = f"{min(shares):.1%}", f"{max(shares):.1%}"
    return low if low == high else f"{low} to {high}"
