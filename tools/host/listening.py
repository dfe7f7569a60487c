"""How connections get in: the kernel's counters of those that did not, and how many wait in a server's accept queue.

The queue is asked for through netlink, where the kernel looks at listeners alone: /proc/net/tcp would list tens of
thousands of connections that have ended and keep their ports.
"""

from __future__ import annotations

import itertools
import socket
import struct
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from tools.accounting.processes import read_file
from tools.saved.cells import Admission

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERVAL = 0.05  # seconds between two looks at a queue: they take 0.2 % of a CPU, more than half of it for cold caches
ROOM = 1 << 15  # bytes: the kernel makes no larger parts of an answer
NUMBERS = itertools.count(1)  # of questions, so that what is left of one that failed is not taken for another's answer
NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLMSG_ERROR, NLMSG_DONE = 2, 3
DUMP = 0x1 | 0x300  # NLM_F_REQUEST and NLM_F_DUMP: all sockets that fit
LISTENING = 1 << 10  # TCP_LISTEN, among the states
HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, sender
REQUEST = struct.Struct("=BBBxI2s46x")  # inet_diag_req_v2: family, protocol, extensions, states, source port, more
QUEUE = struct.Struct("=4x48x4xII")  # inet_diag_msg: family and such, addresses, timer, length and limit of the queue


class TcpCounters(NamedTuple):
    """What the kernel has counted in this network namespace, by its own names."""

    listen_overflows: int
    listen_drops: int
    syn_retransmits: int


class Queue(NamedTuple):
    """An accept queue: how many connections wait in it, and how many it is to hold (the kernel takes one more)."""

    length: int
    limit: int


def tcp_counters() -> TcpCounters | None:
    """Read the counters; takes 0.2 ms. None where the system does not tell."""
    lines = [line.split() for line in (read_file("/proc/net/netstat") or b"").splitlines() if line[:7] == b"TcpExt:"]
    if len(lines) != 2:
        return None
    found = dict(zip(*lines, strict=True))
    try:
        return TcpCounters(*(int(found[name]) for name in (b"ListenOverflows", b"ListenDrops", b"TCPSynRetrans")))
    except KeyError:
        return None


def accept_queue(port: int) -> Queue | None:
    """Return the queue of the TCP sockets that listen on a port, all together; None where there are none.

    Takes some 0.1 ms, however many connections there are. None also where the system does not tell.
    """
    with _kernel() as kernel:
        return _queue(kernel, port) if kernel else None


@contextmanager
def _kernel() -> Iterator[socket.socket | None]:
    """Open a socket at which the kernel tells of sockets; None where there can be none."""
    try:
        kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, NETLINK_SOCK_DIAG)
    except (OSError, AttributeError):
        yield None
        return
    with kernel:
        yield kernel


def _queue(kernel: socket.socket, port: int) -> Queue | None:
    found: list[Queue] = []
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            found += _listeners(kernel, family, port)
    return Queue(sum(each.length for each in found), sum(each.limit for each in found)) if found else None


def _listeners(kernel: socket.socket, family: int, port: int) -> list[Queue]:
    """Ask for the sockets of a family that listen on a port; the answer is there when the question has been sent."""
    number = next(NUMBERS)
    asked = REQUEST.pack(family, socket.IPPROTO_TCP, 0, LISTENING, port.to_bytes(2, "big"))
    kernel.sendto(HEADER.pack(HEADER.size + len(asked), SOCK_DIAG_BY_FAMILY, DUMP, number, 0) + asked, (0, 0))
    found: list[Queue] = []
    while True:
        for kind, answered, body in _messages(kernel.recv(ROOM)):
            if answered != number:
                continue
            if kind in (NLMSG_ERROR, NLMSG_DONE):
                return found
            found.append(Queue(*QUEUE.unpack_from(body)))


def _messages(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Take apart what netlink sends: the kind of each message, the number of the question, and what is in it."""
    while content:
        length, kind, _, number, _ = HEADER.unpack_from(content)
        yield kind, number, content[HEADER.size : length]
        content = content[(length + 3) & ~3 :]


class Mark(NamedTuple):
    """An instant between looks: how many there had been, and the counters."""

    looks: int
    counters: TcpCounters | None


class QueueWatch:
    """Looks at a server's accept queue, in a thread that `watching_queue` keeps; `cpu_seconds` is what it has cost.

    `port` is None for a server that listens at no TCP port: of its admission nothing is known.
    """

    def __init__(self, port: int | None, kernel: socket.socket | None) -> None:
        self.cpu_seconds = 0.0
        self._port = port
        self._kernel = kernel
        self._looks: list[Queue] = []

    def look(self) -> None:
        """Look at the queue once; it is passed over where it is not there (any more). For one thread."""
        if self._port is None or self._kernel is None:
            return
        began = time.thread_time()
        queue = _queue(self._kernel, self._port)
        if queue:
            self._looks.append(queue)
        self.cpu_seconds += time.thread_time() - began

    def mark(self) -> Mark:
        """Mark the opening or the closing of a window."""
        return Mark(len(self._looks), tcp_counters())

    def admission(self, opened: Mark, closed: Mark) -> Admission | None:
        """Return how connections got in between two marks; None where the kernel does not count it."""
        if self._port is None or not (opened.counters and closed.counters):
            return None
        overflows, drops, retransmits = (
            late - early for early, late in zip(opened.counters, closed.counters, strict=True)
        )
        seen = self._looks[opened.looks : closed.looks]
        lengths = [queue.length for queue in seen]
        return Admission(
            overflows=overflows,
            drops=drops,
            retransmits=retransmits,
            queue_mean=sum(lengths) / len(lengths) if lengths else None,
            queue_most=max(lengths, default=None),
            backlog=max((queue.limit for queue in seen), default=None),
        )


@contextmanager
def watching_queue(port: int | None, interval: float = INTERVAL) -> Iterator[QueueWatch]:
    """Look at the accept queue of what listens on a TCP port, twenty times a second until the end of the block."""
    stop = threading.Event()
    with _kernel() as kernel:
        watch = QueueWatch(port, kernel)
        thread = threading.Thread(target=_keep_looking, args=(watch, stop, interval), name="accept queue", daemon=True)
        thread.start()
        try:
            yield watch
        finally:
            stop.set()
            thread.join()


def _keep_looking(watch: QueueWatch, stop: threading.Event, interval: float) -> None:
    while not stop.wait(interval):
        watch.look()
