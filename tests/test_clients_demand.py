"""When clients ask, as tables: no sockets and no waiting, the time is what the test says."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import pytest

from clients.addresses import Address
from clients.askers import NEVER
from clients.closed_loop import ClosedLoop
from clients.demand import demand_for
from clients.open_loop import OpenLoop
from clients.pacing import due_times
from clients.plan import LoadPlan
from clients.spec import Spec, divide

MS = 1_000_000


@dataclass(eq=False)
class Place:
    """A client's place that a test makes busy, loses or reconnects."""

    name: str
    connection: int = 0
    can_ask: bool = True


class Askers:
    """Those who note what they are told; by default a client that asks stays busy."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.ready: list[int] = []
        self.dismissed: list[str] = []
        self.was_shed: list[int] = []

    def ask(self, client: Place, due_ns: int, ready_ns: int) -> None:
        self.asked.append((client.name, due_ns))
        self.ready.append(ready_ns)

    def dismiss(self, client: Place) -> None:
        self.dismissed.append(client.name)

    def shed(self, due_ns: int, _now: int) -> None:
        self.was_shed.append(due_ns)

    @property
    def due(self) -> list[int]:
        return [due_ns for _, due_ns in self.asked]


def specs(**parameters: Any) -> list[Spec]:
    """The load processes' parts of a plan that is never carried out."""
    plan = LoadPlan(Address("127.0.0.1", 9), **{"connections": 3, "warmup": None, **parameters})
    return divide(plan, [])


def closed(**parameters: Any) -> tuple[ClosedLoop[Place], Askers]:
    """A closed loop and who hears of it."""
    askers = Askers()
    return ClosedLoop(specs(**parameters)[0], askers), askers


def opened(start_ns: int = 0, **parameters: Any) -> tuple[OpenLoop[Place], Askers]:
    """An open loop and who hears of it; by default ten requests are due 50, 150, 250, ... ms after its start."""
    askers = Askers()
    parameters = {"rate": 10, "arrivals": "constant", "requests": 10, **parameters}
    loop: OpenLoop[Place] = OpenLoop(specs(**parameters)[0], askers)
    loop.begin(start_ns)
    return loop, askers


def test_the_plan_decides_on_the_discipline() -> None:
    """A rate makes an open loop, and nothing else does."""
    assert isinstance(demand_for(specs(rate=5)[0], Askers()), OpenLoop)
    assert isinstance(demand_for(specs(think="1")[0], Askers()), ClosedLoop)


