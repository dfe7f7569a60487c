"""`serverlab models`: the tour of the registry, and a model's file as something to read."""

from __future__ import annotations

import ast
import json
import re
import sys
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from servers.registry import MODELS, Entry
from tests.serving import ROOT
from tools.cli import run
from tools.commands import tour as tour_module
from tools.commands.essays import essay_of, paragraphs_of
from tools.commands.tour import particulars, show, tour
from tools.tables.published import FIGURE_30_1, MEASURED_SINCE, design_of

if TYPE_CHECKING:
    from pathlib import Path

ABSENT = Entry("absent", "waits", "a term", "nobody", "nothing", requires="no_such_package")


def words(text: str) -> str:
    """The text on one line, as what is compared must not depend on where lines are broken."""
    return " ".join(text.split())


@pytest.mark.parametrize("width", [80, 100, 170])
def test_the_table_has_every_model_once_and_fits_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """In the registry's order, with nothing cut off; the files have a column where there is room for it."""
    monkeypatch.setenv("COLUMNS", str(width))
    assert run(["models"]) == 0
    told = capsys.readouterr().out
    lines = told.splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in told
    rows = [line.split()[0] for line in lines if re.match(r"[a-z].* (\d|-)( |$)", line)]
    assert len(rows) == len(MODELS)
    assert all(name.startswith(row) for name, row in zip(MODELS, rows, strict=True))
    assert ("servers/threaded.py" in told) == (width == 170)


def test_a_row_tells_all_that_a_visitor_asks() -> None:
    """Name, mechanism, who uses it, what it teaches, its row in Figure 30.1 and its file."""
    table = tour(tuple(MODELS.values()), files=True)
    assert len({len(row) for row in table.rows} | {len(table.columns)}) == 1
    for entry, row in zip(MODELS.values(), table.rows, strict=True):
        number = "-" if entry.figure_row is None else str(entry.figure_row)
        assert (row[0], row[2:5]) == (entry.name, (entry.used_by, entry.teaches, number))
        assert str(row[1]).startswith(entry.summary)
        assert row[5] == f"servers/{entry.name}.py"


