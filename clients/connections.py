"""The connections of a load process: made, watched, written down and closed. `dialogues` talks on them."""

from __future__ import annotations

import errno
import select
import socket
import struct
import time
from typing import TYPE_CHECKING

from clients.client import CONNECTING, NOTHING, SHAKING, Client, Turn
from clients.failures import UnreachableError, detail_of, outcome_of
from clients.records import CONNECTION_ROW, Outcome, Rows

if TYPE_CHECKING:
    from clients.addresses import Target
    from clients.client import Endpoint
    from clients.spec import Spec
    from clients.trust import Trust

READING = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
WRITING = READING | select.EPOLLOUT
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_BIND_ADDRESS_NO_PORT = 24  # of Linux; `socket` has the name from Python 3.12 on
KNOCK_SECONDS = 0.002  # before a full Unix backlog is tried again
_ENTERING = (CONNECTING, SHAKING)
_SPARE_DESCRIPTORS = 64  # more than a load process opens beside its connections


class Connections:
    """The open connections of some clients, in lists that are indexed by descriptor, because that is fastest.

    `owner` is the client that has it, `turns` what it says next, `awaited` the answer that the fast path may
    take whole (None: it may not), `since_ns` when what it waits for began (0: it waits for nothing). `rows`
    gets a row for each connection when it ends. `trust` is whom TLS believes, None without TLS.
    """

    def __init__(self, spec: Spec) -> None:
        self.rows = Rows(CONNECTION_ROW)
        self.trust = _trust(spec)
        self.epoll = select.epoll()
        self.owner: dict[int, Client] = {}
        with socket.socket() as nothing:
            self._no_turn = Turn(-1, nothing, NOTHING)
        descriptors = spec.clients + _SPARE_DESCRIPTORS
        self.turns = [self._no_turn] * descriptors
        self.awaited: list[bytes | None] = [None] * descriptors
        self.since_ns = [0] * descriptors
        self._spec = spec
        self._target = spec.targets[0]
        self._sources = spec.sources
        self._opened = 0

    def open_first(self, client: Client) -> None:
        """Try the server's addresses in order; the first that answers is everybody's. May raise UnreachableError."""
        failure = UnreachableError(Outcome.UNREACHABLE, "it has no address")
        deadline = time.monotonic() + self._spec.timeout
        for target in self._spec.targets:
            try:
                self._connect_in_time(client, target, deadline)
            except OSError as error:
                failure = UnreachableError(outcome_of(error), detail_of(error))
                continue
            self._target = target
            return
        raise failure

    def _connect_in_time(self, client: Client, target: Target, deadline: float) -> None:
        """Connect; where a Unix backlog is full, knock again until `deadline`. Raises OSError."""
        while True:
            endpoint = self._endpoint(target)
            try:
                self._connect(client, endpoint, target)
            except BlockingIOError:
                endpoint.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(KNOCK_SECONDS)
            except OSError:
                endpoint.close()
                raise
            else:
                return

    def _connect(self, client: Client, endpoint: socket.socket, target: Target) -> None:
        """Wait until the connection stands, its TLS handshake included. Raises OSError."""
        began_ns, deadline = time.monotonic_ns(), time.monotonic() + self._spec.timeout
        endpoint.settimeout(self._spec.timeout)
        endpoint.connect(target.address)
        connected_ns = time.monotonic_ns()
        endpoint.setblocking(False)
        stream = self.trust.connect(endpoint, deadline) if self.trust else endpoint
        self._adopt(client, stream, began_ns)
        client.connected_ns = connected_ns
        client.secured_ns = time.monotonic_ns() if self.trust else 0

    def secure(self, client: Client) -> None:
        """Have a client whose socket is connected speak TLS on it, from the handshake on. Raises OSError."""
        assert self.trust is not None
        assert isinstance(client.endpoint, socket.socket)
        client.endpoint = self.trust.begin(client.endpoint)
        first = turn = self.turns[client.fd]
        turn.bind(client.endpoint)
        while (turn := turn.following) is not first:
            turn.bind(client.endpoint)

    def open(self, client: Client, now: int) -> int:
        """Begin to connect; return 0 where that may yet succeed, or the error's number.

        EAGAIN is a Unix socket's word for a full backlog, where TCP would wait; then the client has no
        connection, and `knocking_ns` tells since when it has been trying.
        """
        endpoint = self._endpoint(self._target)
        code = endpoint.connect_ex(self._target.address)
        if code == errno.EAGAIN:
            endpoint.close()
            client.knocking_ns = client.knocking_ns or now
            return code
        self._adopt(client, endpoint, client.knocking_ns or now)
        client.knocking_ns = 0
        return 0 if code == errno.EINPROGRESS else code

    def never_opened(self, client: Client, now: int, outcome: Outcome) -> None:
        """Write down a client that knocked in vain."""
        client.connection = self._opened
        self._opened += 1
        began_ns, client.got, client.knocking_ns = client.knocking_ns, 0, 0
        self.rows.add(client.connection, client.number, began_ns, 0, 0, now, outcome, 0, 0)

    def watch(self, client: Client, interest: int) -> None:
        """Have the poller tell of `interest`."""
        if client.interest == interest:
            return
        if client.interest:
            self.epoll.modify(client.fd, interest)
        else:
            self.epoll.register(client.fd, interest)
        client.interest = interest

    def close(self, client: Client, now: int, outcome: Outcome) -> None:
        """Close a client's connection and write down how it ended."""
        fd, endpoint = client.fd, client.endpoint
        assert endpoint is not None
        times = client.began_ns, client.connected_ns, 0, now
        self.rows.add(client.connection, client.number, *times, outcome, client.secured_ns, client.greeted_ns)
        del self.owner[fd]
        self.awaited[fd] = None
        self.since_ns[fd] = 0
        self.turns[fd].following = self._no_turn  # turns that follow each other in a ring would never be freed
        endpoint.close()
        client.endpoint = None

    def pending(self) -> int:
        """How many are still connecting, TLS included."""
        return sum(client.phase in _ENTERING for client in self.owner.values())

    def overdue(self, since_ns: int) -> list[Client]:
        """The clients that have been waiting for something since before then."""
        return [self.owner[fd] for fd, since in enumerate(self.since_ns) if 0 < since < since_ns]

    def _endpoint(self, target: Target) -> socket.socket:
        endpoint = socket.socket(target.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        if target.family != socket.AF_UNIX:
            endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._spec.close == "reset":
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        if self._sources and (source := source_of(self._sources, target, self._opened)):
            try:
                bind_source(endpoint, source)
            except OSError:
                endpoint.close()
                raise
        return endpoint

    def _adopt(self, client: Client, endpoint: Endpoint, began_ns: int) -> None:
        client.connection = self._opened
        self._opened += 1
        client.start_over(endpoint, began_ns)
        self.owner[client.fd] = client
        self.turns[client.fd] = client.first_turn(churn=self._spec.churn)
        self.awaited[client.fd] = None
        self.since_ns[client.fd] = began_ns


def source_of(sources: tuple[str, ...], target: Target, number: int) -> str:
    """The address that connection `number` comes from, of those of the target's kind; empty: the system chooses."""
    mine = [source for source in sources if (":" in source) == (target.family == socket.AF_INET6)]
    return mine[number % len(mine)] if mine else ""


def bind_source(endpoint: socket.socket, source: str) -> None:
    """Connect from the address `source`; its port is chosen with the connect, when it must differ only per server."""
    endpoint.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
    endpoint.bind((source, 0))


def _trust(spec: Spec) -> Trust | None:
    if not spec.tls:
        return None
    from clients.trust import Trust  # noqa: PLC0415 - ssl is memory and start-up time that plain runs need not pay

    return Trust(spec.name, ca=spec.ca, insecure=spec.insecure)
