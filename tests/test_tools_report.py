"""The report: one file that loads nothing, says everything, and comes out the same from the same files."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.comparisons import MODELS, WORKLOADS, cell, header, made_up
from tools.analysis.summary import summarized
from tools.report.page import report_page, write_report
from tools.saved.header import Variant
from tools.saved.results import read_results, writing
from tools.tables.of_comparison import tables_of

if TYPE_CHECKING:
    from pathlib import Path

SCRIPTS = re.compile(r"<script>.*?</script>", re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole made-up comparison."""
    return made_up(tmp_path_factory.mktemp("report") / "results")


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    """Its report."""
    return report_page(read_results(folder))


def markup(page: str) -> str:
    """The page without its scripts."""
    return SCRIPTS.sub("", page)


def charts(page: str) -> dict[str, str]:
    """The figures of the page by their names."""
    found = re.findall(r'<script type="application/json" data-chart="([^"]*)">(.*?)</script>', page, re.DOTALL)
    return {name: json.dumps(json.loads(figure)) for name, figure in found}


def test_nothing_is_loaded_from_anywhere(page: str) -> None:
    """It works offline and tells nobody that it was opened."""
    assert not re.search(r"""(?:src|href)\s*=\s*["']?\s*(?:https?:)?//""", markup(page))
    assert not re.search(r"<(?:link|img|iframe|script\s+src)\b", markup(page))
    assert "@import" not in page.partition("</style>")[0]


def test_every_table_is_in_the_page_as_it_is_on_the_terminal(folder: Path, page: str) -> None:
    """Both are drawn from the same tables, so that they cannot disagree."""
    tables = tables_of(read_results(folder))
    of_workloads = [each for name in WORKLOADS for each in (name, f"{name}-cost")]
    assert [table.name for table in tables] == ["process-control", "figure-30-1", *of_workloads, "belief", "advice"]
    for table in tables:
        for row in table.rows:
            assert all(f">{html.escape(str(text))}</t" in page for text in row), (table.name, row)
        assert all(html.escape(note, quote=False) in page.replace("&#39;", "'") for note in table.notes)


def test_what_sampling_used_is_told_for_each_model(page: str) -> None:
    """Over its windows: 10 ms in each second."""
    words = " ".join(page.split())
    assert "Looking at the server and the canaries took, of one CPU: iterative 1.0 %, forking" in words
    assert "selector 1.0 %." in words


def test_stevens_table_comes_before_the_workloads(page: str) -> None:
    """It is the headline."""
    places = [page.index(f'<section id="{name}"') for name in ("run", "process-control", "workload-churn", "method")]
    assert places == sorted(places)


def test_every_workload_has_a_latency_curve_and_two_bar_charts(page: str) -> None:
    """Their figures are valid JSON beside their places."""
    wanted = {f"{name}-{kind}" for name in WORKLOADS for kind in ("latency", "throughput", "cpu")}
    assert charts(page).keys() == wanted
    assert all(f'id="{name}"' in page for name in wanted)


def test_models_keep_their_order_and_colour_in_all_charts(page: str) -> None:
    """Also where one of them has no curve."""
    colours: dict[str, set[str]] = {}
    for name, text in charts(page).items():
        for trace in json.loads(text)["data"]:
            names = trace["y"] if trace["type"] == "bar" else [trace["name"]]
            found = trace["marker"]["color"] if trace["type"] == "bar" else [trace["line"]["color"]]
            assert [model for model in MODELS if model in names] == names, name
            for model, colour in zip(names, found, strict=True):
                colours.setdefault(model, set()).add(colour)
    assert all(len(found) == 1 for found in colours.values())
    assert len(set.union(*colours.values())) == len(MODELS)


def test_a_model_that_served_one_of_many_gets_words_and_no_bar(page: str) -> None:
    """The few were quick because the others waited."""
    figure = json.loads(charts(page)["keepalive-throughput"])
    assert figure["data"][0]["x"][0] is None
    assert [note["text"] for note in figure["layout"]["annotations"]] == ["1 of 50 served"]


def test_the_report_is_the_same_when_it_is_drawn_again(folder: Path, page: str) -> None:
    """It depends on the files and on nothing else."""
    path = write_report(read_results(folder))
    assert path == folder / "report.html"
    assert path.read_text(encoding="utf-8") == page
    assert [entry.name for entry in folder.iterdir() if "part" in entry.name] == []


