"""The figures of steps and of the parts of a mix, where a run ended early or requests were never sent."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from clients.breakdown import parts, steps
from clients.events import Progress
from clients.records import NO_PART
from tests import known_servers
from tests.known_servers import known_server, listening
from tests.load_runs import load, opened
from tests.test_clients_verdict_tables import SECOND, run_of

if TYPE_CHECKING:
    from clients.events import Event

MIX = "50% work 64; 50% work 100"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(2.0, [0.5, 0.5, 0.5, 0.5]), (0.75, [0.5, 0.25]), (0.5, [0.5]), (0.1, [0.1]), (0.0, [])],
)
def test_steps_of_an_interrupted_run_are_those_that_were_begun(seconds: float, expected: list[float]) -> None:
    """The one under way has the time that it had, and rates by that; the others are not there."""
    whole = run_of(rate=500.0, final_rate=2000.0, steps=4)  # of a thousand a second, whatever was asked
    closed_ns = whole.opened_ns + int(seconds * SECOND)
    due = whole.requests[whole.requests["due_ns"] < closed_ns]
    found = steps(replace(whole, requests=due, closed_ns=closed_ns, interrupted=seconds < 2))
    assert [step.seconds for step in found] == expected
    assert [step.rate for step in found] == [500, 1000, 1500, 2000][: len(expected)]
    assert [step.offered for step in found] == [pytest.approx(1000, rel=0.02)] * len(expected)


def test_a_real_run_that_is_interrupted_has_the_steps_that_were_begun() -> None:
    """One of two, as long as the run was."""
    interrupted: list[Event] = []

    def interrupt(event: Event) -> None:
        if isinstance(event, Progress) and event.completed and not interrupted:
            interrupted.append(event)
            os.kill(os.getpid(), signal.SIGINT)

    with known_server() as server:
        plan: dict[str, Any] = {"rate": 200, "final_rate": 400, "steps": 2, "duration": 60.0, "warmup": 0.0}
        result = load(server.address, interrupt, **plan)
    [step] = steps(result)
    assert step.seconds == pytest.approx(result.duration, abs=1e-6)
    assert step.offered == pytest.approx(len(result.requests) / step.seconds, rel=0.1)


@pytest.mark.parametrize("parameters", [{}, {"pipeline": 2}, {"churn": True}])
def test_a_request_that_was_never_sent_is_of_no_part(parameters: dict[str, Any]) -> None:
    """Which part it would have been is drawn when it is sent; those that were sent have theirs."""
    with known_server(known_servers.never) as server:
        plan: dict[str, Any] = {"protocol": "work", "mix": MIX, "connections": 2, "timeout": 1.0, **parameters}
        result = opened(server.address, rate=100, duration=0.4, **plan)
    sent, part = result.request("sent_ns") > 0, result.request("part")
    assert (part[~sent] == NO_PART).all()
    assert np.isin(part[sent], (0, 1)).all()
    assert np.count_nonzero(~sent) >= 20
    assert sum(each.requests for each in parts(result)) == np.count_nonzero(sent)


def test_requests_that_never_had_a_connection_are_of_no_part() -> None:
    """Nobody accepts, and the backlog is full."""
    with listening(backlog=0) as (_, address):
        result = opened(address, rate=100, duration=0.4, timeout=0.2, protocol="work", mix=MIX)
    sent, part = result.request("sent_ns") > 0, result.request("part")
    assert (part[~sent] == NO_PART).all()
    assert NO_PART in part
