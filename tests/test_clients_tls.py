"""`load --tls` and `talk --tls`: what is trusted, what is told of handshakes that fail, and streams that end badly."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest
import trustme

from clients.plan import LoadPlan
from clients.process import LoadError
from clients.records import Outcome
from clients.summary import describe
from clients.swarm import run_load
from clients.trust import Trust
from tests import known_servers
from tests.known_servers import LOOPBACKS, known_server, listening

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clients.result import LoadResult
    from clients.secure import SecureStream
    from tests.known_servers import KnownServer, Reply

pytestmark = pytest.mark.usefixtures("prestarted")

CLIENTS = [sys.executable, "-m", "clients"]


class Authority:
    """A certificate authority of the tests: `file` is what a client must trust."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.file = str(folder / "authority.pem")
        self._authority.cert_pem.write_to_path(self.file)

    def server(self, *names: str) -> ssl.SSLContext:
        """What a server of these names presents."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(*names).configure_cert(context)
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One authority for all tests."""
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def here(authority: Authority) -> ssl.SSLContext:
    """A server with a right certificate."""
    return authority.server("127.0.0.1", "::1", "localhost")


def load(server: KnownServer, ca: str = "", **parameters: Any) -> LoadResult:
    """Run a small plan over TLS."""
    return run_load(LoadPlan(server.address, tls=True, ca=ca, **{"connections": 2, **parameters}))


@pytest.mark.parametrize("churn", [False, True])
@pytest.mark.parametrize("size", [1, 64, 300_000])
def test_every_line_comes_back_over_tls(authority: Authority, here: ssl.SSLContext, size: int, churn: bool) -> None:
    """Less than a record or many; the handshake has its time between connecting and the first answer."""
    with known_server(tls=here) as server:
        result = load(server, authority.file, requests=20, size=size, churn=churn)
    assert result.ok
    assert server.requests == result.completed == 20
    names = ("began_ns", "connected_ns", "secured_ns", "first_answer_ns", "ended_ns")
    began, connected, secured, first, ended = (result.connection(name) for name in names)
    assert ((began <= connected) & (connected < secured) & (secured < first) & (first <= ended)).all()
    summary: dict[str, Any] = result.summary()
    assert summary["tls"] is True
    assert 0 < summary["handshake"]["min"] <= summary["connect"]["min"]
    assert any("handshake" in line for line in describe(result))


def test_a_line_larger_than_the_socket_buffers_passes_both_ways(authority: Authority, here: ssl.SSLContext) -> None:
    """What TLS has made of it waits for room, and is sent when there is."""
    with known_server(tls=here) as server:
        result = load(server, authority.file, requests=2, size=8 * 1024 * 1024, connections=1, timeout=30.0)
    assert result.ok


def test_every_kind_of_address_and_protocol_goes_over_tls(
    authority: Authority, here: ssl.SSLContext, tmp_path: Path
) -> None:
    """IPv6, a Unix socket (whose server is this host), a greeting, HTTP."""
    for host, path in (*((host, "") for host in LOOPBACKS), ("", str(tmp_path / "socket"))):
        with known_server(tls=here, host=host, path=path) as server:
            assert load(server, authority.file, requests=20).ok
    frames = known_servers.plus_one(known_servers.echo)
    for churn in (False, True):
        with known_server(frames, reader=known_servers.frames, greeting=b"*", tls=here) as server:
            greeted = load(server, authority.file, requests=20, protocol="frames", churn=churn)
        with known_server(
            known_servers.responding(known_servers.echo), reader=known_servers.web_requests, tls=here
        ) as server:
            web = load(server, authority.file, requests=20, protocol="http", churn=churn)
        assert greeted.ok
        assert web.ok
        assert (greeted.connection("greeted_ns") > greeted.connection("secured_ns")).all()


def test_tls_1_2_is_the_least(authority: Authority) -> None:
    """It will do; what is older will not."""
    old, older = authority.server("127.0.0.1"), authority.server("127.0.0.1")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        older.minimum_version = older.maximum_version = ssl.TLSVersion.TLSv1_1
    with known_server(tls=old) as server:
        assert load(server, authority.file, requests=10).ok
    with known_server(tls=older) as server, pytest.raises(LoadError, match="the TLS handshake failed"):
        load(server, authority.file, requests=10)


