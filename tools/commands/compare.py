"""The command `serverlab compare`: from a command line to a folder, and what it holds."""

from __future__ import annotations

import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clients.durations import FORMS
from servers.registry import MODELS
from tools.analysis.alike import check_alike
from tools.analysis.narrowing import cells_wanted
from tools.analysis.searches import searches, searches_missing
from tools.commands.options import seconds_between, some_path
from tools.commands.report import show
from tools.comparison.asked import Asked, AskedError, asked_plan
from tools.comparison.carrying_out import carried_out, resumed
from tools.comparison.fitness import amiss, check_possible, in_a_line
from tools.comparison.folders import check_alone, check_another, check_both_saved, saved_folder
from tools.comparison.planning import MAX_ROUNDS
from tools.comparison.progress import Watching
from tools.failure import ResultsError
from tools.saved.results import read_results
from tools.tables.against import saved_comparison, set_against
from tools.tables.terminal import error_console
from tools.variants.choosing import ALL, DEFAULT, NONE
from tools.workloads import WORKLOADS

if TYPE_CHECKING:
    from tools.comparison.comparing import Done
    from tools.saved.results import Results

RESULTS = Path("results")
LARGEST_SEED = 2**62  # a load run has one of its own in each round, and none beyond 2**63


def compare(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...",
            help=f"Models to compare, or {ALL}: {', '.join(MODELS)}. By default {', '.join(DEFAULT)}; "
            f"{NONE}: only the servers of --serve-command. "
            "Or, with --against, the folder of a comparison.",
        ),
    ] = None,
    *,
    workload: Annotated[
        list[str] | None,
        typer.Option(
            metavar="W",
            help=f"A workload, again for more: {', '.join(WORKLOADS)}, or a file of your own (mine.toml). "
            "By default churn, keepalive, waiting and computing.",
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A first look, without intervals, in about 25 s.")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Long windows, and all there is: --scaling, --objective, --held.")
    ] = False,
    rounds: Annotated[int | None, typer.Option(min=1, max=1000, metavar="N", help="Rounds of fresh servers.")] = None,
    duration: Annotated[
        float | None,
        typer.Option(parser=seconds_between(0.05, 3600), metavar="S", help=f"Length of each measurement: {FORMS}."),
    ] = None,
    warmup: Annotated[
        float | None,
        typer.Option(parser=seconds_between(0, 600), metavar="S", help="Time before it that does not count."),
    ] = None,
    until_width: Annotated[
        str | None,
        typer.Option(metavar="P%", help="Add rounds until the interval of what ranks the models is at most so wide."),
    ] = None,
    max_rounds: Annotated[
        int | None, typer.Option(min=1, max=1000, metavar="N", help=f"But at most so many. [default: {MAX_ROUNDS}]")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=1000, metavar="N", help="Processes of a pool; 15 by default if each has one client."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, max=1000, metavar="N", help="Threads of each pool of threads.")
    ] = None,
    backlog: Annotated[
        int | None, typer.Option(min=1, max=65535, metavar="N", help="The accept queue of every server.")
    ] = None,
    serve_command: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]COMMAND",
            help="Your own server, again for more, beside the models (see MODEL): started by COMMAND, in which {port}, "
            "{protocol}, {host}, {workers} and {backlog} are filled in.",
        ),
    ] = None,
    python: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Run the models under this interpreter, again for more; else under this."),
    ] = None,
    no_control: Annotated[
        bool, typer.Option("--no-control", help="Do not enter a model twice to see whether it differs from itself.")
    ] = False,
    held: Annotated[
        int | None,
        typer.Option(min=0, max=20000, metavar="N", help="Idle connections to measure memory with; 0: do not."),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(metavar="P=T", help="Search for the rate at which this holds, as p95=50ms: about 30 s each."),
    ] = None,
    scaling: Annotated[
        bool, typer.Option("--scaling", help="Fit the Universal Scalability Law over 1, 2, 4, ... connections.")
    ] = False,
    server_cpus: Annotated[
        str | None, typer.Option(metavar="LIST", help="Where servers run, as 1,3 or 2-3. [default: half of the cores]")
    ] = None,
    client_cpus: Annotated[str | None, typer.Option(metavar="LIST", help="Where the clients run.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(parser=some_path, metavar="DIR", help="A new or empty folder. [default: results/DATE-TIME]"),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            parser=some_path,
            metavar="DIR",
            help="Go on with a comparison that was broken off; beside it only --against and --json.",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(parser=some_path, metavar="DIR", help="Set the figures beside those of a saved comparison."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=LARGEST_SEED, metavar="N", help="What the order of models follows from."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, and no tables.")] = False,
) -> int:
    """Measure models side by side, and write a report."""
    asked = Asked(
        models=tuple(models or ()),
        workloads=tuple(workload or ()),
        quick=quick,
        full=full,
        rounds=rounds,
        duration=duration,
        warm_up=warmup,
        until_width=until_width,
        max_rounds=max_rounds,
        options={name: value for name, value in (("workers", workers), ("threads", threads)) if value is not None},
        backlog=backlog,
        serve_commands=tuple(serve_command or ()),
        pythons=tuple(python or ()),
        control=not no_control,
        held=held,
        objective=objective,
        scaling=scaling,
        server_cpus=server_cpus,
        client_cpus=client_cpus,
        seed=seed,
    )
    try:
        saved = saved_folder(asked, against)
        if saved:
            check_both_saved(asked, saved, against, output or resume)
        check_another(saved or resume, against)
        if saved:
            return set_against(saved_comparison(saved), saved_comparison(against), as_json=as_json) if against else 0
        if resume is not None:
            check_alone(asked, output)
        before = saved_comparison(against) if against else None
        with Watching(error_console()) as watching:
            if resume is not None:
                folder, broken_off = resume, gone_on(resume, watching, before)
            else:
                folder, broken_off = begun(asked, output, watching, before)
    except AskedError as error:
        raise typer.BadParameter(str(error)) from error
    results = read_results(folder)
    show(results, before, as_json=as_json, brief=True)
    if broken_off:
        print(f"{signal.Signals(broken_off).name}: {as_far_as(results)}", file=sys.stderr)
    done: tuple[Done, ...] = (*results.cells, *results.memory, *results.capacities)
    return 1 if broken_off or any(each.error for each in done) else 0


def begun(asked: Asked, output: Path | None, watching: Watching, before: Results | None) -> tuple[Path, int]:
    """Begin a comparison that can be set beside another; return its folder, and 0 or the signal that ended it."""
    found = asked_plan(asked)
    if before is not None:
        check_alike(found.plan.models, found.plan.workloads, before.header)
    check_possible(found.plan)
    unsure = amiss(found.plan)
    for clause in found.unscaled:
        watching.note(f"{clause[0].upper()}{clause[1:]}.")
    watching.note(in_a_line(unsure))
    command = ("serverlab", *sys.argv[1:])
    folder = output or new_folder()
    heard = carried_out(found.plan, folder, command, watching, interpreters=found.interpreters, amiss=unsure)
    return folder, heard


def as_far_as(results: Results) -> str:
    """How far a comparison came that was broken off, which searches it lacks, and how to go on with it."""
    told = f"{len(results.cells)} of {cells_wanted(results)} cells were measured"
    if missing := searches_missing(results):
        listed = ", ".join(f"{model} on {workload}" for workload, model in missing)
        told += f", and {len(results.capacities)} of {len(searches(results.header))} searches made (missing: {listed})"
    return f"{told}; go on with: serverlab compare --resume {results.folder}"


def gone_on(folder: Path, watching: Watching, before: Results | None) -> int:
    """Go on with one that was broken off; return 0, or the signal that ended it."""
    if before is not None:
        header = read_results(folder).header
        check_alike(header.models, header.workloads, before.header)
    return resumed(folder, watching)


def new_folder() -> Path:
    """Make a folder in the current one that is named after this moment, and that nobody else has made."""
    name = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    for path in (RESULTS / (f"{name}-{number}" if number else name) for number in range(1000)):
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise ResultsError(f"cannot write to {path}: {error.strerror}") from error
        return path
    raise ResultsError(f"there are a thousand folders {RESULTS / name}: choose another with --output")
