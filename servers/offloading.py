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

import gc
import os
import signal
import socket
import struct
from collections import deque
from contextlib import suppress
from functools import partial

from servers.runtime.children import Children
from servers.runtime.compute import burn
from servers.runtime.lifecycle import ignore
from servers.runtime.orphans import die_with
from servers.runtime.workers import wanted_workers
from servers.selector import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from servers.runtime.listener import Listener
    from servers.runtime.nonblocking import Channel
    from servers.runtime.service import Service

    Job = tuple[Channel, float]

SECONDS = struct.Struct("d")


def serve(listener: Listener, service: Service) -> None:
    """Serve all clients in one loop, which computes nothing itself, until the server stops."""
    pool = ProcessPool(service)
    loop = Loop(listener, service, pool.compute)
    try:
        pool.start(loop, wanted_workers(service))
        loop.run()
    finally:
        pool.end()


class ProcessPool:
    """Processes that compute, and the jobs that wait for one of them."""

    def __init__(self, service: Service) -> None:
        self._children = Children(service, new_rows=True)
        self._jobs: deque[Job] = deque()
        self._free: list[socket.socket] = []
        self._at_work: dict[socket.socket, Job] = {}

    def start(self, loop: Loop, count: int) -> None:
        """Fork the processes."""
        gc.freeze()
        self._loop = loop
        signal.signal(signal.SIGCHLD, lambda *_: self._children.reap())
        for _ in range(count):
            self._start_one()

    def compute(self, channel: Channel, seconds: float) -> bool:
        """Have it computed by a process that is free, or by the next one that is; the channel is woken then."""
        self._jobs.append((channel, seconds))
        self._hand_out()
        return False

    def end(self) -> None:
        """Let the processes end: nobody waits for what they are computing any more."""
        for helper in (*self._free, *self._at_work):
            helper.close()
        self._children.end_now()

    def _start_one(self) -> None:
        ours, theirs = socket.socketpair()
        parent = os.getpid()
        if self._children.fork():
            ours.close()
            compute_for_parent(theirs, parent)
        theirs.close()
        self._free.append(ours)
        self._loop.call_when_readable(ours.fileno(), partial(self._hear, ours))

    def _hand_out(self) -> None:
        while self._jobs and self._free:
            helper = self._free.pop()
            self._at_work[helper] = job = self._jobs.popleft()
            with suppress(OSError):  # it was killed: that will be heard of
                helper.send(SECONDS.pack(job[1]))

    def _hear(self, helper: socket.socket) -> None:
        """Wake the channel whose job is done; give the job of a process that was killed to another."""
        done = b""
        with suppress(OSError):
            done = helper.recv(1)
        job = self._at_work.pop(helper, None)
        if done and job:
            self._free.append(helper)
            job[0].wake_up()
        else:
            self._replace(helper, job)
        self._hand_out()

    def _replace(self, helper: socket.socket, job: Job | None) -> None:
        if helper in self._free:
            self._free.remove(helper)
        self._loop.forget(helper.fileno())
        helper.close()
        if job:
            self._jobs.appendleft(job)
        self._start_one()


def compute_for_parent(channel: socket.socket, parent: int) -> None:
    """Be a process of the pool: burn as long as is asked for, again and again, until the parent asks no more."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, ignore)  # the loop drains, and its clients still need us
        die_with(parent)
        # One that takes a dead one's place has inherited the clients: held open here, their ends would not be seen.
        os.closerange(3, channel.fileno())
        os.closerange(channel.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
        while asked := channel.recv(SECONDS.size):
            burn(*SECONDS.unpack(asked))
            channel.send(b".")
    finally:
        os._exit(0)
