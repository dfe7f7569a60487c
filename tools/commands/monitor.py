"""`serverlab monitor (PID | -- COMMAND)`: what a process tree costs, live and in the end."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clients.durations import FORMS
from tools.accounting.meters import METHODS, metering
from tools.accounting.sampling import INTERVAL
from tools.commands.monitor_output import csv_of_samples, live_line
from tools.commands.options import seconds_between, some_path
from tools.commands.watching import Watcher, signals
from tools.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.accounting.cost import Cost
    from tools.accounting.samples import Sample

PID_LIMIT = 2**31
LONGEST = 31_536_000.0  # seconds of a year: a longer wait is a slip of the pen, and far longer ones no system takes
PROCESS_TREE = "process-tree"


def monitor(
    context: typer.Context,
    target: Annotated[list[str] | None, typer.Argument(metavar="PID | -- COMMAND", hidden=True)] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, last.")] = False,
    csv: Annotated[
        Path | None, typer.Option(parser=some_path, metavar="FILE", help="Write every sample to this file.")
    ] = None,
    interval: Annotated[
        float, typer.Option(parser=seconds_between(0.01, LONGEST), metavar="S", help="Time between two looks.")
    ] = INTERVAL,
    duration: Annotated[
        float | None,
        typer.Option(parser=seconds_between(0, LONGEST), metavar="S", help=f"Time to watch a PID for: {FORMS}."),
    ] = None,
    cpu_method: Annotated[
        str | None,
        typer.Option(metavar="METHOD", help=f"{', '.join(METHODS)}: the first that works, if not given."),
    ] = None,
) -> None:
    """Show what a process and all its descendants cost, live, and sum up in the end.

    COMMAND is started with our input and output. Ctrl-C and SIGTERM are passed on to it. Monitoring ends
    when it ends: descendants that outlive it are named and left alone. Its exit status (-N: signal N) is in
    the summary; that of monitor is 0 if it could monitor.

    A PID is watched until it ends, for --duration seconds, or until Ctrl-C.

    The summary goes to stderr, the JSON to stdout.
    """
    command, pid = what_to_monitor(list(target or []), context.obj)
    check(command, duration, cpu_method)
    with csv_of_samples(csv) as write, signals() as arrivals:
        cost = watch(
            command, pid, interval=interval, duration=duration, method=cpu_method, arrivals=arrivals, write=write
        )
        show(cost, as_json=as_json)


def what_to_monitor(target: list[str], arguments: list[str]) -> tuple[list[str] | None, int]:
    """Tell a command, which comes after `--`, from a PID; raise BadParameter where it is neither or both."""
    command = arguments[arguments.index("--") + 1 :] if "--" in arguments else None
    before = target[: len(target) - len(command)] if command else target
    if command and not before:
        if not command[0]:
            raise typer.BadParameter("there is no program in ''")
        return command, 0
    if command is not None or len(before) != 1:
        raise typer.BadParameter("give either one PID, or -- and a command")
    if not before[0].isascii() or not before[0].isdigit():
        raise typer.BadParameter(f"{before[0]!r} is not a PID; a command comes after --")
    return None, int(before[0])


def check(command: list[str] | None, duration: float | None, method: str | None) -> None:
    """Raise BadParameter where the options do not fit together."""
    if method not in (None, *METHODS):
        raise typer.BadParameter(f"there is no CPU method {method!r}; there are {', '.join(METHODS)}")
    if command and duration is not None:
        raise typer.BadParameter("--duration is for a PID; a command is monitored until it ends")
    if not command and method not in (None, PROCESS_TREE):
        raise typer.BadParameter(f"of a process that is running already, CPU can be read by {PROCESS_TREE} only")


def watch(
    command: list[str] | None,
    pid: int,
    *,
    interval: float,
    duration: float | None,
    method: str | None,
    arrivals: int,
    write: Callable[[Sample], None],
) -> Cost:
    """Watch a command, or else a process, while writing the samples and showing the latest."""
    if not Path("/proc/self/smaps_rollup").exists():
        raise Failure("monitor reads Linux's /proc, which is not here")
    with metering(method if command else PROCESS_TREE) as meter, live_line() as draw:

        def tell(sample: Sample) -> None:
            write(sample)
            draw(sample)

        watcher = Watcher(meter, interval, arrivals, tell)
        if command:
            return watcher.command(command)
        if not 0 < pid < PID_LIMIT:
            raise Failure(f"there is no process {pid}")
        return watcher.process(pid, duration)


def show(cost: Cost, *, as_json: bool) -> None:
    """Print what was found; the JSON begins on a line of its own, whatever the command printed last."""
    if as_json:
        print("\n" if cost.command else "", json.dumps(cost.to_json()), sep="")
    else:
        print("\n".join(cost.in_words()), file=sys.stderr)
