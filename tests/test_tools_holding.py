"""Memory per connection: the slope over what is held is the one that is known, and no server makes the probe hang."""

from __future__ import annotations

import errno
import os
import resource
import socket
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.comparisons import variant
from tests.load_runs import until_true
from tests.measured import python
from tools.accounting.meters import metering
from tools.failure import Failure
from tools.memory.held_connections import Crowd, descriptors_for
from tools.memory.holding import PATIENCE, Holding, memory_probe
from tools.processes.launch import running
from tools.variants.starting import command_of, environment_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.accounting.meters import Meter
    from tools.processes.launch import Server

HELD = 200
KIB = 1024

# Echoes, and gives each connection a block that it never touches again.
ALLOCATING = """
import json, selectors, socket, sys
listener = socket.create_server(("127.0.0.1", 0), backlog=512)
selector = selectors.DefaultSelector()
selector.register(listener, selectors.EVENT_READ)
blocks = {}
print(json.dumps({"event": "listening", "port": listener.getsockname()[1]}), flush=True)
while True:
    for key, _ in selector.select():
        if key.fileobj is listener:
            connection, _ = listener.accept()
            selector.register(connection, selectors.EVENT_READ)
            blocks[connection] = b"x" * int(sys.argv[1])
        elif data := key.fileobj.recv(65536):
            key.fileobj.send(WHAT)
        else:
            del blocks[key.fileobj]
            selector.unregister(key.fileobj)
            key.fileobj.close()
"""


@contextmanager
def metered(command: list[str]) -> Iterator[tuple[Server, Meter]]:
    """Run a server with a meter."""
    with metering() as meter, running(command, meter=meter, environment=environment_of(variant(""))) as server:
        yield server, meter


@contextmanager
def model(name: str, protocol: str = "echo", **options: int) -> Iterator[tuple[Server, Meter]]:
    """Run one of the models."""
    with metered(command_of(variant(name), protocol, options)) as found:
        yield found


def probed(name: str, protocol: str = "echo", most: int = 8, patience: float = 20.0, **options: int) -> Holding:
    """Probe one of the models, which must end in order."""
    with model(name, protocol, **options) as (server, meter):
        found = memory_probe(server, meter, protocol=protocol, most=most, patience=patience)
        server.stop()
        assert server.exit_status == 0, server.errors()
        assert server.leftover == 0
    return found


def slope(holding: Holding, figures: tuple[int | None, ...]) -> float:
    """Bytes for one more connection by least squares."""
    return float(np.polyfit(holding.held, np.array(figures, dtype=float), 1)[0])


def anonymous_bytes(pid: int) -> int:
    """What a process has that is no file's, as a reader of this test would look it up."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in rollup if line.startswith("Anonymous:")) * KIB


def by_hand(name: str, number: int) -> float:
    """Bytes for one more connection: two readings of one process, and connections of the test's own."""
    with ExitStack() as stack:
        server, _ = stack.enter_context(model(name))
        where = server.listening["host"], server.listening["port"]

        def ask() -> socket.socket:
            client = socket.create_connection(where, timeout=20)
            client.sendall(b"hello\n")
            assert client.recv(64) == b"hello\n"
            return client

        ask().close()
        before = at_rest(server.pid)
        for _ in range(number):
            stack.enter_context(ask())
        return (at_rest(server.pid) - before) / number


def at_rest(pid: int) -> int:
    """The memory of a process once it has not changed for half a second: what serves has found its clients silent."""
    deadline = time.monotonic() + 20
    same_since, found = time.monotonic(), anonymous_bytes(pid)
    while time.monotonic() - same_since < 0.5:
        assert time.monotonic() < deadline
        if (now := anonymous_bytes(pid)) != found:
            same_since, found = time.monotonic(), now
    return found


