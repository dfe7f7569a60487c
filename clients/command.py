"""`serverlab load`: what the command line asks for is carried out, and told."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from clients.arguments import tell_insecure
from clients.options import build_parser
from clients.plan import PlanError
from clients.plan_options import plan_of
from clients.process import LoadError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from clients.ceiling import Ceiling
    from clients.events import Listener
    from clients.plan import LoadPlan
    from clients.result import LoadResult

    Run = Callable[[LoadPlan, Listener | None], LoadResult]


def main(arguments: Sequence[str]) -> int:
    """Run `serverlab load` and return its exit status."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    plan = plan_of(options, parser)
    tell_insecure(options, parser)
    try:
        return _carry_out(plan, options)
    except PlanError as error:
        print(f"serverlab load: {error}", file=sys.stderr)
        return 2
    except LoadError as error:
        print(f"serverlab load: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("serverlab load: interrupted before there was anything to report", file=sys.stderr)
    return 1


def _carry_out(plan: LoadPlan, options: argparse.Namespace) -> int:
    # Imported after the command line was read, whose complaints and help need not wait for numpy.
    from clients.folder import prepare_folder, save  # noqa: PLC0415
    from clients.formats import FORMATS  # noqa: PLC0415
    from clients.progress import shown  # noqa: PLC0415
    from clients.searching.finding import find_rate  # noqa: PLC0415

    run, export = _runner(options), options.export or FORMATS
    if options.output is not None:
        prepare_folder(options.output)
    if options.find_rate is not None:
        return find_rate(plan, options.find_rate, run, as_json=options.json, folder=options.output, export=export)
    with shown(plan, as_json=options.json) as listener:
        result = run(plan, listener)
    known = _ceiling_of(result, options)
    print(json.dumps(result.summary(known)) if options.json else _words(result, known), flush=True)
    if options.output is not None:
        save(result, options.output, known, export)
    return 0 if result.ok else 1


def _words(result: LoadResult, known: Ceiling | None) -> str:
    from clients.cluster.result import describe_shares  # noqa: PLC0415
    from clients.histogram import spread_of  # noqa: PLC0415
    from clients.summary import describe  # noqa: PLC0415

    return "\n".join([*describe(result, known, spread_of(result)), *describe_shares(result)])


def _runner(options: argparse.Namespace) -> Run:
    """What carries a plan out: this machine, or the workers of a Dask cluster."""
    if options.cluster is None:
        from clients.swarm import run_load  # noqa: PLC0415

        return run_load
    try:
        from clients.cluster.run import run_on_cluster  # noqa: PLC0415 - Dask is for those who have many machines
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in {"distributed", "dask"}:
            raise
        words = "--cluster needs the package distributed: pip install 'serverlab[cluster]'"
        raise LoadError(words) from error
    return lambda plan, listener: run_on_cluster(plan, options.cluster, listener)


def _ceiling_of(result: LoadResult, options: argparse.Namespace) -> Ceiling | None:
    """What the client can do, measured after the run, when the server has nothing to do; None after a short one.

    Nor is it known of many machines: one's ceiling says nothing of the others.
    """
    from clients.ceiling import ceiling  # noqa: PLC0415
    from clients.verdict import SHORTEST_SECONDS  # noqa: PLC0415

    if options.no_ceiling or options.cluster is not None or result.interrupted or result.duration < SHORTEST_SECONDS:
        return None
    try:
        return ceiling(result.plan)
    except KeyboardInterrupt:  # the run itself is whole
        return None
