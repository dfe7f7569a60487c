"""Servers of the user's own: named, started, known to listen, stopped, and nothing of them is left."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from servers.runtime.settings import Settings
from tools.accounting.meters import metering
from tools.processes.children import LaunchError
from tools.saved.header import Variant
from tools.variants import commands
from tools.variants.choosing import with_control
from tools.variants.commands import CommandError, foreign_variants
from tools.variants.foreign import listens
from tools.variants.starting import command_of, started
from tools.workloads import chosen_workloads
from tools.workloads.reading import SERVER_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKOUT = Path(__file__).resolve().parent.parent

ECHO = """
import os, socket, socketserver, sys, time
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
def serve(port):
    Server(("127.0.0.1", int(port)), Handler).serve_forever()
"""

COUNTS = """
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
for number in range(1, 100):
    connection, _ = listener.accept()
    connection.recv(100)
    connection.sendall(b"%d\\n" % number)
    connection.close()
"""

ANNOUNCES = """
listener = socket.create_server(("127.0.0.1", 0))
print("a banner comes first")
print('{"event": "listening", "host": "0.0.0.0", "port": %d}' % listener.getsockname()[1], flush=True)
time.sleep(60)
"""

# A child with an environment of its own, one with a session of its own, and a daemon whose parent has ended.
FORKS = """
def born(depth):
    if os.fork() == 0:
        if depth:
            os.setsid()
        if depth > 1 and os.fork():
            os._exit(0)
        with open(sys.argv[2], "a") as pids:
            print(os.getpid(), file=pids, flush=True)
        if not depth:
            os.execve("/bin/sleep", ["sleep", "60"], {})
        time.sleep(60)
for depth in range(3):
    born(depth)
while len(open(sys.argv[2]).read().split()) < 3:
    time.sleep(0.001)
serve(sys.argv[1])
"""

STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
serve(sys.argv[1])
"""


@pytest.fixture
def server(tmp_path: Path) -> Callable[..., Variant]:
    """What makes a server of a script, with these words after it."""

    def make(script: str, *words: str) -> Variant:
        path = tmp_path / "mine.py"
        path.write_text(ECHO + script)
        (variant,) = foreign_variants([f"mine={sys.executable} {path} {' '.join(words)}"], {})
        return variant

    return make


def answer_of(address: object) -> bytes:
    """What a server says to a line."""
    assert isinstance(address, tuple)
    with socket.create_connection(address, timeout=10) as client:
        client.sendall(b"hello\n")
        return client.recv(100)


