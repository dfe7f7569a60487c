"""Tables and report of a comparison that has everything: verdicts, memory, scaling, capacity, control, Pythons."""

from __future__ import annotations

import html
import json
import math
import re
from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from tests.comparisons import cell, header, made_up
from tests.whole_comparison import DISTURBED, HELD, QUIET, SIZES, SPEEDS, made_up_whole
from tools.analysis.scaled import scaled
from tools.analysis.summary import summarized
from tools.report.page import report_page
from tools.report.telling import again
from tools.saved.results import read_results, writing
from tools.tables.of_comparison import IN_SHORT, READING, tables_of
from tools.tables.summary_file import summary_of
from tools.tables.tabular import briefly
from tools.tables.terminal import BREAKS, print_tables

if TYPE_CHECKING:
    from pathlib import Path

    from tools.saved.results import Results
    from tools.tables.tabular import Content, Table

SECTIONS = [
    *("run", "models", "process-control", "workload-churn", "memory", "scaling", "capacity", "belief"),
    *("advice", "machine", "method"),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The whole comparison."""
    return read_results(made_up_whole(tmp_path_factory.mktemp("whole") / "results"))


@pytest.fixture(scope="module")
def page(results: Results) -> str:
    """Its report."""
    return report_page(results)


@pytest.fixture(scope="module")
def tables(results: Results) -> tuple[Table, ...]:
    """Its tables."""
    return tables_of(results)


def sections(page: str) -> list[str]:
    """The anchors of a page's sections."""
    return re.findall(r'<section id="([^"]*)"', page)


def words(page: str) -> str:
    """The text of a page, without markup and line ends."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page[page.rindex("</style>") :])).split())


def traces(page: str, name: str) -> list[dict[str, Any]]:
    """The traces of one chart."""
    found = re.search(
        rf'<script type="application/json" data-chart="{re.escape(name)}">(.*?)</script>', page, re.DOTALL
    )
    assert found is not None
    return list(json.loads(found[1])["data"])


@pytest.mark.parametrize("width", [80, 100, 160])
def test_every_table_fits_the_terminal_with_nothing_cut_off(tables: tuple[Table, ...], width: int) -> None:
    """With the longest names and the largest figures; a name is broken where it has a joint."""
    for table in tables:
        stream = StringIO()
        print_tables(Console(file=stream, width=width), (table,))
        printed = stream.getvalue()
        assert max(map(len, printed.splitlines())) <= width, table.name
        texts = [column.brief for column in table.columns] + [shown(text) for row in table.rows for text in row]
        parts = {part for text in texts for part in BREAKS.sub(r"\1 ", text).split()}
        assert not [part for part in parts if part not in printed], table.name


def shown(text: Content) -> str:
    """What is shown of it at least."""
    return text if isinstance(text, str) else text.figure


def test_a_table_that_is_too_wide_for_its_words_is_folded(tables: tuple[Table, ...]) -> None:
    """Half a terminal has no room for ten columns, and even there no figure is lost."""
    table = next(table for table in tables if table.name == "churn")
    stream = StringIO()
    print_tables(Console(file=stream, width=50), (table,))
    assert max(map(len, stream.getvalue().splitlines())) <= 50
    assert "…" not in stream.getvalue()


def test_the_page_has_a_section_for_everything_that_was_measured(page: str) -> None:
    """In the order of reading."""
    assert sections(page) == SECTIONS


def test_sections_that_have_nothing_are_left_out(tmp_path: Path) -> None:
    """No memory, no scaling, no capacity; and without the iterative model no tables of Stevens'."""
    with writing(tmp_path / "results") as writer:
        writer.add_header(header(models=header().models[2:]))
        writer.add(cell(model="threaded"))
    found = sections(report_page(read_results(tmp_path / "results")))
    assert found == ["run", "models", "workload-churn", "belief", "advice", "machine", "method"]


def test_every_table_of_the_terminal_is_in_the_page(tables: tuple[Table, ...], page: str) -> None:
    """With its lead, its cells and its notes."""
    text = words(page)
    for table in tables:
        assert all(" ".join(said.split()) in text for said in (table.lead, *table.notes)), table.name
        assert all(f">{html.escape(str(told))}</t" in page for row in table.rows for told in row), table.name


def test_a_first_look_has_what_ranks_what_was_asked_for_how_far_to_believe_it_and_the_advice_last(
    tables: tuple[Table, ...],
) -> None:
    """What a request costs, and how pools share, are left to the report."""
    brief = briefly(tables)
    names = [table.name for table in brief]
    assert names == [name for name in (table.name for table in tables) if name in names]
    assert {table.name for table in tables} - set(names) == {"process-control", "churn-cost"}
    assert names[0] == "figure-30-1"
    assert names[-1] == "advice"
    notes = {table.name: " ".join(table.notes) for table in brief}
    assert READING not in notes["churn"]
    assert IN_SHORT in notes["churn"]


def test_what_failed_is_told_at_a_first_look(tmp_path: Path) -> None:
    """With its reason, as what is special about rows is."""
    found = {table.name: table.notes for table in briefly(tables_of(read_results(made_up(tmp_path / "results"))))}
    assert any(note.startswith("forking, round") for note in found["computing"])
    assert any(note.startswith("Some served only a few") for note in found["keepalive"])


def test_what_limited_each_model_is_said_in_a_sentence_with_its_evidence_folded_away(page: str) -> None:
    """Below the tables of its workload; a cell that was disturbed is in the evidence."""
    limits = page[page.index('<dl class="limits">') : page.index("</dl>", page.index('<dl class="limits">'))]
    assert limits.count("The server used 0.98 of 1 CPU") == len(SPEEDS)
    assert limits.count('<span class="limit">server-CPU</span>') == len(SPEEDS)
    assert limits.count("<details>") == len(SPEEDS)
    assert limits.count("<summary>Evidence, of the first round that came out so</summary>") == len(SPEEDS)
    assert "<li>others used 1% of the server&#39;s CPUs</li>" in limits
    assert f"<li>disturbed in round 2: {html.escape(DISTURBED).replace('&#x27;', '&#39;')}</li>" in limits


def test_bars_have_the_ends_of_their_intervals(results: Results, page: str) -> None:
    """In the order of the rows; the distances from the estimate are what plotly wants."""
    bars = traces(page, "churn-throughput")[0]
    rows = [row.throughput for row in summarized(results)[0].rows]
    assert bars["x"] == [row.estimate for row in rows if row]
    assert bars["error_x"]["array"] == [row.high - row.estimate for row in rows if row and row.high]
    assert bars["error_x"]["arrayminus"] == [row.estimate - row.low for row in rows if row and row.low]
    assert min(bars["error_x"]["array"]) > 0


def test_latencies_have_marks_with_the_intervals_of_their_rounds(page: str) -> None:
    """Every round has the same answers, 10 us to 20 ms: marks lie on the curve and have no width; each has a place."""
    drawn = traces(page, "churn-latency")
    marks = [trace for trace in drawn if trace["mode"] == "markers"]
    assert [trace["name"] for trace in marks] == list(SPEEDS)
    for trace in marks:
        assert trace["y"] == pytest.approx([10, 19.8])
        assert trace["x"] == pytest.approx([2, 100], rel=0.15)
        assert trace["error_y"]["array"] == trace["error_y"]["arrayminus"] == [0, 0]
    assert len({trace["x"][0] for trace in marks}) == len(SPEEDS)


def test_memory_is_drawn_over_connections_with_the_fitted_line(page: str) -> None:
    """5 MiB without any and 20 KiB for each of 40; a model that did not answer all has its points alone."""
    drawn = traces(page, "memory-held")
    lines = {trace["name"]: trace for trace in drawn if trace["mode"] == "lines"}
    assert lines.keys() == SPEEDS.keys() - {"iterative", "selector (again)"}
    assert lines["selector"]["x"] == [0, HELD[-1]]
    assert lines["selector"]["y"] == pytest.approx([5, 5 + 20 * HELD[-1] / 1024])
    points = next(trace for trace in drawn if (trace["name"], trace["mode"]) == ("iterative", "markers"))
    assert points["x"] == list(HELD)


def test_throughput_is_drawn_over_connections_with_the_law(results: Results, page: str) -> None:
    """The curve goes through the middle of the rounds, which lie 4 % on either side of it."""
    drawn = traces(page, "scaling-churn")
    curve = next(trace for trace in drawn if (trace["name"], trace["mode"]) == ("selector", "lines"))
    points = next(trace for trace in drawn if (trace["name"], trace["mode"]) == ("selector", "markers"))
    assert sorted(set(points["x"])) == list(SIZES)
    assert len(points["x"]) == len(SIZES) * results.header.rounds
    assert (curve["x"][0], curve["x"][-1]) == pytest.approx((SIZES[0], SIZES[-1]))
    for at, size in ((0, SIZES[0]), (-1, SIZES[-1])):
        rates = [rate for x, rate in zip(points["x"], points["y"], strict=True) if x == size]
        assert min(rates) < curve["y"][at] < max(rates)
    assert curve["line"]["color"] == points["marker"]["color"]


def test_a_disturbed_measurement_has_a_ring_and_its_reason(results: Results, page: str) -> None:
    """Both attempts at it, where they stand in the order of running."""
    rings = next(trace for trace in traces(page, "belief-speed") if trace["name"] == "disturbed")
    assert rings["x"] == [each.position for each in results.attempts if each.disturbed]
    assert len(rings["x"]) == 2
    assert f"churn, selector, round 2, attempt 2: {DISTURBED}" in words(page)


def test_what_was_run_has_the_pythons_the_commands_and_how_to_do_it_again(page: str) -> None:
    """A lock that was off is told; the seed is given, and the folder is not."""
    text = words(page)
    assert "Servers ran under 3.13t (CPython 3.13.1, free-threaded build, GIL off)." in text
    assert "Clients and measuring: CPython 3.11.7, GIL on." in text
    assert "socketserver_threading is a server of the user's: mine --port '{port}' 'two words'" in text
    assert "selector (again) selector once more, to see whether it differs from itself." in text
    assert "serverlab compare --scaling --seed 7 " in text
    assert "until the interval of what ranks the models was at most 5 % wide for each of them, or there were 30" in text


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("serverlab compare", "serverlab compare --seed 7"),
        ("serverlab compare --output there selector", "serverlab compare selector --seed 7"),
        ("serverlab compare --output=there selector", "serverlab compare selector --seed 7"),
        ("serverlab compare --seed 3 --quick", "serverlab compare --seed 3 --quick"),
        ("serverlab compare --seed=3", "serverlab compare --seed=3"),
    ],
)
def test_the_command_to_do_it_again_has_the_seed_and_no_folder(command: str, wanted: str) -> None:
    """A seed that was asked for stays where it was."""
    assert " ".join(again(tuple(command.split()), 7)) == wanted


