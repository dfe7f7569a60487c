"""Where a server listens, and the one clear line where it cannot."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import ROOT, port_to_come_back_to, read_exactly, serving


def refused(*arguments: str, user: int | None = None) -> tuple[int, str]:
    """Return exit status and stderr of a server that cannot start."""
    done = subprocess.run(
        [sys.executable, "-m", "servers", *arguments],
        capture_output=True, text=True, timeout=20, cwd=ROOT, check=False, user=user,
    )  # fmt: skip
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_port_0_is_reported_as_what_the_kernel_chose() -> None:
    """The listening line is all that a client needs."""
    with serving("iterative") as server:
        assert server.listening["host"] == "127.0.0.1"
        assert server.listening["port"] > 0
        assert server.listening["pid"] == server.pid
        assert server.ask(b"hello\n") == b"hello\n"


def test_an_ipv6_address_serves() -> None:
    """With V6ONLY set, so that the IPv4 port stays free for another."""
    port = str(port_to_come_back_to())
    with serving("threaded", "--host", "::1", "--port", port) as server:
        assert server.ask(b"hello\n") == b"hello\n"
        with serving("threaded", "--port", port) as other:
            assert other.ask(b"hello\n") == b"hello\n"


@pytest.mark.parametrize("model", ["iterative", "forking", "threaded", "selector"])
def test_a_host_with_several_addresses_serves_on_each(model: str) -> None:
    """Every address, one port; and the server stops although several sockets wait."""
    with serving(model, "--host", "") as server:
        addresses = server.listening["addresses"]
        families = {":" in host for host, _ in addresses}
        assert len(addresses) == 2
        assert families == {True, False}
        assert len({port for _, port in addresses}) == 1
        for host in ("127.0.0.1", "::1", "127.0.0.1"):
            with socket.create_connection((host, server.listening["port"]), timeout=10) as client:
                client.sendall(b"hello\n")
                assert read_exactly(client, 6) == b"hello\n"
        assert server.stop()["connections"] == 3


@pytest.mark.parametrize("model", ["iterative", "forking", "threaded", "selector"])
def test_a_unix_socket_serves_and_is_removed_at_the_end(model: str, tmp_path: Path) -> None:
    """Its connections inherit nothing from the listener, and have their deadlines all the same."""
    path = tmp_path / "socket"
    with serving(model, "--unix", str(path), "--idle-timeout", "0.5") as server:
        assert server.listening["path"] == str(path)
        assert "port" not in server.listening
        assert server.ask(b"hello\n") == b"hello\n"
        with server.connect() as silent:
            assert silent.recv(1) == b""
        server.stop()
    assert not path.exists()


def test_a_dead_socket_is_replaced_and_anything_else_refused(tmp_path: Path) -> None:
    """A path that a killed server left is ours to take; a living server's, or a file, is not."""
    path, file = tmp_path / "socket", tmp_path / "file"
    file.write_text("precious")
    with serving("iterative", "--unix", str(path)) as server:
        status, line = refused("iterative", "--unix", str(path))
        assert (status, line.count("\n")) == (1, 1)
        assert "another server listens there" in line
        server.process.kill()
        server.process.wait()
        assert path.exists()
    with serving("iterative", "--unix", str(path)) as server:
        assert server.ask(b"hello\n") == b"hello\n"
        # Somebody else's socket by the time we end is not ours to remove.
        path.unlink()
        with serving("iterative", "--unix", str(path)) as successor:
            server.stop()
            assert successor.ask(b"hello\n") == b"hello\n"
    assert "not a socket" in refused("iterative", "--unix", str(file))[1]
    assert file.read_text() == "precious"


