"""Our clients against our servers, and against others: the two sides know nothing of each other but the wire."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from clients.addresses import Address
from clients.plan import LoadPlan
from clients.swarm import run_load
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("prestarted")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the chain and the key of a server here, and its authority."""
    folder = tmp_path_factory.mktemp("certificate")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(str(folder / "chain.pem"))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    return folder


@pytest.mark.parametrize("churn", [False, True])
@pytest.mark.parametrize(
    ("protocol", "parameters"),
    [("frames", {}), ("frames", {"size": 50_000}), ("http", {}), ("http", {"work": "5000 sleep=0.001"})],
)
def test_frames_and_http_are_spoken_alike_on_both_sides(protocol: str, parameters: dict[str, Any], churn: bool) -> None:
    """Every answer is right, and the server counts what the client does."""
    with serving("selector", "--protocol", protocol) as server:
        address = Address("127.0.0.1", server.listening["port"])
        result = run_load(LoadPlan(address, protocol=protocol, requests=60, churn=churn, **parameters))
        stopped = server.stop()
    assert result.ok
    assert (stopped["requests"], stopped["errors"]) == (60, {})
    assert stopped["connections"] == len(result.connections)


@pytest.mark.parametrize("model", ["threaded", "selector"])
def test_tls_is_spoken_alike_on_both_sides(model: str, certificate: Path) -> None:
    """By load, with and without a connection per request, and by talk."""
    files = str(certificate / "chain.pem"), str(certificate / "key.pem")
    with serving(model, "--tls", *files) as server:
        address, ca = Address("127.0.0.1", server.listening["port"]), str(certificate / "authority.pem")
        for churn in (False, True):
            assert run_load(LoadPlan(address, requests=40, churn=churn, tls=True, ca=ca, size=20_000)).ok
        talked = talk(str(address), "--tls", "--ca", ca)
        assert server.stop()["errors"] == {}
    assert (talked.returncode, talked.stdout, talked.stderr) == (0, "one\ntwo\n", "")


@pytest.mark.parametrize("model", ["iterative", "selector"])
def test_datagrams_are_spoken_alike_on_both_sides(model: str) -> None:
    """By load, with and without a socket per request, and by talk."""
    with serving(model, "--udp", "--protocol", "upper") as server:
        address = Address("127.0.0.1", server.listening["port"])
        for churn in (False, True):
            result = run_load(
                LoadPlan(address, protocol="upper", udp=True, requests=40, connections=2, churn=churn, size=1000)
            )
            assert result.ok
            assert result.completed + result.lost == 40
        talked = talk(str(address), "--udp")
        server.stop()
    assert (talked.returncode, talked.stdout, talked.stderr) == (0, "ONE\nTWO\n", "")


def talk(*words: str) -> subprocess.CompletedProcess[str]:
    """Say two lines to a server."""
    command = [sys.executable, "-m", "clients", "talk", *words]
    return subprocess.run(command, input="one\ntwo\n", capture_output=True, text=True, timeout=50, check=False)


class Echo(BaseHTTPRequestHandler):
    """The standard library's server, with a body that comes back; it sends head and body by calls of their own."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer /echo."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def web_server(version: str) -> Iterator[Address]:
    """Serve /echo by the standard library, which closes after each answer in HTTP/1.0."""
    handler = type("Versioned", (Echo,), {"protocol_version": version})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Address("127.0.0.1", server.server_port)
        finally:
            server.shutdown()
            thread.join(10)


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_a_web_server_of_others_is_understood(version: str) -> None:
    """One that keeps connections, and one that closes each after its answer, which is no error."""
    with web_server(version) as address:
        kept = run_load(LoadPlan(address, protocol="http", requests=40, connections=2))
        churned = run_load(LoadPlan(address, protocol="http", requests=40, connections=2, churn=True))
    assert kept.ok
    assert churned.ok
    assert (len(kept.connections) == 2) is (version == "HTTP/1.1")
