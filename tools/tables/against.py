"""Two saved comparisons side by side, as a table and for a program: nothing is run.

See `alike` for what is refused or marked, and `pairing` for the ratios.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tools.analysis.alike import check_alike, entered
from tools.analysis.measures import THROUGHPUT
from tools.analysis.pairing import CLIENTS_LIMIT, FASTER, NOISY_HOST, SLOWER, compared
from tools.failure import Failure
from tools.saved.results import read_results
from tools.tables.summary_file import interval_object
from tools.tables.tabular import NOTHING, Column, Table, between, milliseconds, with_interval
from tools.tables.terminal import print_tables, standard_console

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tools.analysis.pairing import Against, Pair
    from tools.analysis.summary import Row
    from tools.inference.intervals import Interval
    from tools.saved.results import Results
    from tools.tables.tabular import Content


def saved_comparison(folder: Path) -> Results:
    """Read a comparison and all its samples, to find what is damaged before anything runs; else ResultsError."""
    results = read_results(folder)
    for cell in results.cells:
        results.latencies(cell)
    return results


def set_against(results: Results, before: Results, *, as_json: bool = False) -> int:
    """Print two comparisons side by side, as a table or as one JSON object; return the exit status.

    Raises:
        Failure: They have nothing in common, or ask different things under one name; ResultsError where samples are
        damaged.
    """
    check_alike(results.header.models, results.header.workloads, before.header)
    found = compared(results, before)
    if not found.pairs:
        raise Failure("the two have nothing in common that was measured in both")
    if as_json:
        print(json.dumps(as_object(found)))
    else:
        print_tables(standard_console(), against_tables(found))
    return 0


SPEED = (
    Column("Model", "", "Model"),
    Column("Workload", "", "Workload", words=True),
    Column("Throughput before", "requests/s", "Before\n/s"),
    Column("Throughput now", "requests/s", "Now\n/s"),
    Column("Speed by before", "", "By\nbefore"),
    Column("95 % interval", "", "95 %\ninterval"),
    Column("It is", "", "It is", words=True),
    Column("p99 before", "ms", "p99 ms\nbefore"),
    Column("p99 now", "ms", "p99 ms\nnow"),
)
CPU = (
    *SPEED[:2],
    Column("CPU per request before", "µs", "Before\nµs"),
    Column("CPU per request now", "µs", "Now\nµs"),
    Column("CPU by before", "", "By\nbefore"),
    Column("95 % interval", "", "95 %\ninterval"),
    Column("It takes", "", "It takes", words=True),
)
READING = (
    "Speed is throughput, or where requests are due at a given rate the time of an answer, of which less is better. It "
    "is the mean of now by the mean of before (of the rounds' logarithms; beside them stand their medians), with its "
    "95 % interval (bootstrap over the rounds of each). What is faster or "
    "slower surely differs by more than {percent:.0f} %, and so does what takes less or more CPU. The two were not "
    "measured together, so that what changed of the machine between them is in the ratios too."
)
REFUSED = (
    "Nothing is concluded, because of what is marked as NOT COMPARABLE. Measure both on one machine under one Python; "
    "to compare Pythons, give both to one comparison with --python."
)
REASONS = {
    NOISY_HOST: "host noise: something else used the machine in most cells of one of the two, so that nothing is "
    "concluded from its figures.",
    CLIENTS_LIMIT: "clients' limit: the clients were the limit both times, or of the one that came out slower: it "
    "could have done more than it did, and how much is hidden.",
}
"""Why nothing is concluded from some pairs, by the word that stands there instead."""


def against_tables(found: Against) -> tuple[Table, Table]:
    """The speed, with a note for each mark, and the CPU for a request; a line for each model and workload."""
    speed = Table(
        name="against",
        title="Now against before",
        lead=f"{found.now.folder} (now, {_started(found.now)}) beside {found.before.folder} (before, "
        f"{_started(found.before)}).",
        columns=SPEED,
        rows=tuple(_speed_row(pair) for pair in found.pairs),
        notes=(READING.format(percent=100 * found.least), *_notes(found)),
    )
    cpu = Table(
        name="against-cpu",
        title="CPU for a request, now against before",
        lead="Of the servers, their children included.",
        columns=CPU,
        rows=tuple(_cpu_row(pair) for pair in found.pairs),
        notes=(),
    )
    return speed, cpu


def _speed_row(pair: Pair) -> tuple[Content, ...]:
    rows = (pair.before, pair.now)
    throughputs = (with_interval(row.throughput) for row in rows)
    p99 = (milliseconds(row.p99_ns, row.p99_over_rounds) for row in rows)
    return (pair.model, pair.workload, *throughputs, *_ratio(pair.ratio), pair.speed, *p99)


def _cpu_row(pair: Pair) -> tuple[Content, ...]:
    costs = (with_interval(row.spent.cpu, 1e6) for row in (pair.before, pair.now))
    return (pair.model, pair.workload, *costs, *_ratio(pair.cpu_ratio), pair.cost)


def _notes(found: Against) -> Iterator[str]:
    for mark in found.marks:
        yield f"NOT COMPARABLE: {mark.sentence}" if mark.decisive else mark.sentence
    if not found.comparable:
        yield REFUSED
    yield from (sentence for word, sentence in REASONS.items() if any(pair.speed == word for pair in found.pairs))
    yield from _all_alike(found.pairs)
    for pair in found.pairs:
        if pair.measure != THROUGHPUT:
            yield f"{pair.model} on {pair.workload}: its speed is by {pair.measure}."
        yield from (f"{pair.model} on {pair.workload}: {reason}." for reason in _missing(pair))
    ours, theirs = entered(found.now.header.models), entered(found.before.header.models)
    for when, names in (("now", ours.keys() - theirs.keys()), ("before", theirs.keys() - ours.keys())):
        if names:
            yield f"Compared only {when}: {', '.join(sorted(names))}."


def _all_alike(pairs: Sequence[Pair]) -> Iterator[str]:
    """Where all models moved one way, that they had something in common is the likelier reason."""
    for word in (FASTER, SLOWER):
        if all(pair.speed == word for pair in pairs) and len({pair.model for pair in pairs}) > 1:
            yield f"All models are {word}: what they have in common, as the machine, is the likelier reason than each."


def _missing(pair: Pair) -> Iterator[str]:
    """Why there is no ratio of the speed."""
    for when, row in (("now", pair.now), ("before", pair.before)):
        if row.partial:
            yield f"{when} it served {row.served_words}"
        elif row.throughput is None:
            yield f"{when} it {'failed' if row.failures else 'was not measured'}"


def as_object(found: Against) -> dict[str, Any]:
    """The same for a program: times in seconds, throughputs in requests a second, ratios of now to before."""
    workloads: dict[str, dict[str, Any]] = {}
    for pair in found.pairs:
        workloads.setdefault(pair.workload, {})[pair.model] = _pair_object(pair)
    return {
        "folder": str(found.now.folder),
        "before": str(found.before.folder),
        "comparable": found.comparable,
        "least_difference": found.least,
        "marks": [asdict(mark) for mark in found.marks],
        "workloads": workloads,
    }


def _pair_object(pair: Pair) -> dict[str, Any]:
    return {
        "measure": pair.measure,
        "ratio": interval_object(pair.ratio),
        "speed": pair.speed,
        "cpu_ratio": interval_object(pair.cpu_ratio),
        "cost": pair.cost,
        **{when: _figures(row) for when, row in (("now", pair.now), ("before", pair.before))},
    }


def _figures(row: Row) -> dict[str, Any]:
    return {
        "rounds": row.rounds,
        "throughput": interval_object(row.throughput),
        "cpu_per_request": interval_object(row.spent.cpu),
        "p99": None if row.p99_ns is None else row.p99_ns / 1e9,
        "over_rounds": {"p99": interval_object(row.p99_over_rounds)},
    }


def _ratio(figure: Interval | None) -> tuple[str, str]:
    """It and its ends, with two decimals: of a ratio near 1, what is beyond a hundredth does not matter."""
    return NOTHING if figure is None else f"{figure.estimate:.2f}", between(figure, words="{:.2f}".format)


def _started(results: Results) -> str:
    return results.header.started.replace("T", " ").replace("+00:00", " UTC")
