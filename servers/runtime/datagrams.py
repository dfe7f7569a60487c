"""Datagrams: no connection, no accept queue, no order; what finds the receive buffer full is dropped by the kernel.

Each datagram is a whole conversation: a session is told what came and that nothing more will, and what it answers
goes back in one datagram.
"""

from __future__ import annotations

import errno
import select
import socket
from contextlib import suppress
from time import monotonic

from servers.runtime.limits import ACCEPT_WAIT, DRAIN_PATIENCE
from servers.runtime.listener import timeval
from servers.runtime.messages import report_bug

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from servers.runtime.lifecycle import Lifecycle
    from servers.runtime.service import Service

LARGEST = 65535  # bytes; no datagram is larger
TOO_LARGE = b"error: the answer is larger than a datagram\n"  # upper case can be longer than lower


class Datagram:
    """One datagram, and where its answer goes."""

    __slots__ = ("data", "receiver", "sender")

    def __init__(self, receiver: socket.socket, data: bytes, sender: Any) -> None:
        self.receiver = receiver
        self.data = data
        self.sender = sender

    def answer(self, service: Service) -> None:
        """Answer it. Whoever cannot be answered was not listening: that is the nature of datagrams."""
        try:
            answer = service.answer(self.data)
        except Exception:
            report_bug()
            service.tally.conversed(0, len(self.data), 0, "handler", connections=0)
            return
        try:
            self.receiver.sendto(answer, self.sender)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                with suppress(OSError):
                    self.receiver.sendto(TOO_LARGE, self.sender)


class Receiver:
    """One bound socket or several (a host name may have many addresses) that receive as one.

    `receive` is for models that block; a model with an event loop asks `receive_now` of the socket that is ready.
    """

    def __init__(self, sockets: list[socket.socket], lifecycle: Lifecycle) -> None:
        self.sockets = sockets
        self._lifecycle = lifecycle
        self._poll = select.poll()
        self._drained_at = 0.0  # when a server that stops has had its time for what waits in the buffers; 0 before
        for receiver in sockets:
            self._poll.register(receiver, select.POLLIN)
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval(ACCEPT_WAIT))
            receiver.setblocking(len(sockets) == 1)

    def receive(self) -> Datagram | None:
        """Wait for a datagram; None once the server stops and has taken those that waited, or the worker retires."""
        while not self._lifecycle.retiring:
            if datagram := self.receive_now(self._next_ready(), self._flags()):
                return datagram
            if self.finished:
                return None
        return None

    def receive_now(self, receiver: socket.socket, flags: int = socket.MSG_DONTWAIT) -> Datagram | None:
        """Take a datagram from one socket; None where there is none."""
        try:
            return Datagram(receiver, *receiver.recvfrom(LARGEST, flags))
        except OSError:
            return None  # nothing came; or an answer of ours found nobody, which a socket may be told at any call

    @property
    def finished(self) -> bool:
        """True once the server stops, and nothing has come any more or the time for that is over."""
        if not self._lifecycle.stopping:
            return False
        self._drained_at = self._drained_at or monotonic() + DRAIN_PATIENCE
        return not self._poll.poll(0) or monotonic() > self._drained_at

    def addresses(self) -> dict[str, Any]:
        """Return what the listening line says of where we receive."""
        all_addresses = [list(receiver.getsockname()[:2]) for receiver in self.sockets]
        host, port = all_addresses[0]
        return {"transport": "udp", "host": host, "port": port, "addresses": all_addresses}

    def close(self) -> None:
        """Close the sockets."""
        while self.sockets:
            self.sockets.pop().close()

    def _flags(self) -> int:
        return socket.MSG_DONTWAIT if self._lifecycle.stopping else 0

    def _next_ready(self) -> socket.socket:
        if len(self.sockets) == 1:
            return self.sockets[0]
        ready = self._poll.poll(0 if self._lifecycle.stopping else ACCEPT_WAIT * 1000)
        by_number = {receiver.fileno(): receiver for receiver in self.sockets}
        return by_number[ready[0][0]] if ready else self.sockets[0]
