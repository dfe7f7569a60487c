"""UDP on every model that serves it: each datagram is a conversation."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from tests.models import models_that
from tests.serving import PATIENCE, serving, state_of, wait_until
from tests.test_serving_addresses import refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serving import Server

pytestmark = pytest.mark.usefixtures("prestarted")

with_datagrams = models_that(lambda entry: entry.datagrams)


@contextmanager
def client_of(server: Server) -> Iterator[socket.socket]:
    """Make a socket connected to the server's first address."""
    host, port = server.listening["host"], server.listening["port"]
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        client.connect((host, port))
        yield client


def asked(client: socket.socket, datagram: bytes) -> bytes:
    """Send a datagram and return the one that comes back."""
    client.send(datagram)
    return client.recv(65536)


@with_datagrams
def test_every_datagram_comes_back_as_one(model: str) -> None:
    """With newlines or without, empty or as large as a datagram may be; several clients at a time."""
    with serving(model, "--udp", "--workers", "2") as server:
        assert server.listening["transport"] == "udp"
        with client_of(server) as one, client_of(server) as other:
            large = b"x" * 65507
            for datagram in (b"hello", b"two\nlines\n", b"", b"\xff\x00", large):
                assert asked(one, datagram) == datagram
                assert asked(other, datagram) == datagram
        stopped = server.stop()
    assert stopped["requests"] >= 10
    assert (stopped["bytes_in"], stopped["bytes_out"]) == (2 * 65524, 2 * 65524)
    assert stopped["connections"] == 0


@with_datagrams
def test_a_datagram_comes_back_in_upper_case(model: str) -> None:
    """What is not UTF-8, or too large when it is answered, is told so, and the server goes on."""
    with serving(model, "--udp", "--protocol", "upper", "--workers", "2") as server:
        with client_of(server) as client:
            assert asked(client, "grüß".encode()) == "GRÜSS".encode()
            assert asked(client, b"caf\xc3") == b"error: not UTF-8\n"
            assert asked(client, b"\xff") == b"error: not UTF-8\n"
            assert asked(client, "\N{LATIN SMALL LETTER N PRECEDED BY APOSTROPHE}".encode() * 32000).startswith(
                b"error"
            )
            assert asked(client, b"on") == b"ON"
        assert server.stop()["errors"] == {"not-utf-8": 2}


@with_datagrams
def test_datagrams_over_ipv6_and_over_every_address_of_a_name(model: str) -> None:
    """One socket for each address; the answer comes from where the question went."""
    with serving(model, "--udp", "--host", "", "--workers", "2") as server:
        port = server.listening["port"]
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family, socket.SOCK_DGRAM) as client:
                client.settimeout(PATIENCE)
                client.connect((host, port))
                assert asked(client, b"hello") == b"hello"
        server.stop()


@with_datagrams
def test_datagrams_that_waited_at_sigterm_are_answered(model: str) -> None:
    """The server is stopped while a hundred are in its receive buffer."""
    with serving(model, "--udp", "--workers", "2", "--grace", "15") as server:
        with client_of(server) as client:
            assert asked(client, b"ready") == b"ready"
            server.halt()
            for number in range(100):
                client.send(b"%d" % number)
            server.signal(signal.SIGTERM)
            for pid in server.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            assert {client.recv(100) for _ in range(100)} == {b"%d" % number for number in range(100)}
        assert server.stopped()["reason"] == "SIGTERM"


@with_datagrams
def test_a_flood_does_not_keep_a_server_from_stopping(model: str) -> None:
    """Who goes on sending was promised nothing."""
    with serving(model, "--udp", "--workers", "2", "--grace", "15") as server, client_of(server) as client:
        assert asked(client, b"ready") == b"ready"
        client.setblocking(False)
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        assert server.process.stdout
        while not select.select([server.process.stdout], (), (), 0)[0]:
            assert time.monotonic() - began < 10
            with suppress(OSError):
                client.send(b"more")
                client.recv(100)
        assert server.stopped()["reason"] == "SIGTERM"


def test_what_has_no_datagrams_is_refused() -> None:
    """A model, a protocol, a Unix socket, TLS: one line each, status 2."""
    for arguments, words in (
        (("forking", "--udp"), "forking serves no datagrams"),
        (("iterative", "--udp", "--protocol", "work"), "echo and upper"),
        (("iterative", "--udp", "--unix", "somewhere"), "--udp goes with"),
    ):
        status, stderr = refused(*arguments)
        assert (status, stderr.count("\n")) == (2, 1)
        assert words in stderr


def test_a_datagram_port_that_is_taken_is_refused() -> None:
    """By another server, a pool of them included."""
    with serving("iterative", "--udp") as server:
        for model in ("iterative", "reuseport"):
            status, stderr = refused(model, "--udp", "--port", str(server.listening["port"]))
            assert (status, stderr.count("\n")) == (1, 1)
            assert "Address already in use" in stderr


def test_a_pool_spreads_its_clients() -> None:
    """While one worker is halted, some clients are answered by the other, and the other way round."""
    with serving("reuseport", "--udp", "--workers", "2") as server:
        wait_until(lambda: len(server.children()) == 2)
        for halted in server.children():
            os.kill(halted, signal.SIGSTOP)
            wait_until(lambda pid=halted: state_of(pid) == "T")  # type: ignore[misc]
            wait_until(lambda: any_of_many_is_answered(server))
            os.kill(halted, signal.SIGCONT)
        server.stop()


def any_of_many_is_answered(server: Server) -> bool:
    """Send a datagram from each of 40 clients, and tell whether an answer comes soon."""
    with ExitStack() as stack:
        clients = [stack.enter_context(client_of(server)) for _ in range(40)]
        for client in clients:
            client.send(b"hello")
        return bool(select.select(clients, [], [], 1.0)[0])
