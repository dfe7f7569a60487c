"""A connection per request in an open loop whose clients are all busy: what waits for one is not waiting for a connect.

Two clients, 20 ms of service and 200 requests a second: a hundred a second can be answered, the others wait.
"""

from __future__ import annotations

import ssl
import threading
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from clients.addresses import Address
from clients.littles_law import littles_law
from tests import known_servers
from tests.known_servers import known_server
from tests.load_runs import opened, outcomes, retried
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clients.result import LoadResult
    from tests.known_servers import Reply

pytestmark = pytest.mark.usefixtures("prestarted")

OVERLOAD: dict[str, Any] = {"rate": 200, "connections": 2, "churn": True}


def in_20_ms(reply: Reply) -> Reply:
    """Have a reply take its time."""
    never_set = threading.Event()

    def answer(number: int, data: bytes) -> Iterable[bytes]:
        never_set.wait(0.02)
        return reply(number, data)

    return answer


def longest_wait(result: LoadResult) -> float:
    """Seconds that a request of the run waited for a client that was free."""
    sent = result.request("sent_ns")
    waited = (sent - result.request("due_ns"))[sent > 0]
    return float(waited.max() / 1e9)


@retried
def test_a_connect_is_timed_from_when_it_begins() -> None:
    """Not from when its request was due: that is in the response, and it is long."""
    with serving("selector", "--protocol", "work") as server:
        address = Address(server.listening["host"], server.listening["port"])
        result = opened(address, protocol="work", work="64 sleep=0.02", **OVERLOAD)
    assert result.ok
    assert longest_wait(result) > 0.3
    assert 0 < (result.connect()["p50"] or 0) < 0.05


@pytest.mark.parametrize("kind", ["tls", "frames"])
@retried
def test_a_request_that_waited_for_long_does_not_time_its_connect_out(kind: str) -> None:
    """It waited longer than the timeout, which a handshake and a greeting have to themselves."""
    parameters: dict[str, Any] = {"protocol": "frames"} if kind == "frames" else {"tls": True, "insecure": True}
    serve: dict[str, Any] = {"reader": known_servers.frames, "greeting": b"*"}
    reply: Reply = known_servers.echo
    if kind == "frames":
        reply = known_servers.plus_one(reply)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
        serve = {"tls": context}
    with known_server(in_20_ms(reply), **serve) as server:
        result = opened(server.address, timeout=0.25, duration=1.5, **OVERLOAD, **parameters)
    assert longest_wait(result) > 0.3
    assert result.errors == {}
    assert set(outcomes(result)) <= {"answered", "in-flight"}


@retried
def test_littles_law_holds_where_requests_wait_for_a_client() -> None:
    """What waits is not in flight: two clients have two in flight, by what the loop saw and by the records."""
    with serving("selector", "--protocol", "work") as server:
        address = Address(server.listening["host"], server.listening["port"])
        result = opened(address, protocol="work", work="64 sleep=0.02", **OVERLOAD)
    little = littles_law(result)
    assert little is not None
    assert little["ratio"] == pytest.approx(1, abs=0.1)
    assert little["expected"] == pytest.approx(2, abs=0.3)
