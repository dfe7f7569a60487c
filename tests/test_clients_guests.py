"""Held and hostile clients against servers that are known to end, refuse, answer or ignore them."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest

from clients.addresses import Address
from clients.conversations import PROTOCOLS
from clients.failures import UnreachableError
from clients.guests.garbage import garbage_of
from clients.guests.hostile import HOSTILE_KINDS, MOST_UNREAD_BYTES, read_hostile
from clients.guests.loop import GuestLoop
from clients.guests.tally import Spans, first_line
from clients.guests.words import describe_guests
from clients.plan import LoadPlan
from clients.spec import divide
from clients.swarm import run_load
from tests import known_servers
from tests.known_servers import HangUp, Reset, known_server, listening
from tests.serving import PATIENCE, reset, serving, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.known_servers import Reader, Reply
    from tests.serving import Server

Told = dict[str, Any]

ENDS = 0.8  # seconds after which a known server ends a connection that it has accepted
SEEN = 0.2  # of these, at the least, a client sees: on a busy machine it hears of its connection later than that stands


def loop_of(
    address: Address,
    stop_ordered: Callable[[], bool],
    *,
    hold: int = 0,
    hostile: tuple[tuple[str, int], ...] = (),
    **parameters: Any,
) -> GuestLoop:
    """The loop of a load process that has such guests."""
    plan = LoadPlan(address, hold=hold, hostile=hostile, **parameters)
    return GuestLoop(divide(plan, address.resolve(), plan.sources)[-1], stop_ordered, lambda *_: None, lambda: None)


def entertain(address: Address, until: Callable[[Told], object], **parameters: Any) -> GuestLoop:
    """Let guests come until what is told of them will do, and at most for PATIENCE; `until` is asked every 50 ms."""
    deadline = time.monotonic() + PATIENCE
    loop = loop_of(address, lambda: bool(until(loop.guests)) or time.monotonic() > deadline, **parameters)
    loop.prepare()
    now = time.monotonic_ns()
    loop.run(now, now, None)
    return loop


def told_of(kind: str, address: Address, until: Callable[[Told], object], count: int = 1, **parameters: Any) -> Told:
    """What became of hostile clients of one kind; `until` is asked about this kind."""
    loop = entertain(address, lambda told: until(told[kind]), hostile=((kind, count),), **parameters)
    assert list(loop.guests) == [kind]
    assert loop.ledger.errors == {}
    return loop.guests[kind]


@contextmanager
def entertaining(address: Address, **parameters: Any) -> Iterator[GuestLoop]:
    """Have guests in a thread for the length of a with statement, after which it is known what became of them."""
    enough = threading.Event()
    loop = loop_of(address, enough.is_set, **parameters)
    loop.prepare()
    now = time.monotonic_ns()
    thread = threading.Thread(target=loop.run, args=(now, now, None))
    thread.start()
    try:
        yield loop
    finally:
        enough.set()
        thread.join(PATIENCE)


def after(seconds: float, ending: type[Exception]) -> Reader:
    """Serve by ending each connection so many seconds after it was accepted, whatever it says."""

    def reader(_stream: BinaryIO) -> Iterator[bytes]:
        threading.Event().wait(seconds)
        raise ending
        yield b""  # type: ignore[unreachable]

    return reader


def address_of(server: Server) -> Address:
    """Where a server of ours listens."""
    return Address(server.listening["host"], server.listening["port"])


# Held connections


def test_held_connections_stay_to_the_end() -> None:
    """All are opened before the run, none says anything, and none is missing at its end."""
    with known_server() as server:
        loop = entertain(server.address, lambda _told: server.connections == 50, hold=50)
        assert server.requests == 0
    [(kind, told)] = loop.guests.items()
    assert kind == "hold"
    assert told["clients"] == told["connections"] == told["open_at_end"] == 50
    assert told["bytes_sent"] == told["bytes_received"] == told["closed"] == told["reset"] == 0
    assert told["greeted"] is None
    assert len(loop.connection_rows) == len(loop.ledger.rows) == 0


def test_held_connections_are_admitted_when_they_are_greeted() -> None:
    """A server that serves one at a time greets one; the others stand in its backlog, and nobody could tell."""
    for concurrent, greeted in ((True, 20), (False, 1)):
        with known_server(greeting=b"*", reader=known_servers.frames, concurrent=concurrent) as server:
            loop = entertain(
                server.address,
                lambda told, greeted=greeted: told["hold"]["greeted"] == greeted,  # type: ignore[misc]
                protocol="frames",
                hold=20,
            )
        told = loop.guests["hold"]
        assert told["connections"] == told["open_at_end"] == 20
        assert told["greeted"] == greeted
        assert told["answered"] == 0


@pytest.mark.parametrize(("ending", "name"), [(HangUp, "closed"), (Reset, "reset")])
def test_held_connections_that_the_server_ends_are_told_with_the_time(ending: type[Exception], name: str) -> None:
    """In order or by a reset, after how long; they do not come again."""
    with known_server(reader=after(ENDS, ending)) as server:
        loop = entertain(server.address, lambda told: told["hold"][name] == 10, hold=10)
        assert server.connections == 10
    told: Told = loop.guests["hold"]
    assert told["connections"] == told[name] == 10
    assert told["open_at_end"] == 0
    spans = told[f"{name}_after"]
    assert SEEN < spans["min"] <= spans["p50"] <= spans["max"] < PATIENCE


def test_who_cannot_connect_in_time_is_told() -> None:
    """A full backlog lets nobody in; the timeout ends each try, and the run goes on."""
    with listening(backlog=0) as (_, address):
        loop = entertain(address, lambda told: told["hold"]["errors"], hold=10, timeout=0.2)
    told: Told = loop.guests["hold"]
    assert 0 < told["connections"] < 10
    assert set(told["errors"]) == {"connect-timeout"}


def test_an_address_where_nobody_listens_is_refused_before_the_run() -> None:
    """As it is for measured clients."""
    with known_servers.refusing() as address, pytest.raises(UnreachableError, match="refused"):
        loop_of(address, lambda: True, hold=1).prepare()


def test_a_server_that_stops_listening_is_seen_to_refuse() -> None:
    """Guests try again, each after a pause."""
    with known_server(reader=after(0, HangUp)) as server:
        server.on_hang_up = server.stop_listening
        began = time.monotonic()
        told = told_of("silent", server.address, lambda told: told["refused"] >= 6, 2)
        seconds = time.monotonic() - began
    assert 6 <= told["refused"] <= 2 * (1 + seconds / 0.05)
    assert told["errors"] == {}


def test_guests_come_over_unix_sockets_and_ipv6(tmp_path: Path) -> None:
    """The kind of address makes no difference."""
    for host, path in (("::1", ""), ("", str(tmp_path / "socket"))):
        if host and host not in known_servers.LOOPBACKS:
            continue
        with known_server(host=host, path=path, reader=after(0.1, HangUp)) as server:
            told = told_of("silent", server.address, lambda told: told["closed"] >= 4, 2)
        assert told["reset"] == told["refused"] == 0
        with known_server(host=host, path=path and f"{path} again") as server:
            told = told_of("half-close", server.address, lambda told: told["closed"] >= 4, 2)
        assert told["errors"] == {}


def test_guests_come_from_the_addresses_that_are_asked_for() -> None:
    """In turn, so that ports do not run out where many are held."""
    sources = ("127.0.0.2", "127.0.0.3")
    with listening() as (listener, address), entertaining(address, hold=4, sources=sources):
        accepted = [listener.accept() for _ in range(4)]
    assert sorted(host for _, (host, _) in accepted) == ["127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.3"]
    for connection, _ in accepted:
        connection.close()


def test_a_full_unix_backlog_is_waited_for(tmp_path: Path) -> None:
    """As TCP would, for as long as the timeout."""
    with known_server(path=str(tmp_path / "socket"), concurrent=False, reader=after(0, HangUp)) as server:
        loop = entertain(server.address, lambda told: told["hold"]["closed"] == 300, hold=300)
    assert loop.guests["hold"]["errors"] == {}


# Hostile clients, kind by kind


@pytest.mark.parametrize(("kind", "name", "other"), [("silent", "closed", "reset"), ("drip", "reset", "closed")])
def test_who_keeps_a_server_waiting_is_seen_to_be_ended_and_comes_again(kind: str, name: str, other: str) -> None:
    """After the server's deadline; a system resets where its server closes on bytes that it has not read."""
    with known_server(reader=after(ENDS, HangUp)) as server:
        told = told_of(kind, server.address, lambda told: told[name] >= 6, 3)
    assert told["clients"] == 3
    assert told["connections"] == told[name] + told["open_at_end"]
    assert told[f"{name}_after"]["min"] > SEEN
    assert told[other] == told["left"] == 0


