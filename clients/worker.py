"""A load process: `python -m clients.worker`, started by `clients.swarm` and of no use alone.

Standard input brings the spec as a line of JSON, then the line that says when to start; its end, or a line
more, is the order to stop, so that no load process outlives its parent. Standard output carries events as
JSON lines, the last of which tells how many bytes of request rows and of connection rows follow it.

Nothing but what the loop needs is imported here (no numpy, no argparse, no progress bar).
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import select
import sys
from typing import TYPE_CHECKING

from clients.datagram_loop import DatagramLoop
from clients.failures import UnreachableError
from clients.loop import LoadLoop
from clients.spec import Spec

if TYPE_CHECKING:
    from clients.guests.loop import GuestLoop

    Loop = LoadLoop | DatagramLoop | GuestLoop

INPUT, OUTPUT = 0, 1


def say(event: str, **fields: object) -> None:
    """Write one JSON line for the parent."""
    write_all((json.dumps({"event": event, **fields}) + "\n").encode())


def write_all(data: bytes | memoryview) -> None:
    """Write all of `data`, however little a pipe takes at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(OUTPUT, view) :]


class Orders:
    """The parent's lines. What was read ahead is kept here, where `stop_ordered` sees it; sys.stdin would hide it."""

    def __init__(self) -> None:
        self._heard = b""

    def line(self) -> str:
        """Wait for the next line; empty where the parent is gone."""
        while b"\n" not in self._heard:
            heard = os.read(INPUT, 1 << 16)
            if not heard:
                return ""
            self._heard += heard
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode()

    def stop_ordered(self) -> bool:
        """Whether the parent said something more, which can only be an order, or is gone."""
        return bool(self._heard or select.select([INPUT], [], [], 0)[0])


def kind_of_loop(spec: Spec) -> type[Loop]:
    """The loop for what is to be done: measured requests over streams or datagrams, or guests."""
    if spec.hold or spec.hostile:
        from clients.guests.loop import GuestLoop  # noqa: PLC0415 - those who measure need not have it in memory

        return GuestLoop
    return DatagramLoop if spec.udp else LoadLoop


def loop_for(spec: Spec, orders: Orders) -> Loop:
    """The loop that carries out `spec`, talking to the parent."""
    return kind_of_loop(spec)(
        spec,
        stop_ordered=orders.stop_ordered,
        on_progress=lambda completed, errors, recent: say(
            "progress", completed=completed, errors=errors, recent=recent
        ),
        on_finished=lambda: say("finished"),
    )


def prepare(spec: Spec, orders: Orders) -> Loop:
    """Set the process up for the run and connect."""
    if spec.cpus:
        os.sched_setaffinity(0, spec.cpus)
    make_timers_exact()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    loop = loop_for(spec, orders)
    loop.prepare()
    # Nothing here makes cycles that matter, and a collection in the middle of a request would be its latency.
    gc.collect()
    gc.freeze()
    gc.disable()
    return loop


def make_timers_exact() -> None:
    """Have waiting end when it is due, and not up to 50 us later, by which the kernel gathers wake-ups."""
    with contextlib.suppress(OSError), open("/proc/self/timerslack_ns", "w") as slack:  # noqa: PTH123 - one import less
        slack.write("1")


def deliver(loop: Loop) -> None:
    """Hand everything that was recorded to the parent."""
    ledger = loop.ledger
    requests, connections = ledger.rows.chunks(), loop.connection_rows.chunks()
    say(
        "records",
        requests_bytes=sum(map(len, requests)),
        connections_bytes=sum(map(len, connections)),
        errors=ledger.errors,
        examples=ledger.examples,
        late=ledger.late,
        duplicates=ledger.duplicates,
        idle_closed=ledger.idle_closed,
        ended_ns=loop.ended_ns,
        gave_up=loop.course.gave_up,
        guests=getattr(loop, "guests", {}),
        evidence=loop.course.evidence.to_json(),
    )
    for chunk in requests + connections:
        write_all(chunk)


def main() -> int:
    """Carry out one spec."""
    orders = Orders()
    line = orders.line()
    if not line:
        return 1
    try:
        loop = prepare(Spec.from_json(line), orders)
    except UnreachableError as failure:
        say("unreachable", outcome=failure.outcome.kind, detail=str(failure))
        return 1
    say("ready")
    if not orders.stop_ordered():
        loop.idle(INPUT)
    start = orders.line()
    if not start:
        return 1
    loop.run(**json.loads(start))
    deliver(loop)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        os._exit(1)  # the parent is gone, and with it everybody who could read a complaint
