"""Listeners that were opened for the server: by a service manager (LISTEN_FDS), or by whoever gives it a descriptor."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from servers.registry import INHERITED_SOCKETS
from tests.models import models_that_can
from tests.serving import PATIENCE, ROOT, read_all, serving

if TYPE_CHECKING:
    from pathlib import Path


@models_that_can(INHERITED_SOCKETS)
def test_a_descriptor_that_listens_is_served(model: str) -> None:
    """A client that came before the server is served by it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        early = socket.create_connection(listening.getsockname(), timeout=PATIENCE)
        number = listening.fileno()
        with early, serving(model, "--workers", "2", "--fd", str(number), pass_fds=(number,)) as server:
            assert server.listening["port"] == listening.getsockname()[1]
            early.sendall(b"hello\n")
            early.shutdown(socket.SHUT_WR)
            assert read_all(early) == b"hello\n"
            assert server.ask(b"hello\n") == b"hello\n"
            assert server.stop()["connections"] == 2


def activated(sockets: list[socket.socket], *arguments: str, pid: str = "$$", count: str = "") -> subprocess.Popen[str]:
    """Start a server as systemd does: descriptors from 3 on, and an environment that says for whom they are."""
    numbers = [each.fileno() for each in sockets]
    moves = " ".join(f"{3 + place}<&{number}" for place, number in enumerate(numbers))
    command = f'export LISTEN_FDS={count or len(numbers)} LISTEN_PID={pid}; exec "$@" {moves}'
    return subprocess.Popen(
        ["bash", "-c", command, "bash", sys.executable, "-m", "servers", *arguments],
        pass_fds=numbers, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip


def asked(address: tuple[str, int] | str) -> bytes:
    """Say hello and return all that comes back."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as client:
        client.settimeout(PATIENCE)
        client.connect(address)
        client.sendall(b"hello\n")
        client.shutdown(socket.SHUT_WR)
        return read_all(client)


@pytest.mark.parametrize("model", ["iterative", "forking", "threaded", "selector", "preforked"])
def test_sockets_passed_by_a_service_manager_are_served(model: str) -> None:
    """Two of them, in place of whatever the command line says; nothing is inherited by the server's children."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        server = activated([one, other], model, "--port", "0")
        assert server.stdout
        listening = json.loads(server.stdout.readline())
        assert listening["addresses"] == [list(one.getsockname()), list(other.getsockname())]
        assert asked(one.getsockname()) == asked(other.getsockname()) == b"hello\n"
        server.terminate()
        out, err = server.communicate(timeout=PATIENCE)
        assert json.loads(out)["connections"] == 2
        assert err == ""


def test_a_unix_socket_is_adopted_and_its_path_left_to_its_owner(tmp_path: Path) -> None:
    """Whoever has made it unlinks it."""
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        number = listening.fileno()
        with serving("threaded", "--fd", str(number), pass_fds=(number,)) as server:
            assert server.listening["path"] == path
            assert asked(path) == b"hello\n"
            server.stop()
        assert os.path.exists(path)  # noqa: PTH110  as short as it reads


def test_datagrams_are_served_on_an_inherited_socket() -> None:
    """One that is bound is enough."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        bound.bind(("127.0.0.1", 0))
        number = bound.fileno()
        with serving("selector", "--udp", "--fd", str(number), pass_fds=(number,)) as server:
            client.settimeout(PATIENCE)
            client.connect(bound.getsockname())
            client.send(b"hello")
            assert client.recv(100) == b"hello"
            server.stop()


def test_descriptors_meant_for_another_process_are_not_taken() -> None:
    """LISTEN_PID is another's: we listen where the command line says."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = activated([listening], "threaded", "--port", "0", pid="1")
        assert server.stdout
        assert json.loads(server.stdout.readline())["port"] != listening.getsockname()[1]
        server.terminate()
        server.communicate(timeout=PATIENCE)


@pytest.mark.parametrize("count", ["none", "-1", "0", "99999"])
def test_a_listen_fds_that_is_no_number_of_descriptors_is_refused(count: str) -> None:
    """One line, status 1."""
    server = activated([], "threaded", "--port", "0", count=count)
    out, err = server.communicate(timeout=PATIENCE)
    assert (out, server.returncode, err.count("\n")) == ("", 1, 1)
    assert "LISTEN_FDS" in err


def test_a_descriptor_that_cannot_be_served_is_refused(tmp_path: Path) -> None:
    """Not open, no socket, one that does not listen, one of datagrams: one line each, status 1."""
    file = (tmp_path / "file").open("w")
    with file, socket.socket() as deaf, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        for number, words in (
            (999, "is no socket"),
            (file.fileno(), "is no socket"),
            (deaf.fileno(), "does not listen"),
            (datagrams.fileno(), "is no stream socket"),
        ):
            done = subprocess.run(
                [sys.executable, "-m", "servers", "threaded", "--fd", str(number)],
                capture_output=True, text=True, timeout=PATIENCE, cwd=ROOT, check=False,
                pass_fds=[] if number == 999 else [number],
            )  # fmt: skip
            assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
            assert words in done.stderr


@pytest.mark.parametrize("udp", [False, True])
def test_reuseport_takes_no_listener_that_was_passed(udp: bool) -> None:
    """As its registry entry says: one line, status 1, before it says that it listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) if udp else socket.create_server(("127.0.0.1", 0)) as passed:
        server = activated([passed], "reuseport", *(["--udp"] if udp else []))
        out, err = server.communicate(timeout=PATIENCE)
    assert (out, server.returncode, err.count("\n")) == ("", 1, 1)
    assert "SO_REUSEPORT" in err


def test_unix_sockets_and_others_are_not_served_together(tmp_path: Path) -> None:
    """One line, status 1."""
    with socket.create_server(("127.0.0.1", 0)) as inet, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "socket"))
        unix.listen()
        server = activated([inet, unix], "threaded")
        out, err = server.communicate(timeout=PATIENCE)
    assert (out, server.returncode, err.count("\n")) == ("", 1, 1)
    assert "Unix sockets" in err
