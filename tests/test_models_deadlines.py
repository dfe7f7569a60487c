"""Slow and silent clients, on every model: deadlines, and what a client can make a server hold."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from servers.registry import UNIX_SOCKETS
from tests.models import every_model, models_that_can, serving_many, side_by_side
from tests.serving import Server, is_silent, read_all, read_exactly, serving, wait_until

pytestmark = pytest.mark.usefixtures("prestarted")

# Seconds. A client of ours that a busy machine holds up for as long, or for what a pause is shorter, fails its test.
IDLE = 0.6
PAUSE = 0.35  # two of them are longer than IDLE: what is counted from the connection's beginning ends it in the second
REQUEST = 0.5
LEAST = 0.2  # of REQUEST: a loop counts it from when it last looked at the clock, a while ago on a busy machine


@every_model
def test_a_request_must_be_whole_in_time_however_many_pieces_keep_coming(model: str) -> None:
    """The deadline is the request's, not each recv's: a byte now and then does not put it off."""
    with serving(model, "--request-timeout", str(REQUEST), "--idle-timeout", "30") as server:
        with server.connect() as client:
            client.sendall(b"good\n")
            assert read_exactly(client, 5) == b"good\n"
            began = time.monotonic()
            while is_silent(client, seconds=0.05):
                client.send(b"x")
                assert time.monotonic() - began < 10
            assert client.recv(10) == b""
            assert time.monotonic() - began > LEAST
        assert server.stop()["errors"] == {"request-timeout": 1}


@every_model
def test_a_client_that_says_nothing_is_let_go(model: str) -> None:
    """After the idle timeout, whether it never spoke, or spoke and fell silent; every silence may be as long."""
    with serving_many(model, 3, "--idle-timeout", str(IDLE)) as server:

        def silent() -> None:
            with server.connect() as client:
                assert client.recv(10) == b""

        def speaks_once() -> None:
            with server.connect() as client:
                client.sendall(b"hello\n")
                assert read_all(client) == b"hello\n"

        def pauses() -> None:
            with server.connect() as client:
                for _ in range(3):
                    assert is_silent(client, seconds=PAUSE)
                    client.sendall(b"hello\n")
                    assert read_exactly(client, 6) == b"hello\n"
                assert read_all(client) == b""

        side_by_side(model, silent, speaks_once, pauses)
        assert server.stop()["errors"] == {"idle-timeout": 3}


@models_that_can(UNIX_SOCKETS)
def test_a_unix_socket_is_served_with_its_deadlines(model: str, tmp_path: Path) -> None:
    """Its connections inherit nothing from the listener."""
    with serving(model, "--unix", str(tmp_path / "socket"), "--idle-timeout", str(IDLE)) as server:
        assert server.ask(b"hello\n") == b"hello\n"
        with server.connect() as silent:
            assert read_all(silent) == b""
        assert server.stop()["errors"] == {"idle-timeout": 1}


@every_model
def test_a_client_that_does_not_read_is_neither_buffered_for_nor_waited_for(model: str) -> None:
    """The server reads no more while answers are owed, holds little memory, and ends it when its time is up."""
    with serving(model, "--protocol", "work", "--request-timeout", str(REQUEST)) as server:
        with server.connect() as client:
            client.setblocking(False)
            sent = 0
            try:
                while sent < 1 << 24:
                    sent += client.send(b"10000000\n" * 1000)
            except BlockingIOError:
                pass
            wait_until(lambda: server_memory_mb(server) < 60)
            client.settimeout(10)
            wait_until(lambda: has_been_reset(client))
        assert server.stop()["errors"] == {"write-timeout": 1}


def server_memory_mb(server: Server) -> float:
    """Return the memory of the server and its children, those that end meanwhile left out."""
    kib = 0
    for pid in (server.pid, *server.children()):
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        kib += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return kib / 1024


def has_been_reset(client: socket.socket) -> bool:
    """Tell whether the server has given the connection up, though the client has not read what came before."""
    return client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != 1  # TCP_ESTABLISHED


@every_model
def test_an_answer_must_be_taken_in_time_however_slowly_it_is_taken(model: str) -> None:
    """The deadline is the answer's, not each send's: a reader that takes a little now and then does not put it off."""
    with serving(model, "--protocol", "work", "--request-timeout", str(REQUEST)) as server:
        with server.connect() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            began = time.monotonic()
            client.sendall(b"16000000\n")
            with pytest.raises(ConnectionResetError):
                read_slowly(client)
            assert time.monotonic() - began > LEAST
        assert server.stop()["errors"] == {"write-timeout": 1}


def read_slowly(client: socket.socket) -> None:
    """Take a little of an answer now and then, for no longer than fifteen seconds."""
    for _ in range(300):
        if not client.recv(5000):
            return
        threading.Event().wait(0.05)