def test_a_silent_client_sends_nothing_and_a_dripping_one_no_newline() -> None:
    """A byte a second, the first at once: the request is never whole."""
    with known_server() as server:
        requests = []

        def enough(told: Told) -> bool:
            requests.append(server.requests)
            return bool(told["drip"]["bytes_sent"] >= 4)

        told = typed(entertain(server.address, enough, hostile=(("silent", 2), ("drip", 2))).guests)
    assert requests[-1] == 0
    assert told["silent"]["bytes_sent"] == 0
    assert told["drip"]["bytes_sent"] <= 6
    assert told["drip"]["open_at_end"] == 2


def test_one_that_never_reads_sends_until_the_server_takes_no_more() -> None:
    """What fits into the socket buffers, and not all that it would send; no answer is read."""
    seen: list[int] = []

    def blocked(told: Told) -> bool:
        seen.append(told["bytes_sent"])
        return len(seen) > 6 and 0 < seen[-6] == seen[-1]

    with known_server() as server:
        told = told_of("never-reading", server.address, blocked)
        assert server.requests > 0
    assert 100_000 < told["bytes_sent"] < MOST_UNREAD_BYTES / 2
    assert told["bytes_received"] == told["answered"] == 0
    assert told["open_at_end"] == 1


def test_one_that_never_reads_sees_how_the_server_ends_it() -> None:
    """An end in order is told from a reset, though nothing is read."""
    with listening() as (listener, address), entertaining(address, hostile=(("never-reading", 1),)) as loop:
        connection, _ = listener.accept()
        with connection:
            connection.shutdown(socket.SHUT_WR)
            wait_until(lambda: loop.guests["never-reading"]["closed"] == 1)
        connection, _ = listener.accept()
        reset(connection)
        wait_until(lambda: loop.guests["never-reading"]["reset"] == 1)


