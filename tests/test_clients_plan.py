"""What a load run may be asked to do, and what its lines and answers are; no sockets."""

from __future__ import annotations

import math
import socket
from dataclasses import replace
from typing import Any

import pytest

from clients.addresses import Address, AddressError, Target, parse_address
from clients.conversations import exchanges, work_size
from clients.plan import LoadPlan, PlanError
from clients.ports import port_count, reused_soon, sources_for
from clients.records import ROW, Rows
from clients.spec import Spec, divide

HERE = Address("127.0.0.1", 9000)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9000", HERE),
        ("localhost:1", Address("localhost", 1)),
        ("[::1]:65535", Address("::1", 65535)),
        ("[fe80::1%lo]:80", Address("fe80::1%lo", 80)),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, address: Address) -> None:
    """Every form that is read is the form that is shown."""
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text", ["", "9000", "host", "host:", ":9000", "host:0", "host:65536", "host:x", "::1:9000", "host:-1", "h:1.5"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """One line says what an address is."""
    with pytest.raises(AddressError, match=r"^[^\n]+$"):
        parse_address(text)


def test_a_host_that_does_not_resolve_is_named() -> None:
    """The resolver's failure becomes one line with the host."""
    with pytest.raises(AddressError, match=r"'no such host' does not resolve"):
        Address("no such host", 80).resolve()


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"protocol": "gopher"}, "protocol is one of echo, upper, work"),
        ({"close": "never"}, "close is one of"),
        ({"connections": 0}, "connections must be from 1"),
        ({"connections": 100_001}, "connections must be from 1"),
        ({"processes": 0}, "processes must be from 1"),
        ({"processes": 11}, "at least as many connections"),
        ({"processes": 3, "requests": 2}, "at least as many requests"),
        ({"duration": math.inf}, "duration must be from"),
        ({"duration": math.nan}, "duration must be from"),
        ({"duration": -1}, "duration must be from"),
        ({"duration": 0}, "duration must be from"),
        ({"requests": 0}, "requests must be from 1"),
        ({"timeout": 0}, "timeout must be from"),
        ({"timeout": math.nan}, "timeout must be from"),
        ({"size": 0}, "size must be from 1"),
        ({"size": 1 << 40}, "size must be from 1"),
        ({"warmup": -1}, "warmup must be from 0"),
        ({"warmup": 5.0}, "warmup .5 s. is not shorter than duration|must be shorter"),
        ({"warmup": 1.0, "requests": 10}, "warmup goes with a duration"),
        ({"protocol": "work"}, "the protocol work and a work line go together"),
        ({"work": "64"}, "a work line goes together with the protocols work and http alone"),
        ({"protocol": "work", "work": "many"}, "a work line is"),
        ({"protocol": "work", "work": "0"}, "the SIZE of a work line is from 1"),
        ({"protocol": "work", "work": "64 sleep=inf"}, "a work line is"),
        ({"protocol": "work", "work": "64 cpu=-1"}, "a work line is"),
        ({"cpus": (100_000,)}, "CPU 100000 is not among"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(parameters: dict[str, Any], complaint: str) -> None:
    """Each number and each combination is checked when the plan is made."""
    with pytest.raises(PlanError, match=complaint):
        LoadPlan(HERE, **parameters)


def test_the_warm_up_is_a_tenth_of_the_duration_and_at_most_a_second() -> None:
    """A counted run measures every request."""
    assert LoadPlan(HERE, duration=2).warmup_seconds == pytest.approx(0.2)
    assert LoadPlan(HERE, duration=60).warmup_seconds == 1
    assert LoadPlan(HERE, duration=60, warmup=3).warmup_seconds == 3
    assert LoadPlan(HERE, requests=100).warmup_seconds == 0


def test_clients_and_requests_are_shared_out_without_rest() -> None:
    """Every client has one process, and the requests add up."""
    plan = LoadPlan(HERE, connections=10, requests=101, processes=3)
    specs = divide(plan, [Target(2, ("127.0.0.1", 9000))], ())
    numbers = [spec.first_client + index for spec in specs for index in range(spec.clients)]
    assert numbers == list(range(10))
    assert sum(spec.requests or 0 for spec in specs) == 101
    assert [Spec.from_json(spec.to_json()) for spec in specs] == specs


@pytest.mark.parametrize("size", [1, 2, 3, 8, 9, 10, 11, 12, 64, 4000])
@pytest.mark.parametrize("protocol", ["echo", "upper"])
def test_a_line_has_its_size_in_bytes_and_one_newline(size: int, protocol: str) -> None:
    """The size counts bytes of UTF-8, of which no character is cut."""
    for exchange in exchanges(protocol, 1234, size, ""):
        assert len(exchange.request) == size
        assert exchange.request.count(b"\n") == 1
        assert exchange.request.endswith(b"\n")
        text = exchange.request.decode()
        assert exchange.answer.decode() == (text if protocol == "echo" else text.upper())


@pytest.mark.parametrize("size", [8, 64])
def test_no_two_clients_and_no_two_turns_say_the_same(size: int) -> None:
    """A mix-up between connections, or a late answer, must be visible."""
    lines = [exchange.request for client in range(5000) for exchange in exchanges("echo", client, size, "")]
    assert len(set(lines)) == 10_000


def test_a_work_answer_is_so_many_x() -> None:
    """The size is the line's first word."""
    exchange, same = exchanges("work", 3, 64, "5 sleep=0.01 cpu=2")
    assert exchange is same
    assert exchange.request == b"5 sleep=0.01 cpu=2\n"
    assert exchange.answer == b"xxxxx"
    assert work_size("4000") == 4000


def test_rows_grow_and_stay_in_order() -> None:
    """However many there are, they are all there."""
    rows = Rows()
    for number in range(100_000):
        rows.add(number, 0, 0, 0, 0, 0, 0, 0, -1, 0)
    data = b"".join(rows.chunks())
    assert len(rows) == 100_000
    assert [row[0] for row in ROW.iter_unpack(data)] == list(range(100_000))


def test_a_run_that_needs_more_ports_than_there_are_is_refused() -> None:
    """Connections that are open at a time, and with a connection per request those that linger for a minute."""
    far = [Target(2, ("192.0.2.1", 80))]
    ports = port_count()
    if ports is None or reused_soon(far):
        pytest.skip("this system does not tell its ports, or gives them away at once")
    too_many = (
        LoadPlan(HERE, connections=ports + 1, processes=64),
        LoadPlan(HERE, hold=ports, processes=4) if ports < 15_000 else LoadPlan(HERE, connections=ports, processes=64),
        LoadPlan(HERE, churn=True, requests=ports),
        LoadPlan(HERE, churn=True, rate=ports / 60, duration=600),
    )
    for plan in too_many:
        with pytest.raises(PlanError, match="ports would be in use at a time, more than"):
            sources_for(plan, far)
    for enough in (
        LoadPlan(HERE, churn=True, requests=ports // 2),
        LoadPlan(HERE, churn=True, requests=ports, close="reset"),
        LoadPlan(HERE, churn=True, rate=ports / 60, duration=10),
        LoadPlan(HERE, requests=ports),
    ):
        assert sources_for(enough, far) == ()


def test_over_loopback_several_addresses_have_ports_enough() -> None:
    """Each of 127.0.0.0/8 has all ports; of ::1 there is but one address."""
    ports = port_count()
    if ports is None:
        pytest.skip("this system does not tell its ports")
    plan = LoadPlan(HERE, connections=2 * ports, processes=64)
    assert sources_for(plan, [Target(socket.AF_INET, ("127.0.0.1", 80))]) == ("127.0.0.2", "127.0.0.3", "127.0.0.4")
    with pytest.raises(PlanError, match="ports would be in use"):
        sources_for(plan, [Target(socket.AF_INET6, ("::1", 80, 0, 0))])
    with pytest.raises(PlanError, match="ports would be in use"):
        sources_for(replace(plan, sources=("127.0.0.9",)), [Target(socket.AF_INET, ("127.0.0.1", 80))])


def test_churn_as_fast_as_it_goes_gets_addresses_enough_beforehand() -> None:
    """Nobody knows how fast it will go; so it is assumed that it goes as fast as load processes can."""
    ports = port_count()
    here = [Target(socket.AF_INET, ("127.0.0.1", 80))]
    if ports is None or not reused_soon(here) or not 20_000 < ports < 60_000:
        pytest.skip("this system has not the usual ports")
    assert sources_for(LoadPlan(HERE, churn=True), here) == ()
    assert len(sources_for(LoadPlan(HERE, churn=True, processes=4), here)) >= 2
    assert sources_for(LoadPlan(HERE, churn=True, processes=4, close="reset"), here) == ()


@pytest.mark.parametrize(
    ("sources", "complaint"),
    [(("192.0.2.77",), "cannot connect from 192.0.2.77"), (("::1",), "no address that could be reached from ::1")],
)
def test_a_source_that_cannot_be_one_is_refused(sources: tuple[str, ...], complaint: str) -> None:
    """It must be an address of this machine, and of the server's kind."""
    with pytest.raises(PlanError, match=complaint):
        sources_for(LoadPlan(HERE, sources=sources), [Target(socket.AF_INET, ("127.0.0.1", 80))])