def gone(pid: int) -> bool:
    """Whether a process has ended; as an orphan it may not have been reaped yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def names(*texts: str) -> list[str]:
    """The names of the servers of these texts."""
    return [variant.name for variant in foreign_variants(texts, {})]


def start(variant: Variant) -> None:
    """Start a server, and stop it as soon as it listens."""
    with started(variant, "echo"):
        pass


def test_a_server_is_called_by_its_name_or_after_its_program() -> None:
    """Made unique, and never as a model is called."""
    assert names("mine=./server --port {port}", "/opt/bin/server -p {port}") == ["mine", "server"]
    assert names("server {port}", "./server {port}", "server=x") == ["server-2", "server-3", "server"]
    assert names("./threaded {port}", "odd/na me") == ["threaded-2", "na"]
    assert names("'./od=d na/me=x'") == ["me_x"]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["threaded=./mine {port}"], "'threaded' is the name of a model"),
        (["mine=a", "mine=b"], "'mine' is the name of another server"),
        (["mine='unclosed"], "cannot read the server's command .*: no closing quotation"),
        (["mine="], "there is no command in 'mine='"),
        ([""], "there is no command"),
        (["mine=run {prot}"], r"there is no \{prot\} to fill in, only \{port\}, \{host\}, .*written .*, as \{ prot\}"),
        (["mine=run {port}", "other=run --threads={threads} {port}"], r"there is no \{threads\} to fill in"),
    ],
)
def test_a_text_that_is_no_server_is_refused(texts: list[str], words: str) -> None:
    """In one line."""
    with pytest.raises(CommandError, match=words):
        foreign_variants(texts, {})


def test_what_a_command_leaves_open_is_put_in() -> None:
    """Once: what is put in is not looked at again, and other braces stay."""
    text = 'mine=run --on {host}:{port} "--speak={protocol} {workers}" ${other}{ port }{}{0}{"a":1}'
    (variant,) = foreign_variants([text], {"workers": 3})
    assert commands.filled_in(variant, "{port}", variant.options, 7) == [
        *("run", "--on", "127.0.0.1:7", "--speak={port} 3", "${other}{", "port", "}{}{0}{a:1}"),
    ]
    assert command_of(variant, "echo")[3] == "--speak=echo 3"
    assert foreign_variants(["mine=run {workers}"], {})[0].options == {"workers": 15}
    assert foreign_variants(["mine=run"], {"workers": 3})[0].options == {}


def test_every_option_that_a_workload_may_hold_equal_is_put_in() -> None:
    """As the workload has it, or as our own servers have it where it says nothing."""
    (variant,) = foreign_variants(["mine=run " + " ".join(f"{{{name}}}" for name in SERVER_OPTIONS)], {})
    usual = {name: str(getattr(Settings, name)) for name in SERVER_OPTIONS}
    assert usual == {name: str(value) for name, value in commands.USUAL.items()}
    assert command_of(variant, "echo") == ["run", *usual.values()]
    assert command_of(variant, "echo", {"backlog": 5}) == ["run", *{**usual, "backlog": "5"}.values()]


def test_a_command_that_does_not_ask_for_what_all_servers_have_equal_is_named() -> None:
    """Once, however many workloads there are; one that asks is not."""
    variants = with_control(foreign_variants(["mine=run {port}", "told=run {port} {backlog} {max_line}"], {}))
    assert commands.not_told(variants, chosen_workloads(("burst", "idle"))) == (
        "mine is not told the backlog that all others have: its command has no {backlog}.",
    )
    (both,) = commands.not_told(variants, chosen_workloads(("burst", "upload")))
    assert "has no {backlog}, {max_line}." in both
    assert commands.not_told(variants, chosen_workloads(("churn",))) == ()


@pytest.mark.parametrize("method", [None, "process-tree"])
def test_a_server_that_only_takes_its_port_is_used_and_ends_by_the_signal(
    server: Callable[..., Variant], method: str | None
) -> None:
    """It need not know anything of us."""
    with metering(method) as meter, started(server("serve(sys.argv[1])", "{port}"), "echo", meter=meter) as running:
        assert answer_of(running.address) == b"hello\n"
        assert running.stop() is None
        assert (running.exit_status, running.fault) == (-signal.SIGTERM, "")
    assert meter.read().total > 0


def test_finding_out_that_a_server_listens_is_no_connection_to_it(server: Callable[..., Variant]) -> None:
    """The first that it accepts is a client's."""
    with started(server(COUNTS, "{port}"), "echo") as running:
        assert answer_of(running.address) == b"1\n"


def test_a_server_can_say_itself_where_it_listens(server: Callable[..., Variant]) -> None:
    """As ours do, after whatever it prints first; everywhere is here."""
    with started(server(ANNOUNCES), "echo") as running:
        assert running.address[0] == "127.0.0.1"
        assert listens(int(running.address[1]))


def test_a_server_of_ours_can_be_a_command_and_keeps_its_stopped_line() -> None:
    """Whoever compares two checkouts does that."""
    (variant,) = foreign_variants([f"mine={sys.executable} -m servers selector --protocol {{protocol}}"], {})
    with started(variant, "upper") as running:
        assert answer_of(running.address) == b"HELLO\n"
        line = running.stop()
    assert line is not None
    assert (line.protocol, line.connections, running.exit_status) == ("upper", 1, 0)


