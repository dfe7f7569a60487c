"""How a server stops, on every model: what is in flight is finished, and nobody is forgotten."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from servers.__main__ import settings_of
from servers.registry import MODELS, QUEUE_AT_THE_END
from tests.models import every_model, is_concurrent, models_that_can, models_that_cannot, serving_many
from tests.serving import PATIENCE, ROOT, cpu_seconds, is_silent, read_all, read_exactly, serving, wait_until

if TYPE_CHECKING:
    import socket

pytestmark = pytest.mark.usefixtures("prestarted")


@every_model
def test_sigterm_stops_a_server_that_waits_for_clients(model: str) -> None:
    """A flag alone would not: Python restarts the system call that the signal interrupts (PEP 475)."""
    with serving_many(model, 2, "--grace", "15") as server:
        began = time.monotonic()
        stopped = server.stop()
        assert time.monotonic() - began < 10
    assert stopped["reason"] == "SIGTERM"
    assert stopped["connections"] == 0


@every_model
def test_a_signal_in_the_middle_of_the_start_still_stops_in_order(model: str) -> None:
    """Whenever it comes after the command line was read: no traceback, and both lines or neither.

    What all models have in common is over in a few hundredths of a second: each meets one signal there, and one later.
    """
    servers = []
    for delay in ((0.0, 0.05), (0.02, 0.1))[list(MODELS).index(model) % 2]:
        server = subprocess.Popen(
            [sys.executable, "-m", "servers.runtime", json.dumps(settings_of([model, "--port", "0"]))],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, preexec_fn=block_signals,  # noqa: PLW1509  it makes one system call
        )  # fmt: skip
        threading.Event().wait(delay)
        server.send_signal(signal.SIGINT)
        servers.append(server)
    for out, err in [server.communicate(timeout=PATIENCE) for server in servers]:
        assert err == ""
        assert [json.loads(line)["event"] for line in out.splitlines()] == ["listening", "stopped"]


def block_signals() -> None:
    """Do as the process does that reads the command line, before it becomes the server."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))


@every_model
def test_sigterm_finishes_what_is_in_flight_and_lets_the_idle_go(model: str) -> None:
    """A request under way is answered; a client between two requests sees an orderly end."""
    with serving_many(model, 3, "--protocol", "work", "--grace", "15") as server:
        clients = [server.connect() for _ in range(3 if is_concurrent(model) else 1)]
        for client in clients:
            client.sendall(b"1\n")
            assert read_exactly(client, 1) == b"x"
        clients[0].sendall(b"5 sleep=0.4\n")
        assert is_silent(clients[0], seconds=0.1)
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGTERM)  # once more is harmless
        assert [read_all(client) for client in clients] == [b"xxxxx", *[b""] * (len(clients) - 1)]
        for client in clients:
            client.close()
        stopped = server.stopped()
        assert server.process.returncode == 0
        assert stopped["errors"] == {}
        assert stopped["requests"] == len(clients) + 1


@every_model
def test_a_request_half_arrived_at_sigterm_is_still_served(model: str) -> None:
    """What has begun is in flight."""
    with serving_many(model, 2) as server, server.connect() as client:
        client.sendall(b"one\ntw")
        assert read_exactly(client, 4) == b"one\n"
        server.signal(signal.SIGTERM)
        assert is_silent(client, seconds=0.15)
        client.sendall(b"o\n")
        assert read_all(client) == b"two\n"
        assert server.stopped()["errors"] == {}


@models_that_can(QUEUE_AT_THE_END)
def test_clients_in_the_accept_queue_at_sigterm_are_served_not_reset(model: str) -> None:
    """They were promised service by the handshake."""
    with serving_many(model, 2, "--protocol", "work", "--max-connections", "1") as server:
        with server.connect() as holder:
            holder.sendall(b"1 sleep=0.4\n")
            assert is_silent(holder, seconds=0.1)
            queued = [server.connect() for _ in range(9)]
            for client in queued:
                client.sendall(b"4\n")
            server.signal(signal.SIGTERM)
            assert [read_all(client) for client in (holder, *queued)] == [b"x"] + [b"xxxx"] * 9
            for client in queued:
                client.close()
        stopped = server.stopped()
    assert (stopped["connections"], stopped["requests"], stopped["errors"]) == (10, 10, {})


@models_that_cannot(QUEUE_AT_THE_END)
def test_a_model_that_forgets_its_queue_resets_who_waits_in_it(model: str) -> None:
    """What its registry entry declares: it is stopped while they come, and told to end before it goes on."""
    with serving(model) as server:
        assert server.ask(b"ready\n") == b"ready\n"
        server.halt()
        clients = [server.connect() for _ in range(20)]
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGCONT)
        served = sum(asked_in_time(client) for client in clients)
        assert served <= 1  # the one that its loop was woken for
        stopped = server.stopped()
        assert (stopped["connections"], stopped["reason"]) == (1 + served, "SIGTERM")
        for client in clients:
            client.close()


