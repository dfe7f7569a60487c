"""How a variant is started: a model of ours under our Python or another, or a server of the user's own."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from clients.checkout import with_checkout
from tools.processes.launch import LISTENING_TIMEOUT, running
from tools.variants.commands import filled_in
from tools.variants.foreign import running_foreign
from tools.variants.interpreters import environment_under

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from contextlib import AbstractContextManager

    from tools.accounting.meters import Meter
    from tools.processes.launch import Server
    from tools.saved.header import Variant
    from tools.variants.interpreters import Python

SERVER_GRACE = 2.0  # seconds that a server has for what is in flight at its end: by then nothing should be


def started(
    variant: Variant,
    protocol: str,
    *,
    options: Mapping[str, int] | None = None,
    cpus: Collection[int] | None = None,
    meter: Meter | None = None,
    environment: Mapping[str, str] | None = None,
    interpreters: Mapping[str, Python] | None = None,
    timeout: float = LISTENING_TIMEOUT,
) -> AbstractContextManager[Server]:
    """Start a variant's server, which is up when the block begins and gone with all that it started when it is left.

    `options` come beside those of the variant, and take their place; a server of the user's has those
    that its command leaves open. `environment` is what it runs in, in place of our own; `interpreters` are those that
    variants name. How it ended is told by the server's `fault`. Raises LaunchError, as
    `tools.processes.launch.running` does.
    """
    wanted = {**variant.options, **(options or {})}
    surroundings = environment_of(variant, environment)
    if variant.command:
        return running_foreign(
            variant, protocol, options=wanted, cpus=cpus, meter=meter, environment=surroundings, timeout=timeout
        )
    python = (interpreters or {})[variant.interpreter].path if variant.interpreter else ""
    command = command_of(variant, protocol, wanted, python=python)
    return running(command, cpus=cpus, meter=meter, environment=surroundings, timeout=timeout)


def command_of(
    variant: Variant, protocol: str, options: Mapping[str, int] | None = None, *, python: str = ""
) -> list[str]:
    """The command of a variant's server: of the checkout, whatever else the current folder calls `servers`.

    `options` take the place of the variant's, `python` that of ours. What a user's command leaves open is put in but
    for the port, which is chosen at its start.
    """
    wanted = variant.options if options is None else options
    if variant.command:
        return filled_in(variant, protocol, wanted, None)
    equal = ["--protocol", protocol, "--port", "0", "--grace", f"{SERVER_GRACE:g}"]
    own = [word for name, value in wanted.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    isolated = ["-s"] if python else []  # another Python's user may have packages that it was not asked for
    return [python or sys.executable, *isolated, "-P", "-m", "servers", variant.model, *equal, *own]


def environment_of(variant: Variant, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a variant's server: ours finds the checkout's packages; the user's is left alone."""
    ours = os.environ if environment is None else environment
    if variant.command:
        return dict(ours)
    if variant.interpreter:
        return environment_under(ours)
    return with_checkout(ours)