def test_resets_in_a_request_leave_half_of_it() -> None:
    """No request is ever whole, and the server meets one reset after the other."""
    resets = []

    def reader(stream: BinaryIO) -> Iterator[bytes]:
        try:
            yield stream.read()
        except ConnectionResetError:
            resets.append(1)
            raise

    with known_server(reader=reader) as server:
        told = told_of("reset-in-request", server.address, lambda _told: len(resets) >= 6, 2)
        assert server.requests == 0
    assert told["connections"] == told["left"] + told["open_at_end"]
    assert told["bytes_sent"] <= 32 * told["connections"]


def test_resets_in_an_answer_leave_most_of_it() -> None:
    """The request is whole, and of its large answer the beginning is read."""
    with known_server(known_servers.work) as server:
        told = told_of("reset-in-answer", server.address, lambda told: told["left"] >= 6, 2, protocol="work", work="64")
        assert server.requests >= 6
    assert told["answered"] >= 6
    assert 0 < told["bytes_received"] < 4_000_000 * told["connections"]


def test_a_burst_comes_at_once_every_second() -> None:
    """One request each; the next burst is a second after the first."""
    accepted = []

    def reader(stream: BinaryIO) -> Iterator[bytes]:
        accepted.append(time.monotonic_ns())
        yield from stream

    with known_server(reader=reader) as server:
        loop = loop_of(server.address, lambda: len(accepted) >= 40, hostile=(("burst", 20),))
        loop.prepare()
        start_ns = time.monotonic_ns()
        loop.run(start_ns, start_ns, start_ns + int(PATIENCE * 1e9))
    told: Told = loop.guests["burst"]
    accepted.sort()
    assert accepted[20] >= start_ns + 1_000_000_000
    assert told["answered"] == told["left"] >= 40
    assert told["connect"]["min"] <= told["connect"]["p50"] <= told["connect"]["max"]
    assert 64 * 40 <= told["bytes_received"] <= told["bytes_sent"]  # of the last ones perhaps a part


