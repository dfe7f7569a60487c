"""How connections get in: the kernel's counters of those that did not, and how many wait in a server's accept queue.

The queue is asked for through netlink, where the kernel looks at listeners alone: /proc/net/tcp would list tens of
thousands of connections that have ended and keep their ports.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tools.accounting.processes import read_file
from tools.cells import Admission

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERVAL = 0.05  # seconds between two looks at a queue
PATIENCE = 1.0  # seconds until the kernel's answer, which comes at once, is given up
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

    Takes some 50 us, however many connections there are. None also where the system does not tell.
    """
    found: list[Queue] = []
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            found += _listeners(family, port)
        except (OSError, AttributeError):  # this family is not there, or no netlink at all
            continue
    return Queue(sum(each.length for each in found), sum(each.limit for each in found)) if found else None


def _listeners(family: int, port: int) -> list[Queue]:
    """Ask the kernel for the sockets of a family that listen on a port."""
    asked = REQUEST.pack(family, socket.IPPROTO_TCP, 0, LISTENING, port.to_bytes(2, "big"))
    found: list[Queue] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(PATIENCE)
        kernel.sendto(HEADER.pack(HEADER.size + len(asked), SOCK_DIAG_BY_FAMILY, DUMP, 1, 0) + asked, (0, 0))
        while True:
            for kind, body in _messages(kernel.recv(1 << 16)):
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    return found
                found.append(Queue(*QUEUE.unpack_from(body)))


def _messages(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Take apart what netlink sends: the kind of each message, and what is in it."""
    while content:
        length, kind, *_ = HEADER.unpack_from(content)
        yield kind, content[HEADER.size : length]
        content = content[(length + 3) & ~3 :]


class Mark(NamedTuple):
    """An instant between looks: how many there had been, and the counters."""

    looks: int
    counters: TcpCounters | None


class QueueWatch:
    """Looks at a server's accept queue, in a thread that `watching_queue` keeps; `cpu_seconds` is what it has cost.

    `port` is None for a server that listens at no TCP port: of its admission nothing is known.
    """

    def __init__(self, port: int | None) -> None:
        self.cpu_seconds = 0.0
        self._port = port
        self._looks: list[Queue] = []
        self._lock = threading.Lock()

    def look(self) -> None:
        """Look at the queue once; it is passed over where it is not there (any more)."""
        if self._port is None:
            return
        began = time.thread_time()
        queue = accept_queue(self._port)
        with self._lock:
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
    watch, stop = QueueWatch(port), threading.Event()

    def keep_looking() -> None:
        while not stop.wait(interval):
            watch.look()

    thread = threading.Thread(target=keep_looking, name="accept queue", daemon=True)
    if port is not None:
        thread.start()
    try:
        yield watch
    finally:
        stop.set()
        if port is not None:
            thread.join()
