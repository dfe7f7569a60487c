"""``python -m servers MODEL ...``: read the command line, then become the server (see `servers.runtime.__main__`)."""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from servers.protocols import DATAGRAM_PROTOCOLS, PROTOCOLS
from servers.registry import INHERITED_SOCKETS, MODELS, UNIX_SOCKETS
from servers.runtime.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def main(arguments: list[str] | None = None) -> None:
    """Check the command line and replace this process with the server; exit with status 2 where it is wrong."""
    settings = json.dumps(settings_of(arguments))
    command = [sys.executable, *interpreter_options(), "-m", "servers.runtime", settings]
    # A signal that comes while the next interpreter starts waits until the server has its handlers.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    os.execv(sys.executable, command)  # the same pid, so that whoever started us has the server


def settings_of(arguments: list[str] | None) -> dict[str, Any]:
    """Return the settings that a command line gives, by name; exit with status 2 where it is wrong."""
    options = vars(parser().parse_args(arguments))
    given = {name: value for name, value in options.items() if value is not None}
    if fault := contradiction(given):
        parser().error(fault)
    entry = MODELS[given["model"]]
    return given | {**entry.settings} | ({"keeps_workers": True} if "workers" in entry.options else {})


def contradiction(given: dict[str, Any]) -> str:
    """Tell what in a command line does not go together, or cannot be had from this model; empty where all can."""
    entry, udp = MODELS[given["model"]], given.get("udp", False)
    where = [f"--{name}" for name in ("unix", "fd", "host", "port") if name in given]
    if where[:1] in (["--unix"], ["--fd"]) and where[1:]:
        return f"{where[0]} takes the place of {' and '.join(where[1:])}"
    if udp and not entry.datagrams:
        return f"{entry.name} serves no datagrams; {listed(each.name for each in MODELS.values() if each.datagrams)} do"
    if udp and given.get("protocol", Settings.protocol) not in DATAGRAM_PROTOCOLS:
        return f"over datagrams there are the protocols {listed(DATAGRAM_PROTOCOLS)}"
    if udp and ("unix" in given or "tls" in given):
        return "--udp goes with a host and a port, and without --tls"
    if "tls" in given and not entry.tls:
        return f"{entry.name} does not speak TLS; {listed(each.name for each in MODELS.values() if each.tls)} do"
    for option, behaviour in (("unix", UNIX_SOCKETS), ("fd", INHERITED_SOCKETS)):
        if option in given and behaviour in entry.cannot:
            return f"{entry.name} cannot {behaviour}: {entry.cannot[behaviour]}"
    if given.get("min_spare", Settings.min_spare) > given.get("max_spare", Settings.max_spare):
        return "--min-spare is more than --max-spare"
    return entry.missing


