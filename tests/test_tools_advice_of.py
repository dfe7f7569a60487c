"""The advice of a comparison: from its cells to sentences, in the last table and in its summary."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
from rich.console import Console

from tests.comparisons import WORKLOADS, header, made_up, rounds_of
from tools.advice.changes import ONE_CPU
from tools.advice.costs import memory_of_two
from tools.advice.giving import advise, is_of_all
from tools.advice.of_comparison import advice_of
from tools.advice.standings import Figure, Memory, Standing
from tools.analysis.summary import summarized
from tools.cli import run
from tools.report.page import report_page
from tools.saved.cells import Capacity, MemoryProbe
from tools.saved.results import SUMMARY, read_results, writing
from tools.tables.advice import advice_table
from tools.tables.of_comparison import tables_of
from tools.tables.terminal import print_tables

if TYPE_CHECKING:
    from pathlib import Path

    from tools.saved.cells import Cell
    from tools.saved.results import Results

ROUNDS = 5
MODELS = ("threaded", "selector")
AGAIN = "selector (again)"
MEBIBYTE = 2**20
SLOPES = (("selector", 4096.0), ("threaded", 65536.0))


def cells(throughputs: dict[str, int]) -> list[Cell]:
    """Five rounds of each model, at so many requests a second and a few more in each round."""
    return [one for model, requests in throughputs.items() for one in rounds_of(model, requests)]


def compared(folder: Path, *records: Cell | MemoryProbe | Capacity, **changes: object) -> Results:
    """A comparison of these records; its selector is entered twice."""
    models = [model for model in header().models if model.name in MODELS]
    models += [replace(model, name=AGAIN, control_of=model.name) for model in models if model.name == "selector"]
    with writing(folder) as writer:
        writer.add_header(header(models=tuple(models), rounds=ROUNDS, **changes))
        for record in records:
            writer.add(record)
    return read_results(folder)


def advice_on_churn(results: Results) -> str:
    """As one text."""
    return " ".join(advice_of(results, summarized(results))["churn"])


def probe(model: str, per_connection: int) -> MemoryProbe:
    """Memory that rises by so many bytes for each connection, nearly on a line."""
    held = (0, 10, 20, 40)
    sizes = tuple(10 * MEBIBYTE + count * per_connection + count % 3 for count in held)
    return MemoryProbe(model, 1, 1, "", 1.0, "", held, held, sizes, (None,) * 4, "", (1,) * 4)


def test_who_is_first_is_told_with_the_next_and_never_with_the_control(tmp_path: Path) -> None:
    """The copy of the selector is there to judge the session by, and is no model."""
    sound = {"selector": 2000, AGAIN: 2000, "threaded": 1000}
    told = advice_on_churn(compared(tmp_path / "r", *cells(sound)))
    assert told.startswith("First on churn: selector. The next is threaded, with 0.50")
    assert "again" not in told
    assert "unsound" not in told


def test_an_unsound_session_is_said_first(tmp_path: Path) -> None:
    """In the sentences of each workload, and once in the table."""
    results = compared(tmp_path / "r", *cells({"selector": 2000, AGAIN: 1400, "threaded": 1000}))
    assert advice_on_churn(results).startswith("This session is unsound: the control differs from itself")
    table = advice_table(results, summarized(results))
    assert table is not None
    assert table.lead.startswith("UNSOUND: the control differs from itself")
    assert table.notes[0].startswith("First on churn: selector.")


def test_models_that_failed_or_served_a_few_are_named_and_nothing_else_is_said_of_them(tmp_path: Path) -> None:
    """As of the made-up comparison, where the iterative model serves one client of those that stay."""
    results = read_results(made_up(tmp_path / "r"))
    told = advice_of(results, summarized(results))
    assert list(told) == list(WORKLOADS)
    assert told["keepalive"][-1] == "Nothing is concluded from iterative (it served 1 of 50 clients)."
    failed = [replace(each, error="no answer", load=None) for each in cells({"threaded": 1})]
    results = compared(tmp_path / "s", *cells({"selector": 2000}), *failed)
    assert advice_on_churn(results).endswith("Nothing is concluded from threaded (it failed).")
    silent = [replace(each, load=replace(each.load, requests=0)) for each in cells({"threaded": 1}) if each.load]
    results = compared(tmp_path / "t", *cells({"selector": 2000}), *silent)
    assert advice_on_churn(results).endswith("Nothing is concluded from threaded (it gave too few answers).")


def test_a_sentence_of_one_workload_stands_in_the_paragraph_of_each(tmp_path: Path) -> None:
    """Though it is the same word by word: who is silent of it here would seem to say that it is not so."""
    results = read_results(made_up(tmp_path / "r"))
    told = advice_of(results, summarized(results), warned=False)
    table = advice_table(results, summarized(results))
    assert table is not None
    for note, sentences in zip(table.notes, told.values(), strict=True):
        assert all(sentence in note for sentence in sentences if not is_of_all(sentence))


def test_what_holds_for_all_workloads_is_said_once() -> None:
    """That is what a connection takes of memory, and that there was one CPU."""
    memory = memory_of_two(*((name, Memory(Figure(1, 1, 1), Figure(each, each, each))) for name, each in SLOPES))
    assert is_of_all(memory)
    assert is_of_all(ONE_CPU)
    assert not is_of_all("Nothing is concluded from iterative (it served 1 of 50 clients).")


def test_the_best_is_the_one_by_which_ratios_are(tmp_path: Path) -> None:
    """Also where a slow round failed of it, so that another is above it within the rounds that both have."""
    best = [replace(each, load=replace(each.load, requests=990)) for each in rounds_of("selector", 1) if each.load]
    best[4] = replace(best[4], error="no answer", load=None)
    other = [replace(each, load=replace(each.load, requests=1000)) for each in rounds_of("threaded", 1) if each.load]
    other[4] = replace(other[4], load=replace(other[4].load, requests=900)) if other[4].load else other[4]
    results = compared(tmp_path / "r", *best, *other)
    (summary,) = summarized(results)
    assert summary.standing.order == ("selector", "threaded")
    assert summary.standing.ratios["threaded"].estimate > 1
    assert "selector and threaded" in advice_of(results, [summary])["churn"][0]


def test_memory_that_was_probed_is_in_the_advice(tmp_path: Path) -> None:
    """As a slope with its interval."""
    made = cells({"selector": 2000, "threaded": 1000})
    results = compared(tmp_path / "r", *made, probe("selector", 4096), probe("threaded", 65536), held=40)
    assert "selector takes less memory" in advice_on_churn(results)
    assert "4.00 KiB" in advice_on_churn(results)


@pytest.mark.parametrize("confirmed", [True, False])
def test_a_capacity_counts_once_it_was_confirmed(tmp_path: Path, confirmed: bool) -> None:
    """A rate that held in one run of four is none."""
    rates = {"selector": 900.0, "threaded": 1500.0}
    found = [
        Capacity("churn", model, 1, "", 1.0, "", "p99=50ms", rate, confirmed, "", ()) for model, rate in rates.items()
    ]
    told = advice_on_churn(compared(tmp_path / "r", *cells({"selector": 2000, "threaded": 1000}), *found))
    assert ("By the rate that held the objective threaded comes before selector" in told) is confirmed


def test_the_advice_is_the_last_table_in_the_page_and_in_the_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A paragraph for each workload; a list of sentences for a program."""
    results = compared(tmp_path / "r", *cells({"selector": 2000, "threaded": 1000}))
    table = tables_of(results)[-1]
    assert (table.name, table.columns, table.rows, len(table.notes)) == ("advice", (), (), 1)
    stream = StringIO()
    print_tables(Console(file=stream, width=80), (table,))
    assert "\n- First on churn: selector. " in stream.getvalue()
    assert max(map(len, stream.getvalue().splitlines())) <= 80
    assert table.notes[0] in report_page(results).replace("&#39;", "'")
    assert run(["report", str(results.folder), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["workloads"]["churn"]["advice"][0] == "First on churn: selector."
    assert printed == json.loads((results.folder / SUMMARY).read_text(encoding="utf-8"))


def test_where_answers_are_due_at_a_rate_less_is_better() -> None:
    """The ratio is then of times, and the words are of times, too."""
    first = Standing("selector", (1,), Figure(1, 1, 1))
    later = Standing("threaded", (2,), Figure(1.5, 1.4, 1.6))
    last = Standing("forking", (2,), Figure(3, 2.8, 3.2))
    assert advise("burst", [last, later, first], measure="p99") == (
        "First on burst: selector.",
        "The next is threaded, whose p99 is 1.50 (1.40 to 1.60) of that of selector.",
    )
    assert "cannot be told apart by their p99" in advise("burst", [first, replace(later, tiers=(1,))], measure="p99")[0]


def at_a_rate(folder: Path, rounds: int) -> str:
    """The advice on a thousand requests due a second, all answered: by a selector in 2 ms, by threads in 3 ms."""
    workload = replace(WORKLOADS["churn"], rate=1000.0)
    with writing(folder) as writer:
        writer.add_header(header(rounds=rounds, workloads=(workload,)))
        for model, answer in (("selector", 2.0), ("threaded", 3.0)):
            for one in rounds_of(model, 1000, rounds=rounds):
                assert one.load is not None
                times = np.full(one.load.requests, answer * 1e6 + one.round, dtype=np.int64)
                name = writer.add_samples(f"{model}-{one.round}", times)
                writer.add(replace(one, samples=name, load=replace(one.load, offered=1000.0, achieved=1.0)))
    return advice_on_churn(read_results(folder))


def test_at_a_rate_the_medians_of_few_rounds_are_of_the_times_that_rank(tmp_path: Path) -> None:
    """Of requests a second all do the same."""
    told = at_a_rate(tmp_path / "few", 3)
    assert "By their medians of the rounds' p99: selector 2 ms, threaded 3 ms." in told
    few = compared(tmp_path / "closed", *(one for one in cells({"selector": 2000}) if one.round < 3))
    assert "By their medians of requests a second: selector 2,002." in advice_on_churn(few)


def test_at_a_rate_a_higher_one_would_change_the_order(tmp_path: Path) -> None:
    """Where nothing was used up; more connections would wait for the same requests."""
    told = at_a_rate(tmp_path / "r", 5)
    assert told.startswith("First on churn: selector. The next is threaded, whose p99 is 1.50")
    assert "nothing used up: at a higher rate than 1,000 requests a second the order may change" in told


def test_cpu_is_compared_within_rounds(tmp_path: Path) -> None:
    """Rounds that cost both up to twice as much do not hide that one costs a fifth more."""
    made = []
    for model, requests, cost in (("selector", 2000, 1e-4), ("threaded", 1000, 1.2e-4)):
        for one in rounds_of(model, requests):
            assert one.load is not None
            assert one.cpu is not None
            total = cost * (1 + one.round / 5) * (1 + one.round % 2 / 100) * one.load.requests
            made.append(replace(one, cpu=replace(one.cpu, total=total)))
    told = advice_on_churn(compared(tmp_path / "r", *made))
    assert "selector is also cheaper: it takes" in told
    assert ", within rounds 1.20 (" in told
