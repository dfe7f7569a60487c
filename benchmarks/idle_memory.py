"""What an idle connection costs a server: the slope of its proportional memory (PSS) over held connections.

    .venv/bin/python benchmarks/idle_memory.py [MODEL ...]      (default: selector threaded)

Prints a line per model: KiB per connection by regression over 0 to 5000 connections; then how long one of 9000 held
connections waits for its answer from the selector server.
"""

from __future__ import annotations

import json
import resource
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

STEPS = (0, 1250, 2500, 3750, 5000)
SETTLE = 0.5  # seconds for the server to accept what was connected, before it is weighed


def pss_kib(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))


def hold(clients: list[socket.socket], port: int, count: int) -> None:
    while len(clients) < count:
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(b"hello\n")
        client.recv(6)
        clients.append(client)


def slope(model: str) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "servers", model, "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout
    port = json.loads(server.stdout.readline())["port"]
    clients: list[socket.socket] = []
    weights = []
    for step in STEPS:
        hold(clients, port, step)
        time.sleep(SETTLE)
        weights.append(pss_kib(server.pid))
    per_connection = statistics.linear_regression(STEPS, weights).slope
    print(f"{model}: {per_connection:.2f} KiB per idle connection ({weights[0]} KiB with none)")
    if model == "selector":
        hold(clients, port, 9000)
        print(f"{model}: with 9000 held, one waits {answer_ms(clients):.2f} ms at most for its answer")
    server.terminate()
    server.wait()


def answer_ms(clients: list[socket.socket]) -> float:
    waits = []
    for client in clients[::90]:
        began = time.perf_counter()
        client.sendall(b"x\n")
        client.recv(2)
        waits.append(time.perf_counter() - began)
    return max(waits) * 1000


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for name in sys.argv[1:] or ("selector", "threaded"):
        slope(name)