class TestClosedLoop:
    """A client asks when it is free."""

    def test_who_is_free_asks_at_once(self) -> None:
        """It is due and ready when the client is free."""
        loop, askers = closed(duration=1)
        loop.free(Place("a"), 7)
        loop.free(Place("b"), 9)
        assert askers.asked == [("a", 7), ("b", 9)]
        assert askers.ready == [7, 9]
        assert not loop.over
        assert loop.next_ns == NEVER

    def test_a_count_is_asked_to_its_last(self) -> None:
        """Then nothing is left, whoever is free."""
        loop, askers = closed(requests=2, connections=1)
        for _ in range(2):
            assert not loop.over
            loop.free(Place("a"), 1)
        assert loop.over
        assert len(askers.asked) == 2

    def test_a_client_asks_when_it_has_thought(self) -> None:
        """The first thought is cut short at random; each later one counts from when the client was free."""
        loop, askers = closed(duration=1, think="0.1", connections=1)
        place = Place("a")
        loop.free(place, 0)
        assert 0 <= loop.next_ns <= 100 * MS
        loop.tick(100 * MS)
        [(_, first)] = askers.asked
        assert 0 <= first <= 100 * MS
        loop.free(place, 200 * MS)
        assert loop.next_ns == 300 * MS
        loop.tick(300 * MS - 1)
        assert len(askers.asked) == 1
        loop.tick(310 * MS)
        assert askers.asked[1:] == [("a", 300 * MS)]
        assert loop.next_ns == NEVER

    def test_first_thoughts_are_not_in_step(self) -> None:
        """Clients that are free at one moment ask at moments that are spread over the time to think."""
        loop, askers = closed(duration=1, think="0.1", connections=100)
        for number in range(100):
            loop.free(Place(str(number)), 0)
        loop.tick(100 * MS)
        assert askers.due == sorted(askers.due)
        assert len(set(askers.due)) == 100
        assert sum(due < 50 * MS for due in askers.due) == pytest.approx(50, abs=15)

    def test_thoughts_are_drawn_from_the_seed(self) -> None:
        """The same seed thinks alike, another one otherwise."""

        def thoughts(seed: int) -> list[int]:
            loop, askers = closed(duration=1, think="exp(0.1)", connections=1, seed=seed)
            for _ in range(50):
                loop.free(Place("a"), 0)
            loop.tick(10_000 * MS)
            return askers.due

        assert thoughts(1) == thoughts(1) != thoughts(2)

    @pytest.mark.parametrize(("connection", "can_ask"), [(1, True), (0, False)])
    def test_nothing_is_asked_where_the_connection_was_lost(self, connection: int, can_ask: bool) -> None:
        """On another connection the place is another one, which has been told of."""
        loop, askers = closed(duration=1, think="0.1", connections=1)
        place = Place("a")
        loop.free(place, 0)
        place.connection, place.can_ask = connection, can_ask
        loop.tick(200 * MS)
        assert askers.asked == []
        assert loop.next_ns == NEVER

    def test_those_who_think_at_the_end_are_dismissed(self) -> None:
        """Nobody waits for a thought that will not be asked."""
        loop, askers = closed(duration=1, think="0.1", connections=2)
        loop.free(Place("a"), 0)
        loop.free(Place("b", can_ask=False), 0)
        loop.end()
        assert askers.dismissed == ["a"]
        assert loop.over
        loop.tick(500 * MS)
        assert askers.asked == []

    def test_a_counted_run_dismisses_with_its_last_request(self) -> None:
        """Who still thinks when the last request begins is not waited for."""
        loop, askers = closed(requests=1, think="0.1", connections=1)
        loop.free(Place("a"), 0)
        loop.free(Place("b"), 1000 * MS)
        loop.tick(200 * MS)
        assert [name for name, _ in askers.asked] == ["a"]
        assert askers.dismissed == ["b"]


