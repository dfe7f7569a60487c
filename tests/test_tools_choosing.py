"""Which models a comparison holds, and what each is started with."""

from __future__ import annotations

import pytest

from servers.registry import MODELS, Entry
from tools.variants import choosing
from tools.variants.choosing import DEFAULT, UnknownModelError, chosen_models

ABSENT = Entry("absent", "waits", "a term", "nobody", "nothing", requires="no_such_package")
POOL = Entry("pool", "waits", "a term", "nobody", "nothing", options=("workers", "thread_stack"))


@pytest.fixture
def with_two_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry with a model that cannot run here, and a pool."""
    monkeypatch.setattr(choosing, "MODELS", {**MODELS, "absent": ABSENT, "pool": POOL})


def names(*asked: str, **options: int) -> list[str]:
    """The names that are chosen."""
    return [model.name for model in chosen_models(asked, options).models]


def test_six_are_the_default_however_many_there_are() -> None:
    """In the registry's order; a comparison of them fits a minute and a half."""
    assert len(DEFAULT) == 6
    assert names() == [name for name in MODELS if name in DEFAULT]


def test_models_keep_the_registrys_order_and_come_once() -> None:
    """Whatever order they are asked for in."""
    assert names("selector", "iterative", "selector") == ["iterative", "selector"]


@pytest.mark.usefixtures("with_two_more")
def test_all_are_all_that_can_run_and_the_others_are_named_with_the_reason() -> None:
    """Left out, and not failed."""
    choice = chosen_models(["all"], {})
    here = [name for name, entry in MODELS.items() if not entry.missing]
    assert [model.name for model in choice.models] == [*here, "pool"]
    assert "pip install no_such_package" in choice.left_out["absent"]


@pytest.mark.usefixtures("with_two_more")
def test_a_model_that_was_named_and_cannot_run_is_refused_with_what_mends_it() -> None:
    """Whoever names it wants it."""
    with pytest.raises(UnknownModelError, match="pip install no_such_package"):
        chosen_models(["iterative", "absent"], {})


@pytest.mark.usefixtures("with_two_more")
def test_options_go_to_the_models_that_look_at_them() -> None:
    """And to no other."""
    choice = chosen_models(["iterative", "pool"], {"workers": 15})
    assert {model.name: model.options for model in choice.models} == {"iterative": {}, "pool": {"workers": 15}}


def test_a_pool_whose_workers_serve_one_client_each_has_as_many_as_stevens_had() -> None:
    """Unless another number is asked for; event loops keep the server's own default."""
    assert chosen_models(["preforked"], {}).models[0].options == {"workers": 15}
    assert chosen_models(["preforked"], {"workers": 4}).models[0].options == {"workers": 4}
    assert chosen_models(["symped"], {}).models[0].options == {}


def test_an_option_that_nobody_looks_at_is_refused() -> None:
    """It would be taken for the reason of what is then seen."""
    with pytest.raises(UnknownModelError, match="--threads would change nothing: none of iterative, selector"):
        chosen_models(["iterative", "selector"], {"threads": 4})


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    """Beside `all` too."""
    with pytest.raises(UnknownModelError, match=r"unknown model .treaded.: choose from iterative, .*, or all"):
        chosen_models(["all", "treaded"], {})


def test_a_note_has_what_the_registry_says() -> None:
    """So that a report needs the files alone."""
    note = chosen_models(["threaded"], {}).models[0]
    entry = MODELS["threaded"]
    assert (note.summary, note.term, note.used_by) == (entry.summary, entry.term, entry.used_by)
    assert (note.teaches, note.figure_row, note.options) == (entry.teaches, 6, {})