def test_a_model_that_cannot_run_here_is_marked_with_what_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the table and on its own page."""
    monkeypatch.setattr(tour_module, "essay_of", lambda _: essay_of(MODELS["iterative"]))
    table = tour((ABSENT,), files=False)
    assert table.rows[0][1] == "waits (not here)"
    assert "pip install" in table.notes[0]
    assert "pip install" in particulars(ABSENT)["Cannot run here"]


@pytest.mark.parametrize("name", MODELS)
def test_a_models_page_has_its_essay_its_diagram_and_its_code(name: str) -> None:
    """The diagram line by line as it stands in the file, the code to its end, and what it cannot do with the reason."""
    entry, essay = MODELS[name], essay_of(MODELS[name])
    stream = StringIO()
    show(Console(file=stream, width=100), entry)
    told = stream.getvalue()
    assert essay.diagrams
    assert all(diagram in told for diagram in essay.diagrams)
    assert words(essay.text) in words(told)
    for behaviour, reason in entry.cannot.items():
        assert words(f"Cannot {behaviour}: {reason}") in words(told)
    for option in entry.options:
        assert f"--{option.replace('_', '-')}" in told


@pytest.mark.parametrize("name", MODELS)
def test_the_code_is_the_file_after_its_essay(name: str) -> None:
    """From the line that is named, so that it can be found in an editor."""
    essay = essay_of(MODELS[name])
    lines = (ROOT / essay.path).read_text().splitlines()
    assert lines[essay.first_line - 1 :] == essay.code.splitlines()
    assert essay.code.startswith("from __future__")
    ast.parse(essay.code)


def test_code_that_is_piped_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    """No colours, and no spaces to the edge of a screen that is not there."""
    assert run(["models", "threaded"]) == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert told.endswith(f"{essay_of(MODELS['threaded']).code}\n")


def test_code_on_a_terminal_has_colours() -> None:
    """The same words in escapes."""
    stream = StringIO()
    show(Console(file=stream, width=100, force_terminal=True, color_system="standard"), MODELS["iterative"])
    assert "\x1b[" in stream.getvalue()
    assert "converse" in stream.getvalue()


def test_stevens_row_stands_on_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    """With the published columns and the two that were measured later."""
    assert run(["models", "threaded"]) == 0
    told = words(capsys.readouterr().out)
    assert "row 6, one thread per client" in told
    assert "18.7 4.7 - 0.99 0.31 0.9 to 1.6" in told


def test_a_model_after_stevens_has_what_was_measured_since(capsys: pytest.CaptureFixture[str]) -> None:
    """And says that the figure does not have it."""
    assert run(["models", "selector"]) == 0
    told = words(capsys.readouterr().out)
    assert "it came after Stevens" in told
    assert MEASURED_SINCE["selector"] in told


def test_every_row_that_a_model_names_is_in_the_figure() -> None:
    """And every row of the figure has all its columns."""
    assert {entry.figure_row for entry in MODELS.values()} - {None} <= FIGURE_30_1.keys()
    assert all(all(design.to_json().values()) for row, design in FIGURE_30_1.items() if row)
    assert design_of("nothing of ours", None) is None


def test_json_lists_what_the_registry_knows(capsys: pytest.CaptureFixture[str]) -> None:
    """One object each, in order."""
    assert run(["models", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in found] == list(MODELS)
    for told, entry in zip(found, MODELS.values(), strict=True):
        assert (told["module"], told["file"]) == (entry.module, f"servers/{entry.name}.py")
        assert (told["summary"], told["missing"]) == (entry.summary, entry.missing)


def test_json_of_one_model_has_its_essay_its_diagram_its_figure_and_its_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One object, with the diagram free of its indentation."""
    assert run(["models", "iterative", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["essay"].startswith("Iterative: ")
    assert found["diagram"].startswith("listener --accept-->")
    assert found["figure_30_1"]["row"] == 0
    assert "def serve(" in found["code"]


def test_no_model_is_imported_for_the_tour() -> None:
    """What a model is built on need not be installed to read of it."""
    before = set(sys.modules)
    assert essay_of(MODELS["selector"]).text
    assert not {name for name in set(sys.modules) - before if name.startswith("servers.")}


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("treaded", "serverlab: unknown model 'treaded': did you mean threaded"),
        ("forked", "serverlab: unknown model 'forked': did you mean "),
        ("xyzzy", "serverlab: unknown model 'xyzzy': there are iterative,"),
    ],
)
def test_an_unknown_name_is_one_line_with_what_is_near(
    capsys: pytest.CaptureFixture[str], name: str, line: str
) -> None:
    """Status 2."""
    assert run(["models", name]) == 2
    told = capsys.readouterr()
    assert told.err.startswith(line)
    assert (told.err.count("\n"), told.out) == (1, "")


def test_paragraphs_keep_diagrams_as_they_are_and_join_prose() -> None:
    """An empty line inside a diagram does not end it; users and sources begin a line of their own."""
    text = "One\ntwo.\n\n    a --> b\n\n    c\n\nThree.\n\nUsed by: x,\ny.\nSource: z."
    assert paragraphs_of(text) == ("One two.", "    a --> b\n\n    c", "Three.", "Used by: x, y.", "Source: z.")


def test_a_file_without_an_essay_is_all_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newcomer's first try can be looked at too."""
    monkeypatch.setattr("tools.commands.essays.CHECKOUT", tmp_path)
    (tmp_path / "servers").mkdir()
    (tmp_path / "servers" / "new.py").write_text("def serve(): ...\n")
    essay = essay_of(MODELS["iterative"]._replace(name="new"))
    assert (essay.text, essay.paragraphs, essay.diagrams) == ("", (), ())
    assert (essay.code, essay.first_line) == ("def serve(): ...", 1)
