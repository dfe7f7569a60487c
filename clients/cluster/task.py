"""What a Dask worker does in a load run: start a clean load process, hand orders down, pass words up.

    caller -- run -----> deposit, order, renew, end     on the worker's event loop, at once
    caller -- submit --> carry                          in a thread of the worker, as long as the load
                           carry <-- pipes --> python -m clients.worker, which has nothing of Dask in it
    caller <-- topic --- every word of the load process
    caller <-- result -- its rows, as bytes, and its report

A part's spec waits in the memory of the one worker process that is meant to carry it, until its task comes for it,
once. So a task that Dask begins again, after its worker was lost, finds no spec and refuses at once. A load process
ends with its worker (its standard input does), when its caller says so, and when its caller is silent for `LEASE`.
"""

from __future__ import annotations

import hashlib
import os
import selectors
import socket
import time
from contextlib import suppress
from typing import Any

from distributed import get_worker, secede

from clients.process import LoadError, LoadProcess
from clients.records import CONNECTION_COLUMNS, REQUEST_COLUMNS, Outcome
from clients.spec import SPEC_VERSION, Spec

TOPIC = "serverlab"  # one for all runs, because a scheduler keeps a log of every topic for good
LEASE = 20.0  # seconds without a word from the caller, who says one every five

Records = tuple[dict[str, Any], bytes, bytes]


class _Part:
    """A part of a load run in this worker: its spec, and the pipe on which orders reach its task."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.begun = False
        self.renewed = time.monotonic()
        self.orders, self._caller = socket.socketpair()

    def order(self, line: str) -> None:
        with suppress(OSError):  # the task is over
            self._caller.sendall(line.encode() + b"\n")

    def end(self) -> None:
        with suppress(OSError):
            self._caller.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.orders.close()
        self._caller.close()

    def is_abandoned(self) -> bool:
        return time.monotonic() - self.renewed > LEASE


_parts: dict[tuple[str, int], _Part] = {}


def introduce() -> dict[str, Any]:
    """Tell what a caller must know of this worker: the format of its specs and records, its machine and its CPUs."""
    names = (*Spec.__slots__, *REQUEST_COLUMNS, *CONNECTION_COLUMNS, *Outcome.__members__)
    return {
        "format": f"{SPEC_VERSION} {hashlib.sha256(' '.join(names).encode()).hexdigest()}",
        "host": socket.gethostname(),
        "cpus": sorted(os.sched_getaffinity(0)),
    }


def deposit(run: str, specs: dict[int, str]) -> None:
    """Keep the specs of the parts that are to be carried here, each until its task comes for it."""
    for key, part in list(_parts.items()):
        if part.is_abandoned() and not part.begun:
            _parts.pop(key).close()
    _parts.update({(run, number): _Part(Spec.from_json(line)) for number, line in specs.items()})


def order(run: str, lines: dict[int, str]) -> int:
    """Send each load process that is here its line; returns the monotonic clock, in nanoseconds."""
    for number, line in lines.items():
        if part := _parts.get((run, number)):
            part.order(line)
    return time.monotonic_ns()


def renew(run: str) -> None:
    """Say that the caller is still there."""
    for (owner, _), part in list(_parts.items()):
        if owner == run:
            part.renewed = time.monotonic()


def end(run: str) -> None:
    """Forget the run and end its load processes, whatever they are at."""
    for key, part in list(_parts.items()):
        if key[0] == run:
            part.end()
            if not part.begun:
                _parts.pop(key).close()


def carry(run: str, number: int) -> Records:
    """Carry out a part: its report, its request rows and its connection rows. The report may be "unreachable".

    Raises LoadError where the part was begun before, where its load process failed and where the caller ended it.
    """
    part = _parts.get((run, number))
    if part is None or part.begun:
        raise LoadError("a part of a load is not begun again")
    part.begun = True
    secede()  # it waits rather than works: the thread is for the next part
    try:
        with LoadProcess(part.spec) as process:
            return _attend(process, part, run, number)
    finally:
        _parts.pop((run, number)).close()


def _attend(process: LoadProcess, part: _Part, run: str, number: int) -> Records:
    worker = get_worker()
    with selectors.DefaultSelector() as selector:
        selector.register(process, selectors.EVENT_READ)
        selector.register(part.orders, selectors.EVENT_READ)
        while not process.done:
            ready = [key.fileobj for key, _ in selector.select(1)]
            if part.orders in ready:
                _pass_on(part, process)
            for event in process.hear() if process in ready else ():
                if event["event"] == "unreachable":
                    return event, b"", b""
                if event["event"] != "records":
                    worker.log_event(TOPIC, {"run": run, "part": number, **event})
            if part.is_abandoned():
                raise LoadError("its caller has fallen silent")
    recorded = process.recorded
    return recorded.report, bytes(recorded.requests), bytes(recorded.connections)


def _pass_on(part: _Part, process: LoadProcess) -> None:
    orders = part.orders.recv(1 << 16)
    if not orders:
        raise LoadError("its caller has ended it")
    for line in orders.decode().splitlines():
        process.tell(line)
