"""What follows from a comparison, as `tools.advice` has it, in a table that is all notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.advice.giving import is_of_all
from tools.advice.of_comparison import advice_of, unsound
from tools.tables.tabular import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tools.analysis.summary import Summary
    from tools.saved.results import Results


def advice_table(results: Results, summaries: Sequence[Summary]) -> Table | None:
    """A table without columns, and with a paragraph for each workload as its notes; None where there is no workload."""
    if not summaries:
        return None
    reason = unsound(results)
    warning = f"UNSOUND: {reason}. All of this may be chance. " if reason else ""
    return Table(
        name="advice",
        title="What follows from it",
        lead=f"{warning}For each workload who is first, what that costs, and when the answer would change. Nothing is "
        "said that the intervals do not bear.",
        columns=(),
        rows=(),
        notes=tuple(map(" ".join, _once(advice_of(results, summaries, warned=False).values()))),
    )


def _once(advice: Iterable[Sequence[str]]) -> Iterator[list[str]]:
    """The sentences of each workload, without those that are of all and were said of an earlier one."""
    said: set[str] = set()
    for sentences in advice:
        yield [sentence for sentence in sentences if not (sentence in said and is_of_all(sentence))]
        said.update(sentences)
