"""TLS on every model that speaks it: the same protocols, a deadline of its own, and nobody waits for a handshake."""

from __future__ import annotations

import select
import signal
import socket
import ssl
import time
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.models import models_that, serving_many
from tests.serving import PATIENCE, Server, is_silent, read_all, read_exactly, reset, wait_until
from tests.test_serving_addresses import refused

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("prestarted")

with_tls = models_that(lambda entry: entry.tls)


class Certificates:
    """A certificate authority of our own, and a server's certificate and key in files."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("localhost", "127.0.0.1")
        self.certificate, self.key = folder / "certificate.pem", folder / "key.pem"
        issued.private_key_pem.write_to_path(self.key)
        for part in issued.cert_chain_pems:
            part.write_to_path(self.certificate, append=True)
        self.context = ssl.create_default_context()
        authority.configure_trust(self.context)

    @property
    def options(self) -> tuple[str, str, str]:
        """Return what a server is given to use them."""
        return ("--tls", str(self.certificate), str(self.key))

    def connect(self, server: Server, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        """Connect and shake hands."""
        connection = server.connect()
        return (context or self.context).wrap_socket(connection, server_hostname="localhost")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Make them once."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@with_tls
def test_a_conversation_over_tls_is_the_same(model: str, certificates: Certificates) -> None:
    """In pieces and in one segment, with large answers, and with an end that TLS itself tells."""
    with serving_many(model, 2, *certificates.options, "--protocol", "work", "--receive-size", "100") as server:
        assert server.listening["tls"] is True
        with certificates.connect(server) as client:
            for piece in (b"3", b" sleep=0.01", b"\n"):
                client.sendall(piece)
            assert read_exactly(client, 3) == b"xxx"
            client.sendall(b"1\n" * 2000)  # far more than one recv of the server asks for
            assert read_exactly(client, 2000) == b"x" * 2000
            client.sendall(b"3000000\n")
            assert read_exactly(client, 3_000_000) == b"x" * 3_000_000
            client.sendall(b"nonsense\n")
            assert read_all(client).startswith(b"error: SIZE")
        stopped = server.stop()
    assert (stopped["connections"], stopped["requests"], stopped["errors"]) == (1, 2002, {"bad-request": 1})


@with_tls
def test_a_protocol_that_greets_does_so_after_the_handshake(model: str, certificates: Certificates) -> None:
    """The server speaks first; and when the client says its goodbye, what is owed still comes."""
    with serving_many(model, 2, *certificates.options, "--protocol", "frames") as server:
        with certificates.connect(server) as client:
            assert read_exactly(client, 1) == b"*"
            client.sendall(b"^abc$")
            assert read_exactly(client, 3) == b"bcd"
        assert server.stop()["errors"] == {}


@with_tls
def test_who_speaks_no_tls_is_let_go(model: str, certificates: Certificates) -> None:
    """Plain text, a reset before or in the handshake: an error of that client, and the next one is served."""
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with serving_many(model, 2, *certificates.options) as server:
        with server.connect() as plain:
            plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while plain.recv(1000):  # an alert, perhaps, and an end in order
                pass
        for begun in (b"\x16\x03\x01", b"", b"") * 3:
            client = server.connect()
            client.sendall(begun)
            reset(client)
        with certificates.connect(server, old) as client:
            assert client.version() == "TLSv1.2"
            client.sendall(b"hello\n")
            assert read_exactly(client, 6) == b"hello\n"
        began = time.monotonic()
        assert server.stop()["errors"] == {"handshake": 10}
        assert time.monotonic() - began < 8  # none of them is still waited for


def has_ended(client: socket.socket) -> bool:
    """Tell whether the server has hung up, in order or with a reset."""
    if not select.select([client], (), (), 0)[0]:
        return False
    try:
        return client.recv(1000) == b""
    except ConnectionResetError:
        return True


@with_tls
def test_a_handshake_has_its_own_deadline_and_holds_up_nobody(model: str, certificates: Certificates) -> None:
    """A client that connects and says nothing is not waited for where clients are accepted."""
    with serving_many(model, 2, *certificates.options, "--handshake-timeout", "0.5") as server:
        with server.connect() as silent:
            began = time.monotonic()
            with certificates.connect(server) as client:
                client.sendall(b"hello\n")
                assert read_exactly(client, 6) == b"hello\n"
            wait_until(lambda: has_ended(silent))
            assert time.monotonic() - began > 0.4
        assert server.stop()["errors"] == {"handshake-timeout": 1}


@with_tls
def test_tls_drains(model: str, certificates: Certificates) -> None:
    """What is in flight is finished, and an idle client sees TLS's own end."""
    with serving_many(model, 2, *certificates.options, "--protocol", "work", "--grace", "15") as server:
        with certificates.connect(server) as busy, certificates.connect(server) as idle:
            for client in (busy, idle):
                client.sendall(b"1\n")
                assert read_exactly(client, 1) == b"x"
            busy.sendall(b"5 sleep=0.4\n")
            assert is_silent(busy, seconds=0.1)
            server.signal(signal.SIGTERM)
            assert read_all(idle) == b""
            assert read_all(busy) == b"xxxxx"
        assert server.stopped()["errors"] == {}


@with_tls
def test_a_client_that_takes_no_answers_over_tls_is_ended_in_time(model: str, certificates: Certificates) -> None:
    """Its deadline is that of any other."""
    with serving_many(model, 2, *certificates.options, "--protocol", "work", "--request-timeout", "0.5") as server:
        with certificates.connect(server) as client:
            began = time.monotonic()
            client.sendall(b"16000000\n")
            state = socket.IPPROTO_TCP, socket.TCP_INFO, 1
            wait_until(lambda: client.getsockopt(*state)[0] != 1)
            assert 0.4 < time.monotonic() - began < PATIENCE
        assert server.stop()["errors"] == {"write-timeout": 1}


def test_bad_certificates_are_refused_in_one_line(tmp_path: Path, certificates: Certificates) -> None:
    """A missing file, nonsense, a key of another certificate, and a model that speaks no TLS."""
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    other = Certificates(tmp_path)
    for certificate, key in (
        (tmp_path / "missing.pem", certificates.key),
        (nonsense, certificates.key),
        (certificates.certificate, other.key),
    ):
        status, stderr = refused("threaded", "--port", "0", "--tls", str(certificate), str(key))
        assert status == 1
        assert stderr.startswith("serverlab serve: cannot ")
        assert stderr.count("\n") == 1
    status, stderr = refused("iterative", "--tls", str(certificates.certificate), str(certificates.key))
    assert status == 2
    assert "iterative does not speak TLS" in stderr