@pytest.mark.parametrize("command", ["load", "talk"])
def test_a_certificate_is_verified_unless_that_is_switched_off(
    authority: Authority, here: ssl.SSLContext, tmp_path: Path, command: str
) -> None:
    """An unknown authority, another's name: one line and status 1. A file that is none: the same."""
    elsewhere = authority.server("elsewhere.example")
    (tmp_path / "empty.pem").write_text("nothing")
    with known_server(tls=here) as right, known_server(tls=elsewhere) as wrong:
        unknown = run(command, str(right.address))
        misnamed = run(command, str(wrong.address), "--ca", authority.file)
        no_file = run(command, str(right.address), "--ca", str(tmp_path / "gone.pem"))
        no_pem = run(command, str(right.address), "--ca", str(tmp_path / "empty.pem"))
        trusted = run(command, str(right.address), "--ca", authority.file)
        insecure = run(command, str(wrong.address), "--insecure")
    assert "the certificate is not trusted: unable to get local issuer certificate (--ca FILE" in unknown.stderr
    assert "not valid for '127.0.0.1'" in misnamed.stderr
    assert "gone.pem: No such file or directory" in no_file.stderr
    assert "no certificates in" in no_pem.stderr
    for done in (unknown, misnamed, no_file, no_pem):
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert (trusted.returncode, trusted.stderr) == (0, "")
    assert (insecure.returncode, insecure.stderr) == (
        0,
        f"serverlab {command}: --insecure: the server's certificate is not checked\n",
    )