def test_the_method_tells_of_the_control_and_of_the_cpus(page: str) -> None:
    """In the words of the tables."""
    text = words(page)
    assert "selector was entered twice. What it differs from itself by is the machine's doing: the control" in text
    assert "The server ran on CPU 1; the clients and everything that measures ran on CPU 0." in text
    assert "up to 40, each answered once" in text


def test_the_method_tells_with_which_powers_of_the_speeds_figures_go(page: str) -> None:
    """Each of those that are expected, whatever the limit was."""
    text = words(page)
    assert "to a power of about 1, and with the other side's to about 0.2. " in text
    assert "Where a pool's places were the limit, the power of the server's speed is about 0.5, since" in text
    assert "of what anything else limited, or nothing, both are about 0, since" in text


def test_a_program_hears_how_well_a_peak_is_known(results: Results) -> None:
    """By its ends and by how far the points lie from the law; JSON has no number for an end that is infinite."""
    summary = summary_of(results)
    json.dumps(summary, allow_nan=False)
    for each, found in zip(summary["scaling"], scaled(results), strict=True):
        assert each["misfit"] == found.law.misfit
        ends = found.law.peak_ends
        assert each["peak_ends"] == (ends and [end if math.isfinite(end) else None for end in ends])


def test_noise_that_was_the_limit_of_every_row_is_told_once(tmp_path: Path) -> None:
    """And not where one row has another limit."""
    noisy = replace(QUIET, server_others=0.9, server_busy=1.0)
    for number, hosts in enumerate(((noisy, noisy), (noisy, QUIET))):
        with writing(tmp_path / str(number)) as writer:
            writer.add_header(header())
            for model, host in zip(("threaded", "selector"), hosts, strict=True):
                made = cell(model=model, host=host)
                assert made.cpu is not None
                writer.add(replace(made, cpu=replace(made.cpu, total=0.98)))
        table = next(each for each in tables_of(read_results(tmp_path / str(number))) if each.name == "churn")
        assert [row[8] for row in table.rows[2:]] == ["host-noise", ("host-noise", "server-CPU")[number]]
        assert sum("(host-noise)" in note for note in table.notes) == 1 - number


