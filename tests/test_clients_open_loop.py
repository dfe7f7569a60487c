"""Open loops against right servers: the schedule is kept, every request that was due is accounted for once."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import trustme

from clients.addresses import Address
from clients.breakdown import steps
from clients.summary import describe
from clients.verdict import judge
from tests.known_servers import known_server
from tests.load_runs import check_accounts, due_ns, load, opened, outcomes, retried
from tests.serving import serving

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("prestarted")


@pytest.mark.parametrize("churn", [False, True])
@pytest.mark.parametrize(
    ("model", "arguments", "parameters"),
    [
        ("selector", (), {}),
        ("threaded", (), {"size": 5000}),
        ("selector", ("--udp",), {"udp": True}),
        ("selector", ("--protocol", "http"), {"protocol": "http"}),
        ("selector", ("--protocol", "http"), {"protocol": "http", "work": "100 sleep=0.001"}),
        ("selector", ("--protocol", "frames"), {"protocol": "frames"}),
        ("selector", ("--protocol", "upper"), {"protocol": "upper"}),
        ("selector", ("--unix", "socket"), {}),
        ("forking", (), {}),
    ],
)
def test_every_kind_of_server_is_asked_on_time(
    tmp_path: Path, model: str, arguments: tuple[str, ...], parameters: dict[str, Any], churn: bool
) -> None:
    """Kept connections or one a request: all that was due is answered, and nothing else is asked."""
    arguments = tuple(str(tmp_path / "socket") if word == "socket" else word for word in arguments)
    with serving(model, *arguments) as server:
        path = server.listening.get("path")
        address = Address(path=path) if path else Address(server.listening["host"], server.listening["port"])
        result = opened(address, churn=churn, duration=0.6, connections=8, **parameters)
    assert result.ok
    assert outcomes(result) == {"answered": 180}
    for before, after in (("due_ns", "ready_ns"), ("ready_ns", "sent_ns"), ("sent_ns", "done_ns")):
        assert (result.request(before) <= result.request(after)).all()


@pytest.mark.parametrize("churn", [False, True])
def test_an_open_loop_goes_over_tls(tmp_path: Path, churn: bool) -> None:
    """With a connection per request its handshake is in the response."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with known_server(tls=context) as server:
        result = opened(server.address, rate=100, churn=churn, tls=True, ca=str(tmp_path / "ca.pem"))
    assert result.ok
    if churn:
        assert np.median(result.response()) > np.median(result.service())
        assert (result.latency()["p50"] or 0) > (result.handshake()["p50"] or 0)


@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize("arrivals", ["poisson", "constant"])
def test_several_processes_keep_the_schedule_of_one(arrivals: str, processes: int) -> None:
    """The union of what is due is the very schedule that one process would have with that seed."""
    parameters: dict[str, Any] = {"arrivals": arrivals, "seed": 7, "connections": 6}
    with known_server() as server:
        one = opened(server.address, **parameters)
        some = opened(server.address, processes=processes, **parameters)
    assert np.array_equal(due_ns(one), due_ns(some))
    assert server.requests == len(one.requests) + len(some.requests) == 600


def test_constant_arrivals_have_equal_gaps() -> None:
    """To the nanosecond."""
    with known_server() as server:
        result = opened(server.address, arrivals="constant", rate=250)
    assert set(np.diff(due_ns(result)).tolist()) == {4_000_000}


@pytest.mark.parametrize("processes", [1, 3])
@pytest.mark.parametrize("requests", [3, 100])
def test_a_counted_open_loop_asks_exactly_so_often(requests: int, processes: int) -> None:
    """At the rate, for as long as that takes."""
    with known_server() as server:
        result = load(server.address, rate=200, requests=requests, processes=processes)
    check_accounts(result)
    assert result.completed == server.requests == requests
    assert result.ok


@retried
def test_a_counted_open_loop_may_have_long_gaps() -> None:
    """Longer than three timeouts, in which nothing is asked and nothing can be answered."""
    with known_server() as server:
        result = load(server.address, rate=2, requests=3, timeout=0.1, arrivals="constant")
    assert result.ok
    assert result.completed == 3


@retried
def test_every_step_offers_and_achieves_its_rate() -> None:
    """In its own part of the run, with figures of its own."""
    with known_server() as server:
        result = opened(server.address, rate=100, final_rate=500, steps=3, duration=1.5)
    found = steps(result)
    assert [step.rate for step in found] == [100, 300, 500]
    assert [step.offered for step in found] == [100, 300, 500]
    assert [step.seconds for step in found] == [0.5, 0.5, 0.5]
    assert sum(step.throughput for step in found) == pytest.approx(900, abs=20)  # an answer may be of the next
    assert all(step.failed == 0 for step in found)
    assert all((step.response["p50"] or 0) > 0 for step in found)
    assert [line.split()[1] for line in describe(result) if line.startswith("  at ")] == ["100/s:", "300/s:", "500/s:"]


def test_a_ramp_goes_up_evenly() -> None:
    """Each fifth of the time has more requests, by the same step."""
    with known_server() as server:
        result = opened(server.address, rate=100, final_rate=900, arrivals="constant", connections=10)
    counts = np.histogram(due_ns(result), bins=5, range=(0, 1e9))[0]
    assert counts.tolist() == pytest.approx([36, 68, 100, 132, 164], abs=1)
    assert result.offered == pytest.approx(500)
    assert result.ok


@pytest.mark.parametrize("rate", [0.5, 200])
@pytest.mark.parametrize("duration", [0.01, 0.05])
def test_a_run_may_be_very_short(duration: float, rate: float) -> None:
    """Also one in which nothing is due at all."""
    with known_server() as server:
        result = opened(server.address, rate=rate, duration=duration)
    assert len(result.requests) == round(rate * duration)


def test_a_rate_beyond_all_means_ends_in_time() -> None:
    """What could not be asked in time waits or is shed, and each request is accounted for."""
    with serving("selector") as server:
        address = Address(server.listening["host"], server.listening["port"])
        began = time.monotonic()
        result = opened(address, rate=500_000, duration=0.5, connections=50, max_waiting=20_000)
        assert time.monotonic() - began < 30
    found = outcomes(result)
    assert found["shed"] > 0
    assert found["answered"] > 0
    assert judge(result).limit == "client"


def test_a_thousand_connections_share_the_load() -> None:
    """Each is asked in its turn."""
    with serving("selector", "--backlog", "1024") as server:
        address = Address(server.listening["host"], server.listening["port"])
        result = opened(address, rate=2000, connections=1000)
    assert result.ok
    assert np.bincount(result.request("connection")).tolist() == [2] * 1000