def test_a_line_without_end_ends_with_the_server_s_patience() -> None:
    """What a server says before it hangs up is the example."""
    with serving("selector", "--max-line", "100000") as server:
        told = told_of("oversized", address_of(server), lambda told: told["closed"] >= 4, 2)
        assert server.stop()["errors"]["line-too-long"] >= 4
    assert told["example"] == "error: line longer than 100000 bytes"
    assert told["reset"] == 0
    assert told["bytes_sent"] > 4 * 100_000


def test_a_line_without_end_has_one_all_the_same() -> None:
    """A server that takes everything gets 64 MiB, and then the client leaves."""

    def swallow(stream: BinaryIO) -> Iterator[bytes]:
        while stream.read(1 << 20):
            pass
        yield b""

    with known_server(reader=swallow) as server:
        told = told_of("oversized", server.address, lambda told: told["left"])
    assert told["bytes_sent"] >= 64 << 20
    assert told["answered"] == told["closed"] == told["reset"] == 0


# Half-closing, which checks


@pytest.mark.parametrize("protocol", ["echo", "upper", "work", "frames", "http"])
def test_a_half_closed_request_is_answered_whole(protocol: str) -> None:
    """With its newline and without, and in order; then comes the server's end."""
    work = "64" if protocol == "work" else ""
    with serving("selector", "--protocol", protocol) as server:
        told = told_of(
            "half-close", address_of(server), lambda told: told["closed"] >= 6, 2, protocol=protocol, work=work
        )
        assert server.stop()["errors"] == {}
    assert told["answered"] >= 6
    assert told["reset"] == told["left"] == 0
    assert told["errors"] == {}
    assert told["example"] == ""


@pytest.mark.parametrize(
    ("reply", "outcome", "words"),
    [
        (known_servers.corrupt_every(1), "wrong-bytes", "byte 3 of 64"),
        (known_servers.double_every(1, at_once=True), "extra-bytes", "64 bytes after the whole answer"),
        (known_servers.double_every(1, at_once=False), "extra-bytes", "bytes after the whole answer"),
        (known_servers.hang_up_every(1), "closed", "hung up after 0 of 64 bytes of the answer"),
        (known_servers.reset_every(1), "reset", "reset after 0 of 64 bytes of the answer"),
    ],
)
def test_an_owed_answer_that_is_wrong_or_missing_is_an_error_of_the_run(reply: Reply, outcome: str, words: str) -> None:
    """It is counted with the kind of client and with the errors of all clients, by its kind."""
    with known_server(reply) as server:
        loop = entertain(
            server.address, lambda told: told["half-close"]["errors"].get(outcome, 0) >= 2, hostile=(("half-close", 1),)
        )
    assert loop.ledger.errors == loop.guests["half-close"]["errors"]
    assert loop.ledger.errors[outcome] >= 2
    assert loop.ledger.examples[outcome].startswith("half-close client 0: ")
    assert words in loop.ledger.examples[outcome]


def test_an_owed_answer_that_does_not_come_in_time_is_an_error_of_the_run() -> None:
    """Nobody accepts, and the timeout ends it."""
    with listening() as (_, address):
        loop = entertain(address, lambda told: told["half-close"]["errors"], hostile=(("half-close", 1),), timeout=0.2)
    assert set(loop.ledger.errors) == {"timeout"}
    assert loop.ledger.examples["timeout"] == "half-close client 0: in 0.2 s came 0 of 64 bytes of the answer"


