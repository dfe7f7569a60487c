"""A server that gives the right answer as cheaply as Python can: `python -m clients.null_server SETTINGS`.

    epoll -> fast path: read, look the answer up by all that was read, write
          -> everything else: who comes, what was not heard before or is cut (`null_answers`), who goes

How fast a client is against it is as fast as that client can be: its ceiling (`clients.ceiling`). So it does without
all that a server needs: it believes its clients, knows no deadline, and keeps everybody waiting while it writes to one
who does not read, for 5 s at most. Of no other use than that.

SETTINGS is a JSON object: `protocol`; `udp` (true for datagrams); `path` of a Unix socket, in place of a free port of
127.0.0.1; `cpus` to run on; `seconds` after which it ends, whatever happens (60). Standard output gets one JSON
line, `{"port": N}`, when it listens. It ends when its standard input does: no null server outlives its parent.

Connections stay in blocking mode, and the poller is edge-triggered: one read for each event that says "readable"
never waits, and a write waits until it is whole, which spares the loop the bookkeeping of what is unsent.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from clients.conversations import GREETINGS
from clients.null_answers import SESSIONS, upper_datagram

if TYPE_CHECKING:
    from collections.abc import Callable

    from clients.null_answers import Session

INPUT, OUTPUT = 0, 1
BACKLOG = 4096
CHUNK_BYTES = 1 << 16
MOST_EVENTS = 512
MOST_AT_ONCE = 64  # accepts, or datagrams, before anybody else has a turn
MOST_KNOWN_BYTES = 32 << 20  # of requests and their answers that are remembered
LIFE_SECONDS = 60.0
READABLE = select.EPOLLIN
WATCHED = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
_WRITE_PATIENCE = struct.pack("ll", 5, 0)  # a timeval; who reads nothing for so long is hung up on


class NullServer:
    """Serves the connections that `listener` brings until standard input ends."""

    def __init__(self, listener: socket.socket, protocol: str) -> None:
        self._listener = listener
        self._door = listener.fileno()
        self._greeting = GREETINGS.get(protocol, b"")
        self._new_session = SESSIONS.get(protocol)
        self._sessions: dict[int, Session] = {}  # by descriptor, of those of whose request a part has come
        self._known: dict[bytes, bytes] = {}
        self._known_bytes = 0
        self._epoll = select.epoll()
        self._epoll.register(self._door, select.EPOLLIN)
        self._epoll.register(INPUT, 0)  # its end is told without being asked for

    def serve(self) -> None:
        """Serve until standard input ends."""
        serve = self._serve_echo if self._new_session is None else self._serve_answers
        serve()

    def _serve_echo(self) -> None:
        poll, read, write, door = self._epoll.poll, os.read, os.write, self._door
        while True:
            for fd, event in poll(-1, MOST_EVENTS):
                if event != READABLE or fd == door:
                    if fd == INPUT:
                        return
                    self._attend(fd)
                    continue
                try:
                    data = read(fd, CHUNK_BYTES)
                    write(fd, data)
                except OSError:
                    self._close(fd)
                    continue
                if len(data) == CHUNK_BYTES:
                    self._look_again(fd)

    def _serve_answers(self) -> None:
        poll, read, write, door = self._epoll.poll, os.read, os.write, self._door
        sessions, known = self._sessions, self._known
        while True:
            for fd, event in poll(-1, MOST_EVENTS):
                if event != READABLE or fd == door:
                    if fd == INPUT:
                        return
                    self._attend(fd)
                    continue
                try:
                    data = read(fd, CHUNK_BYTES)
                    answer = known.get(data)
                    if answer is not None and fd not in sessions:
                        write(fd, answer)
                    else:
                        self._answer(fd, data)
                except (OSError, ValueError):
                    self._close(fd)
                    continue
                if len(data) == CHUNK_BYTES:
                    self._look_again(fd)

    def _attend(self, fd: int) -> None:
        """See to an event that is more, or other, than bytes to read."""
        if fd == self._door:
            self._accept()
            return
        try:
            data = os.read(fd, CHUNK_BYTES)
            if data:  # and the client's end, which the next look will find
                self._answer(fd, data)
                self._look_again(fd)
            else:
                self._close(fd)
        except (OSError, ValueError):
            self._close(fd)

    def _accept(self) -> None:
        for _ in range(MOST_AT_ONCE):
            try:
                fd = self._listener.accept()[0].detach()
            except OSError:  # nobody is left, or they hung up, or there is no descriptor for them
                return
            os.set_blocking(fd, True)
            if self._greeting:
                os.write(fd, self._greeting)
            self._epoll.register(fd, WATCHED)

    def _answer(self, fd: int, data: bytes) -> None:
        """Answer in the long way; raises ValueError where that is impossible."""
        if self._new_session is None:
            os.write(fd, data)
            return
        begun = self._sessions.pop(fd, None)
        session = begun or self._new_session()
        pieces = session.hear(data)
        if len(pieces) > 1 and sum(map(len, pieces)) <= CHUNK_BYTES:
            pieces = [b"".join(pieces)]
        for piece in pieces:
            os.write(fd, piece)
        if not session.clean:
            self._sessions[fd] = session
        elif session.last:
            self._close(fd)
        elif begun is None and len(pieces) == 1:
            self._learn(data, pieces[0])

    def _learn(self, data: bytes, answer: bytes) -> None:
        self._known_bytes += len(data) + len(answer)
        if self._known_bytes <= MOST_KNOWN_BYTES:
            self._known[data] = answer

    def _look_again(self, fd: int) -> None:
        """Have the poller tell of what is there already; the connection may be closed."""
        try:
            self._epoll.modify(fd, WATCHED)
        except OSError:
            return

    def _close(self, fd: int) -> None:
        self._sessions.pop(fd, None)
        os.close(fd)


def serve_datagrams(endpoint: socket.socket, answer: Callable[[bytes], bytes] | None) -> None:
    """Answer each datagram until standard input ends; with itself where `answer` is None."""
    epoll = select.epoll()
    epoll.register(endpoint.fileno(), select.EPOLLIN)
    epoll.register(INPUT, 0)
    receive, send = endpoint.recvfrom, endpoint.sendto
    while all(fd != INPUT for fd, _ in epoll.poll()):
        for _ in range(MOST_AT_ONCE):
            try:
                data, caller = receive(CHUNK_BYTES)
                send(data if answer is None else answer(data), caller)
            except (OSError, ValueError):  # nothing is left, most of the time
                break


def listen(settings: dict[str, Any]) -> socket.socket:
    """Return the socket that the settings ask for, in non-blocking mode."""
    kind = socket.SOCK_DGRAM if settings.get("udp") else socket.SOCK_STREAM
    path = settings.get("path")
    listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET, kind | socket.SOCK_NONBLOCK)
    listener.bind(path or ("127.0.0.1", 0))
    if kind == socket.SOCK_DGRAM:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)  # as far as the system lets us
        return listener
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _WRITE_PATIENCE)  # accepted sockets inherit both
    if not path:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.listen(BACKLOG)
    return listener


def prepare(settings: dict[str, Any]) -> None:
    """Set the process up: where it runs, how long at most, how many descriptors it may have, no garbage collector."""
    if settings.get("cpus"):
        with suppress(OSError):  # not all that the machine has need be ours
            os.sched_setaffinity(0, settings["cpus"])
    signal.setitimer(signal.ITIMER_REAL, settings.get("seconds", LIFE_SECONDS))  # SIGALRM ends it
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.freeze()
    gc.disable()


def main(settings: dict[str, Any]) -> int:
    """Serve as the settings say."""
    prepare(settings)
    with listen(settings) as listener:
        port = None if settings.get("path") else listener.getsockname()[1]
        os.write(OUTPUT, json.dumps({"port": port}).encode() + b"\n")
        if settings.get("udp"):
            serve_datagrams(listener, upper_datagram if settings["protocol"] == "upper" else None)
        else:
            NullServer(listener, settings["protocol"]).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