def test_a_server_that_never_listens_is_one_line() -> None:
    """With what it wants, where it has no port and says nothing."""
    for words, line in (
        (
            ("/bin/sleep", "60", "{port}"),
            r"^/bin/sleep 60 \d+ did not listen within 0.2 s: \(it said nothing on stderr\)$",
        ),
        (("/bin/sleep", "60"), r"within 0.2 s; it has no \{port\}, and printed no listening line as ours do: "),
    ):
        variant = Variant("mine", "", "", "", "", command=words)
        with pytest.raises(LaunchError, match=line), started(variant, "echo", timeout=0.2):
            pass


def test_a_server_that_ends_at_once_is_one_line(server: Callable[..., Variant]) -> None:
    """With the end of its stderr."""
    with pytest.raises(LaunchError, match=r"ended with status 3 before it listened: no luck today"):
        start(server("print('no luck today', file=sys.stderr); sys.exit(3)", "{port}"))
    with pytest.raises(LaunchError, match="cannot start no-such-program: not found in PATH"):
        start(Variant("mine", "", "", "", "", command=("no-such-program",)))


def test_a_server_that_ends_before_it_is_told_to_has_a_fault(server: Callable[..., Variant]) -> None:
    """Its figures are of a server that was not there to the end."""
    with started(
        server("print('bug', file=sys.stderr)\nsys.stderr.flush()\n" + COUNTS.replace("100", "2"), "{port}"), "echo"
    ) as running:
        assert answer_of(running.address) == b"1\n"
        assert running.child.wait(10)
        running.stop()
        assert running.fault == "the server ended by itself, with status 0: bug"


def test_a_server_that_ignores_the_signal_is_killed(server: Callable[..., Variant]) -> None:
    """After its grace; that is no fault of what was measured."""
    with started(server(STUBBORN, "{port}"), "echo") as running:
        assert answer_of(running.address) == b"hello\n"
        assert running.stop(0.05) is None
        assert (running.exit_status, running.fault) == (-signal.SIGKILL, "")


@pytest.mark.parametrize("metered", [False, True])
def test_nothing_that_a_server_started_is_left(
    server: Callable[..., Variant], tmp_path: Path, *, metered: bool
) -> None:
    """Whatever sessions it made, and whether its parents are still there."""
    (tmp_path / "pids").touch()
    variant = server(FORKS, "{port}", str(tmp_path / "pids"))
    with metering() as meter, started(variant, "echo", meter=meter if metered else None) as running:
        pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
        assert not any(map(gone, pids))
        running.stop()
    assert len(pids) == 3
    assert all(map(gone, pids))


def test_nothing_is_left_of_a_server_when_we_are_killed(server: Callable[..., Variant], tmp_path: Path) -> None:
    """Though it ignores SIGTERM, and its children have other sessions."""
    (tmp_path / "pids").touch()
    variant = server(
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + FORKS, "{port}", str(tmp_path / "pids")
    )
    script = (
        "import sys\nfrom tools.saved.header import Variant\nfrom tools.variants.starting import started\n"
        "with started(Variant('mine', '', '', '', '', command=tuple(sys.argv[1:])), 'echo') as server:\n"
        "    print(server.pid, flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, *variant.command]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=CHECKOUT) as starter:
        assert starter.stdout
        pids = [int(starter.stdout.readline()), *map(int, (tmp_path / "pids").read_text().split())]
        pidfds = [os.pidfd_open(pid) for pid in pids]
        starter.kill()
    assert len(pids) == 4
    deadline = time.monotonic() + 10
    ended = [select.select([pidfd], [], [], max(0.0, deadline - time.monotonic()))[0] for pidfd in pidfds]
    for pidfd in pidfds:
        os.close(pidfd)
    assert all(ended)


def test_a_port_is_listened_on_only_while_somebody_does() -> None:
    """Connections at it are not mistaken for that."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert listens(port)
        client = socket.create_connection(("127.0.0.1", port))
    with client:
        assert not listens(port)
