r"""Offloading: an event loop that hands what would block it to a pool of processes (AMPED, asymmetric multi-process).

    loop over all clients --Compute--> queue --> process: burn
                          <--done--------------- process: burn
                                                 process: burn

The selector server with its one weakness mended: a computation no longer holds up every other client, and other CPUs
are put to use. In Flash the helpers read files from disk; what blocks here is Python code that computes, and for that
threads would not do: under the GIL they would take turns with the loop itself. Costs two messages for each
computation and a queue before the pool: it is the wrong choice where computations are shorter than that (some 50 us),
or where what they need and return is large, for it must be copied to the other process and back.

Used by: libuv's thread pool (files, DNS), nginx's thread pools, asyncio's `run_in_executor` with a process pool.
Source: Pai, Druschel and Zwaenepoel, "Flash: An Efficient and Portable Web Server" (USENIX 1999).
"""

from __future__ import annotations

import os
import signal
import socket
import struct
from collections import deque
from contextlib import suppress
from functools import partial
from time import monotonic

from servers.runtime.compute import burn
from servers.runtime.lifecycle import ignore
from servers.runtime.workers import Workers
from servers.selector import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from servers.runtime.listener import Listener
    from servers.runtime.nonblocking import Channel
    from servers.runtime.service import Service
    from servers.runtime.worker import Work, Worker

    Job = tuple[Channel, float]

SECONDS = struct.Struct("d")


def serve(listener: Listener, service: Service) -> None:
    """Serve all clients in one loop, which computes nothing itself, until the server stops."""
    jobs = Jobs()
    loop = Loop(listener, service, jobs.compute)
    pool = Pool(jobs, loop, service)
    with pool.workers:
        loop.run()
        pool.close()


class Jobs:
    """Computations that wait for a process, and those that one is at."""

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()
        self._free: list[socket.socket] = []  # channels to the processes
        self._at_work: dict[socket.socket, Job] = {}

    def compute(self, channel: Channel, seconds: float) -> bool:
        """Have it computed by a process that is free, or by the next one that is; the channel is woken then."""
        self._waiting.append((channel, seconds))
        self._hand_out()
        return False

    def welcome(self, process: socket.socket) -> None:
        """Give work to a process that is free."""
        self._free.append(process)
        self._hand_out()

    def finish(self, process: socket.socket) -> None:
        """Wake the channel whose computation a process has done."""
        channel, _ = self._at_work.pop(process)
        channel.wake_up()

    def is_at_work(self, process: socket.socket) -> bool:
        """Tell whether a process computes just now."""
        return process in self._at_work

    def lose(self, process: socket.socket) -> None:
        """Put the computation of a process that has ended before all others."""
        if process in self._free:
            self._free.remove(process)
        elif job := self._at_work.pop(process, None):
            self._waiting.appendleft(job)
            self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self._free:
            process = self._free.pop()
            self._at_work[process] = job = self._waiting.popleft()
            with suppress(OSError):  # it was killed: that will be heard of
                process.send(SECONDS.pack(job[1]))


class Pool:
    """The processes, and the channels to them."""

    def __init__(self, jobs: Jobs, loop: Loop, service: Service) -> None:
        self.workers = Workers(self._prepare, service, loop.bell)
        self.workers.when_started = self._open
        self.workers.retirement.dismiss = self._dismiss
        self._leaving: set[Worker] = set()  # as soon as they have done what they are at
        self._jobs = jobs
        self._loop = loop
        self._ends: tuple[socket.socket, ...] = ()
        self._channels: dict[int, socket.socket] = {}  # by the pid of the process
        loop.when_signalled = self._attend

    def close(self) -> None:
        """Let the processes end: nobody waits for what they compute any more."""
        for channel in self._channels.values():
            channel.close()

    def wake_up(self) -> None:
        """Try again to start processes that have failed to start."""
        self._attend(b"")

    def _attend(self, news: bytes) -> None:
        self.workers.attend(news)
        if self.workers.lacking:
            self._loop.wake(self, monotonic() + self.workers.seconds_to_wait())

    def _prepare(self, _slot: int) -> Work:
        self._ends = socket.socketpair()
        return partial(compute_for_parent, self._ends[1])

    def _open(self, worker: Worker) -> None:
        channel, theirs = self._ends
        theirs.close()
        self._channels[worker.pid] = channel
        self._loop.call_when_readable(channel.fileno(), partial(self._hear, worker))
        self._jobs.welcome(channel)

    def _hear(self, worker: Worker) -> None:
        """Take the word that a computation is done, or that the process has ended."""
        channel, word = self._channels[worker.pid], b""
        with suppress(OSError):
            word = channel.recv(1)
        if word:
            self._jobs.finish(channel)
        if not word or worker in self._leaving:
            self._close(worker)
        else:
            self._jobs.welcome(channel)

    def _dismiss(self, worker: Worker) -> None:
        """Let a process go, once it has done what it is at."""
        channel = self._channels.get(worker.pid)
        if channel and self._jobs.is_at_work(channel):
            self._leaving.add(worker)
        else:
            self._close(worker)

    def _close(self, worker: Worker) -> None:
        self._leaving.discard(worker)
        if channel := self._channels.pop(worker.pid, None):
            self._loop.forget(channel.fileno())
            self._jobs.lose(channel)
            channel.close()


def compute_for_parent(channel: socket.socket, _service: Service) -> None:
    """Be a process of the pool: burn as long as is asked for, again and again, until the parent asks no more."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ignore)  # the loop drains, and its clients still need us
    # One that takes a dead one's place has inherited the clients: held open here, their ends would not be seen.
    os.closerange(3, channel.fileno())
    os.closerange(channel.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
    with suppress(OSError):  # it may be gone by the time we are done
        while asked := channel.recv(SECONDS.size):
            burn(*SECONDS.unpack(asked))
            channel.send(b".")
