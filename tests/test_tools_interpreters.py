"""Other interpreters are asked what they are, named, and run the models that they can."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clients.checkout import CHECKOUT
from servers.registry import MODELS
from tools.failure import Failure
from tools.machine import SERVE, this_interpreter
from tools.variants import interpreters
from tools.variants.choosing import UnknownModelError, chosen_models
from tools.variants.interpreters import Python, cannot_speak, interpreter_of, named_interpreters, under
from tools.variants.starting import command_of, environment_of, started

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.machine import Interpreter

FACTS = {"implementation": "CPython", "compiler": "cc", "free_threaded": False, "gil": True, "packages": {}}


@pytest.fixture
def fake(tmp_path: Path) -> Callable[..., str]:
    """What makes a program that answers as an interpreter with these facts would."""

    def make(name: str, **facts: object) -> str:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\necho '{json.dumps({**FACTS, **facts})}'\n")
        path.chmod(0o755)
        return str(path)

    return make


def record(**facts: object) -> Interpreter:
    """What is known of an interpreter, with these facts."""
    return replace(this_interpreter(), packages={}, **facts)  # type: ignore[arg-type]


def test_an_interpreter_says_the_same_of_itself_as_the_one_that_measures() -> None:
    """They are the same one here; only the packages differ, which are those that servers need."""
    asked, own = interpreter_of(sys.executable), this_interpreter()
    assert replace(asked, packages={}) == replace(own, packages={})
    assert "h11" in asked.packages
    assert asked.packages.keys() <= set(SERVE)
    assert cannot_speak(asked, "http") == cannot_speak(own, "http") == ""
    assert own.gil is getattr(sys, "_is_gil_enabled", lambda: True)()


def test_our_own_packages_do_not_leak_into_another_interpreter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither by PYTHONPATH nor by the folder that we are in."""
    (tmp_path / "uvloop.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    base = Path(sys.base_prefix, "bin", "python3")
    found = interpreter_of(str(base)).packages.get("uvloop")
    assert found != ""  # a file without a version
    model = chosen_models(["threaded"], {}).models[0]
    environment = environment_of(replace(model, interpreter="3.11"))
    assert environment["PYTHONPATH"] == str(CHECKOUT)
    assert str(tmp_path) in environment_of(model)["PYTHONPATH"].split(os.pathsep)


def test_interpreters_are_called_by_their_versions(fake: Callable[..., str]) -> None:
    """As short as tells them apart; each once."""
    paths = [
        fake("a", version="3.13.1"),
        fake("b", version="3.13.1", free_threaded=True, gil=False),
        fake("c", version="3.11.9", implementation="PyPy"),
        fake("d", version="3.12.1"),
        fake("e", version="3.12.3"),
        fake("f", version="3.12.3"),
        fake("g", version="3.13.1", free_threaded=True),
    ]
    named = named_interpreters([*paths, paths[0]])
    assert list(named) == ["3.13", "3.13t", "pypy3.11", "3.12.1", "3.12.3", "3.12.3-2", "3.13t-gil"]
    assert [python.path for python in named.values()] == paths
    assert [python.record.gil for python in named.values()][:2] == [True, False]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/bin/true", "it is no Python"),
        ("/bin/cat", "it is no Python"),
        ("/no/such/python", "no such file"),
        ("no-such-python", "not found in PATH"),
        ("0.11", "not found in PATH: write python0.11, or a path"),
        ("/", "it is a directory"),
        (__file__, "it is not executable"),
    ],
)
def test_what_is_no_interpreter_is_refused(path: str, words: str) -> None:
    """In one line."""
    with pytest.raises(Failure, match=rf"cannot run servers under .*: {words}"):
        named_interpreters([path])


@pytest.mark.parametrize("version", ["2.7.18", "3.10.13"])
def test_an_interpreter_that_is_too_old_is_refused(fake: Callable[..., str], version: str) -> None:
    """It tells how old it is, though it may not have what it is asked about."""
    with pytest.raises(Failure, match=rf"it is Python {version}, and they need 3.11 or later"):
        named_interpreters([fake("old", version=version)])


def test_an_interpreter_that_cannot_start_in_our_environment_is_refused_in_its_own_words(tmp_path: Path) -> None:
    """A build with a lock, where the environment has none (PYTHON_GIL=0): it is a Python all the same."""
    path = tmp_path / "python"
    path.write_text("#!/bin/sh\necho 'Fatal Python error: Disabling it is not supported\nmore' >&2\nexit 1\n")
    path.chmod(0o755)
    with pytest.raises(Failure, match=rf"^cannot run servers under {path}: Disabling it is not supported$"):
        named_interpreters([str(path)])


def test_the_question_is_one_that_old_interpreters_understand() -> None:
    """No f-string and no annotation stands in it; what came later is behind the look at the version."""
    before, _, _ = interpreters.QUESTION.partition("if sys.version_info")
    assert "importlib" not in before
    assert 'f"' not in interpreters.QUESTION


def test_each_model_runs_under_each_interpreter_and_under_no_other() -> None:
    """The order is the models'; the others are left out with the reason."""
    pythons = {
        "3.12": Python("/a", record(version="3.12.1")),
        "3.13t": Python("/b", replace(record(version="3.13.1", free_threaded=True), packages={"uvloop": "1"})),
    }
    choice = chosen_models(["threaded", "uvloop"], {}, pythons=pythons)
    assert [variant.name for variant in choice.models] == ["threaded@3.12", "threaded@3.13t", "uvloop@3.13t"]
    assert [variant.interpreter for variant in choice.models] == ["3.12", "3.13t", "3.13t"]
    assert {variant.model for variant in choice.models} == {"threaded", "uvloop"}
    assert choice.left_out == {"uvloop@3.12": "uvloop@3.12 is built on uvloop, which Python 3.12.1 lacks"}


def test_a_model_that_no_interpreter_can_run_is_refused_where_it_was_named() -> None:
    """And left out where all were."""
    pythons = {"3.12": Python("/a", record(version="3.12.1"))}
    with pytest.raises(UnknownModelError, match=r"^trio@3.12 is built on trio, which Python 3.12.1 lacks$"):
        chosen_models(["threaded", "trio"], {}, pythons=pythons)
    choice = chosen_models(["all"], {}, pythons=pythons)
    assert set(choice.left_out) == {f"{entry.name}@3.12" for entry in MODELS.values() if entry.requires}


def test_http_needs_its_parser_under_each_interpreter() -> None:
    """The other protocols need nothing."""
    bare = record(version="3.13.1", free_threaded=True)
    assert cannot_speak(bare, "http") == "http needs h11, which Python 3.13.1 (free-threaded) lacks"
    assert cannot_speak(bare, "echo") == ""


def test_a_model_is_started_under_its_interpreter(tmp_path: Path) -> None:
    """A link to one is kept, for a virtual environment is known by it; the server has that one to its end."""
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    pythons = named_interpreters([str(link)])
    (variant,), left_out = under(chosen_models(["selector"], {}).models, pythons)
    assert not left_out
    (python,) = pythons.values()
    assert python.path == str(link)
    assert command_of(variant, "echo", python=python.path)[0] == str(link)
    with started(variant, "echo", interpreters=pythons) as server:
        assert str(link).encode() in Path(f"/proc/{server.pid}/cmdline").read_bytes().split(b"\0")
        assert server.stop() is not None
    assert server.fault == ""
