"""What is particular to the models that are built on gevent and on trio."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from servers import registry
from servers.__main__ import settings_of
from servers.registry import MODELS
from tests.models import parametrised
from tests.serving import PATIENCE, ROOT, is_silent, read_all, read_exactly, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Returned = TypeVar("Returned")

extras = parametrised(MODELS[name] for name in ("greenlets", "trio"))
with_gevent = pytest.mark.skipif(bool(MODELS["greenlets"].missing), reason=MODELS["greenlets"].missing)


@pytest.mark.parametrize("model", ["greenlets", "trio"])
def test_a_model_whose_package_is_absent_is_refused_with_what_mends_it(
    model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, before anything is started."""
    monkeypatch.setattr(registry, "find_spec", lambda _: None)
    with pytest.raises(SystemExit) as refusal:
        settings_of([model])
    assert refusal.value.code == 2
    said = capsys.readouterr().err
    assert f"pip install {MODELS[model].requires}" in said
    assert said.count("\n") == 1


@extras
def test_all_clients_are_served_on_one_thread(model: str) -> None:
    """However many there are; nothing is done in a pool of threads behind the scenes."""
    with serving(model, "--protocol", "work") as server:
        clients = [server.connect() for _ in range(30)]
        for client in clients:
            client.sendall(b"1 sleep=0.2\n")
        assert [read_exactly(client, 1) for client in clients] == [b"x"] * 30
        assert len(list(Path(f"/proc/{server.pid}/task").iterdir())) == 1
        for client in clients:
            client.close()
        server.stop()


@extras
def test_clients_at_every_address_are_served_while_one_waits_for_room(model: str) -> None:
    """A host name with two addresses has two tasks that accept, and one limit."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    with serving(model, "--host", "", "--max-connections", "1", "--grace", "15") as server:
        port = server.listening["port"]
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as first, ExitStack() as later:
            first.sendall(b"hello\n")
            assert read_exactly(first, 6) == b"hello\n"
            second = later.enter_context(socket.create_connection(("::1", port), timeout=PATIENCE))
            second.sendall(b"hello\n")
            assert is_silent(second)
            server.signal(signal.SIGTERM)  # the second waits at a socket where nobody accepts for want of room
            assert read_all(first) == b""
            assert read_all(second) == b"hello\n"
            assert server.stopped()["connections"] == 2


@extras
def test_the_end_of_the_grace_period_counts_each_conversation_once(model: str) -> None:
    """Whatever it is in: a sleep, an answer that is not taken, half a request."""
    with serving(model, "--protocol", "work", "--grace", "0.3") as server:
        clients = [server.connect() for _ in range(3)]
        for client, said in zip(clients, (b"1 sleep=30\n", b"16000000\n", b"12"), strict=True):
            client.sendall(said)
        assert is_silent(clients[0])
        server.signal(signal.SIGTERM)
        stopped = server.stopped()
        assert (stopped["connections"], stopped["errors"]) == (3, {"cut-off": 3})
        assert server.stderr() == ""
        for client in clients:
            client.close()


@with_gevent
def test_nothing_of_the_standard_library_is_patched() -> None:
    """The greenlets wait in connections that are wrapped; a socket is what it always was."""
    script = (
        "import socket, time, servers.greenlets; from gevent.monkey import is_module_patched;"
        "print(is_module_patched('socket'), is_module_patched('time'), socket.socket.__module__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert done.stdout.split() == ["False", "False", "socket"]


def in_greenlet(work: Callable[[], Returned]) -> Returned:
    """Do the work in a greenlet, as its connection asks for, and return what it returns."""
    import gevent  # noqa: PLC0415  an extra, which need not be there

    returned: Returned = gevent.spawn(work).get(timeout=PATIENCE)
    return returned


@with_gevent
def test_a_cooperative_connection_keeps_the_times_of_a_blocking_one() -> None:
    """The listener's at first, then what `wait_at_most` says, whether that is shorter or longer than before."""
    from servers.runtime.cooperative import Cooperative  # noqa: PLC0415  it needs gevent

    client, accepted = socket.socketpair()

    def wait() -> list[float]:
        took, connection = [], Cooperative(accepted)
        for seconds in (0.25, 0.6, 0.05):
            connection.wait_at_most(seconds)
            began = time.monotonic()
            with pytest.raises(BlockingIOError):
                connection.recv(10)
            took.append(time.monotonic() - began)
        connection.close()
        return took

    with client:
        for took, least in zip(in_greenlet(wait), (0.25, 0.6, 0.05), strict=True):
            assert took >= least


@with_gevent
def test_a_cooperative_connection_lets_others_run_while_it_waits() -> None:
    """For something to come, and for something to be taken."""
    import gevent  # noqa: PLC0415  an extra, which need not be there

    from servers.runtime.cooperative import Cooperative  # noqa: PLC0415  it needs gevent

    client, accepted = socket.socketpair()
    client.setblocking(False)

    def converse() -> bytes:
        connection = Cooperative(accepted)
        gevent.spawn_later(0.02, client.send, b"asked")
        asked = connection.recv(10)
        while connection.send(b"x" * 1_000_000) == 1_000_000:
            pass
        gevent.spawn_later(0.02, client.recv, 1 << 22)
        assert connection.send(b"x") == 1
        with pytest.raises(BlockingIOError):
            connection.recv(10, socket.MSG_DONTWAIT)
        connection.close()
        return asked

    with client:
        assert in_greenlet(converse) == b"asked"