@pytest.mark.parametrize("name", ["threaded", "selector"])
def test_the_slope_is_the_one_that_is_measured_by_hand(name: str) -> None:
    """Within a tenth; servers differ by a few percent from start to start, as do those that are measured by hand."""

    def run() -> None:
        holding = probed(name, most=HELD)
        assert holding.held == holding.admitted == (0, HELD // 4, HELD // 2, HELD)
        assert slope(holding, holding.pss_bytes) == pytest.approx(by_hand(name, HELD), rel=0.1)

    until_true(run)


def test_a_server_that_allocates_100_kib_for_each_connection_is_seen_to() -> None:
    """What else it has for a connection, a key and a socket object, is less than a hundredth of that."""
    with metered(python(ALLOCATING.replace("WHAT", "data"), str(100 * KIB))) as (server, meter):
        holding = memory_probe(server, meter, protocol="echo", most=80)
    assert slope(holding, holding.pss_bytes) == pytest.approx(100 * KIB, rel=0.05)


def test_a_server_that_forks_has_a_process_for_each_connection() -> None:
    """The memory of all of them is counted, and of no one that has ended."""
    holding = probed("forking", most=8)
    assert holding.held == holding.admitted == (0, 2, 4, 8)
    assert holding.processes == (1, 3, 5, 9)
    assert slope(holding, holding.pss_bytes) > 100 * KIB


def test_a_server_that_serves_one_at_a_time_has_admitted_one() -> None:
    """The others are opened and counted, and waited for once and not each."""

    def run() -> None:
        began = time.monotonic()
        holding = probed("iterative", most=40, patience=PATIENCE)
        assert time.monotonic() - began < 10  # each of the others would wait 0.3 s: twelve in sum
        assert (holding.held, holding.admitted) == ((0, 10, 20, 40), (0, 1, 1, 1))

    until_true(run)  # where the first has no answer in 0.3 s, on a busy machine, it counts as one that waits


def test_a_pool_has_admitted_as_many_as_it_has_workers() -> None:
    """Its processes are all there from the start."""

    def run() -> None:
        holding = probed("preforked", most=12, patience=PATIENCE, workers=3)
        assert (holding.held, holding.admitted) == ((0, 3, 6, 12), (0, 3, 3, 3))
        assert holding.processes == (4, 4, 4, 4)

    until_true(run)


@pytest.mark.parametrize("protocol", ["upper", "work", "frames", "http"])
def test_each_protocol_is_spoken(protocol: str) -> None:
    """Every connection makes one whole exchange, after a greeting where there is one."""
    holding = probed("selector", protocol, most=4)
    assert holding.held == holding.admitted == (0, 1, 2, 4)


def test_a_wrong_answer_is_told() -> None:
    """Memory that is held for something else than the service is no answer."""
    with (
        metered(python(ALLOCATING.replace("WHAT", "data[:3] + b'?' + data[4:]"), "1")) as (server, meter),
        pytest.raises(Failure, match="wrong answer: byte 3 of 64"),
    ):
        memory_probe(server, meter, protocol="echo", most=4)


def test_a_server_that_hangs_up_on_what_is_held_is_told() -> None:
    """It was not held then."""
    with model("selector") as (server, _), Crowd(server.address, "echo") as crowd:
        crowd.grow(2, patience=20)
        assert crowd.admitted == 2
        server.stop()
        with pytest.raises(Failure, match="hung up on a connection"):
            crowd.hear()


def test_a_server_that_is_gone_is_told() -> None:
    """In one line."""
    with model("selector") as (server, meter):
        server.stop()
        with pytest.raises(Failure, match=os.strerror(errno.ECONNREFUSED)):
            memory_probe(server, meter, protocol="echo", most=4)


def test_all_connections_are_closed_also_where_the_probe_fails() -> None:
    """No descriptor of ours is left; a socket that nobody closed would be a warning besides."""
    before = set(Path("/proc/self/fd").iterdir())
    with metered(python(ALLOCATING.replace("WHAT", "b'?' * 64"), "1")) as (server, meter), pytest.raises(Failure):
        memory_probe(server, meter, protocol="echo", most=4)
    assert set(Path("/proc/self/fd").iterdir()) == before


def test_the_limit_of_descriptors_is_raised_and_then_as_before() -> None:
    """As far as it may be; beyond that there are fewer connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowered = len(list(Path("/proc/self/fd").iterdir())) + 80
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowered, hard))
    try:
        with descriptors_for(100) as number:
            assert number == 100
            assert lowered < resource.getrlimit(resource.RLIMIT_NOFILE)[0] < hard
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (lowered, hard)
        with descriptors_for(hard + 1000) as number:
            assert hard - 1000 < number < hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