def asked_in_time(client: socket.socket) -> bool:
    """Say something; tell whether it is answered before the server hangs up."""
    try:
        client.sendall(b"hello\n")
        return read_exactly(client, 6) == b"hello\n"
    except ConnectionError:
        return False


@every_model
def test_the_grace_period_ends_what_does_not_end(model: str) -> None:
    """Nothing that a client does keeps the server; what was cut off is counted, with what was done before."""
    with serving_many(model, 2, "--protocol", "work", "--grace", "0.3") as server, server.connect() as client:
        client.sendall(b"1\n1 sleep=30\n")
        assert read_exactly(client, 1) == b"x"
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        stopped = server.stopped()
        assert time.monotonic() - began < 15
        assert (stopped["requests"], stopped["errors"]) == (1, {"cut-off": 1})
        assert stopped["reason"] == "SIGTERM, grace period over"
        assert server.process.returncode == 0


@every_model
def test_a_computation_does_not_put_off_the_end(model: str) -> None:
    """Neither that of the grace period nor the second SIGINT waits until it is done; it counts as cut off."""
    with serving_many(model, 2, "--protocol", "work", "--grace", "0.1") as server, server.connect() as client:
        before = cpu_seconds(*server.processes())
        client.sendall(b"1 cpu=9\n")
        wait_until(lambda: cpu_seconds(*server.processes()) >= before + 0.08)  # it is being worked out
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        stopped = server.stopped()
        assert time.monotonic() - began < 8
        assert (stopped["requests"], stopped["errors"]) == (0, {"cut-off": 1})


@every_model
def test_a_second_sigint_ends_at_once(model: str) -> None:
    """The first drains, as SIGTERM does."""
    with serving_many(model, 2, "--protocol", "work", "--grace", "30") as server, server.connect() as client:
        client.sendall(b"1\n1 sleep=30\n")
        assert read_exactly(client, 1) == b"x"
        began = time.monotonic()
        for _ in range(8):  # two that come together are one, and a busy machine keeps the first waiting
            if server.process.poll() is None:
                server.signal(signal.SIGINT)
                is_silent(client, seconds=0.5)
        stopped = server.stopped()
        assert time.monotonic() - began < 15
        assert stopped["reason"] == "SIGINT twice"
        assert server.process.returncode == 130


@models_that_can(QUEUE_AT_THE_END)
def test_a_drain_forgets_nobody(model: str) -> None:
    """Idle clients are let go though others wait in the queue, and who waits there is heard out."""
    with (
        serving_many(model, 2, "--protocol", "work", "--max-connections", "1", "--grace", "15") as server,
        ExitStack() as all_,
    ):
        holder = all_.enter_context(server.connect())
        holder.sendall(b"1\n")
        assert read_exactly(holder, 1) == b"x"
        late, silent = (all_.enter_context(server.connect()) for _ in range(2))
        late.sendall(b"4")
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        late.sendall(b"\n")
        assert read_all(holder) == b""
        assert read_all(late) == b"xxxx"
        assert read_all(silent) == b""
        stopped = server.stopped()
        assert time.monotonic() - began < 10
    assert (stopped["connections"], stopped["requests"], stopped["errors"]) == (3, 2, {})


@every_model
def test_clients_that_keep_coming_do_not_keep_a_server_from_stopping(model: str) -> None:
    """Who waited when the signal came is served; who comes later was promised nothing."""
    with serving_many(model, 2, "--protocol", "work", "--grace", "20") as server:
        finished = threading.Event()

        def come_again() -> None:
            while not finished.is_set():
                with suppress(OSError), server.connect() as client:
                    client.sendall(b"1 cpu=0.002\n")
                    client.recv(1)

        crowd = [threading.Thread(target=come_again) for _ in range(12)]
        for client in crowd:
            client.start()
        try:
            server.ask(b"1\n")
            began = time.monotonic()
            server.signal(signal.SIGTERM)
            stopped = server.stopped()
            took = time.monotonic() - began
        finally:
            finished.set()
            for client in crowd:
                client.join()
    assert took < 10
    assert stopped["reason"] == "SIGTERM"


@every_model
def test_signals_in_quick_succession_end_a_server_in_order(model: str) -> None:
    """The clean-up that the second SIGINT leads to is not broken off by a third: stopped line, no child left."""
    with serving_many(model, 8, "--protocol", "work", "--grace", "30") as server:
        clients = [server.connect() for _ in range(8 if is_concurrent(model) else 1)]
        for client in clients:
            client.sendall(b"1\n1 sleep=30\n")
            assert read_exactly(client, 1) == b"x"
        children = server.children()
        assert server.process.stdout
        while not select.select([server.process.stdout], (), (), 0.001)[0]:  # until it says that it has stopped
            server.signal(signal.SIGINT)
        stopped = server.stopped()
        assert server.process.returncode == 130
        assert (stopped["connections"], stopped["errors"]) == (len(clients), {"cut-off": len(clients)})
        assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
        for client in clients:
            client.close()
