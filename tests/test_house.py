"""The rules of the house: who may import whom, and what must agree with what."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import clients
import servers
import tools
from servers.registry import MODELS
from tests.models import every_model
from tests.serving import ROOT

PACKAGES = ("servers", "clients", "tools")
NOT_MODELS = {"__init__", "__main__", "registry"}


def imports(path: Path) -> set[str]:
    """Return the dotted names that a module imports, wherever in it, type-checking blocks included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules(folder: str) -> list[Path]:
    """Return all modules below a folder of the checkout."""
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found
    return found


def importing(folder: str, *forbidden: str) -> list[str]:
    """Return what below `folder` imports from one of the packages named."""
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(folder)
        for name in imports(path)
        if name.startswith(tuple(f"{package}." for package in forbidden)) or name in forbidden
    ]


def test_dependencies_point_one_way() -> None:
    """Tools may use clients and the servers' registry; servers and clients meet on the wire alone."""
    assert importing("servers", "clients", "tools", "tests") == []
    assert importing("clients", "servers", "tools", "tests") == []
    assert importing("tools", "tests") == []
    assert [line for line in importing("tools", "servers") if " imports servers.registry" not in line] == []


def test_packages_of_tools_import_one_another_in_one_direction() -> None:
    """What is imported for its types alone included, but for the command line's own start."""
    tools_of = {path: path.relative_to(ROOT / "tools").parts[0].removesuffix(".py") for path in modules("tools")}
    graph: dict[str, set[str]] = {}
    for path, package in tools_of.items():
        others = {name.split(".")[1] for name in imports(path) if name.startswith("tools.")}
        graph.setdefault(package, set()).update(others - {package, "__main__"})
    TopologicalSorter(graph).prepare()  # which raises where there is a circle


def test_inside_servers_models_use_the_runtime_and_the_runtime_the_protocols() -> None:
    """Never the other way round; protocols know nothing of sockets, clocks and threads."""
    assert importing("servers/protocols", "servers.runtime", "servers.registry", *model_modules()) == []
    io = ("socket", "select", "selectors", "asyncio", "threading", "_thread", "time", "os", "signal", "ssl")
    assert importing("servers/protocols", *io) == []
    assert importing("servers/runtime", "servers.registry", *model_modules()) == []


def model_modules() -> list[str]:
    """Return the dotted names of all models."""
    return [entry.module for entry in MODELS.values()]


def test_the_files_and_the_registry_agree() -> None:
    """One file, one entry; and no file hides a module of the standard library."""
    files = {path.stem for path in (ROOT / "servers").glob("*.py")} - NOT_MODELS
    assert files == set(MODELS)
    assert not files & sys.stdlib_module_names


@every_model
def test_a_model_is_a_function_with_an_essay(model: str) -> None:
    """The head docstring has the diagram, when it is the wrong choice, who uses it and its source."""
    module = importlib.import_module(MODELS[model].module)
    assert callable(module.serve)
    assert hasattr(module, "serve_datagrams") == MODELS[model].datagrams
    essay = module.__doc__ or ""
    assert "\n    " in essay, f"{model}: the essay lacks a diagram"
    for part in ("wrong choice", "Used by:", "Source:"):
        assert part in " ".join(essay.split()), f"{model}: the essay lacks {part!r}"


def test_the_packages_tested_are_those_of_this_checkout() -> None:
    """Not an installed copy of generic name."""
    for package in (servers, clients, tools):
        assert package.__file__
        assert Path(package.__file__).resolve().parent.parent == ROOT


def test_every_module_is_named_by_its_package() -> None:
    """In the prose of its __init__, so that whoever opens a folder is told what each file is."""
    lacking = []
    for path in (path for package in PACKAGES for path in modules(package) if not path.stem.startswith("__")):
        prose = ast.get_docstring(ast.parse((path.parent / "__init__.py").read_text())) or ""
        # The models are a picture, in which their names stand plain.
        named = set(re.findall(r"\w+" if path.parent.name == "servers" else r"(?<=`)\w+(?=`)", prose))
        lacking += [str(path.relative_to(ROOT))] if path.stem not in named else []
    assert lacking == []


def test_every_folder_of_modules_is_a_package() -> None:
    """An __init__.py in each, with its prose."""
    for package in PACKAGES:
        for folder in {path.parent for path in modules(package)}:
            assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text())), folder