@pytest.mark.parametrize("version", [1, 2])
def test_folders_of_older_versions_are_drawn(tmp_path: Path, version: int) -> None:
    """Without what they did not know; and that one was broken off is told all the same."""
    folder = made_up(tmp_path / "results")
    path = folder / "cells.jsonl"
    first, *cells = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    later = {"planned", "limit", "until_width", "max_rounds", "held", "memory_rounds", "objective", "ceilings"}
    old = {name: value for name, value in first.items() if name not in later | {"interpreters", "pythons"}}
    new_of_models = {
        "model",
        "command",
        "interpreter",
        "control_of",
        *(("options", "figure_row") if version == 1 else ()),
    }
    old["models"] = [{name: it[name] for name in it if name not in new_of_models} for it in old["models"]]
    kept = ("name", "protocol", "connections", "churn", "work", "asks", "shows")
    old["workloads"] = [
        {**{name: it[name] for name in kept}, "size_bytes": int(it["size"] or 0)} for it in old["workloads"]
    ]
    old["version"] = version
    if version == 1:
        del old["left_out"]
    new_of_cells = {"record", "attempt", "disturbed", "life", "working", "host", "admission", "counts"}
    lines = [json.dumps({name: it[name] for name in it if name not in new_of_cells}) for it in cells]
    path.write_text("\n".join([json.dumps(old), *lines[:-1], ""]), encoding="utf-8")
    page = report_page(read_results(folder))
    assert "workload-computing" in sections(page)
    assert f"{len(lines) - 1} of {len(lines)} cells were measured" in page
