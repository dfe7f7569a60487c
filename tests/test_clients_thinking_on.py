"""Clients that think for longer than the server lets a connection be idle: the thought goes on on the next."""

from __future__ import annotations

from clients.addresses import Address
from tests.load_runs import load, outcomes, retried
from tests.serving import serving
from tests.test_clients_demand import MS, Place, closed


@retried
def test_clients_think_on_over_connections_that_the_server_closes() -> None:
    """Five that think for half a second ask about 30 times in 3 s, though no connection is left idle for so long."""
    with serving("selector", "--idle-timeout", "0.2") as server:
        address = Address(server.listening["host"], server.listening["port"])
        result = load(address, connections=5, think="0.5", duration=3.0, warmup=0.0)
    assert result.ok, "unless one was closed just when it was asked"
    assert 25 <= outcomes(result)["answered"] == len(result.requests) <= 30
    assert result.idle_closed > 5


def test_a_thought_goes_on_on_the_next_connection() -> None:
    """It ends when it would have ended, whenever the client was free again, and is asked once."""
    loop, askers = closed(duration=1, think="0.1", connections=1)
    place = Place("a")
    loop.free(place, 0)
    due_ns = loop.next_ns
    place.connection = 1
    loop.free(place, due_ns // 2)
    assert loop.next_ns == due_ns
    loop.tick(500 * MS)
    assert askers.asked == [("a", due_ns)]


def test_a_thought_that_ended_without_a_connection_is_asked_on_the_next() -> None:
    """It was due before that, which is the server's doing and counts in the response."""
    loop, askers = closed(duration=1, think="0.1", connections=1)
    place = Place("a")
    loop.free(place, 0)
    due_ns = loop.next_ns
    place.can_ask = False
    loop.tick(200 * MS)
    assert askers.asked == []
    place.connection, place.can_ask = 1, True
    loop.free(place, 300 * MS)
    assert loop.next_ns == due_ns
    loop.tick(300 * MS)
    assert askers.asked == [("a", due_ns)]


def test_all_thoughts_of_a_connection_go_on() -> None:
    """A client with three places thinks three times; on the next connection it has no more than these."""
    loop, askers = closed(duration=1, think="0.1", connections=1, pipeline=3)
    place = Place("a")
    for _ in range(3):
        loop.free(place, 0)
    place.connection = 1
    for _ in range(3):
        loop.free(place, 50 * MS)
    loop.tick(500 * MS)
    assert len(askers.asked) == 3
    assert max(askers.due) <= 100 * MS


def test_who_was_dismissed_between_connections_is_not_dismissed_again() -> None:
    """At the end only those who could have asked hear of it."""
    loop, askers = closed(duration=1, think="0.1", connections=2)
    lost, there = Place("a"), Place("b")
    for place in (lost, there):
        loop.free(place, 0)
    lost.connection = 1
    loop.end()
    assert askers.dismissed == ["b"]
