"""What goes wrong around a server, on every model: children, descriptors, and what is left behind."""

from __future__ import annotations

import os
import resource
import select
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from servers.registry import CALM_IN_SCARCITY, MODELS, PORT_OF_THE_KILLED
from servers.runtime.settings import Settings
from tests.models import every_model, is_concurrent, models_that_can, models_that_cannot, serving_many
from tests.serving import (
    Server,
    can_be_bound,
    cpu_seconds,
    is_silent,
    port_to_come_back_to,
    read_all,
    read_exactly,
    reset,
    serving,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("prestarted")

Traces = TypeVar("Traces")

# Models that are built on nothing but system calls; none of them may come to import what the others are built on.
LEAN = ("iterative", "forking", "threaded", "selector", "preforked", "preforked_file_lock", "passing", "reuseport")


def pool(server: Server) -> list[int]:
    """Return the pids of the workers of a server for two clients, once none comes or goes; none without a pool."""
    entry = MODELS[server.listening["model"]]
    if "max_spare" in entry.options:  # it begins with more than it keeps
        wait_until(lambda: len(settled(lambda: tuple(server.children()))) <= Settings.max_spare + 1)  # one may be busy
    elif "workers" in entry.options:
        wait_until(lambda: len(server.children()) == 2)
    return server.children()


def forks_for_a_client(server: Server) -> bool:
    """Tell whether a client is served by a process that was not there before it came."""
    at_rest = set(pool(server))
    with server.connect() as client:
        client.sendall(b"hello\n")
        assert read_exactly(client, 6) == b"hello\n"
        return bool(set(server.children()) - at_rest)


def settled(look: Callable[[], Traces]) -> Traces:
    """Return what is seen once it no longer changes."""
    looks = [look()]

    def is_settled() -> bool:
        is_silent_for(0.05)
        looks.append(look())
        return len(looks) > 10 and len(set(looks[-10:])) == 1

    wait_until(is_settled)
    return looks[-1]


def is_silent_for(seconds: float) -> None:
    """Let a moment pass between two looks."""
    select.select((), (), (), seconds)


def test_a_child_that_is_killed_is_counted_as_such() -> None:
    """What it had done is not known, but that there was a connection is."""
    with serving("forking") as server:
        with server.connect() as client:
            client.sendall(b"hello\n")
            assert read_exactly(client, 6) == b"hello\n"
            os.kill(server.children()[0], signal.SIGKILL)
            assert read_all(client) == b""
        assert server.ask(b"hello\n") == b"hello\n"
        stopped = server.stop()
    assert (stopped["connections"], stopped["requests"], stopped["errors"]) == (2, 1, {"killed": 1})


@every_model
def test_no_child_is_left_unreaped_or_behind(model: str) -> None:
    """While the server is quiet, and after it has ended."""
    with serving_many(model, 2) as server:
        at_rest = set(pool(server))
        for _ in range(20):
            assert server.ask(b"hello\n") == b"hello\n"
        wait_until(lambda: not set(server.children()) - at_rest)
        client = server.connect()
        client.sendall(b"hello\n")
        assert read_exactly(client, 6) == b"hello\n"
        children = server.children()
        server.stop()
        assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
        client.close()


@models_that_can(PORT_OF_THE_KILLED)
def test_a_child_holds_no_listener_so_a_new_server_can_take_the_port(model: str) -> None:
    """After kill -9, an orphaned child must not be found listening; old connections do not keep the port."""
    with serving(model, "--port", str(port_to_come_back_to())) as server:
        client = server.connect()
        client.sendall(b"hello\n")
        assert read_exactly(client, 6) == b"hello\n"
        if has_workers := "workers" in MODELS[model].options:
            wait_until(lambda: len(server.children()) >= 2)
        workers = server.children() if has_workers else []
        server.process.kill()
        server.process.wait()
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))  # they are killed with it
        with serving(model, "--port", str(server.listening["port"])) as successor:
            assert successor.ask(b"hello\n") == b"hello\n"
        client.close()


@every_model
def test_hundreds_of_cycles_leave_no_trace(model: str) -> None:
    """A hundred for those that fork, five hundred for the others: descriptors, threads and children are as before."""
    with serving_many(model, 2) as server:

        def traces() -> tuple[int, int, int]:
            processes = server.processes()
            counts = [sum(entries(Path(f"/proc/{pid}/{what}")) for pid in processes) for what in ("fd", "task")]
            return counts[0], counts[1], len(processes)

        cycles = 100 if forks_for_a_client(server) else 500
        before = settled(traces)
        for number in range(cycles):
            with server.connect() as client:
                client.sendall(b"hello\n")
                assert read_exactly(client, 6) == b"hello\n"
                if number % 3 == 0:
                    reset(client)
        wait_until(lambda: traces() == before)


def entries(folder: Path) -> int:
    """Return how many entries a folder of a process has; -1 where the process has just ended."""
    try:
        return len(list(folder.iterdir()))
    except (FileNotFoundError, ProcessLookupError):
        return -1


