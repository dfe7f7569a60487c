"""Requests that are drawn: how much memory they may take, and how evenly they are taken."""

from __future__ import annotations

import pytest

from clients.addresses import Address
from clients.plan import LoadPlan
from clients.scripts import Script
from clients.spec import divide

MEGABYTES = 1_000_000


def script_of(**parameters: str) -> Script:
    """What a load process of such a plan says."""
    return Script(divide(LoadPlan(Address("127.0.0.1", 9), **parameters), [])[0])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parameters", "largest"),
    [
        ({"mix": "50% echo 16000000; 50% echo 64"}, 16 * MEGABYTES),
        ({"mix": "50% echo 1000000..15000000; 50% echo 64"}, 15 * MEGABYTES),
        ({"size": "exp(100000)"}, 16 * MEGABYTES),
    ],
)
def test_large_requests_take_a_bounded_memory(parameters: dict[str, str], largest: int) -> None:
    """32 MiB for each part, or a request where it is larger, and what is echoed is there once."""
    script = script_of(**parameters)
    found: dict[int, int] = {}
    for _ in range(4096):
        exchange = script.draw()
        found |= {id(data): len(data) for data in (exchange.request, exchange.answer)}
    assert sum(found.values()) <= 2 * 32 * 1024 * 1024 + largest


@pytest.mark.parametrize("size", ["pareto(64,1.5)", "lognormal(200,1)", "64..4096"])
def test_every_thousand_requests_have_the_mean_of_all(size: str) -> None:
    """Draws are taken in turn: of a heavy tail, too, no run has more than its share."""
    script = script_of(size=size)
    rounds = [[len(script.draw().request) for _ in range(1024)] for _ in range(3)]
    assert sum(rounds[0]) == sum(rounds[1]) == sum(rounds[2])
    assert sorted(rounds[0]) == sorted(rounds[1]) == sorted(rounds[2])
    assert len(set(rounds[0])) > 200


def test_parts_of_a_mix_take_turns_of_their_own() -> None:
    """What one part draws does not move the other on."""
    script = script_of(mix="50% echo 1000..2000; 50% echo pareto(3000,2)")
    drawn = [len(script.draw().request) for _ in range(4096)]
    for sizes in ([size for size in drawn if size <= 2000], [size for size in drawn if size > 2000]):
        assert len(sizes) == 2048
        assert sizes[:1024] == sizes[1024:]
