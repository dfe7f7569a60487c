"""The processes that probes start, with nothing in them that could be in the way: `python -m tools.fitness.probe`.

    spin CPU SECONDS        compute, and print the share of a CPU that was got
    pong CPU                print a port, and send back what one client sends, byte for byte, until it hangs up
    ping CPU PORT SECONDS   send a byte and wait for it, again and again; print the median of the round trips

CPU may be -1 for anywhere. Each ends of itself: no wait is longer than `PATIENCE` seconds.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time

PATIENCE = 5.0
WARM_UP = 100  # round trips that do not count
MOST = 100_000


def pin(cpu: int) -> None:
    """Run on that CPU alone, where the platform can do that."""
    if cpu >= 0 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {cpu})


def spin(seconds: float) -> float:
    """Compute for so long; return the CPU time that this got by the time that passed."""
    began, used = time.monotonic(), time.process_time()
    while (passed := time.monotonic() - began) < seconds:
        for _ in range(1000):
            pass
    return (time.process_time() - used) / passed


def pong() -> None:
    """Send back what one client sends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        listener.settimeout(PATIENCE)
        connection, _ = listener.accept()
    with connection:
        connection.settimeout(None)  # no poll before each call; the client ends in time
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := connection.recv(1):
            connection.send(data)


def ping(port: int, seconds: float) -> float:
    """Return the median of the round trips, in seconds."""
    trips: list[int] = []
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end_ns = time.monotonic_ns() + int(seconds * 1e9)
        now = 0
        while (now < end_ns or len(trips) <= WARM_UP) and len(trips) < MOST:
            began = time.monotonic_ns()
            connection.send(b".")
            connection.recv(1)
            now = time.monotonic_ns()
            trips.append(now - began)
    counted = sorted(trips[WARM_UP:])
    return counted[len(counted) // 2] / 1e9


def main(what: str, *numbers: str) -> None:
    """Carry out one probe, and print its figure as JSON."""
    pin(int(numbers[0]))
    if what == "spin":
        print(json.dumps(spin(float(numbers[1]))))
    elif what == "ping":
        print(json.dumps(ping(int(numbers[1]), float(numbers[2]))))
    else:
        pong()


if __name__ == "__main__":
    main(*sys.argv[1:])
