"""The command line of `serverlab load`: what can be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.arguments import (
    Parser,
    add_address,
    add_transport,
    cpu_list,
    duration,
    formats,
    hostile,
    objective,
    rate,
)
from clients.conversations import PROTOCOLS
from clients.distributions import FORMS as DISTRIBUTIONS
from clients.durations import FORMS
from clients.formats import FORMATS
from clients.guests.hostile import HOSTILE_KINDS
from clients.pacing import ARRIVALS
from clients.plan import DATAGRAM_TIMEOUT, MAX_WAITING, TIMEOUT

if TYPE_CHECKING:
    import argparse


def build_parser() -> Parser:
    """Return the parser of `serverlab load`."""
    parser = Parser(
        prog="serverlab load",
        description="Drive a server with clients in a closed loop, or in an open one (--rate), and check every byte of "
        "every answer. Status 0 where all went well, 1 where requests failed or clients were never answered.",
        epilog="In a closed loop a client asks when it has been answered: it finds out what a server can do, and its "
        "latency hides stalls, in which nobody asks. In an open loop requests are due whatever the server does, and "
        "the response counts from then: what users feel. A request that finds every client busy waits for one, and is "
        "sent as soon as one is free, in the order of the schedule. "
        "In the JSON, `failed` counts the requests that ended in the window (open loop: were due in it) without a "
        "right answer; `errors` "
        "counts all that went wrong, by kind, in the whole run: in the warm-up, in connects, and clients that were "
        "never answered. A failed request is in the latency with at least the timeout. Over UDP, `lost` counts the "
        "datagrams that were not answered within the timeout, which are no errors, and `loss` is their share.",
    )
    add_address(parser)
    add_transport(parser)
    _add_load(parser.add_argument_group("what is asked"))
    _add_discipline(parser.add_argument_group("when it is asked"))
    _add_guests(parser.add_argument_group("who else is there"))
    _add_measuring(parser.add_argument_group("how it is measured"))
    return parser


def _add_load(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--protocol", choices=PROTOCOLS, help="what is spoken (default: echo, or work with --work)")
    add(
        "--size",
        metavar="B",
        help="bytes of a line with its newline, of a frame with its marks, of a datagram, "
        f"or of a body that http posts to /echo (default 64), or a distribution: {DISTRIBUTIONS}",
    )
    add(
        "--work",
        default="",
        metavar="LINE",
        help='a line of the protocol work: "SIZE [sleep=S] [cpu=S]"; http asks /work?size=SIZE&sleep=S&cpu=S. '
        "Each number may be a distribution",
    )
    add(
        "--mix",
        default="",
        metavar="PARTS",
        help='several kinds of request with their shares, as "95%% work 64; 5%% work 64 cpu=0.05"',
    )
    add(
        "--seed",
        type=int,
        default=1,
        metavar="N",
        help="of everything that is drawn: arrivals, sizes, work (default 1)",
    )


def _add_discipline(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--connections", type=int, default=10, metavar="N", help="clients at a time (default 10)")
    length = group.add_mutually_exclusive_group()
    length.add_argument(
        "--duration", type=duration, default=5.0, metavar="S", help=f"seconds, or a time such as {FORMS} (default 5)"
    )
    length.add_argument("--requests", type=int, metavar="N", help="send exactly N requests instead")
    add(
        "--rate",
        type=rate,
        default=(None, None),
        metavar="R",
        help="an open loop: R requests per second are due, whatever the server does; R..S is a ramp",
    )
    add(
        "--find-rate",
        type=objective,
        metavar="P=T",
        help="search for the highest rate that holds, as p99=50ms: from --rate on (default 1000), "
        "each trial as long as --duration or as the percentile needs, then three that confirm it",
    )
    add("--steps", type=int, default=0, metavar="N", help="go from R to S in N steps of equal length")
    add("--arrivals", choices=ARRIVALS, help="of the open loop (default poisson: as from many users)")
    add(
        "--max-waiting",
        type=int,
        metavar="N",
        help="requests that are due and may wait for a client that is free; more are shed, and counted "
        f"(default {MAX_WAITING}; 0: nothing is sent late)",
    )
    add(
        "--think", default="", metavar="S", help="a closed loop: seconds, or a distribution, between answer and request"
    )
    add("--pipeline", type=int, default=1, metavar="N", help="requests in flight on each connection (default 1)")
    add("--churn", action="store_true", help="a connection per request (default: connections are kept alive)")
    add(
        "--close",
        choices=("fin", "reset"),
        default="fin",
        help="how --churn ends a connection: fin (default), as applications do; "
        "reset leaves no port in TIME_WAIT, but some servers count it as an error (kept ones end so, too)",
    )


def _add_guests(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--hold", type=int, default=0, metavar="N", help="N more connections that are opened and stay silent")
    add(
        "--hostile",
        type=hostile,
        action="append",
        default=[],
        metavar="KIND[=N]",
        help="N more clients (default 1) that do their worst; may be given for each kind: "
        + "; ".join(f"{kind} {what}" for kind, what in HOSTILE_KINDS.items()),
    )


def _add_measuring(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--warmup",
        type=duration,
        metavar="S",
        help="seconds left out at the start (default: a tenth of the duration, at most 1; 0 with --requests)",
    )
    add(
        "--timeout",
        type=duration,
        metavar="S",
        help=f"of each connect and request (default {TIMEOUT:g}; with --udp {DATAGRAM_TIMEOUT:g}, "
        "after which a datagram is lost)",
    )
    add("--processes", type=int, default=1, metavar="N", help="load processes (default 1)")
    add("--cluster", metavar="HOST:PORT", help="spread them over the workers of the Dask scheduler there")
    add(
        "--sources",
        type=lambda text: tuple(text.split(",")),
        default=(),
        metavar="LIST",
        help="addresses to connect from, in turn (default: one, or several of 127.0.0.0/8 where one has too few ports)",
    )
    add("--cpus", type=cpu_list, default=(), metavar="LIST", help="their CPUs, as 0,2 or 0-3")
    add(
        "--no-ceiling",
        action="store_true",
        help="do not measure, once per machine and way of asking, what this client can do against a server that does "
        "nothing: it takes a second after the run",
    )
    add("--json", action="store_true", help="print one JSON object, last on standard output")
    add("--output", metavar="DIR", help="save the summary and every record there")
    add(
        "--export",
        type=formats,
        metavar="LIST",
        help=f"the formats of --output (default {','.join(FORMATS)}): JSON Lines, numpy, "
        "and HdrHistogram's percentiles of response, service and lateness",
    )
