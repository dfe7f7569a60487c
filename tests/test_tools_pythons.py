"""Whether servers had a global lock: by what their Python said, and by their own word, which is believed."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.comparisons import cell, header, saved, variant
from tests.serving import serving
from tools.machine import Interpreter
from tools.tables.pythons import python_notes
from tools.variants.choosing import chosen_models
from tools.variants.interpreters import named_interpreters
from tools.variants.starting import started
from tools.verdicts.facts import has_gil

if TYPE_CHECKING:
    from pathlib import Path

LOCKED = Interpreter("CPython", "3.11.7", "GCC", free_threaded=False, packages={})
FREE = Interpreter("CPython", "3.13.5", "GCC", free_threaded=True, packages={}, gil=False)
FREE_LOCKED = replace(FREE, gil=True)
FREE_THREADED = next(filter(None, map(shutil.which, ("python3.14t", "python3.13t"))), "")


def test_a_server_says_when_it_has_stopped_whether_it_had_a_lock() -> None:
    """As the interpreter that runs this test has it, which runs the server, too."""
    with serving("selector") as server:
        assert server.stop()["gil"] is getattr(sys, "_is_gil_enabled", lambda: True)()


@pytest.mark.parametrize("said", [True, False])
def test_a_server_is_believed_rather_than_its_interpreter(said: bool) -> None:
    """Under the Python that measured as under others; one that says nothing has what its interpreter has."""
    free, plain = replace(variant("threaded"), interpreter="3.13t"), variant("threaded")
    head = header(interpreters={"3.13t": FREE})
    told, silent = cell(stopped={"gil": said}), cell(stopped={})
    assert has_gil(told, free, head) is has_gil(told, plain, head) is said
    assert (has_gil(silent, free, head), has_gil(silent, plain, head)) == (False, True)
    assert has_gil(replace(silent, stopped=None), free, head) is False


def test_what_names_of_pythons_stand_for_is_told_with_their_locks(tmp_path: Path) -> None:
    """Once, for all of them; nothing where there are none."""
    pythons = {"3.11": LOCKED, "3.13t": FREE, "3.13t-gil": FREE_LOCKED}
    models = tuple(replace(variant("threaded"), name=f"threaded@{key}", interpreter=key) for key in pythons)
    cells = [cell(model=each.name, stopped={"gil": pythons[each.interpreter].gil}) for each in models]
    (told,) = python_notes(saved(tmp_path / "a", cells, header(models=models, interpreters=pythons)))
    assert told == (
        "Servers ran under other Pythons than the one that measured: 3.11 is CPython 3.11.7, GIL on; "
        "3.13t is CPython 3.13.5, free-threaded build, GIL off; "
        "3.13t-gil is CPython 3.13.5, free-threaded build, GIL on."
    )
    assert list(python_notes(saved(tmp_path / "b", [cell()]))) == []


def test_a_lock_that_a_package_turned_on_is_told(tmp_path: Path) -> None:
    """Of the model that imports it, and of no other."""
    models = tuple(
        replace(variant(name), name=f"{name}@3.13t", interpreter="3.13t") for name in ("threaded", "greenlets")
    )
    cells = [cell(model=each.name, stopped={"gil": each.model == "greenlets"}) for each in models]
    _, told = python_notes(saved(tmp_path, cells, header(models=models, interpreters={"3.13t": FREE})))
    assert told == (
        "The GIL was on in greenlets@3.13t, whose Python has it off: a package that they import turned it on."
    )


def test_a_lock_that_only_what_measures_had_turned_on_is_told(tmp_path: Path) -> None:
    """Servers under the same free-threaded Python import less."""
    cells = [cell(model=name, stopped={"gil": False}) for name in ("threaded", "selector")]
    (told,) = python_notes(saved(tmp_path, cells, header(interpreter=FREE_LOCKED)))
    assert told == (
        "The GIL was off in threaded and selector: it was on in the Python that measured, which imports more packages."
    )


@pytest.mark.skipif(not FREE_THREADED, reason="no free-threaded Python (python3.13t, python3.14t) is on the path")
@pytest.mark.parametrize("lock", ["0", "1"])
def test_a_free_threaded_python_is_one_by_its_name_and_its_servers_word(
    monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    """With its lock off, and with it turned on by the environment, which its servers have, too."""
    monkeypatch.setenv("PYTHON_GIL", lock)
    pythons = named_interpreters([FREE_THREADED])
    ((key, python),) = pythons.items()
    assert key.endswith("t-gil" if lock == "1" else "t")
    assert (python.record.free_threaded, python.record.gil) == (True, lock == "1")
    (model,) = chosen_models(["threaded"], {}, pythons=pythons).models
    with started(model, "echo", interpreters=pythons) as server:
        stopped = server.stop()
    assert stopped is not None
    assert stopped.fields["gil"] is (lock == "1")