def run(command: str, address: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a command over TLS to its end."""
    counted = ["--requests", "10"] if command == "load" else []
    words = [*CLIENTS, command, address, "--tls", *options, *counted]
    return subprocess.run(words, input="hello\n", capture_output=True, text=True, timeout=50, check=False)


@pytest.mark.parametrize("command", ["load", "talk"])
def test_a_server_that_speaks_no_tls_is_told(command: str) -> None:
    """One that answers something else, and one that never answers."""
    with known_server(greeting=b"220 welcome\r\n") as server:
        plain = run(command, str(server.address), "--insecure")
    with listening() as (_, address):
        silent = run(command, str(address), "--insecure", "--timeout", "0.3")
    assert "what is spoken there is not TLS" in plain.stderr
    assert "no TLS handshake in time: is TLS spoken there?" in silent.stderr
    assert (plain.returncode, silent.returncode) == (1, 1)


def test_a_plain_client_of_a_tls_server_is_told_something_is_wrong(here: ssl.SSLContext) -> None:
    """Without --tls there is an error by kind, not an answer."""
    with known_server(tls=here) as server:
        result = run_load(LoadPlan(server.address, connections=1, requests=1))
    assert result.completed == 0
    assert set(result.errors) <= {"closed", "reset", "wrong-bytes", "extra-bytes"}


def test_handshakes_that_fail_in_the_run_are_errors_of_their_own(authority: Authority) -> None:
    """A server that shows another certificate once the load runs: counted by kind, and the run goes on."""
    right, wrong = authority.server("127.0.0.1"), authority.server("elsewhere.example")
    with known_server(tls=right) as server:

        def change(number: int, line: bytes) -> tuple[bytes, ...]:
            server._tls = wrong if number == 10 else right
            return (line,)

        server._reply = change
        result = load(server, authority.file, requests=20, connections=1, churn=True)
    assert result.errors["tls-certificate"] >= 1
    assert "not valid for '127.0.0.1'" in result.error_examples["tls-certificate"]
    assert result.completed == 10
    assert (result.request("outcome") == Outcome.TLS_CERTIFICATE).sum() == 10


def test_a_server_that_hangs_up_in_the_handshake_is_told(authority: Authority) -> None:
    """It may have been refused in its own terms; here nothing was said at all."""
    with (
        known_server(known_servers.hang_up_every(1), reader=_bytes) as server,
        pytest.raises(LoadError, match="hung up in the TLS"),
    ):
        load(server, authority.file, requests=10)


def _bytes(stream: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: stream.read1(1 << 16), b"")  # type: ignore[attr-defined]


@pytest.mark.parametrize("churn", [False, True])
def test_dropped_corrupted_and_doubled_answers_are_told_apart(
    authority: Authority, here: ssl.SSLContext, churn: bool
) -> None:
    """As without TLS, each by its name."""

    def under(reply: Reply, **parameters: Any) -> dict[str, int]:
        with known_server(reply, tls=here) as server:
            return load(server, authority.file, requests=40, connections=1, churn=churn, **parameters).errors

    assert under(known_servers.corrupt_every(10)) == {"wrong-bytes": 4}
    assert under(known_servers.drop_every(20), timeout=1.0) == {"timeout": 2}
    assert under(known_servers.double_every(10, at_once=True)) == {"doubled": 4}
    assert under(known_servers.hang_up_every(20)) == {"closed": 2}
    assert under(known_servers.byte_by_byte) == {}


def test_what_is_no_tls_in_the_midst_of_tls_is_told(authority: Authority, here: ssl.SSLContext) -> None:
    """It ends the connection, under a name of its own, and the client connects again."""

    def garble(number: int, line: bytes) -> tuple[bytes, ...]:
        if number % 10 == 0:
            raise known_servers.Garble
        return (line,)

    with known_server(garble, tls=here) as server:
        result = load(server, authority.file, requests=40)
    assert result.errors == {"tls-broken": 4}
    assert result.completed == 36


def test_an_answer_that_comes_alone_too_many_is_seen(authority: Authority, here: ssl.SSLContext) -> None:
    """In a record of its own, in the midst and at the very end."""
    for nth in (50, 100):
        with known_server(known_servers.double_every(nth, at_once=False), tls=here) as server:
            result = load(server, authority.file, requests=100, connections=1)
        assert sum(result.errors.values()) == 100 // nth
        assert set(result.errors) <= {"doubled"}


def talk(server: KnownServer, authority: Authority, said: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run a whole conversation over TLS with piped input."""
    words = [*CLIENTS, "talk", str(server.address), "--tls", "--ca", authority.file]
    return subprocess.run(words, input=said, capture_output=True, timeout=50, check=False)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_talk_passes_many_megabytes_both_ways_over_tls(authority: Authority, version: ssl.TLSVersion) -> None:
    """Neither side waits for the other, and the end of the input is TLS's goodbye, after which answers still come."""
    said = ((b"0123456789abcdef" * 16)[:-1] + b"\n") * (1 << 14)
    here = authority.server("127.0.0.1")
    here.maximum_version = version
    with known_server(tls=here) as server:
        done = talk(server, authority, said)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == said


def test_an_end_without_goodbye_is_told(authority: Authority, here: ssl.SSLContext) -> None:
    """What came may be cut off, by whoever is in between; what came is printed."""

    def cut(_number: int, line: bytes) -> Iterator[bytes]:
        yield line
        raise known_servers.Cut

    with known_server(cut, tls=here) as server:
        words = [*CLIENTS, "talk", str(server.address), "--tls", "--ca", authority.file]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(words, **pipes) as talking:  # type: ignore[call-overload]
            talking.stdin.write(b"one\n")
            talking.stdin.flush()
            assert talking.wait(30) == 1
            output, errors = talking.stdout.read(), talking.stderr.read().decode().splitlines()
    assert output == b"one\n"
    assert errors == [
        "serverlab talk: the server ended without TLS's goodbye: its answer may be cut off",
        "serverlab talk: the server hung up",
    ]


def test_a_stream_says_blocking_where_a_socket_would(authority: Authority, here: ssl.SSLContext) -> None:
    """Before the handshake, with nothing to read, with no room to write; and the same call goes on where it stopped."""
    ours, theirs = socket.socketpair()
    with theirs, ours:
        ours.setblocking(False)
        theirs.settimeout(20)
        stream = Trust("localhost", ca=authority.file).begin(ours)
        with pytest.raises(BlockingIOError):
            stream.recv(1)
        server = here.wrap_bio(incoming := ssl.MemoryBIO(), outgoing := ssl.MemoryBIO(), server_side=True)
        _shake_hands(stream, theirs, server, incoming, outgoing)
        with pytest.raises(BlockingIOError):
            stream.recv(1)
        large = b"x" * (1 << 22)
        with pytest.raises(BlockingIOError):
            stream.send(large)
        assert stream.unsent
        received, sent = 0, 0
        while received < len(large):
            incoming.write(theirs.recv(1 << 16))
            received += _read_all(server)
            try:
                sent = sent or stream.send(large)
            except BlockingIOError:
                continue
        assert (sent, received) == (len(large), len(large))


def _shake_hands(
    stream: SecureStream, theirs: socket.socket, server: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO
) -> None:
    for _ in range(10):
        try:
            stream.handshake()
        except BlockingIOError:
            incoming.write(theirs.recv(1 << 16))
        else:
            break
        with suppress(ssl.SSLWantReadError):
            server.do_handshake()
        theirs.sendall(outgoing.read())
    incoming.write(theirs.recv(1 << 16))
    server.do_handshake()
    theirs.sendall(outgoing.read())


def _read_all(server: ssl.SSLObject) -> int:
    count = 0
    while True:
        try:
            count += len(server.read(1 << 16))
        except ssl.SSLWantReadError:
            return count
