"""The command line `serverlab`: a table of commands, each imported only when it is the one asked for.

A command is a function for typer; what it returns is the exit status (None is 0). It raises
`typer.BadParameter` where the command line was wrong (status 2) and `tools.failure.Failure` where it ran
and failed (status 1); either becomes one line on stderr.
"""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from clients.standard_output import checked
from tools.__main__ import replace
from tools.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Callable

HELP = "Serve one service in many ways, fire clients at it, and measure what each way costs."


class Command(NamedTuple):
    """Where a command's function is, and its line in the help."""

    module: str
    function: str
    summary: str


COMMANDS = {
    "models": Command(
        "tools.commands.tour", "models", "The tour of the server models: all of them, or the essay of one."
    ),
    "resolve": Command("tools.commands.resolve", "resolve", "Show what getaddrinfo answers, and what we do with it."),
    "serve": Command("tools.cli", "replaced", "Start a server: serve MODEL [--protocol P] [--port N] ..."),
    "talk": Command("tools.cli", "replaced", "Talk to a server by hand: talk HOST:PORT."),
    "load": Command("tools.cli", "replaced", "Fire concurrent connections at a server: load ADDRESS ..."),
    "compare": Command("tools.commands.compare", "compare", "Measure models side by side, and write a report."),
    "workloads": Command("tools.commands.workloads", "workloads", "List the workloads, or print one to copy."),
    "report": Command("tools.commands.report", "report", "Draw a saved comparison again; nothing is run."),
    "doctor": Command(
        "tools.commands.doctor", "doctor", "Tell whether this machine is fit to measure on, and what to change."
    ),
    "monitor": Command(
        "tools.commands.monitor", "monitor", "Show what a process and its descendants cost: monitor -- COMMAND."
    ),
}

UNTOUCHED = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
SETTINGS = {"serve": UNTOUCHED, "talk": UNTOUCHED, "load": UNTOUCHED}
"""Typer's settings for a command, where its arguments are not ours to read."""


def run(arguments: list[str]) -> int:
    """Carry out `serverlab ARGUMENTS` and return its exit status."""
    return checked("serverlab", lambda: status_of(arguments))


def status_of(arguments: list[str]) -> int:
    """Carry out the command, and say in one line why it was refused or failed."""
    try:
        status = typer.main.get_command(application(arguments)).main(
            arguments, prog_name="serverlab", standalone_mode=False, obj=arguments
        )
    except typer.BadParameter as wrong:
        return failed(wrong.format_message() if wrong.param else wrong.message, wrong.exit_code)
    except typer.TyperException as wrong:
        return failed(wrong.format_message(), wrong.exit_code)
    except Failure as failure:
        return failed(str(failure), 1)
    except typer.Abort:
        return failed("interrupted", 130)
    return status if isinstance(status, int) else 0


def failed(message: str, status: int) -> int:
    """Say why, on one line, and return the status."""
    print("serverlab:", " ".join(message.split()), file=sys.stderr)
    return status


def application(arguments: list[str]) -> typer.Typer:
    """Return the typer application in which only the command that was asked for is imported."""
    app = typer.Typer(
        help=HELP,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=False,
    )
    app.callback(invoke_without_command=True)(top)
    asked = next((argument for argument in arguments if argument in COMMANDS), None)
    for name, command in COMMANDS.items():
        function = function_of(command) if name == asked else replaced
        app.command(name, short_help=command.summary, context_settings=SETTINGS.get(name))(function)
    return app


def function_of(command: Command) -> Callable[..., int | None]:
    """Import a command's function."""
    function: Callable[..., int | None] = getattr(importlib.import_module(command.module), command.function)
    return function


def top(
    context: typer.Context,
    *,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    """What happens before any command, or without one."""
    if show_version:
        print("serverlab", installed_version())
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


def installed_version() -> str:
    """Return the version of the distribution, or say that there is none."""
    try:
        return version("serverlab")
    except PackageNotFoundError:
        return "(a checkout that is not installed)"


def replaced(context: typer.Context) -> None:
    """Run as another program: all arguments are its own."""
    name = context.info_name or ""
    replace(name, context.obj[context.obj.index(name) + 1 :])
