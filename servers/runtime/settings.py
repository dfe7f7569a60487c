"""What is held equal for every model: sizes, limits and deadlines, with the reason for each default."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Settings:
    """How a server is asked to serve; `servers/__main__.py` makes one from the command line.

    Plain class attributes, so that a server process need not import ``dataclasses``.

    Attributes:
        model: a name of `servers.registry`.
        protocol: a name of `servers.protocols`.
        host: a name or an address, resolved by ``getaddrinfo``; empty for every address.
        port: 0 lets the kernel choose.
        unix: path of a Unix socket, in place of host and port.
        backlog: connections that the kernel holds until they are accepted.
        max_connections: clients served at once; past them nothing is accepted.
        receive_size: bytes asked of one ``recv``.
        idle_timeout: seconds of silence between two requests.
        request_timeout: seconds for a request to arrive whole once begun, and again for its answer to be taken.
        grace: seconds that a drain may take before what is left is cut off.
        handshake_timeout: seconds for the handshake of TLS, apart from what a request has.
        udp: serve datagrams in place of connections.
        tls: paths of the certificate chain and of its key; empty for none.
        fd, fds: the first inherited descriptor that listens, in place of host and port, and how many there are; -1 for
            none.
        reuse_port: let other sockets listen on the same port too (SO_REUSEPORT).
        workers: processes, of a model that forks them beforehand; 0 for as many as there are CPUs to run on.
        keeps_workers: it is a model that forks them: signals may come that mean its workers.
        threads: threads of a pool, in each process that has one.
        min_spare, max_spare: how many workers of a dynamic pool are free at the least and at the most.
        thread_stack: bytes of address space for the stack of each thread; 0 for the system's own size.
        poller: the readiness call of event loops: ``epoll``, ``poll`` or ``select``.
        max_line, max_size, max_sleep, max_cpu: see `servers.protocols.session.Limits`.
    """

    model = "threaded"
    protocol = "echo"
    host = "127.0.0.1"  # loopback: another address must be asked for
    port = 0
    unix = ""
    # With socketserver's 5, a burst of clients waits a second for lost SYNs; and unless it is the same for all,
    # a comparison of latencies compares backlogs.
    backlog = 1024
    max_connections = 10000
    receive_size = 65536  # more is past malloc's mmap threshold, where a recv costs a system call for its buffer
    idle_timeout = 60.0
    request_timeout = 10.0
    grace = 10.0
    handshake_timeout = 5.0  # two round trips and a signature: who has not done it by then does something else
    udp = False
    tls: tuple[str, ...] | list[str] = ()
    fd = -1
    fds = 1
    reuse_port = False
    workers = 0
    keeps_workers = False
    threads = 25  # Apache's ThreadsPerChild; MySQL and Tomcat have their hundreds, waitress its four
    min_spare = 2
    max_spare = 4
    # glibc keeps 40 MiB of stacks for the next threads: eighty of these, but only five of the usual 8 MiB, and a
    # stack that must be mapped anew costs a quarter of what starting a thread costs.
    thread_stack = 524288
    poller = "epoll"
    max_line = 131072
    max_size = 16777216
    max_sleep = 60.0
    max_cpu = 10.0

    def __init__(self, **given: Any) -> None:
        for name, value in given.items():
            if not hasattr(type(self), name):
                raise AttributeError(f"no setting is called {name!r}")
            setattr(self, name, value)
