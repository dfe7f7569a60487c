"""Other interpreters to run servers under: asked what they are, and named in the tables.

`--python PATH` makes interpreters a dimension of a comparison: each model runs under each interpreter that is named,
and under no other, as `threaded@3.13`. The Python that measures is among them only where it is named too. A
free-threaded build is `3.13t`, or `3.13t-gil` where its lock is on all the same (PYTHON_GIL=1, or a script that adds
`-X gil=1`); another implementation is `pypy3.11`; two of one version have their whole versions, or numbers.

An interpreter is asked in the environment in which it would run a server: our own packages are not in it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from clients.checkout import CHECKOUT
from servers.registry import MODELS
from tools.failure import Failure
from tools.machine import SERVE, Interpreter
from tools.processes.children import why_not

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tools.saved.header import Variant

OLDEST = (3, 11)
PATIENCE = 20.0  # seconds for an answer, which takes a tenth of one on an idle machine
HTTP_NEEDS = "h11"
VERSION = re.compile(r"[0-9]+(\.[0-9]+)*t?")  # of a Python, alone
REFUSAL = "Fatal Python error: "  # what a Python says that does not start as its environment wants it

# In words that Python 2 understands too, so that an old one can say how old it is.
QUESTION = """
import json, platform, sys
facts = {"implementation": platform.python_implementation(), "version": platform.python_version()}
if sys.version_info >= (3, 11):
    import contextlib, importlib.metadata, importlib.util, sysconfig
    facts["compiler"] = platform.python_compiler()
    facts["free_threaded"] = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    facts["gil"] = getattr(sys, "_is_gil_enabled", lambda: True)()
    facts["packages"] = {name: "" for name in sys.argv[1:] if importlib.util.find_spec(name)}
    for name in facts["packages"]:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            facts["packages"][name] = importlib.metadata.version(name)
print(json.dumps(facts))
"""


@dataclass(frozen=True, slots=True)
class Python:
    """An interpreter that runs servers: how it is called, and what it said of itself.

    The path stays out of the record, which is made to be passed on.
    """

    path: str
    record: Interpreter


def named_interpreters(paths: Iterable[str]) -> dict[str, Python]:
    """The interpreters at these paths by their names, in their order; Failure where one cannot run a server."""
    found = {path: Python(path, interpreter_of(path)) for path in map(absolute, paths)}
    short = Counter(_name(python.record, whole=False) for python in found.values())
    named: dict[str, Python] = {}
    for python in found.values():
        name = _name(python.record, whole=False)
        if short[name] > 1:
            name = _name(python.record, whole=True)
        numbered = (f"{name}-{number}" for number in range(2, len(found) + 2))
        named[name if name not in named else next(each for each in numbered if each not in named)] = python
    for python in found.values():
        _compile_for(python.path)
    return named


def absolute(path: str) -> str:
    """The whole path of a program; a link stays one, for a virtual environment's Python is known by it.

    Failure where there is none.
    """
    if not path:
        raise Failure("there is no program in ''")
    program = shutil.which(path)
    if program is None:
        hint = f": write python{path}, or a path" if VERSION.fullmatch(path) else ""
        raise Failure(f"cannot run servers under {path}: {why_not(path)}{hint}")
    return os.path.abspath(program)  # noqa: PTH100 - Path.resolve would follow the link


def interpreter_of(path: str) -> Interpreter:
    """Ask an interpreter what it is; Failure, with one line, where it is too old or no Python."""
    facts = _answer_of(path)
    version = tuple(int(part) for part in facts["version"].split(".")[:2])
    if version < OLDEST:
        raise Failure(f"cannot run servers under {path}: it is Python {facts['version']}, and they need 3.11 or later")
    return Interpreter(**facts)


def _answer_of(path: str) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [path, "-s", "-c", QUESTION, *SERVE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=PATIENCE,
            cwd="/",  # not ours, in which a file can be called as a module is
            env=environment_under(os.environ),
        )
    except OSError as error:
        raise Failure(f"cannot run servers under {path}: {error.strerror}") from error
    except subprocess.TimeoutExpired:
        raise Failure(f"cannot run servers under {path}: it did not say within {PATIENCE:g} s what it is") from None
    try:
        facts: dict[str, Any] = json.loads(done.stdout)
        facts["version"], facts["implementation"]
    except (ValueError, KeyError, TypeError):
        raise Failure(f"cannot run servers under {path}: {_why_silent(done.stderr)}") from None
    return facts


def _why_silent(errors: bytes) -> str:
    """Why nothing came that an interpreter answers: that it is none, or what it says that it could not start for."""
    lines = errors.decode(errors="replace").strip().splitlines()
    said = f", and says: {lines[0]}" if lines else ""
    return next((line.removeprefix(REFUSAL) for line in lines if line.startswith(REFUSAL)), f"it is no Python{said}")


def _compile_for(path: str) -> None:
    """Have the servers compiled for an interpreter: compiled anew at each start, one would be larger to fork.

    Where that cannot be, they are compiled as they start.
    """
    command = [path, "-s", "-m", "compileall", "-q", str(CHECKOUT / "servers")]
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=PATIENCE, cwd="/",
            env=environment_under(os.environ),
        )  # fmt: skip


def environment_under(ours: Mapping[str, str]) -> dict[str, str]:
    """Our environment as a server under another interpreter has it: it finds the checkout, and none of our packages."""
    kept = {name: value for name, value in ours.items() if name not in {"PYTHONHOME", "VIRTUAL_ENV"}}
    return {**kept, "PYTHONPATH": str(CHECKOUT), "PYTHONSAFEPATH": "1"}


def cannot_speak(interpreter: Interpreter, protocol: str) -> str:
    """Why servers under an interpreter cannot speak a protocol; empty where they can."""
    if protocol != "http" or HTTP_NEEDS in interpreter.packages:
        return ""
    return f"http needs {HTTP_NEEDS}, which {_title(interpreter)} lacks"


def under(models: Sequence[Variant], pythons: Mapping[str, Python]) -> tuple[tuple[Variant, ...], dict[str, str]]:
    """Each of the models under each interpreter that can run it, and by name those that cannot be, with the reason."""
    everywhere = [replace(model, name=f"{model.name}@{key}", interpreter=key) for model in models for key in pythons]
    reasons = {variant.name: _cannot_run(variant, pythons[variant.interpreter].record) for variant in everywhere}
    left_out = {name: reason for name, reason in reasons.items() if reason}
    return tuple(variant for variant in everywhere if variant.name not in left_out), left_out


def _cannot_run(variant: Variant, interpreter: Interpreter) -> str:
    needed = MODELS[variant.model].requires
    if not needed or needed in interpreter.packages:
        return ""
    return f"{variant.name} is built on {needed}, which {_title(interpreter)} lacks"


def _title(interpreter: Interpreter) -> str:
    kind = "Python" if interpreter.implementation == "CPython" else interpreter.implementation
    return f"{kind} {interpreter.version}{' (free-threaded)' if interpreter.free_threaded else ''}"


def _name(interpreter: Interpreter, *, whole: bool) -> str:
    implementation = interpreter.implementation.lower()
    version = interpreter.version if whole else ".".join(interpreter.version.split(".")[:2])
    threads = {(True, False): "t", (True, True): "t-gil"}.get((interpreter.free_threaded, interpreter.gil), "")
    return f"{'' if implementation == 'cpython' else implementation}{version}{threads}"
