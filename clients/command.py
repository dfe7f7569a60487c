"""`serverlab load`: the command line, and what is printed."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from clients.arguments import (
    Parser,
    add_address,
    add_transport,
    address_of,
    check_transport,
    cpu_list,
    tell_insecure,
)
from clients.conversations import PROTOCOLS
from clients.plan import DATAGRAM_TIMEOUT, TIMEOUT, LoadPlan, PlanError
from clients.process import LoadError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def build_parser() -> Parser:
    """Return the parser of `serverlab load`."""
    parser = Parser(
        prog="serverlab load",
        description="Drive a server with a closed loop of clients, and check every byte of every answer. "
        "Status 0 where all went well, 1 where requests failed or clients were never answered.",
        epilog="In the JSON, `failed` counts the requests that ended in the window without a right answer; `errors` "
        "counts all that went wrong, by kind, in the whole run: in the warm-up, in connects, and clients that were "
        "never answered. A failed request is in the latency with at least the timeout. Over UDP, `lost` counts the "
        "datagrams that were not answered within the timeout, which are no errors, and `loss` is their share.",
    )
    add_address(parser)
    add_transport(parser)
    _add_load(parser)
    _add_measuring(parser)
    return parser


def _add_load(parser: Parser) -> None:
    add = parser.add_argument
    add("--protocol", choices=PROTOCOLS, help="what is spoken (default: echo, or work with --work)")
    add("--connections", type=int, default=10, metavar="N", help="clients at a time (default 10)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--duration", type=float, default=5.0, metavar="S", help="seconds (default 5)")
    length.add_argument("--requests", type=int, metavar="N", help="send exactly N requests instead")
    add("--churn", action="store_true", help="a connection per request (default: connections are kept alive)")
    add(
        "--close",
        choices=("fin", "reset"),
        default="fin",
        help="how --churn ends a connection: fin (default), as applications do; "
        "reset leaves no port in TIME_WAIT, but some servers count it as an error",
    )
    add(
        "--size",
        type=int,
        metavar="B",
        help="bytes of a line with its newline, of a frame with its marks, of a datagram, "
        "or of a body that http posts to /echo (default 64)",
    )
    add(
        "--work",
        default="",
        metavar="LINE",
        help='a line of the protocol work: "SIZE [sleep=S] [cpu=S]"; http asks /work?size=SIZE&sleep=S&cpu=S',
    )


def _add_measuring(parser: Parser) -> None:
    add = parser.add_argument
    add(
        "--warmup",
        type=float,
        metavar="S",
        help="seconds left out at the start (default: a tenth of the duration, at most 1; 0 with --requests)",
    )
    add(
        "--timeout",
        type=float,
        metavar="S",
        help=f"of each connect and request (default {TIMEOUT:g}; with --udp {DATAGRAM_TIMEOUT:g}, "
        "after which a datagram is lost)",
    )
    add("--processes", type=int, default=1, metavar="N", help="load processes (default 1)")
    add("--cpus", type=cpu_list, default=(), metavar="LIST", help="their CPUs, as 0,2 or 0-3")
    add("--json", action="store_true", help="print one JSON object, last on standard output")
    add("--output", metavar="DIR", help="save the summary and every record there (JSON Lines, numpy)")


def plan_of(options: argparse.Namespace, parser: Parser) -> LoadPlan:
    """Return the plan that the options describe; ends with status 2 where they describe none."""
    if options.work and options.size is not None:
        parser.error("--size is for what is echoed; a work line says its own size")
    check_transport(options, parser)
    default_timeout = DATAGRAM_TIMEOUT if options.udp else TIMEOUT
    try:
        return LoadPlan(
            address=address_of(options, parser),
            protocol=options.protocol or ("work" if options.work else "echo"),
            connections=options.connections,
            duration=options.duration,
            requests=options.requests,
            churn=options.churn,
            size=64 if options.size is None else options.size,
            work=options.work,
            warmup=options.warmup,
            timeout=default_timeout if options.timeout is None else options.timeout,
            processes=options.processes,
            cpus=options.cpus,
            close=options.close,
            udp=options.udp,
            tls=options.tls,
            ca=options.ca,
            insecure=options.insecure,
        )
    except PlanError as error:
        parser.error(str(error))


def main(arguments: Sequence[str]) -> int:
    """Run `serverlab load` and return its exit status."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    plan = plan_of(options, parser)
    tell_insecure(options, parser)
    try:
        return _carry_out(plan, options)
    except (LoadError, PlanError) as error:
        print(f"serverlab load: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("serverlab load: interrupted before there was anything to report", file=sys.stderr)
    return 1


def _carry_out(plan: LoadPlan, options: argparse.Namespace) -> int:
    # Imported after the command line was read, whose complaints and help need not wait for numpy.
    from clients.folder import prepare_folder, save  # noqa: PLC0415
    from clients.progress import bar, no_bar  # noqa: PLC0415
    from clients.summary import describe  # noqa: PLC0415
    from clients.swarm import run_load  # noqa: PLC0415

    if options.output is not None:
        prepare_folder(options.output)
    with bar(plan) if sys.stderr.isatty() and not options.json else no_bar() as listener:
        result = run_load(plan, listener)
    if options.output is not None:
        save(result, options.output)
    print(json.dumps(result.summary()) if options.json else "\n".join(describe(result)), flush=True)
    return 0 if result.ok else 1