# Beside measured clients, against servers of ours


@pytest.mark.parametrize("model", ["selector", "threaded"])
def test_slow_clients_are_ended_by_the_deadline_while_others_are_served(model: str) -> None:
    """Each kind has its deadline, and every answer to an ordinary client is right.

    The ordinary ones are never idle for as long as a deadline: each request has a connection of its own.
    """
    slow = (("silent", 5), ("drip", 5), ("never-reading", 2))
    with serving(model, "--idle-timeout", "1.2", "--request-timeout", "1.4") as server:
        with entertaining(address_of(server), hostile=slow) as loop:
            plan: dict[str, Any] = {"connections": 5, "duration": 2.0, "think": "0.02"}  # not all that a CPU can do
            result = run_load(LoadPlan(address_of(server), warmup=0, churn=True, **plan))
            wait_until(lambda: all(told["closed"] + told["reset"] >= 2 for told in typed(loop.guests).values()))
        assert set(server.stop()["errors"]) >= {"idle-timeout", "request-timeout", "write-timeout"}
    assert result.ok, (result.errors, result.error_examples)
    told = typed(loop.guests)
    # Counted from when the client saw its connection stand, which on a busy machine is later than the server did.
    for kind, ended in (("silent", "closed_after"), ("drip", "closed_after"), ("never-reading", "reset_after")):
        assert told[kind][ended]["p50"] > 0.1
    assert loop.ledger.errors == {}


@pytest.mark.parametrize("protocol", ["echo", "upper", "work", "frames", "http"])
def test_garbage_disturbs_nobody(protocol: str) -> None:
    """The server refuses it or waits for more, goes on serving, and stops in order.

    The ordinary clients are never idle for as long as a deadline: each request has a connection of its own.
    """
    work = "64" if protocol == "work" else ""
    with serving("selector", "--protocol", protocol, "--idle-timeout", "1", "--request-timeout", "1") as server:
        parameters: dict[str, Any] = {"protocol": protocol, "work": work}
        with entertaining(address_of(server), hostile=(("garbage", 20),), **parameters) as loop:
            result = run_load(LoadPlan(address_of(server), connections=2, requests=200, churn=True, **parameters))
            assert result.ok, (result.errors, result.error_examples)
            wait_until(lambda: typed(loop.guests)["garbage"]["connections"] >= 40)
        server.stop()
    assert loop.ledger.errors == {}
    if protocol in {"work", "http"}:
        assert re.match("error: |HTTP/1.1 [45]", typed(loop.guests)["garbage"]["example"])


def test_all_kinds_come_together() -> None:
    """Whatever some do, the others are told rightly."""
    with serving("selector", "--protocol", "work", "--idle-timeout", "1.2", "--request-timeout", "1.4") as server:
        loop = entertain(
            address_of(server),
            lambda told: all(kind["connections"] >= 4 for kind in told.values()),
            hold=4,
            hostile=tuple((kind, 2) for kind in HOSTILE_KINDS),
            protocol="work",
            work="64",
        )
        server.stop()
    told = typed(loop.guests)
    assert list(told) == ["hold", *HOSTILE_KINDS]
    assert loop.ledger.errors == {}
    for kind in told.values():
        ended = kind["closed"] + kind["reset"] + kind["left"] + kind["open_at_end"]
        assert kind["connections"] == ended
    assert len(describe_guests(told)) == len(told)
    json.dumps(told)


# Words, and what is asked for