def test_a_backlog_that_somaxconn_cuts_is_shown() -> None:
    """The kernel says nothing, and a comparison would compare backlogs."""
    most = int(Path("/proc/sys/net/core/somaxconn").read_text())
    with serving("iterative", "--backlog", str(most + 1)) as server:
        assert server.listening["backlog"] == most + 1
        assert server.listening["backlog_effective"] == most


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["nonesuch"], 2, "unknown model 'nonesuch'; there are iterative, forking"),
        (["iterative", "--protocol", "gopher"], 2, "unknown protocol 'gopher'; there are echo, upper, work"),
        (["iterative", "--port", "65536"], 2, "not a whole number from 0 to 65535"),
        (["iterative", "--port", "http"], 2, "not a whole number from 0 to 65535"),
        (["iterative", "--idle-timeout", "0"], 2, "not a number of seconds above 0"),
        (["iterative", "--idle-timeout", "nan"], 2, "not a number of seconds"),
        (["iterative", "--max-connections", "0"], 2, "not a whole number from 1"),
        (["iterative", "--poller", "kqueue"], 2, "invalid choice"),
        (["iterative", "--unix", "x", "--port", "1"], 2, "--unix takes the place of"),
        ([], 2, "the following arguments are required: MODEL"),
        (["iterative", "--host", "no.such.host.invalid"], 1, "cannot resolve host 'no.such.host.invalid'"),
        (["iterative", "--host", "a" * 70], 1, "cannot resolve host"),
        (["iterative", "--host", "192.0.2.1"], 1, "cannot listen on 192.0.2.1 port 0: Cannot assign"),
        (["iterative", "--unix", "/nonexistent/folder/socket"], 1, "No such file or directory"),
        (["iterative", "--unix", "x" * 200], 1, "AF_UNIX path too long"),
    ],
)
def test_a_mistake_gets_one_clear_line(arguments: list[str], status: int, says: str) -> None:
    """Status 2 where the command line is wrong, 1 where it cannot be done; never a traceback."""
    returned, line = refused(*arguments)
    assert returned == status
    assert line.count("\n") == 1
    assert line.startswith("serverlab serve: ")
    assert says in line


def test_a_port_in_use_is_told() -> None:
    """Whoever has it, keeps it."""
    with serving("threaded") as server:
        port = str(server.listening["port"])
        status, line = refused("iterative", "--port", port)
        assert (status, line) == (
            1,
            f"serverlab serve: cannot listen on 127.0.0.1 port {port}: Address already in use\n",
        )
        assert server.ask(b"hello\n") == b"hello\n"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody who may not")
def test_a_privileged_port_is_told_to_whom_it_is_refused() -> None:
    """An ordinary user may not have a port below the kernel's limit."""
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 79:
        pytest.skip("this kernel gives every port to everybody")
    status, line = refused_as_nobody("--port", "79")
    assert (status, line) == (1, "serverlab serve: cannot listen on 127.0.0.1 port 79: Permission denied\n")


def refused_as_nobody(*arguments: str) -> tuple[int, str]:
    """Run the second half of the start as a user without privileges, who need not be able to read our files."""
    script = (
        'import os, sys, runpy; sys.argv = [\'servers.runtime\', \'{"model": "iterative", "port": 79}\'];'
        "import servers.runtime.__main__ as main, servers.iterative; os.setuid(65534); sys.exit(main.main())"
    )
    assert arguments == ("--port", "79")
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=20, cwd=ROOT, check=False
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("udp", [[], ["--udp"]])
def test_of_two_reuseport_servers_that_start_at_once_one_is_refused(udp: list[str]) -> None:
    """SO_REUSEPORT shares a port between the workers of one server, and never with another server."""
    port = str(port_to_come_back_to())
    command = [sys.executable, "-m", "servers", "reuseport", "--port", port, "--workers", "2", *udp]
    servers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(3)
    ]
    for server in servers:
        assert server.stdout
        server.stdout.readline()  # it listens, or has ended
    for server in servers:
        server.terminate()
    outcomes = [server.communicate(timeout=20) for server in servers]
    assert sorted(server.returncode for server in servers) == [0, 1, 1]
    assert sum("Address already in use" in err for _, err in outcomes) == 2
