"""What is particular to the models on asyncio's loops; what they share with all others is tested with all others."""

from __future__ import annotations

import asyncio
import errno
import json
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from servers.callbacks import Channel
from servers.coroutines import Dialogue
from servers.protocols.effects import Close
from servers.protocols.session import Limits
from servers.runtime.asyncio_reception import Reception
from servers.runtime.lifecycle import Lifecycle
from servers.runtime.listener import Listener
from servers.runtime.service import Service
from servers.runtime.settings import Settings
from servers.runtime.tally import Tally
from tests.models import models_that
from tests.serving import PATIENCE, ROOT, read_all, read_exactly, serving, wait_until
from tests.test_drivers import Scripted
from tests.test_models_tls import Certificates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from servers.protocols.effects import Effect
    from servers.runtime.asyncio_conversation import Conversation

    Begin = Callable[[socket.socket, Service, Reception], Conversation]

NAMES = ("coroutines", "callbacks", "uvloop")
asyncio_models = models_that(lambda entry: entry.name in NAMES)


def uvloop_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of uvloop; skip where there is none."""
    made: asyncio.AbstractEventLoop = pytest.importorskip("uvloop").new_event_loop()
    return made


drivers = pytest.mark.parametrize(
    ("new_loop", "begin"),
    [
        pytest.param(asyncio.new_event_loop, Dialogue, id="coroutines"),
        pytest.param(asyncio.new_event_loop, Channel, id="callbacks"),
        pytest.param(uvloop_loop, Channel, id="uvloop"),
    ],
)


def service_of(script: Callable[[], Iterator[Effect]], **given: float) -> Service:
    """Return a service whose sessions answer the first bytes with a script of effects."""
    return Service(lambda _: Scripted(script, []), Limits(), Settings(**given), Tally(), Lifecycle(1))


@drivers
def test_no_more_than_one_effect_is_kept_for_a_client_that_does_not_read(
    new_loop: Callable[[], asyncio.AbstractEventLoop], begin: Begin
) -> None:
    """An answer without end is asked for no further than the kernel takes it."""
    given = 0

    def endless() -> Iterator[Effect]:
        nonlocal given
        while True:
            given += 50_000
            yield b"x" * 50_000

    service = service_of(endless, request_timeout=0.3)
    reception = Reception(new_loop(), Listener([], service.settings, service.lifecycle), service, begin)
    client, connection = socket.socketpair()
    with client:
        client.sendall(b"go")
        reception.welcome(connection)
        reception.run()
    totals = service.tally.totals()
    assert totals["errors"] == {"write-timeout": 1}
    assert 0 < given - totals["bytes_out"] + 1 <= 50_000  # the greeting is one byte


@drivers
def test_a_client_that_vanishes_from_a_long_answer_stops_it(
    new_loop: Callable[[], asyncio.AbstractEventLoop], begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    """Transports swallow what is written to nobody, and after a while complain of it in the log."""
    client, connection = socket.socketpair()
    given = 0

    def leaving() -> Iterator[Effect]:
        nonlocal given
        client.close()
        while given < 100:
            given += 1
            yield b"x"

    service = service_of(leaving)
    reception = Reception(new_loop(), Listener([], service.settings, service.lifecycle), service, begin)
    client.sendall(b"go")
    reception.welcome(connection)
    reception.run()
    assert given < 5
    assert service.tally.totals()["errors"] == {"reset": 1}
    assert not caplog.records


@drivers
def test_the_loop_leaves_the_handlers_of_signals_as_they_were(
    new_loop: Callable[[], asyncio.AbstractEventLoop], begin: Begin
) -> None:
    """And closes its descriptors, so that a process that serves in workers can go on."""

    def goodbye() -> Iterator[Effect]:
        yield Close()

    service = service_of(goodbye)
    numbers = service.lifecycle.signals()
    before = [signal.getsignal(number) for number in numbers], signal.pthread_sigmask(signal.SIG_BLOCK, ())
    loop = new_loop()
    reception = Reception(loop, Listener([], service.settings, service.lifecycle), service, begin)
    client, connection = socket.socketpair()
    with client:
        client.sendall(b"go")
        client.shutdown(socket.SHUT_WR)
        reception.welcome(connection)
        reception.run()
    assert loop.is_closed()
    assert connection.fileno() == -1
    assert ([signal.getsignal(number) for number in numbers], signal.pthread_sigmask(signal.SIG_BLOCK, ())) == before


class Broken(Listener):
    """A listener that cannot accept, for a reason that no waiting mends."""

    def accept_now(self, listening: socket.socket) -> socket.socket | None:  # noqa: ARG002  Listener's signature
        """Fail."""
        raise OSError(errno.EINVAL, "broken")


@drivers
def test_an_accept_that_no_waiting_mends_ends_the_server(
    new_loop: Callable[[], asyncio.AbstractEventLoop], begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    """Raised in a callback of asyncio's, it would be a line in the log, again and again."""
    service = service_of(lambda: iter(()))
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()):
        listener = Broken([listening], service.settings, service.lifecycle)
        with pytest.raises(OSError, match="broken"):
            Reception(new_loop(), listener, service, begin).run()
    assert not caplog.records


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Make them once."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@asyncio_models
def test_the_last_answer_is_whole_over_tls_though_the_client_is_still_sending(
    model: str, certificates: Certificates
) -> None:
    """The TLS that asyncio has answers a closed connection's input with a reset, which overtakes the answer."""
    with serving(model, *certificates.options, "--protocol", "work") as server:
        with certificates.connect(server) as client:
            client.sendall(b"2000000\nnonsense\n" + b"7\n" * 100_000)
            answer = read_all(client)
        assert len(answer) > 2_000_000
        assert answer.endswith(b"\n")
        assert server.stop()["errors"] == {"bad-request": 1}