def listed(names: Iterable[str]) -> str:
    """Return names as a sentence has them."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def interpreter_options() -> list[str]:
    """Return the options that this interpreter runs with (-X, -W, -I ...), for the one that takes our place."""
    return subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined,no-any-return]  # noqa: SLF001  what multiprocessing uses


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one clear line."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def parser() -> argparse.ArgumentParser:
    """Return the command line of `serverlab serve`."""
    made = Parser(
        prog="serverlab serve", description="Serve a protocol with one of the models.", allow_abbrev=False,
    )  # fmt: skip
    made.add_argument("model", metavar="MODEL", type=model, help=", ".join(MODELS))
    made.add_argument("--protocol", type=protocol, metavar="P", help=told("protocol", ", ".join(PROTOCOLS)))
    add_addresses(made.add_argument_group("where"))
    add_limits(made.add_argument_group("held equal for every model"))
    add_options(made.add_argument_group("for the models that have them"))
    return made


def add_addresses(group: argparse._ArgumentGroup) -> None:
    """Add where to listen."""
    group.add_argument("--host", metavar="H", help=told("host", "name or address; '' for every address"))
    group.add_argument("--port", type=whole(0, 65535), metavar="N", help=told("port", "0 lets the kernel choose"))
    group.add_argument("--unix", metavar="PATH", type=path, help="listen on a Unix socket instead")
    descriptor = whole(0, 1 << 20)
    group.add_argument("--fd", metavar="N", type=descriptor, help="serve an inherited descriptor that listens already")
    group.add_argument("--udp", action="store_true", default=None, help="serve datagrams in place of connections")
    group.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="speak TLS with this certificate chain and key")


def add_limits(group: argparse._ArgumentGroup) -> None:
    """Add sizes, limits and deadlines."""
    many, large = whole(1, 1_000_000), whole(1, 1 << 30)
    for name, kind, text in (
        ("backlog", whole(0, 1 << 30), "connections that the kernel holds until they are accepted"),
        ("max-connections", many, "clients served at once; the others wait in the backlog"),
        ("receive-size", large, "bytes asked of one recv"),
        ("idle-timeout", seconds, "seconds of silence between two requests"),
        ("request-timeout", seconds, "seconds for a request to arrive whole, and for its answer to be taken"),
        ("handshake-timeout", seconds, "seconds for the handshake of TLS"),
        ("grace", seconds_or_none, "seconds that SIGTERM leaves to what is in flight"),
        ("max-line", large, "bytes of the longest line, its newline included"),
        ("max-size", large, "bytes of the largest answer that work gives"),
        ("max-sleep", seconds_or_none, "seconds of work's longest sleep="),
        ("max-cpu", seconds_or_none, "seconds of work's longest cpu="),
    ):
        unit = "S" if kind in (seconds, seconds_or_none) else "N"
        group.add_argument(f"--{name}", type=kind, metavar=unit, help=told(name.replace("-", "_"), text))


def add_options(group: argparse._ArgumentGroup) -> None:
    """Add what only some models look at; the others take no notice of it, so that one command line fits all."""
    many = whole(1, 1000)
    for name, kind, text in (
        ("workers", many, "processes that are forked beforehand (default: as many as there are CPUs to run on)"),
        ("threads", many, told("threads", "threads of a pool, in each process that has one")),
        ("min-spare", many, told("min_spare", "free workers below which a dynamic pool grows")),
        ("max-spare", many, told("max_spare", "free workers above which it shrinks")),
        ("thread-stack", stack, told("thread_stack", "bytes of a thread's stack")),
    ):
        group.add_argument(f"--{name}", type=kind, metavar="N", help=f"{text}: {takers(name)}")
    pollers = ("epoll", "poll", "select")
    text = told("poller", "readiness call of an event loop of ours")
    group.add_argument("--poller", choices=pollers, help=f"{text}: {takers('poller')}")


def takers(option: str) -> str:
    """Return the names of the models that look at an option."""
    return ", ".join(entry.name for entry in MODELS.values() if option.replace("-", "_") in entry.options)


def told(name: str, text: str) -> str:
    """Return the help of a setting with its default."""
    default = getattr(Settings, name)
    return f"{text} (default {default})".replace("%", "%%")


def path(text: str) -> str:
    """Read the path of a Unix socket."""
    if not text:
        raise argparse.ArgumentTypeError("an empty path names no socket")
    return text


def model(name: str) -> str:
    """Check the name of a model."""
    return one_of(name, "model", MODELS)


def protocol(name: str) -> str:
    """Check the name of a protocol."""
    return one_of(name, "protocol", PROTOCOLS)


def one_of(name: str, what: str, known: Mapping[str, object]) -> str:
    """Return `name` if it is known."""
    if name not in known:
        raise argparse.ArgumentTypeError(f"unknown {what} {name!r}; there are {', '.join(known)}")
    return name


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers within a range."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return number

    return read


def stack(text: str) -> int:
    """Read the size of a stack: 0 for the system's own, and no less than the 32 KiB that CPython asks for."""
    return 0 if text == "0" else whole(32768, 1 << 30)(text)


def seconds(text: str) -> float:
    """Read a number of seconds above 0."""
    number = seconds_or_none(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return number


def seconds_or_none(text: str) -> float:
    """Read a number of seconds, 0 included; a day is as long as any of them may be."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 86400")
    return number


if __name__ == "__main__":
    main()
