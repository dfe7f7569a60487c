"""The README's table of models is made from the registry, and stale as soon as the two differ."""

from __future__ import annotations

import pytest

from servers.registry import MODELS
from tools.readme import BEGIN, END, README, with_models


def test_the_table_of_models_is_that_of_the_registry() -> None:
    """Stale? `python -m tools.readme` writes it anew."""
    text = README.read_text(encoding="utf-8")
    assert with_models(text) == text, "the README's table of models is stale: run `python -m tools.readme`"


def test_each_model_has_a_row_that_links_to_its_file() -> None:
    """In the registry's order, with what it needs beyond the standard library."""
    rows = with_models(f"{BEGIN}{END}").splitlines()[3:-1]
    assert len(rows) == len(MODELS)
    for row, entry in zip(rows, MODELS.values(), strict=True):
        assert row.startswith(f"| [`{entry.name}`](servers/{entry.name}.py) | {entry.summary}")
        assert row.count(" | ") == 4
        assert (f"(extra: `{entry.requires}`)" in row) == bool(entry.requires)


def test_nothing_else_of_the_text_is_touched() -> None:
    """What stands before and after the two comments stays."""
    made = with_models(f"before\n{BEGIN}\nof yesterday\n{END}\nafter\n")
    assert made.startswith(f"before\n{BEGIN}\n| model |")
    assert made.endswith(f"|\n{END}\nafter\n")
    assert "of yesterday" not in made


@pytest.mark.parametrize("text", ["nothing", BEGIN, f"{END}{BEGIN}"])
def test_a_text_without_the_two_comments_is_refused(text: str) -> None:
    """Rather than given a table at a place that nobody chose."""
    with pytest.raises(ValueError, match="the text has no <!-- models -->"):
        with_models(text)
