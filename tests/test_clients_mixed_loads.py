"""Requests that differ: mixes, sizes that are drawn, thinking clients, and what a seed determines."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from clients.addresses import Address
from clients.breakdown import parts
from clients.mixes import read_mix
from clients.summary import describe
from tests import known_servers
from tests.known_servers import known_server
from tests.load_runs import check_accounts, load, retried
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("prestarted")

MIX = "90% work 64; 10% work 200 sleep=0.03"


@pytest.fixture(scope="module")
def worker() -> Iterator[Address]:
    """A server of ours that does work."""
    with serving("selector", "--protocol", "work") as server:
        yield Address(server.listening["host"], server.listening["port"])


@pytest.mark.parametrize(
    "parameters",
    [
        {"rate": 400, "duration": 1.5, "warmup": 0.0, "connections": 20},
        {"rate": 400, "duration": 1.5, "warmup": 0.0, "connections": 20, "churn": True},
        {"rate": 400, "duration": 1.5, "warmup": 0.0, "connections": 20, "pipeline": 3},
        {"rate": 400, "duration": 1.5, "warmup": 0.0, "connections": 20, "processes": 2},
        {"requests": 600, "connections": 20},
        {"requests": 600, "connections": 20, "churn": True},
        {"requests": 600, "connections": 20, "pipeline": 3},
        {"requests": 600, "connections": 20, "think": "0.005"},
    ],
)
@retried
def test_each_part_of_a_mix_has_its_share_and_its_figures(worker: Address, parameters: dict[str, Any]) -> None:
    """In every discipline: the slow part has the longer response, and the answers have the sizes of their parts."""
    result = load(worker, protocol="work", mix=MIX, **parameters)
    check_accounts(result)
    assert result.ok
    often, seldom = parts(result)
    assert (often.requests, seldom.requests) == pytest.approx((540, 60), abs=20)
    assert often.requests + seldom.requests == 600
    assert (seldom.response["min"] or 0) >= 0.03
    assert (often.response["p50"] or 1) < (seldom.response["p50"] or 0)
    part, size = result.request("part"), result.request("bytes")
    assert (size == np.where(part == 1, 200, 64)).all()
    assert [line.split(":")[0].strip() for line in describe(result) if "requests, p50" in line] == MIX.split("; ")
    assert [each["requests"] for each in result.summary()["parts"]] == [often.requests, seldom.requests]  # type: ignore[attr-defined]


def test_shares_are_exact_over_many_requests(worker: Address) -> None:
    """As far as whole requests allow: over the 4096 that are drawn before the run."""
    result = load(worker, protocol="work", mix="75% work 1; 25% work 2", requests=4096)
    assert [part.requests for part in parts(result)] == [3072, 1024]


def test_a_mix_of_lines_goes_to_any_protocol() -> None:
    """Each line comes back as what it was, whoever sent it."""
    mix = "50% echo 100..200; 30% echo 1000; 20% echo exp(50)"
    with known_server() as server:
        result = load(server.address, mix=mix, requests=1000, connections=5)
    assert result.ok
    part, size = result.request("part"), result.request("bytes")
    assert ((size[part == 0] >= 100) & (size[part == 0] <= 200)).all()
    assert (size[part == 1] == 1000).all()
    assert [round(each.share, 2) for each in read_mix(mix)] == [0.5, 0.3, 0.2]
    assert (np.bincount(part) / 1000).tolist() == pytest.approx([0.5, 0.3, 0.2], abs=0.05)


@pytest.mark.parametrize(("size", "mean"), [("64..1000", 532), ("exp(300)", 300), ("lognormal(100,1)", 165)])
@pytest.mark.parametrize("parameters", [{}, {"rate": 3000}, {"pipeline": 4}])
def test_sizes_follow_their_distribution(size: str, mean: float, parameters: dict[str, Any]) -> None:
    """Their mean is near, and they differ."""
    with serving("selector") as server:
        address = Address(server.listening["host"], server.listening["port"])
        result = load(address, size=size, requests=3000, **parameters)
    assert result.ok
    assert result.request("bytes").mean() == pytest.approx(mean, rel=0.1)
    assert len(set(result.request("bytes").tolist())) > 100


@pytest.mark.parametrize(
    "parameters",
    [
        {"size": "exp(100)"},
        {"size": "exp(100)", "pipeline": 5},
        {"size": "exp(100)", "rate": 1000},
        {"size": "exp(100)", "churn": True},
        {"mix": "70% echo 10..100; 30% echo 500"},
    ],
)
def test_a_seed_determines_what_is_asked_and_in_which_order(parameters: dict[str, Any]) -> None:
    """Two runs with one seed send the same lines one after the other; another seed sends others."""

    def lines(seed: int) -> list[bytes]:
        heard: list[bytes] = []

        def reply(_number: int, line: bytes) -> tuple[bytes, ...]:
            heard.append(line)
            return (line,)

        with known_server(reply) as server:
            assert load(server.address, connections=1, requests=200, seed=seed, **parameters).ok
        return heard

    assert lines(1) == lines(1) != lines(2)


@retried
def test_clients_think_for_as_long_as_they_are_told() -> None:
    """From an answer to the next request of the same client, on average."""
    with known_server() as server:
        result = load(server.address, connections=20, think="exp(0.02)", duration=2.0, warmup=0.0)
    assert result.ok
    gaps: list[float] = []
    for connection in range(20):
        mine = result.requests[result.request("connection") == connection]
        gaps += ((mine["due_ns"][1:] - mine["done_ns"][:-1]) / 1e9).tolist()
    assert min(gaps) >= 0
    assert np.mean(gaps) == pytest.approx(0.02, rel=0.1)
    assert np.std(gaps) == pytest.approx(0.02, rel=0.2), "as of an exponential distribution"
    assert (result.request("due_ns") <= result.request("sent_ns")).all()


@retried
def test_clients_that_think_are_not_in_step() -> None:
    """They ask at times of their own from the first time on, though all think equally long."""
    with known_server() as server:
        result = load(server.address, connections=100, think="0.2", duration=1.0, warmup=0.0)
    counts = np.histogram(result.request("due_ns") - result.opened_ns, bins=20, range=(0, 1e9))[0]
    assert counts.max() < 60, "of 100 clients in a twentieth of a second, a quarter is expected"
    assert counts[:4].min() > 5


@pytest.mark.parametrize("churn", [False, True])
@pytest.mark.parametrize("requests", [1, 10, 25])
def test_a_counted_run_does_not_wait_for_those_who_think(requests: int, churn: bool) -> None:
    """It ends with the last answer, though others would have asked later."""
    with known_server() as server:
        began = time.monotonic()
        result = load(server.address, connections=10, think="1..2", requests=requests, churn=churn)
        took = time.monotonic() - began
    assert result.ok
    assert server.requests == result.completed == requests
    last = (result.request("done_ns").max() - result.request("due_ns").min()) / 1e9
    assert took < last + 5.0


@retried
def test_a_counted_run_may_think_for_longer_than_three_timeouts() -> None:
    """Nobody is waited for meanwhile."""
    with known_server() as server:
        result = load(server.address, connections=1, think="0.8", requests=2, timeout=0.1)
    assert result.ok
    assert result.completed == 2


def test_a_counted_run_of_thinking_clients_gives_up_a_silent_server() -> None:
    """After three timeouts in vain, though they think in between."""
    with known_server(known_servers.never) as server:
        result = load(server.address, connections=1, think="0.2", requests=1000, timeout=0.2)
    assert result.gave_up
    assert 2 <= len(result.requests) <= 6
