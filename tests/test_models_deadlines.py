"""Slow and silent clients, on every model: deadlines, and what a client can make a server hold."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from servers.registry import UNIX_SOCKETS
from tests.models import every_model, models_that_can
from tests.serving import Server, is_silent, read_all, read_exactly, serving, wait_until


@every_model
def test_a_request_must_be_whole_in_time_however_many_pieces_keep_coming(model: str) -> None:
    """The deadline is the request's, not each recv's: a byte now and then does not put it off."""
    with serving(model, "--request-timeout", "0.5", "--idle-timeout", "30") as server:
        with server.connect() as client:
            client.sendall(b"good\n")
            assert read_exactly(client, 5) == b"good\n"
            began = time.monotonic()
            while is_silent(client, seconds=0.05):
                client.send(b"x")
                assert time.monotonic() - began < 10
            assert client.recv(10) == b""
            assert time.monotonic() - began > 0.4
        assert server.stop()["errors"] == {"request-timeout": 1}


@every_model
def test_a_client_that_says_nothing_is_let_go(model: str) -> None:
    """After the idle timeout, whether it never spoke or spoke and fell silent."""
    with serving(model, "--idle-timeout", "0.5") as server:
        with server.connect() as client:
            assert client.recv(10) == b""
        with server.connect() as client:
            client.sendall(b"hello\n")
            assert read_all(client) == b"hello\n"
        assert server.stop()["errors"] == {"idle-timeout": 2}


@models_that_can(UNIX_SOCKETS)
def test_a_unix_socket_is_served_with_its_deadlines(model: str, tmp_path: Path) -> None:
    """Its connections inherit nothing from the listener."""
    with serving(model, "--unix", str(tmp_path / "socket"), "--idle-timeout", "0.5") as server:
        assert server.ask(b"hello\n") == b"hello\n"
        with server.connect() as silent:
            assert read_all(silent) == b""
        assert server.stop()["errors"] == {"idle-timeout": 1}


@every_model
def test_a_client_that_does_not_read_is_neither_buffered_for_nor_waited_for(model: str) -> None:
    """The server reads no more while answers are owed, holds little memory, and ends it when its time is up."""
    with serving(model, "--protocol", "work", "--request-timeout", "1") as server:
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
    with serving(model, "--protocol", "work", "--request-timeout", "1") as server:
        with server.connect() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(b"16000000\n")
            began = time.monotonic()
            with pytest.raises(ConnectionResetError):
                read_slowly(client)
            assert time.monotonic() - began > 0.7
        assert server.stop()["errors"] == {"write-timeout": 1}


def read_slowly(client: socket.socket) -> None:
    """Take a little of an answer now and then, for no longer than fifteen seconds."""
    for _ in range(300):
        if not client.recv(5000):
            return
        threading.Event().wait(0.05)


@every_model
def test_the_idle_timeout_is_the_same_for_every_silence(model: str) -> None:
    """The second is as long as the first."""
    with serving(model, "--idle-timeout", "1") as server, server.connect() as client:
        for _ in range(3):
            assert is_silent(client, seconds=0.8)
            client.sendall(b"hello\n")
            assert read_exactly(client, 6) == b"hello\n"
        assert read_all(client) == b""
