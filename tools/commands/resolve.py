"""The command `serverlab resolve`: the `getaddrinfo` session of the teaching texts, with what we would do with it."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from tools.commands.resolving import NoSuchPortError, resolved
from tools.tables.tabular import Column, Table
from tools.tables.terminal import print_tables, standard_console

if TYPE_CHECKING:
    from tools.commands.resolving import Answer, Resolution

ORDINALS = {1: "first", 2: "second", 3: "third"}
READING = (
    "An answer is a 5-tuple: family, type and protocol are what socket() takes, and the socket address is what bind() "
    "or connect() takes. The family says what an address looks like, AF_INET (IPv4) or AF_INET6; the type says what "
    "the socket carries, SOCK_STREAM a stream of bytes and SOCK_DGRAM single messages that may be lost; the protocol "
    "says who carries it, TCP the one and UDP the other. SOCK_RAW would be packets without either: no program here "
    "uses it."
)
SCOPE = (
    "The scope is the number of the network interface: a link-local address (fe80::) is valid on one link only, "
    "and may exist on several."
)
PATH = (
    "This is the path of a Unix domain socket, and nobody needs to resolve it: the path itself is what bind() and "
    "connect() take. Both ends are on this machine, and the rights of the file say who may connect."
)


def resolve(
    host: Annotated[
        str, typer.Argument(metavar="HOST", help="A name, an address, or '' for every address.", show_default=False)
    ],
    port: Annotated[str, typer.Argument(metavar="[PORT or SERVICE]", help="A number, or a name such as http.")] = "",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answers as one JSON object.")] = False,
) -> None:
    """Show what getaddrinfo answers, where a server here would listen, and what a client tries first."""
    if "/" in host:
        table = path_table(host)
        facts: dict[str, object] = {"path": host, "family": "AF_UNIX", "type": "SOCK_STREAM"}
    else:
        try:
            found = resolved(host, port)
        except NoSuchPortError as error:
            raise typer.BadParameter(str(error)) from error
        table, facts = answers_table(found), found.to_json()
    if as_json:
        print(json.dumps(facts, indent=2))
    else:
        print_tables(standard_console(), (table,))


def answers_table(found: Resolution) -> Table:
    """The answers to one question, and what they mean for a server and for a client."""
    named = found.answers[0].canonical_name
    return Table(
        name="resolve",
        title=found.call,
        lead=f"The canonical name is {named}." if named else "Without a host there is no canonical name.",
        columns=tuple(
            Column(heading, "", brief, words=True)
            for heading, brief in (
                ("Family", "Family"),
                ("Type", "Type"),
                ("Protocol", "Protocol"),
                ("Socket address", "Socket address"),
                ("A server listens", "A server\nlistens"),
                ("A client tries it", "A client\ntries it"),
            )
        ),
        rows=tuple(_row(answer) for answer in found.answers),
        notes=(READING, *_scopes(found), _service(found), _server(found), _client(found)),
    )


def path_table(path: str) -> Table:
    """What there is to say of a Unix socket's path."""
    return Table(
        name="resolve",
        title=path,
        lead=PATH,
        columns=tuple(Column(name, "", name, words=True) for name in ("Family", "Type", "Protocol", "Socket address")),
        rows=((_named("AF_UNIX", socket.AF_UNIX), _named("SOCK_STREAM", socket.SOCK_STREAM), "0", repr(path)),),
        notes=(
            f"A server listens there with: serverlab serve MODEL --unix {path}.",
            f"A client comes with: serverlab talk --unix {path}. On Linux a path is at most 107 bytes long.",
        ),
    )


def _row(answer: Answer) -> tuple[str, ...]:
    by = ", --udp" if answer.transport == "udp" else ""
    tried = "no" if answer.tried is None else ORDINALS.get(answer.tried, f"{answer.tried}th") + by
    return (
        _named(answer.family, answer.family_number),
        _named(answer.type, answer.type_number),
        _named(answer.protocol, answer.protocol_number),
        f"{_address(answer)} port {answer.port}",
        f"yes{by}" if answer.listens else "no",
        tried,
    )


def _named(name: str, number: int) -> str:
    return f"{name} ({number:d})"


def _address(answer: Answer) -> str:
    """The address, with the interface that it is valid on where it names one."""
    if not answer.scope:
        return answer.host
    name = str(answer.scope)
    with suppress(OSError):
        name = socket.if_indextoname(answer.scope)
    return f"{answer.host}%{name} (scope {answer.scope})"


def _scopes(found: Resolution) -> tuple[str, ...]:
    return (SCOPE,) if any(answer.scope for answer in found.answers) else ()


def _service(found: Resolution) -> str:
    if found.service:
        return (
            f"The service {found.service} is port {found.port}, by the system's list of services, which has it for "
            "these types and protocols alone. serverlab serve --port takes the number."
        )
    if found.port:
        return (
            "A number needs no list of services, so it is answered for every type. Some resolvers take a number past "
            "65535 modulo 65536; here it is refused."
        )
    return "No port was given; 0 lets a server's kernel choose one, and no client can connect to it."


def _server(found: Resolution) -> str:
    host = f"serverlab serve MODEL --host {found.host or repr('')}"
    count = sum(answer.listens for answer in found.answers if answer.transport == "tcp")
    if found.wildcard:
        return (
            f"{host} asks this with AI_PASSIVE, and without a host that gives the wildcards, 0.0.0.0 and ::. They "
            "stand for every address of the machine: whoever can reach it can connect. Each gets a listening socket of "
            "its own, the one of IPv6 with IPV6_V6ONLY so that both can have the port."
        )
    several = f"each of the {count} addresses with a socket of its own" if count > 1 else "the one address"
    return f"{host} listens on {several}; without --host a server here listens on 127.0.0.1 alone."


def _client(found: Resolution) -> str:
    if found.wildcard:
        return "A client needs a host: a wildcard says where a server listens, not where it is."
    count = max((answer.tried or 0 for answer in found.answers), default=0)
    if count < 2:
        return "A client has one address to try; where nobody answers there, it says so."
    return (
        f"A client tries the {count} addresses one after another, in the resolver's order, until one lets it connect."
    )