@asyncio_models
def test_what_is_owed_over_tls_is_sent_after_the_client_has_ended(model: str, certificates: Certificates) -> None:
    """With its goodbye or without: asyncio's own TLS drops an answer that takes a while."""
    with serving(model, *certificates.options, "--protocol", "work") as server:
        for say_goodbye in (True, False):
            with certificates.connect(server) as client:
                client.sendall(b"3 sleep=0.2\n")
                if say_goodbye:
                    client.setblocking(False)
                    with suppress(ssl.SSLWantReadError):  # the server's own goodbye comes later
                        client.unwrap()
                    client.settimeout(PATIENCE)
                socket.socket.shutdown(client, socket.SHUT_WR)  # SSLSocket's own would forget the keys
                assert read_exactly(client, 3) == b"xxx"
                if not say_goodbye:
                    assert client.recv(1) == b""
        stopped = server.stop()
    assert (stopped["requests"], stopped["errors"]) == (2, {})


@contextmanager
def symped_of(model: str) -> Iterator[tuple[subprocess.Popen[str], tuple[str, int]]]:
    """Run two workers, each with the loop of `model` in place of the selector's; yield the process and its address."""
    script = (
        f"import servers.symped, servers.{model} as model; servers.symped.selector = model;"
        "from servers.runtime.__main__ import main; main()"
    )
    settings = json.dumps({"model": "symped", "workers": 2})
    server = subprocess.Popen(
        [sys.executable, "-c", script, settings],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    try:
        assert server.stdout
        listening = json.loads(server.stdout.readline())
        yield server, (listening["host"], listening["port"])
    finally:
        server.kill()
        server.communicate()


def children(server: subprocess.Popen[str]) -> set[str]:
    """Return the pids of the workers."""
    return set(Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split())


@asyncio_models
def test_a_worker_that_retires_serves_the_clients_that_it_has(model: str) -> None:
    """It accepts nobody any more, and ends when the last of them has left."""
    with symped_of(model) as (server, address):
        wait_until(lambda: len(children(server)) == 2)
        old = children(server)
        with socket.create_connection(address, timeout=PATIENCE) as client:
            client.sendall(b"one\n")
            assert read_exactly(client, 4) == b"one\n"
            server.send_signal(signal.SIGHUP)
            wait_until(lambda: len(children(server)) == 3 and len(old & children(server)) == 1)
            for _ in range(20):
                with socket.create_connection(address, timeout=PATIENCE) as another:
                    another.sendall(b"hello\n")
                    assert read_exactly(another, 6) == b"hello\n"
            client.sendall(b"two\n")
            assert read_exactly(client, 4) == b"two\n"
        wait_until(lambda: len(children(server)) == 2 and not old & children(server))
        server.send_signal(signal.SIGTERM)
        out, err = server.communicate(timeout=PATIENCE)
    stopped = json.loads(out)
    assert err == ""
    assert (stopped["connections"], stopped["requests"], stopped["errors"]) == (21, 22, {})


@asyncio_models
def test_a_load_of_clients_is_finished_when_the_server_stops(model: str) -> None:
    """Nobody who is in the middle of a request when the signal comes loses it."""
    with serving(model, "--protocol", "work") as server:
        clients = [server.connect() for _ in range(100)]
        for client in clients:
            client.sendall(b"100000 sleep=0.1\n")
        server.signal(signal.SIGTERM)
        assert {len(read_all(client)) for client in clients} == {100_000}
        for client in clients:
            client.close()
        stopped = server.stopped()
    assert (stopped["connections"], stopped["requests"], stopped["errors"]) == (100, 100, {})


@asyncio_models
def test_a_server_that_ends_at_once_says_nothing_of_what_it_cuts_off(model: str) -> None:
    """Clients that sleep, wait and do not read: none of their tasks and transports is worth a line of asyncio's."""
    with serving(model, "--protocol", "work", "--grace", "0.2") as server:
        clients = [server.connect() for _ in range(4)]
        for client, request in zip(clients, (b"1 sleep=20\n", b"16000000\n", b"half", b"nonsense\n"), strict=True):
            client.sendall(request)
        assert read_exactly(clients[3], 5) == b"error"
        server.signal(signal.SIGTERM)
        stopped = server.stopped()
        for client in clients:
            client.close()
        assert server.stderr() == ""
    assert stopped["reason"] == "SIGTERM, grace period over"
    assert stopped["errors"]["cut-off"] >= 3