class TestOpenLoop:
    """Requests are due when the schedule says so."""

    def test_what_is_due_is_asked_by_who_is_free_longest(self) -> None:
        """In the order in which the clients became free."""
        loop, askers = opened()
        for name in "abc":
            loop.free(Place(name), 0)
        assert loop.next_ns == 50 * MS
        loop.tick(49 * MS)
        assert askers.asked == []
        loop.tick(160 * MS)
        assert askers.asked == [("a", 50 * MS), ("b", 150 * MS)]
        assert loop.next_ns == 250 * MS

    def test_clients_with_several_places_take_turns(self) -> None:
        """Requests spread over the connections, however many places one of them has."""
        loop, askers = opened()
        for client in (Place("a"), Place("b")):
            for _ in range(3):
                loop.free(client, 0)
        loop.tick(360 * MS)
        assert [name for name, _ in askers.asked] == ["a", "b", "a", "b"]
        loop.tick(760 * MS)
        assert [name for name, _ in askers.asked[4:]] == ["a", "b"]
        assert loop.waiting == 2

    def test_places_go_with_their_connection(self) -> None:
        """On another connection a client has those that it is told of, and no more."""
        loop, askers = opened()
        place = Place("a")
        for _ in range(3):
            loop.free(place, 0)
        place.connection = 1
        loop.free(place, 0)
        loop.tick(260 * MS)
        assert len(askers.asked) == 1
        assert loop.waiting == 2

    def test_what_finds_nobody_free_waits_its_turn(self) -> None:
        """First come, first served; it is due when it was, and ready when the loop came to it."""
        loop, askers = opened()
        began = time.monotonic_ns()
        loop.tick(260 * MS)
        assert loop.waiting == 3
        ended = time.monotonic_ns()
        for name in "abcd":
            loop.free(Place(name), 400 * MS)
        assert askers.asked == [("a", 50 * MS), ("b", 150 * MS), ("c", 250 * MS)]
        assert all(began <= ready <= ended for ready in askers.ready)
        assert loop.waiting == 0

    @pytest.mark.parametrize(("most", "shed"), [(0, [50, 150, 250]), (1, [150, 250]), (2, [250]), (3, [])])
    def test_more_than_may_wait_are_shed(self, most: int, shed: list[int]) -> None:
        """The latest, because the others have waited."""
        loop, askers = opened(max_waiting=most)
        loop.tick(260 * MS)
        assert askers.was_shed == [due * MS for due in shed]
        assert loop.waiting == most

    @pytest.mark.parametrize(("connection", "can_ask"), [(1, True), (0, False)])
    def test_who_has_lost_its_connection_is_passed_over(self, connection: int, can_ask: bool) -> None:
        """The next that is free asks in its place."""
        loop, askers = opened()
        lost = Place("a")
        loop.free(lost, 0)
        loop.free(Place("b"), 0)
        lost.connection, lost.can_ask = connection, can_ask
        loop.tick(60 * MS)
        assert askers.asked == [("b", 50 * MS)]

    def test_what_the_loop_was_too_late_to_see_is_asked_at_the_end(self) -> None:
        """Who is free asks it before it is dismissed, and the rest waits; nothing becomes due any more."""
        loop, askers = opened(time.monotonic_ns() - 460 * MS)
        loop.free(Place("a"), 0)
        loop.end()
        assert [name for name, _ in askers.asked] == ["a"]
        waiting = loop.waiting
        assert waiting >= 4
        assert loop.next_ns == NEVER
        assert askers.dismissed == []
        assert (loop.over, loop.pending) == (False, True)
        for number in range(waiting):
            loop.free(Place(str(number)), 0)
        assert len(askers.asked) == 1 + waiting
        assert (loop.over, loop.pending) == (True, False)

    def test_who_is_free_at_the_end_is_dismissed(self) -> None:
        """When nothing is due and nothing will be."""
        loop, askers = opened(time.monotonic_ns())
        loop.free(Place("a"), 0)
        loop.free(Place("b", can_ask=False), 0)
        loop.end()
        assert askers.asked == []
        assert askers.dismissed == ["a"]

    def test_what_is_never_asked_can_be_told(self) -> None:
        """With the times at which it was due."""
        loop, _ = opened()
        loop.tick(160 * MS)
        assert [due for due, _ in loop.unasked()] == [50 * MS, 150 * MS]

    def test_a_counted_run_is_pending_to_its_last_request(self) -> None:
        """One that ends by time is pending to the end, because the server may yet fall idle."""
        counted, _ = opened(requests=1)
        timed, _ = opened(requests=None, duration=0.1, warmup=0)
        for loop in (counted, timed):
            assert loop.pending
            loop.free(Place("a"), 0)
            loop.tick(60 * MS)
            assert loop.next_ns == NEVER
        assert not counted.pending
        assert timed.pending

    def test_many_that_are_due_are_not_all_asked_before_answers_are_looked_for(self) -> None:
        """The rest follows with the next tick, and none is left out."""
        loop, _ = opened(rate=10_000, requests=1000)
        seen = []
        while loop.next_ns != NEVER:
            loop.tick(1000 * MS)
            seen.append(loop.waiting)
        assert seen[-1] == 1000
        assert all(after - before <= 256 for before, after in pairwise([0, *seen]))

    @pytest.mark.parametrize("processes", [1, 2, 3])
    def test_processes_share_one_schedule_out(self, processes: int) -> None:
        """Together they ask what one would, each request once."""
        parameters = {"rate": 1000, "requests": 100, "connections": 3, "seed": 4}
        asked = []
        for spec in specs(**parameters, processes=processes):
            askers = Askers()
            loop: OpenLoop[Place] = OpenLoop(spec, askers)
            loop.begin(5)
            for _ in range(100):
                loop.free(Place("a"), 0)
            loop.tick(1000 * MS)
            asked.append(askers.due)
        whole = due_times(specs(**parameters)[0].segments, "poisson", 4)
        assert sorted(chain(*asked)) == [due + 5 for due in whole]
        assert [len(share) for share in asked] == [
            100 // processes + (index < 100 % processes) for index in range(processes)
        ]
