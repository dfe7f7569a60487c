"""The variants of a comparison: how each is started, how many clients it has places for, and the control."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from servers.runtime.settings import Settings
from tools.processes.launch import running
from tools.variants import choosing
from tools.variants.choosing import UnknownModelError, chosen_models, places_of, with_control
from tools.variants.commands import foreign_variants
from tools.variants.starting import command_of, started


def places(name: str, **options: int) -> int | None:
    """How many clients a model has places for, on two CPUs."""
    return places_of(chosen_models([name], options).models[0], 2)


def control_of(*names: str, commands: tuple[str, ...] = ()) -> str:
    """Which variant is entered a second time."""
    models = chosen_models(names, {}, commands=commands).models
    return with_control(models)[-1].control_of


def test_a_models_command_has_its_options_and_what_is_held_equal() -> None:
    """Options that are given take the place of the variant's."""
    variant = chosen_models(["preforked"], {}).models[0]
    head = [sys.executable, "-P", "-m", "servers", "preforked", "--protocol", "work", "--port", "0", "--grace", "2"]
    assert command_of(variant, "work") == [*head, "--workers", "15"]
    assert command_of(variant, "work", {"max_connections": 5}) == [*head, "--max-connections", "5"]


def test_options_at_the_start_come_beside_those_of_the_variant() -> None:
    """As a search for what a short queue costs does it."""
    variant = chosen_models(["preforked"], {"workers": 2}).models[0]
    with started(variant, "echo", options={"backlog": 5}) as server:
        assert (server.listening["model"], server.listening["backlog"]) == ("preforked", 5)
        line = server.stop()
    assert line is not None
    assert len(line.fields["connections_per_worker"]) == 2
    assert server.fault == ""


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ("sys.exit(3)", "the server ended with status 3: (it said nothing on stderr)"),
        ("print('bug', file=sys.stderr)", "the server ended with status 0: bug"),
    ],
)
def test_a_server_of_ours_that_does_not_end_in_order_has_a_fault(script: str, fault: str) -> None:
    """By its status, or for want of a stopped line."""
    waiting = "import signal, sys\nsignal.pthread_sigmask(signal.SIG_BLOCK, [15])\n"
    waiting += 'print(\'{"event": "listening", "port": 7}\', flush=True)\nsignal.sigwait([15])\n'
    with running([sys.executable, "-c", waiting + script]) as server:
        assert server.fault == ""
        server.stop()
        assert server.fault == fault


def test_a_model_has_as_many_places_as_its_workers_serve_clients() -> None:
    """None where the registry knows no bound."""
    assert Settings.threads == choosing.THREADS
    assert (places("iterative"), places("preforked"), places("preforked", workers=3)) == (1, 15, 3)
    assert (places("pooled"), places("pooled", threads=4), places("hybrid", workers=2, threads=4)) == (25, 4, 8)
    assert (places("threaded"), places("selector"), places("dynamic"), places("event_mpm")) == (None,) * 4
    assert places_of(foreign_variants(["mine=x"], {})[0], 2) is None


def test_a_pool_that_was_not_told_its_workers_has_one_for_each_cpu_of_the_server() -> None:
    """Those that it was given, whatever this process may use at that moment."""
    assert [places_of(chosen_models(["hybrid"], {}).models[0], cpus) for cpus in (1, 2, 3)] == [25, 50, 75]


def test_the_control_is_a_second_selector_or_else_one_that_many_can_use() -> None:
    """Never a server of the user's where there is a model."""
    assert control_of("threaded", "selector") == "selector"
    assert control_of("iterative", "preforked", "threaded", "coroutines") == "threaded"
    assert control_of("iterative", "preforked", commands=("mine=x",)) == "iterative"
    own = foreign_variants(["mine=x", "yours=y"], {})
    assert with_control(own)[-1].control_of == "mine"
    assert with_control(()) == ()


def test_the_control_is_like_what_it_is_a_copy_of_but_for_its_name() -> None:
    """Its options and its interpreter too."""
    models = tuple(
        replace(model, name=f"{model.name}@3.13", interpreter="3.13") for model in chosen_models([], {}).models
    )
    *others, again = with_control(models)
    assert tuple(others) == models
    assert (again.name, again.control_of, again.interpreter) == ("selector@3.13 (again)", "selector@3.13", "3.13")
    assert replace(again, name=again.control_of, control_of="") in models


def test_servers_of_the_users_come_beside_the_models() -> None:
    """With an option that only they look at."""
    choice = chosen_models([], {}, commands=["mine=./mine {port} {workers}"])
    assert [model.name for model in choice.models][-1] == "mine"
    assert len(choice.models) == len(choosing.DEFAULT) + 1
    options = chosen_models(["selector"], {"workers": 3}, commands=["mine=./mine {port} {workers}"]).models[-1].options
    assert options == {"workers": 3}
    with pytest.raises(UnknownModelError, match="none of selector, mine looks at it"):
        chosen_models(["selector"], {"workers": 3}, commands=["mine=./mine {port}"])
