"""The commands `serverlab compare` and `serverlab report`: from a command line to tables and a page."""

from __future__ import annotations

import random
import signal
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from servers.registry import MODELS
from tools.choosing import ALL, DEFAULT, UnknownModelError, chosen_models
from tools.comparing import carried_out
from tools.planning import FULL, QUICK, Plan
from tools.progress import Watching
from tools.report.page import write_report
from tools.results import read_results
from tools.tables import tables_of
from tools.terminal import print_tables, standard_console
from tools.workloads import WORKLOADS, UnknownWorkloadError, chosen_workloads

if TYPE_CHECKING:
    from tools.results import Results

RESULTS = Path("results")


def compare(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...",
            help=f"Models to compare, or {ALL}: {', '.join(MODELS)}. By default {', '.join(DEFAULT)}.",
        ),
    ] = None,
    *,
    workload: Annotated[
        list[str] | None,
        typer.Option(metavar="W", help=f"A workload, again for more: {', '.join(WORKLOADS)}. All by default."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A first look: the default models in about 25 seconds.")
    ] = False,
    rounds: Annotated[int | None, typer.Option(min=1, max=1000, metavar="N", help="Rounds of fresh servers.")] = None,
    duration: Annotated[
        float | None, typer.Option(min=0.05, max=3600, metavar="S", help="Seconds of each measurement.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=1000, metavar="N", help="Processes of a pool; 15 by default if each has one client."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, max=1000, metavar="N", help="Threads of each pool of threads.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A new or empty folder. [default: results/DATE-TIME]")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, metavar="N", help="What the order of models follows from.")] = None,
) -> int:
    """Measure models side by side, and write a report."""
    timing = QUICK if quick else FULL
    if rounds or duration:  # what was asked for takes as long as it takes
        timing = replace(timing, rounds=rounds or timing.rounds, duration=duration or timing.duration, limit=None)
    try:
        workloads = chosen_workloads(workload or [])
        choice = chosen_models(models or [], given(workers=workers, threads=threads))
    except (UnknownWorkloadError, UnknownModelError) as error:
        raise typer.BadParameter(str(error)) from error
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    plan = Plan(choice.models, workloads, timing.with_room_for(len(choice.models)), seed, choice.left_out)
    folder = output or new_folder()
    with Watching(Console(stderr=True)) as watching:
        broken_off = carried_out(plan, folder, ("serverlab", *sys.argv[1:]), watching)
    results = read_results(folder)
    show(results)
    if broken_off:
        name = signal.Signals(broken_off).name
        print(
            f"{name}: {len(results.cells)} of {results.header.planned_cells} cells were measured",
            file=sys.stderr,
        )
    return 1 if broken_off or any(cell.error for cell in results.cells) else 0


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a comparison.", show_default=False)],
) -> None:
    """Draw a saved comparison again; nothing is run."""
    show(read_results(folder))


def show(results: Results) -> None:
    """Print the tables and write the report, from the files alone."""
    console = standard_console()
    for notice in results.notices:
        print(notice, file=sys.stderr)
    print_tables(console, tables_of(results))
    for reason in results.header.left_out.values():
        console.print(f"\nLeft out: {reason}.", markup=False, highlight=False, soft_wrap=True)
    path = write_report(results)
    console.print(f"\nReport: {path}\nFigures: {results.folder}", markup=False, highlight=False, soft_wrap=True)


def given(**options: int | None) -> dict[str, int]:
    """The options that were given, by name."""
    return {name: value for name, value in options.items() if value is not None}


def new_folder() -> Path:
    """A folder of the current one that is named after this moment, and is not there yet."""
    name = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    candidates = (RESULTS / (f"{name}-{number}" if number else name) for number in range(1000))
    return next(path for path in candidates if not path.exists())