def test_hostile_clients_are_asked_for_by_kind_and_count() -> None:
    """One, where no count is given."""
    assert read_hostile("silent") == ("silent", 1)
    assert read_hostile("never-reading=30") == ("never-reading", 30)
    for wrong, words in (
        ("loud", "hostile clients are silent, drip, "),
        ("hold=3", "not 'hold'"),
        ("silent=", "the count of silent clients is from 1 to 100000, not ''"),
        ("silent=0", "not '0'"),
        ("silent=-1", "not '-1'"),
        ("silent=1.5", "not '1.5'"),
        ("silent=99999999999", "not '99999999999'"),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            read_hostile(wrong)


def test_garbage_is_the_same_in_each_run() -> None:
    """It is seeded by the client and its visit, and there is much of it."""
    for protocol in PROTOCOLS:
        sent = [garbage_of(protocol, number, visit) for number in range(3) for visit in range(40)]
        assert sent == [garbage_of(protocol, number, visit) for number in range(3) for visit in range(40)]
        assert len(set(sent)) > 40
        assert all(sent)


def test_the_median_of_many_times_is_drawn_from_a_few() -> None:
    """The extremes are exact, the median is near, and the memory is bounded."""
    spans = Spans()
    assert spans.to_json() is None
    for number in range(50_000):
        spans.add(number / 1000)
    told = spans.to_json()
    assert told is not None
    assert (told["min"], told["max"]) == (0, 49.999)
    assert told["p50"] == pytest.approx(25, rel=0.05)
    assert len(spans._kept) < 5000


def test_what_a_server_said_is_told_as_plain_text() -> None:
    """Its first line, at most 80 bytes of it, with escapes for what no terminal should get."""
    assert first_line(b"error: no\nmore") == "error: no"
    assert first_line(b"HTTP/1.1 400 Bad Request\r\nDate: x\r\n") == "HTTP/1.1 400 Bad Request"
    assert first_line(b"\x1b[2J\xff'\"\\") == r"\x1b[2J\xff" + "'\"" + r"\\"
    assert first_line(b"x" * 500) == "x" * 80
    assert first_line(b"") == first_line(b"\n") == ""


def test_what_became_of_guests_is_told_in_a_line_each() -> None:
    """Those that are held, and the hostile ones by their kind."""
    nothing: Told = {
        **dict.fromkeys(("closed", "reset", "left", "open_at_end", "refused", "bytes_sent", "bytes_received"), 0),
        **dict.fromkeys(("greeted", "connect", "closed_after", "reset_after")),
        "example": "",
        "errors": {},
    }
    minute = {"min": 60.0, "p50": 60.01, "max": 60.02}
    ten = {"min": 10.0, "p50": 10.1, "max": 10.2}
    held = {**nothing, "clients": 5000, "connections": 5000, "closed": 12, "closed_after": minute, "open_at_end": 4988}
    silent = {**nothing, "clients": 30, "connections": 30, "closed": 30, "closed_after": ten, "example": "error: slow"}
    assert describe_guests({"hold": held, "silent": silent}) == [
        "  held      5,000 idle connections, 12 closed by the server after 60.0 s",
        '  silent    30 clients: 30 closed in order after 10.0 to 10.2 s, said "error: slow"',
    ]
    left = {**nothing, "clients": 1, "connections": 1400, "left": 1399, "open_at_end": 1}
    burst = {**nothing, "clients": 50, "connections": 90, "left": 90, "refused": 3, "errors": {"connect-timeout": 7}}
    burst["connect"] = {"min": 0.001, "p50": 0.01, "max": 1.02}
    few = {**nothing, "clients": 9, "connections": 7, "greeted": 3, "errors": {"no-port": 2}}
    assert describe_guests({"hold": few, "reset-in-request": left, "burst": burst}) == [
        "  held             7 of 9 idle connections (3 greeted), 2 x no-port",
        "  reset-in-request 1 client, 1,400 connections: 1,399 ended by the client, 1 open at the end",
        (
            "  burst            50 clients, 90 connections: 90 ended by the client, 3 refused, "
            "connected in 10 ms (median) to 1,020 ms, 7 x connect-timeout"
        ),
    ]
    assert describe_guests({}) == []


def typed(guests: dict[str, dict[str, object]]) -> dict[str, Told]:
    """The same, to be asked for numbers."""
    return guests