def test_the_words_of_a_server_are_escaped_everywhere(tmp_path: Path) -> None:
    """A model's name, an error's text and a kind of error cannot become markup, in the page or in a chart."""
    evil = "<img src=//x onerror=alert(1)></script><b>"
    note = Variant(evil, evil, evil, evil, evil)
    load = replace(cell().load, errors={evil: 1}, examples={evil: evil})  # type: ignore[type-var]
    with writing(tmp_path / "results") as writer:
        writer.add_header(header(models=(note,), command=(evil,)))
        writer.add(cell(model=evil, load=load))
        writer.add(cell(model=evil, round_number=2, error=evil, load=None))
    page = report_page(read_results(tmp_path / "results"))
    assert "<img" not in markup(page)
    assert "onerror" in page
    assert len(charts(page)) == 2


def test_a_stopped_comparison_says_how_far_it_came(tmp_path: Path) -> None:
    """With the figures that there are."""
    with writing(tmp_path / "results") as writer:
        writer.add_header(header())
        writer.add(cell(model="iterative"))
        writer.add(cell(model="threaded"))
    page = report_page(read_results(tmp_path / "results"))
    assert "2 of 32 cells were measured" in page
    assert 'id="workload-churn"' in page
    assert 'id="workload-waiting"' not in page


def test_a_comparison_without_cells_is_still_a_page(tmp_path: Path) -> None:
    """One that was stopped at once."""
    with writing(tmp_path / "results") as writer:
        writer.add_header(header())
    assert "0 of 32 cells were measured" in report_page(read_results(tmp_path / "results"))


def test_the_model_that_was_entered_again_is_no_other_way_to_serve(tmp_path: Path) -> None:
    """It is counted once."""
    models = header().models[:2]
    again = replace(models[0], name="iterative (again)", control_of="iterative")
    with writing(tmp_path / "results") as writer:
        writer.add_header(header(models=(*models, again)))
    assert "2 ways to serve clients" in " ".join(report_page(read_results(tmp_path / "results")).split())


@pytest.mark.parametrize(("seconds", "told"), [(0.3, False), (0.15, True)])
def test_windows_are_told_to_be_shorter_only_where_time_made_them_so(
    tmp_path: Path, seconds: float, told: bool
) -> None:
    """A workload that has short windows of its own has them as planned."""
    short = replace(WORKLOADS["churn"], weight=0.3)
    made = cell("churn")
    assert made.load is not None
    with writing(tmp_path / "results") as writer:
        writer.add_header(header(workloads=(short,), limit=88.0))
        writer.add(replace(made, load=replace(made.load, window=seconds)))
    words = " ".join(report_page(read_results(tmp_path / "results")).split())
    assert ("(here down to 50 % of that, so that a slow machine ends in time)" in words) == told
    assert ("so that a slow machine" in words) == told


def test_cpu_that_was_not_seen_whole_is_not_compared(tmp_path: Path) -> None:
    """It says so, with the reason, in the tables and in the chart."""
    blind = replace(cell().cpu, complete=False, reason="children were not waited for")  # type: ignore[type-var]
    with writing(tmp_path / "results") as writer:
        writer.add_header(header())
        writer.add(cell(model="iterative"))
        writer.add(cell(model="forking", cpu=blind))
    results = read_results(tmp_path / "results")
    control, figure, churn, cost, *_ = tables_of(results)
    assert control.rows[1][2:] == ("-", "-", "-")
    assert figure.rows[1][:4] == ("forking", "1", "-", "-")
    assert churn.rows[1][6] == "not seen"
    assert cost.rows[1][1:4] == ("not seen", "-", "-")
    assert "forking: CPU not compared, because children were not waited for." in churn.notes
    assert "CPU not seen whole" in charts(report_page(results))["churn-cpu"]


def test_the_difference_from_the_iterative_baseline_is_stevens(folder: Path) -> None:
    """700 us against 100 us of the baseline is 600 us a connection, and 3 s for 5000."""
    control = tables_of(read_results(folder))[0]
    assert control.rows[1] == ("forking", "700", "600", "-", "3.00")


def test_a_failed_round_is_told_and_the_others_count(folder: Path) -> None:
    """The row has its figures from the round that is left, and the note has the reason."""
    computing = {summary.workload.name: summary for summary in summarized(read_results(folder))}["computing"]
    row = computing.rows[1]
    assert row.rounds == 1
    assert row.failures == ("round 2: the server ended with status 1 before it listened",)
    assert row.throughput is not None
