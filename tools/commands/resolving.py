"""What the resolver answers for a host and a port, and what a server and a client of ours do with each answer.

Nothing is opened or connected to: this asks `getaddrinfo` and looks at what it says.
"""

from __future__ import annotations

import socket
from dataclasses import asdict, dataclass

from clients.addresses import Address
from tools.failure import Failure

LARGEST_PORT = 65535
WILDCARDS = ("", "*")
"""What stands for every address of the machine."""

TRANSPORTS = {socket.SOCK_STREAM: "tcp", socket.SOCK_DGRAM: "udp"}
PROTOCOLS = {getattr(socket, name): name for name in ("IPPROTO_IP", "IPPROTO_TCP", "IPPROTO_UDP")}

SocketAddress = tuple[str | int | bytes, ...]
Tuple5 = tuple[int, int, int, str, SocketAddress]
"""Family, type, protocol, canonical name and socket address, as `getaddrinfo` gives them."""


class NoSuchPortError(ValueError):
    """A number that is no port; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One 5-tuple of `getaddrinfo`, its first three members by name and by number.

    `host` and `port` are the first two of its socket address; `scope` is the number of the interface that an IPv6
    address names, 0 where it names none. `transport` is `tcp`, `udp` (which servers and clients of ours speak with
    --udp), or empty. `listens` tells whether a server of ours would bind it, and `tried` is its place, from 1, among
    those that a client of ours tries with that transport, None where it tries none.
    """

    family: str
    family_number: int
    type: str
    type_number: int
    protocol: str
    protocol_number: int
    canonical_name: str
    host: str
    port: int
    scope: int
    transport: str
    listens: bool
    tried: int | None


@dataclass(frozen=True, slots=True)
class Resolution:
    """All answers to one question: `call` is the question in Python, and `wildcard` tells that it named no host."""

    host: str
    port: int
    service: str
    wildcard: bool
    call: str
    answers: tuple[Answer, ...]

    def to_json(self) -> dict[str, object]:
        """Return the fields as JSON values."""
        return asdict(self)


def resolved(host: str, port: str = "") -> Resolution:
    """Ask the resolver for a host, and for a port by its number or its service's name; none is port 0.

    Raises NoSuchPortError for a number past 65535, and Failure where the host or the service is not known.
    """
    name = "" if host in WILDCARDS else host.removeprefix("[").removesuffix("]")
    number = port_number(port)
    service = "" if not port or port.isdecimal() else port
    flags = "AI_CANONNAME" if name else "AI_PASSIVE"
    found = asked(name, service or number, flags=flags)
    bound = listened_to(name)
    places = order_of_trying(name, number) if name else {}
    return Resolution(
        host=name,
        port=number,
        service=service,
        wildcard=not name,
        call=f"socket.getaddrinfo({name or None!r}, {service or number!r}, flags=socket.{flags})",
        answers=tuple(_answer(each, bound, places) for each in found),
    )


def port_number(text: str) -> int:
    """Return the port of a number or of a service's name, 0 for an empty text; NoSuchPortError or Failure else."""
    if text.isascii() and text.isdecimal():
        if int(text) > LARGEST_PORT:
            raise NoSuchPortError(
                f"a port is at most {LARGEST_PORT}, because TCP and UDP have 16 bits for it, not {text}"
            )
        return int(text)
    try:
        return socket.getservbyname(text) if text else 0
    except (OSError, UnicodeError):
        raise Failure(f"unknown service {text!r}: the system's list of services does not name it") from None


def asked(host: str, port: str | int, *, kind: int = 0, flags: str) -> list[Tuple5]:
    """Ask the resolver, an empty host being none; Failure with its reason where it has no answer."""
    try:
        found = socket.getaddrinfo(host or None, port, type=kind, flags=getattr(socket, flags))
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a host name"
        raise Failure(f"unknown host {host!r}: {reason}{_hint(host)}") from None
    return [(*numbers, name, address) for *numbers, name, address in found]  # type: ignore[misc]  # three numbers


def listened_to(host: str) -> set[tuple[str, int, SocketAddress]]:
    """Return (transport, family, socket address with port 0) of all that servers of ours bind for a host.

    That is what the resolver gives with AI_PASSIVE for the transport, each once (`servers.runtime.listener`).
    """
    return {
        (transport, family, address)
        for kind, transport in TRANSPORTS.items()
        for family, _, _, _, address in asked(host, 0, kind=kind, flags="AI_PASSIVE")
    }


def order_of_trying(host: str, port: int) -> dict[tuple[str, int, SocketAddress], int]:
    """Return the place, from 1, of each (transport, family, socket address) that a client of ours tries for a host."""
    places: dict[tuple[str, int, SocketAddress], int] = {}
    for kind, transport in TRANSPORTS.items():
        targets = dict.fromkeys(Address(host=host, port=port).resolve(kind))
        places |= {(transport, each.family, tuple(each.address)): place for place, each in enumerate(targets, start=1)}
    return places


def _answer(
    tuple5: Tuple5,
    bound: set[tuple[str, int, SocketAddress]],
    places: dict[tuple[str, int, SocketAddress], int],
) -> Answer:
    family, kind, protocol, canonical_name, address = tuple5
    transport = TRANSPORTS.get(socket.SocketKind(kind), "")
    host, port, *rest = address
    return Answer(
        family=socket.AddressFamily(family).name,
        family_number=family,
        type=socket.SocketKind(kind).name,
        type_number=kind,
        protocol=PROTOCOLS.get(protocol, "another"),
        protocol_number=protocol,
        canonical_name=canonical_name,
        host=str(host),
        port=int(port),
        scope=int(rest[1]) if rest else 0,
        transport=transport,
        listens=(transport, family, (host, 0, *rest)) in bound,
        tried=places.get((transport, family, address)),
    )


def _hint(host: str) -> str:
    """Say what the user may have meant, where a host has its port with it."""
    name, colon, port = host.rpartition(":")
    return f" (the port is a word of its own: {name} {port})" if name and colon and port.isdecimal() else ""
