"""`serverlab talk`: lines out, answers back, over every kind of address, piped and on a terminal."""

from __future__ import annotations

import errno
import os
import pty
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from clients import talk as talk_command
from tests import known_servers
from tests.commands import done_here
from tests.known_servers import LOOPBACKS, KnownServer, known_server, refusing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("prestarted")

TALK = [sys.executable, "-m", "clients", "talk"]


def talk(*address: str, said: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run a whole conversation with piped input."""
    return subprocess.run([*TALK, *address], input=said, capture_output=True, timeout=50, check=False)


def where(server: KnownServer) -> list[str]:
    """The words of a command line that name `server`."""
    return ["--unix", server.address.path] if server.address.path else [str(server.address)]


def test_lines_go_out_and_answers_come_back_over_every_address(tmp_path: Path) -> None:
    """IPv4, IPv6, a host's name, a Unix socket."""
    for host, path in (*((host, "") for host in LOOPBACKS), ("", str(tmp_path / "socket"))):
        with known_server(known_servers.upper, host=host, path=path) as server:
            done = talk(*where(server), said="straße\nzwei\n".encode())
        assert (done.returncode, done.stdout.decode(), done.stderr) == (0, "STRASSE\nZWEI\n", b"")


def test_every_address_of_a_host_is_tried() -> None:
    """The name localhost may be ::1 first, where nobody listens."""
    with known_server() as server:
        assert talk(f"localhost:{server.address.port}", said=b"here\n").stdout == b"here\n"


def test_what_is_left_at_the_end_of_input_is_answered() -> None:
    """A last line without a newline goes out, and its answer is printed before the end."""
    with known_server() as server:
        assert talk(*where(server), said=b"one\ntwo").stdout == b"one\ntwo"


def test_an_answer_without_newline_is_passed_on_byte_by_byte() -> None:
    """Into a pipe goes what the server said and nothing else, not even an end of line."""
    with known_server(known_servers.work) as server:
        done = talk(*where(server), said=b"5\n3\n")
    assert (done.returncode, done.stdout) == (0, b"x" * 8)


def test_many_megabytes_pass_both_ways_at_a_time() -> None:
    """Neither side waits for the other: the answers come while the lines go."""
    said = ((b"0123456789abcdef" * 16)[:-1] + b"\n") * (1 << 15)
    with known_server() as server:
        done = talk(*where(server), said=said)
    assert done.returncode == 0
    assert done.stdout == said


def test_a_file_can_be_standard_input(tmp_path: Path) -> None:
    """A file is always ready to be read, and epoll would not take it."""
    (tmp_path / "lines").write_bytes(b"one\ntwo\n")
    with known_server() as server, (tmp_path / "lines").open("rb") as lines:
        done = subprocess.run([*TALK, *where(server)], stdin=lines, capture_output=True, timeout=50, check=True)
    assert done.stdout == b"one\ntwo\n"


def test_a_server_that_hangs_up_is_told_with_what_it_said_before() -> None:
    """The answers so far are printed, then one line, status 1."""

    def answer_once(number: int, line: bytes) -> tuple[bytes, ...]:
        if number == 2:
            raise known_servers.HangUp
        return (b"error: " + line,)

    with (
        known_server(answer_once) as server,
        subprocess.Popen(
            [*TALK, *where(server)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as talking,
    ):
        assert talking.stdin is not None
        talking.stdin.write(b"what?\nmore\n")
        talking.stdin.flush()
        talking.wait(30)
        output, errors = talking.communicate()
    assert (talking.returncode, output) == (1, b"error: what?\n")
    assert errors == b"serverlab talk: the server hung up\n"


def test_a_reset_is_told() -> None:
    """One line, status 1."""
    with known_server(known_servers.reset_every(1)) as server:
        done = talk(*where(server), said=b"hello\n")
    assert (done.returncode, done.stderr) == (1, b"serverlab talk: the server reset the connection\n")


def test_nobody_listening_is_one_line() -> None:
    """As for load: status 1 where there is nobody, 2 where there is no address."""
    with refusing() as address:
        done = talk(str(address), said=b"")
    assert (done.returncode, done.stderr) == (1, f"serverlab talk: nobody listens at {address}\n".encode())
    assert talk("nowhere", said=b"").returncode == 2


@pytest.mark.parametrize(
    ("address", "status", "complaint"),
    [
        (["[::1]"], 2, "[::1] needs a port: [::1]:PORT"),
        (["::1:8080"], 2, "an IPv6 address needs brackets: [::1]:8080"),
        (["2001:db8::a"], 2, "an IPv6 address needs brackets and a port: [2001:db8::a]:PORT"),
        (["a:b:c"], 2, "an address is HOST:PORT"),
        (["[a:b]:80"], 2, "an address is HOST:PORT"),
        (["[::1]8080"], 2, "an address is HOST:PORT"),
        (["--unix", ""], 2, "--unix needs the path of a socket"),
        (["127.0.0.1:1", "--unix", "x"], 2, "not both"),
        (["--unix", "/nowhere/at/all"], 1, "cannot connect to /nowhere/at/all: no such file"),
        (["--unix", "/etc/passwd"], 1, "cannot connect to /etc/passwd: it is not a socket"),
    ],
)
def test_what_is_wrong_with_an_address_is_told(
    address: list[str], status: int, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that says what to do about it."""
    done = done_here(talk_command.main, address, capsys)
    assert (done.status, done.stderr.count("\n")) == (status, 1)
    assert complaint in done.stderr


@pytest.mark.parametrize("number", [errno.ETIMEDOUT, errno.EHOSTUNREACH])
def test_a_connection_that_breaks_is_one_line(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the system says of it; status 1."""

    class Broken(socket.socket):
        def recv(self, *_: object) -> bytes:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket, "socket", Broken)
    monkeypatch.setattr(talk_command, "INPUT", os.open(os.devnull, os.O_RDONLY))
    with known_server() as server:
        assert talk_command.main(where(server)) == 1
    assert capsys.readouterr().err == f"serverlab talk: the connection broke: {os.strerror(number)}\n"


def test_output_that_cannot_be_written_is_one_line() -> None:
    """A full disk: status 1, and no traceback."""
    with known_server() as server, open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [*TALK, *where(server)], input=b"hello\n", stdout=full, stderr=subprocess.PIPE, timeout=50, check=False
        )
    assert done.returncode == 1
    assert done.stderr == b"serverlab talk: cannot write to standard output: No space left on device\n"


@pytest.fixture
def terminal() -> tuple[int, int]:
    """A pseudo-terminal: this side and the side of the program."""
    return pty.openpty()


@contextmanager
def talking_on(terminal: int, server: KnownServer) -> Iterator[subprocess.Popen[bytes]]:
    """A conversation of which `terminal` is standard input and output."""
    command = [*TALK, *where(server)]
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=subprocess.PIPE) as talking:
        yield talking


def read_until(terminal: int, end: bytes) -> bytes:
    """Read what appears on a terminal until `end` does."""
    seen = b""
    while end not in seen:
        seen += os.read(terminal, 4096)
    return seen


def test_on_a_terminal_an_answer_without_newline_ends_its_line(terminal: tuple[int, int]) -> None:
    """The next line that is typed does not begin behind the answer; Ctrl-D ends the conversation."""
    here, there = terminal
    with known_server(known_servers.work) as server, talking_on(there, server) as talking:
        os.write(here, b"5\n")
        assert read_until(here, b"xxxxx\r\n") == b"5\r\nxxxxx\r\n"
        os.write(here, b"\x04")
        assert talking.wait(30) == 0
        assert talking.stderr is not None
        assert b"Ctrl-D ends" in talking.stderr.read()
    os.close(here)
    os.close(there)


def test_ctrl_c_ends_quietly(terminal: tuple[int, int]) -> None:
    """No traceback, status 0: that is how such programs are left."""
    here, there = terminal
    with known_server() as server, talking_on(there, server) as talking:
        os.write(here, b"hello\n")
        read_until(here, b"hello\r\nhello\r\n")
        talking.send_signal(signal.SIGINT)
        assert talking.wait(30) == 0
        assert talking.stderr is not None
        assert b"Traceback" not in talking.stderr.read()
    os.close(here)
    os.close(there)