@models_that_cannot(PORT_OF_THE_KILLED)
def test_a_model_whose_children_hold_the_listener_keeps_its_port_when_it_is_killed(model: str) -> None:
    """What its registry entry declares: a new server is refused until the last client of the old one has left."""
    with serving(model, "--port", str(port_to_come_back_to())) as server:
        client = server.connect()
        client.sendall(b"hello\n")
        assert read_exactly(client, 6) == b"hello\n"
        server.process.kill()
        server.process.wait()
        assert not can_be_bound(server.listening["port"])
        client.close()
        wait_until(lambda: can_be_bound(server.listening["port"]))


@models_that_cannot(CALM_IN_SCARCITY)
def test_a_model_that_spins_without_descriptors_serves_again_when_there_are_some(model: str) -> None:
    """What its registry entry declares, and no more: who is connected is served, and accepting resumes."""
    with serving(model) as server:
        first = server.connect()
        first.sendall(b"one\n")
        assert read_exactly(first, 4) == b"one\n"
        hard = starve(server)
        starved = server.connect()
        starved.sendall(b"two\n")
        spent = cpu_seconds(server.pid)
        wait_until(lambda: cpu_seconds(server.pid) > spent + 0.5)
        assert is_silent(starved, seconds=0)
        first.sendall(b"still there\n")
        assert read_exactly(first, 12) == b"still there\n"
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (hard, hard))
        assert read_exactly(starved, 4) == b"two\n"
        first.close()
        starved.close()
        server.stop()


@models_that_can(CALM_IN_SCARCITY)
def test_running_out_of_descriptors_is_survived(model: str) -> None:
    """Told once, without spinning; those who are connected are served, and accepting resumes."""
    with serving_many(model, 2) as server:
        first = server.connect()
        first.sendall(b"one\n")
        assert read_exactly(first, 4) == b"one\n"
        wait_until_settled(server)  # a worker that is started later has to do with fewer descriptors
        hard = starve(server)
        assert is_silent(first, seconds=0.4)  # an accept under way has its descriptor already: let it come back
        starved = [server.connect() for _ in range(5)]  # one may slip in, by the reserve
        for client in starved:
            client.sendall(b"two\n")
        holds_all = is_concurrent(model) and not server.children()  # one process has the descriptors of its clients
        if not is_concurrent(model):
            first.close()
        if holds_all:
            spent = cpu_seconds(server.pid)
            assert is_silent(starved[-1], seconds=1.0)
            assert cpu_seconds(server.pid) - spent < 0.25
            first.sendall(b"still there\n")
            assert read_exactly(first, 12) == b"still there\n"
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (hard, hard))
        for client in starved:
            assert read_exactly(client, 4) == b"two\n"
            client.close()
        first.close()
        server.signal(signal.SIGTERM)
        server.stopped()
        # The others may meet the limit too, with the one connection that they have at a time.
        assert server.stderr().count("Too many open files") in ((1,) if holds_all else (0, 1))


def wait_until_settled(server: Server) -> None:
    """Wait until all workers that are to be started have been: none comes or goes for a while."""
    before: list[int] = []
    while server.children() and before != server.children():
        before, end = server.children(), time.monotonic() + 0.3
        wait_until(lambda end=end: time.monotonic() > end)  # type: ignore[misc]


def starve(server: Server) -> int:
    """Leave the server no descriptor but those that it has; return the limit that it had."""
    in_use = {int(entry.name) for entry in Path(f"/proc/{server.pid}/fd").iterdir()}
    _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (min(set(range(1024)) - in_use), hard))
    return hard


@every_model
def test_cpu_is_accounted_where_it_was_spent(model: str) -> None:
    """What requests burn shows in the stopped line: in the children where they serve."""
    with serving_many(model, 2, "--protocol", "work") as server, server.connect() as client:
        pool(server)
        client.sendall(b"1 cpu=0.08\n")
        assert read_exactly(client, 1) == b"x"
        in_children = bool(server.children())
        client.close()
        cpu = server.stop()["cpu"]
    spent = cpu["children" if in_children else "self"]
    assert 0.075 <= spent["user"] + spent["system"] <= 1.5


@every_model
def test_a_server_process_imports_no_more_than_it_needs(model: str) -> None:
    """An imported module is memory that a fork copies and a comparison would charge to the model."""
    with serving(model, environment={"PYTHONVERBOSE": "1"}) as server:
        assert server.ask(b"hello\n") == b"hello\n"
        server.signal(signal.SIGTERM)
        server.stopped()
        chatter = server.stderr()
    # The process that reads the command line comes first, and is replaced: the second interpreter counts.
    after_exec = chatter.rsplit("import 'site'", 1)[1]
    imported = {line.split("'")[1] for line in after_exec.splitlines() if line.startswith("import '")}
    assert f"servers.{model}" in imported
    assert not imported & {"typer", "rich", "numpy", "psutil", "argparse", "h11"}
    if model in LEAN:
        assert not imported & {"typing", "dataclasses", "logging", "asyncio", "ssl", "multiprocessing"}
        assert model == "threaded" or "threading" not in imported
