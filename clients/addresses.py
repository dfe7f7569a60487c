"""Where a server is: `HOST:PORT`, `[IPV6]:PORT` or the path of a Unix socket."""

from __future__ import annotations

import socket
from dataclasses import dataclass

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

    def resolve(self) -> list[Target]:
        """Every address of the host in the resolver's order; AddressError where there is none."""
        if self.path:
            return [Target(socket.AF_UNIX, self.path)]
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise AddressError(f"the host {self.host!r} does not resolve: {reason}") from error
        return [Target(int(family), _socket_address(sockaddr)) for family, _, _, _, sockaddr in found]


def _socket_address(sockaddr: tuple[object, ...]) -> SocketAddress:
    host, port, *scope = sockaddr
    if len(scope) == 2:
        return (str(host), int(str(port)), int(str(scope[0])), int(str(scope[1])))
    return (str(host), int(str(port)))


def parse_address(text: str) -> Address:
    """Read `HOST:PORT` or `[IPV6]:PORT`; AddressError says what is wrong with anything else."""
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise AddressError(f"an address is HOST:PORT, [IPV6]:PORT or --unix PATH, not {text!r}")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise AddressError(f"an IPv6 address needs brackets: [{host}]:{port}")
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise AddressError(f"a port is a number from 1 to 65535, not {port!r}")
    return Address(host=host, port=int(port))
