"""The sockets of a load process over UDP: opened, written down and closed; `connections` is the same for streams.

UDP has no connecting that could fail, so before the run one datagram, which is not among the requests, finds out
which of the server's addresses answers.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from typing import TYPE_CHECKING

from clients.connections import bind_source, source_of
from clients.failures import UnreachableError, detail_of, outcome_of
from clients.records import CONNECTION_ROW, Outcome, Rows

if TYPE_CHECKING:
    from clients.addresses import Target
    from clients.caller import Caller
    from clients.spec import Spec

LARGEST_BYTES = 1 << 16  # no datagram is larger


class DatagramSockets:
    """The open sockets of some callers: `owner` has whose a descriptor is, `rows` gets a row for each that is closed.

    `target` is the address of the server that they are connected to.
    """

    def __init__(self, spec: Spec) -> None:
        self.rows = Rows(CONNECTION_ROW)
        self.epoll = select.epoll()
        self.owner: dict[int, Caller] = {}
        self.target = spec.targets[0]
        self._spec = spec

    def find_server(self, question: bytes) -> None:
        """Take the first address that answers, or else the first that does not refuse. Raises UnreachableError."""
        silent: list[Target] = []
        failure = UnreachableError(Outcome.UNREACHABLE, "it has no address")
        for target in self._spec.targets:
            try:
                if self._answers(target, question):
                    self.target = target
                    return
                silent.append(target)
            except OSError as error:
                failure = UnreachableError(outcome_of(error), detail_of(error))
        if not silent:
            raise failure
        self.target = silent[0]

    def _answers(self, target: Target, question: bytes) -> bool:
        with self._endpoint(target) as endpoint:
            poller = select.poll()
            poller.register(endpoint, select.POLLIN)
            endpoint.send(question)
            return bool(poller.poll(self._spec.timeout * 1000) and endpoint.recv(LARGEST_BYTES))

    def open(self, caller: Caller, now: int) -> socket.socket:
        """Give a client a socket, and write down where that fails. Raises OSError."""
        caller.connection = self._opened
        try:
            endpoint = self._endpoint(self.target)
        except OSError as error:
            self.rows.add(caller.connection, caller.number, now, 0, 0, now, outcome_of(error), 0, 0)
            raise
        caller.endpoint, caller.began_ns = endpoint, now
        self.owner[endpoint.fileno()] = caller
        self.epoll.register(endpoint, select.EPOLLIN)
        return endpoint

    def close(self, caller: Caller, now: int, outcome: Outcome) -> None:
        """Close a client's socket, if it has one, and write down how it ended."""
        if caller.endpoint is None:
            return
        del self.owner[caller.endpoint.fileno()]
        caller.endpoint.close()
        caller.endpoint = None
        times = caller.began_ns, caller.began_ns, 0, now
        self.rows.add(caller.connection, caller.number, *times, outcome, 0, 0)

    @property
    def _opened(self) -> int:
        """How many sockets there have been."""
        return len(self.rows) + len(self.owner)

    def _endpoint(self, target: Target) -> socket.socket:
        """A connected socket: only what this server sends is heard, and its refusals are told. Raises OSError."""
        endpoint = socket.socket(target.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            if source := source_of(self._spec.sources, target, self._opened):
                bind_source(endpoint, source)
            endpoint.connect(target.address)
        except BlockingIOError:  # the kernel's word for having no port left
            endpoint.close()
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL)) from None
        except OSError:
            endpoint.close()
            raise
        return endpoint
