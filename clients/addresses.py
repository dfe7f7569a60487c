"""Where a server is: `HOST:PORT`, `[IPV6]:PORT` or the path of a Unix socket."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

SocketAddress = tuple[str, int] | tuple[str, int, int, int] | str


class AddressError(ValueError):
    """The address is not one, or its host does not resolve; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Target:
    """One address to connect to, as `getaddrinfo` gave it: a family and what `connect` takes."""

    family: int
    address: SocketAddress


@dataclass(frozen=True, slots=True)
class Address:
    """A server's address as the user wrote it: a host with a port, or else the path of a Unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def name(self) -> str:
        """What a TLS certificate must name: the host without its interface; this host at the end of a path."""
        return self.host.partition("%")[0] or "localhost"

    @property
    def authority(self) -> str:
        """What an HTTP request calls this server in its Host."""
        if self.path:
            return self.name
        try:
            name = self.name.encode("idna").decode()
        except UnicodeError:  # no name that HTTP could tell; resolving it says what is wrong with it
            name = "localhost"
        return f"[{name}]:{self.port}" if ":" in name else f"{name}:{self.port}"

    def fault(self) -> str:
        """Say why the path cannot be a server's, as far as looking at it tells; empty otherwise."""
        path = Path(self.path)
        if not self.path or path.is_socket():
            return ""
        return "it is not a socket" if path.exists() else "no such file"

    def resolve(self, kind: int = socket.SOCK_STREAM) -> list[Target]:
        """Every address of the host in the resolver's order, for sockets of `kind`; AddressError where none is."""
        if self.path:
            return [Target(socket.AF_UNIX, self.path)]
        try:
            found = socket.getaddrinfo(self.host, self.port, type=kind)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise AddressError(f"the host {self.host!r} does not resolve: {reason}") from error
        return [Target(int(family), _socket_address(sockaddr)) for family, _, _, _, sockaddr in found]


NOWHERE = Address("127.0.0.1", 1)
"""For a plan that is only looked at, or that brings a server of its own: nobody connects to it."""


def _socket_address(sockaddr: tuple[object, ...]) -> SocketAddress:
    host, port, *scope = sockaddr
    if len(scope) == 2:
        return (str(host), int(str(port)), int(str(scope[0])), int(str(scope[1])))
    return (str(host), int(str(port)))


def parse_address(text: str) -> Address:
    """Read `HOST:PORT` or `[IPV6]:PORT`; AddressError says what is wrong with anything else."""
    host, colon, port = text.rpartition(":")
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        colon, port = rest[:1], rest[1:]
        if bracket and not rest:
            raise AddressError(f"{text} needs a port: {text}:PORT")
    elif ":" in host and _is_ipv6(host):
        raise AddressError(f"an IPv6 address needs brackets: [{host}]:{port}")
    elif _is_ipv6(text):
        raise AddressError(f"an IPv6 address needs brackets and a port: [{text}]:PORT")
    if colon != ":" or not host or (":" in host and not _is_ipv6(host)):
        raise AddressError(f"an address is HOST:PORT, [IPV6]:PORT or --unix PATH, not {text!r}")
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise AddressError(f"a port is a number from 1 to 65535, not {port!r}")
    return Address(host=host, port=int(port))


def _is_ipv6(host: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6, host.partition("%")[0])  # what follows a % names an interface
    except OSError:
        return False
    return True
