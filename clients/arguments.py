"""What the commands of this package share on their command lines: one-line complaints, addresses, numbers."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, NoReturn

from clients.addresses import Address, AddressError, parse_address
from clients.cpu_lists import read_cpu_list
from clients.durations import FORMS, read_duration
from clients.formats import read_formats
from clients.guests.hostile import read_hostile
from clients.pacing import read_rate
from clients.searching.objective import Objective, read_objective

if TYPE_CHECKING:
    from _typeshed import SupportsWrite


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line."""

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        """Print help or a complaint; argparse would hide that it cannot be written."""
        if message:
            (file or sys.stderr).write(message)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is; status 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def add_address(parser: Parser) -> None:
    """Add ADDRESS and what stands in its place."""
    parser.add_argument("address", nargs="?", metavar="ADDRESS", help="HOST:PORT or [IPV6]:PORT")
    parser.add_argument("--unix", metavar="PATH", help="the path of a Unix socket, in place of ADDRESS")


def add_transport(parser: Parser) -> None:
    """Add what carries the conversation: datagrams, or TLS and whom it trusts."""
    add = parser.add_argument
    carrier = parser.add_mutually_exclusive_group()
    carrier.add_argument("--udp", action="store_true", help="send datagrams")
    carrier.add_argument("--tls", action="store_true", help="speak TLS (1.2 or later)")
    add("--ca", default="", metavar="FILE", help="trust the certificates in FILE, in place of the system's authorities")
    add("--insecure", action="store_true", help="trust any certificate: anybody may listen in, or be the server")


def check_transport(options: argparse.Namespace, parser: Parser) -> None:
    """Refuse (status 2) what does not go together."""
    if (options.ca or options.insecure) and not options.tls:
        parser.error("--ca and --insecure go with --tls")
    if options.ca and options.insecure:
        parser.error("--ca says whom to trust and --insecure trusts anybody: choose one")
    if options.udp and options.unix is not None:
        parser.error("--udp needs HOST:PORT, not --unix")


def tell_insecure(options: argparse.Namespace, parser: Parser) -> None:
    """Say on standard error where no certificate is verified."""
    if options.insecure:
        print(f"{parser.prog}: --insecure: the server's certificate is not checked", file=sys.stderr)


def address_of(options: argparse.Namespace, parser: Parser) -> Address:
    """Return the address that the options name; ends with status 2 where they name none or two."""
    if options.address is not None and options.unix is not None:
        parser.error("give an ADDRESS or --unix PATH, not both")
    if options.address is None and options.unix is None:
        parser.error("give an ADDRESS (HOST:PORT) or --unix PATH")
    if options.unix == "":
        parser.error("--unix needs the path of a socket, not ''")
    try:
        return Address(path=options.unix) if options.unix is not None else parse_address(options.address)
    except AddressError as error:
        parser.error(str(error))


def seconds(text: str) -> float:
    """Read a positive time of at most a day: see `clients.durations`."""
    value = duration(text)
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError(f"a time is over 0 and up to 86400 s, as {FORMS}, not {text!r}")
    return value


def duration(text: str) -> float:
    """Read a time, of which a plan says whether it makes sense: see `clients.durations`."""
    try:
        return read_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def rate(text: str) -> tuple[float, float | None]:
    """Read a rate, or the two ends of one that changes: see `clients.pacing`."""
    try:
        return read_rate(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def objective(text: str) -> Objective:
    """Read what a rate must hold: see `clients.searching.objective`."""
    try:
        return read_objective(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def formats(text: str) -> tuple[str, ...]:
    """Read the formats to save in: see `clients.formats`."""
    try:
        return read_formats(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def cpu_list(text: str) -> tuple[int, ...]:
    """Read a list of CPU numbers: see `clients.cpu_lists`."""
    try:
        return read_cpu_list(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def hostile(text: str) -> tuple[str, int]:
    """Read a kind of hostile clients and their count, as in `silent=30`."""
    try:
        return read_hostile(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
