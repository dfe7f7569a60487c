"""How a listener comes to be: addresses resolved and bound, a Unix path, or sockets that were opened for us.

Who owns the listener? A server that binds its own port does; under socket activation (systemd, inetd) the manager
does: it listens before there is a server, so that no client is refused while one starts.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress

from servers.runtime.errors import CannotServe
from servers.runtime.listener import Listener, set_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from servers.runtime.lifecycle import Lifecycle
    from servers.runtime.settings import Settings

FIRST_FD = 3  # systemd's SD_LISTEN_FDS_START: the first descriptor that it passes


def open_listener(settings: Settings, lifecycle: Lifecycle) -> Listener:
    """Listen where `settings` says. Raise CannotServe, with the one line for the user, where that cannot be."""
    sockets = open_sockets(settings)
    return Listener(sockets, settings, lifecycle, owns_path=settings.fd < 0)


def open_sockets(settings: Settings) -> list[socket.socket]:
    """Return sockets that listen, or that are bound where datagrams are to be served. Raise CannotServe."""
    if settings.fd >= 0 and settings.reuse_port:
        raise CannotServe("a listener that was passed cannot be shared out by SO_REUSEPORT: leave LISTEN_FDS out")
    if settings.fd >= 0:
        return _adopt(range(settings.fd, settings.fd + settings.fds), settings)
    try:
        return [_open_unix(settings)] if settings.unix else _open_inet(settings)
    except OSError as error:
        where = settings.unix or f"{settings.host or '*'} port {settings.port}"
        raise CannotServe(f"cannot listen on {where}: {error.strerror or error}") from None


def open_beside(sockets: list[socket.socket], settings: Settings) -> list[socket.socket]:
    """Return sockets on the same addresses with queues of their own (SO_REUSEPORT). Raise OSError where that fails."""
    names = {(each.family, each.getsockname()) for each in sockets}
    return [_bind(family, name, settings) for family, name in names]


def _kind(settings: Settings) -> socket.SocketKind:
    return socket.SOCK_DGRAM if settings.udp else socket.SOCK_STREAM


def _open_inet(settings: Settings) -> list[socket.socket]:
    for attempt in range(10):
        sockets: list[socket.socket] = []
        try:
            return _bind_all(_resolve(settings), settings, sockets)
        except OSError as error:
            for bound in sockets:
                bound.close()
            # Port 0: what the kernel chose on the first address may be taken on the second.
            if settings.port or error.errno != errno.EADDRINUSE or attempt == 9:
                raise
    raise AssertionError("the last attempt raised")


def _resolve(settings: Settings) -> list[tuple[int, Any]]:
    """Return (family, socket address) for each address of the host, without repeats, in getaddrinfo's order."""
    host = settings.host
    # Given text, getaddrinfo encodes it with the idna codec, whose tables are a megabyte for a fork to copy.
    name = host.encode() if host.isascii() else host
    try:
        found = socket.getaddrinfo(name or None, 0, type=_kind(settings), flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else "not a host name"
        raise CannotServe(f"cannot resolve host {host!r}: {reason}") from None
    return list({(family, address): None for family, _, _, _, address in found})


def _bind_all(
    addresses: list[tuple[int, Any]], settings: Settings, sockets: list[socket.socket]
) -> list[socket.socket]:
    port, unusable = settings.port, None
    for family, address in addresses:
        name = (address[0], port, *address[2:])
        try:
            bound = _bind(family, name, settings, first=True)
        except OSError as error:
            # A name may have an address of a family that this machine has switched off, beside one that it has.
            if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                raise
            unusable = error
            continue
        sockets.append(bound)
        port = bound.getsockname()[1]
    if not sockets and unusable:
        raise unusable
    return sockets


def _bind(family: int, name: Any, settings: Settings, *, first: bool = False) -> socket.socket:
    """Return a socket bound to that name, listening if it is a stream's.

    Where the port is to be shared, the `first` socket is bound without SO_REUSEPORT all the same: with it, we would be
    let in beside another server, and each would get half of the clients.
    """
    bound = socket.socket(family, _kind(settings))
    try:
        _prepare(bound)
        if settings.reuse_port and not first:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(name)
        if settings.reuse_port and first:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        _listen(bound, settings)
    except OSError:
        bound.close()
        raise
    return bound


def _prepare(unbound: socket.socket) -> None:
    if unbound.type == socket.SOCK_STREAM:  # for datagrams it would let any number of servers have the same port
        unbound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if unbound.family == socket.AF_INET6:
        unbound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)


def _listen(bound: socket.socket, settings: Settings) -> None:
    if not settings.udp:
        set_options(bound)
        bound.listen(settings.backlog)


def _open_unix(settings: Settings) -> socket.socket:
    _replace_dead_socket(settings.unix)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(settings.unix)
        _listen(listening, settings)
    except OSError:
        listening.close()
        raise
    return listening


def _replace_dead_socket(path: str) -> None:
    """Remove a socket that nobody listens on any more; refuse anything else that stands at `path`."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise CannotServe(f"cannot listen on {path}: it exists and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass  # its backlog is full: somebody is there
    raise CannotServe(f"cannot listen on {path}: another server listens there")


# Sockets that were opened for us.


def passed_descriptors() -> tuple[int, int]:
    """Take from the environment what a service manager passed us: the first descriptor and how many; none is (-1, 0).

    The protocol is systemd's sd_listen_fds: LISTEN_PID says whom they are for, so that no child of ours takes them for
    its own. Raise CannotServe where LISTEN_FDS is no number of descriptors.
    """
    count, for_pid = os.environ.pop("LISTEN_FDS", None), os.environ.pop("LISTEN_PID", None)
    os.environ.pop("LISTEN_FDNAMES", None)
    if count is None or for_pid != str(os.getpid()):
        return -1, 0
    if not count.isdecimal() or not 1 <= int(count) <= 1000:
        raise CannotServe(f"LISTEN_FDS is {count!r}: not a number of descriptors")
    return FIRST_FD, int(count)


def _adopt(descriptors: range, settings: Settings) -> list[socket.socket]:
    """Return the sockets behind descriptors that we have inherited. Raise CannotServe where they are no listeners."""
    sockets = []
    for descriptor in descriptors:
        try:
            adopted = socket.socket(fileno=descriptor)
        except OSError as error:
            raise CannotServe(f"descriptor {descriptor} is no socket: {error.strerror}") from None
        if fault := _fault(adopted, settings):
            raise CannotServe(f"descriptor {descriptor} {fault}")
        adopted.set_inheritable(False)
        if not settings.udp:
            set_options(adopted)
        sockets.append(adopted)
    if len({adopted.family == socket.AF_UNIX for adopted in sockets}) > 1:
        raise CannotServe("LISTEN_FDS passes Unix sockets and others: a server has the one or the other")
    return sockets


def _fault(adopted: socket.socket, settings: Settings) -> str:
    """Tell what is wrong with an adopted socket; empty where nothing is."""
    if adopted.type != _kind(settings):
        wanted = "datagram" if settings.udp else "stream"
        return f"is no {wanted} socket"
    listens = False
    with suppress(OSError):
        listens = bool(adopted.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    return "" if settings.udp or listens else "does not listen"
