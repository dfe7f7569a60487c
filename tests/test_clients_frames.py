"""Load in frames: the greeting is waited for and tells admission, and what is inside comes back plus one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clients.conversations import exchanges
from clients.plan import LoadPlan
from clients.records import Outcome
from clients.summary import describe
from clients.swarm import run_load
from tests import known_servers
from tests.known_servers import known_server, plus_one

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from clients.result import LoadResult
    from tests.known_servers import KnownServer, Reply

pytestmark = pytest.mark.usefixtures("prestarted")


def load(server: KnownServer, **parameters: Any) -> LoadResult:
    """Run a small plan in frames."""
    return run_load(LoadPlan(server.address, protocol="frames", **{"connections": 2, **parameters}))


def frames_server(
    reply: Reply = known_servers.echo, *, greeting: bytes = b"*", concurrent: bool = True
) -> AbstractContextManager[KnownServer]:
    """A server that greets, and answers each frame as `reply` says, plus one."""
    return known_server(plus_one(reply), reader=known_servers.frames, greeting=greeting, concurrent=concurrent)


@pytest.mark.parametrize("size", [3, 4, 7, 64, 5000])
def test_a_frame_has_its_size_and_ends_once(size: int) -> None:
    """Its marks are counted in; between them is every byte but the closing mark."""
    for exchange in exchanges("frames", 1234, size, ""):
        assert len(exchange.request) == size
        assert exchange.request.startswith(b"^")
        assert exchange.request.find(b"$") == size - 1
        assert exchange.answer == bytes((byte + 1) % 256 for byte in exchange.request[1:-1])


def test_no_two_clients_and_no_two_turns_frame_the_same() -> None:
    """A mix-up between connections, or a late answer, must be visible."""
    requests = [exchange.request for client in range(500) for exchange in exchanges("frames", client, 64, "")]
    assert len(set(requests)) == 1000


@pytest.mark.parametrize("churn", [False, True])
@pytest.mark.parametrize("size", [3, 64, 100_000])
def test_every_frame_is_answered_after_the_greeting(churn: bool, size: int) -> None:
    """Kept alive or not, in one piece or many; and the greeting has its time between connecting and the answer."""
    with frames_server() as server:
        result = load(server, requests=24, churn=churn, size=size)
    assert result.ok
    assert server.requests == 24
    assert (result.request("bytes") == size - 2).all()
    names = ("began_ns", "connected_ns", "greeted_ns", "first_answer_ns", "ended_ns")
    began, connected, greeted, first, ended = (result.connection(name) for name in names)
    assert ((began <= connected) & (connected <= greeted) & (greeted <= first) & (first <= ended)).all()


def test_a_client_that_waits_to_be_served_is_greeted_late() -> None:
    """A server of one client at a time greets the second when the first has gone; both times are in the records."""
    with frames_server(concurrent=False) as server:
        result = load(server, requests=100)
    assert result.ok
    assert result.connection("greeted_ns").max() > result.request("done_ns").max()
    admission = result.summary()["admission"]
    assert isinstance(admission, dict)
    assert 0 < admission["min"] < admission["max"]
    assert any("greeted" in line for line in describe(result))


@pytest.mark.parametrize("churn", [False, True])
@pytest.mark.parametrize(
    ("greeting", "kind", "words"),
    [
        (b"+", "wrong-bytes", "b'+' where b'*' was due"),
        (b"**", "extra-bytes", "1 bytes after the whole answer: b'*'"),
    ],
)
def test_a_wrong_greeting_is_told(greeting: bytes, kind: str, words: str, churn: bool) -> None:
    """Another, or one too many: nobody is taken to be served who was not greeted rightly."""
    with frames_server(greeting=greeting) as server:
        result = load(server, duration=0.4, churn=churn)
    assert not result.ok
    assert set(result.errors) <= {kind, "unanswered"}
    assert words in result.error_examples[kind]
    assert result.completed == 0


@pytest.mark.parametrize("churn", [False, True])
def test_a_greeting_that_does_not_come_is_a_timeout(churn: bool) -> None:
    """The connection stands, and nothing is ever said."""
    with frames_server(greeting=b"") as server:
        result = load(server, requests=2, churn=churn, timeout=0.2)
    assert set(result.errors) == {"timeout"}
    assert "no greeting in 0.2 s" in result.error_examples["timeout"]
    assert result.completed == 0


def test_a_server_that_hangs_up_in_place_of_greeting_is_told() -> None:
    """The connection stood, and nothing was ever said."""
    with known_server(reader=_refuse, greeting=b"") as server:
        result = load(server, duration=0.4)
    assert set(result.errors) <= {"closed", "unanswered"}
    assert "hung up before it had greeted" in result.error_examples["closed"]


def _refuse(_stream: object) -> Any:
    raise known_servers.HangUp


def test_nobody_is_greeted_and_the_end_comes_in_time() -> None:
    """Clients that wait for their greeting to the end are unanswered, as those that wait for an answer."""
    with frames_server(greeting=b"") as server:
        result = load(server, duration=0.3)
    assert result.errors == {"unanswered": 2}
    assert not describe(result)[0].startswith("greeted")


@pytest.mark.parametrize("churn", [False, True])
def test_dropped_corrupted_and_doubled_frames_are_told_apart(churn: bool) -> None:
    """Each by its name, once for each time."""
    with frames_server(known_servers.corrupt_every(10)) as server:
        corrupted = load(server, requests=40, churn=churn)
    with frames_server(known_servers.drop_every(20)) as server:
        dropped = load(server, requests=40, churn=churn, timeout=1.0)
    with frames_server(known_servers.double_every(10, at_once=True)) as server:
        doubled = load(server, requests=40, churn=churn)
    assert corrupted.errors == {"wrong-bytes": 4}
    assert dropped.errors == {"timeout": 2}
    assert doubled.errors == {"doubled": 4}
    assert (doubled.request("outcome") == Outcome.DOUBLED).sum() == 4


def test_the_answer_to_another_client_is_not_taken() -> None:
    """A server that mixes its clients up: the bytes are right, and for somebody else."""
    held: list[bytes] = []

    def one_behind(_number: int, data: bytes) -> tuple[bytes, ...]:
        held.append(data)
        return (held[-2],) if len(held) > 1 else ()

    with frames_server(one_behind) as server:
        result = load(server, requests=2, timeout=1.0)
    assert result.completed == 0
    assert result.errors == {"wrong-bytes": 1, "timeout": 1}
