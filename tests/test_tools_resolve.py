"""`serverlab resolve`: what the resolver answers, by name, and what a server and a client of ours do with it."""

from __future__ import annotations

import json
import socket

import pytest

from tests.known_servers import LOOPBACKS
from tests.serving import serving
from tools.cli import run
from tools.commands.resolve import answers_table
from tools.commands.resolving import Resolution, listened_to, resolved


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for a row on a line, wherever the tests run."""
    monkeypatch.setenv("COLUMNS", "120")


Tuple5 = tuple[int, int, int, str, tuple[str | int, ...]]

STREAM_4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))
STREAM_6 = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 80, 0, 0))
DATAGRAM_4 = (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("192.0.2.1", 80))
RAW_4 = (socket.AF_INET, socket.SOCK_RAW, 0, "", ("192.0.2.1", 80))


def asked_of(monkeypatch: pytest.MonkeyPatch, *answers: Tuple5) -> Resolution:
    """What `resolved` makes of a resolver that always has these answers."""

    def getaddrinfo(_host: str, port: int, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> object:  # noqa: A002  its name
        del family, proto, flags
        return [
            (family, kind, protocol, name, (address[0], port, *address[2:]))
            for family, kind, protocol, name, address in answers
            if type in {0, kind}
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return resolved("example.org", "80")


def test_constants_are_told_by_name_and_number() -> None:
    """The three that socket() takes, for a literal of each family."""
    for host, family in (("127.0.0.1", "AF_INET"), ("::1", "AF_INET6")):
        first = resolved(host, "80").answers[0]
        assert (first.family, first.type, first.protocol) == (family, "SOCK_STREAM", "IPPROTO_TCP")
        assert (first.family_number, first.type_number) == (getattr(socket, family), socket.SOCK_STREAM)
        assert (first.protocol_number, first.host, first.port, first.scope) == (6, host, 80, 0)


def test_a_server_listens_on_each_address_and_a_client_tries_them_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The datagrams with --udp, raw packets never."""
    answers = asked_of(monkeypatch, STREAM_6, STREAM_4, DATAGRAM_4, RAW_4).answers
    assert [answer.transport for answer in answers] == ["tcp", "tcp", "udp", ""]
    assert [(answer.listens, answer.tried) for answer in answers] == [(True, 1), (True, 2), (True, 1), (False, None)]


def test_an_answer_that_comes_twice_is_one_place_to_listen_and_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hosts file may name an address twice."""
    answers = asked_of(monkeypatch, STREAM_4, STREAM_4, STREAM_6).answers
    assert [answer.tried for answer in answers] == [1, 1, 2]
    assert len(listened_to("example.org")) == 2


def test_more_than_three_addresses_have_ordinal_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a host with many of them has."""
    many = [(*STREAM_4[:4], (f"192.0.2.{number}", 80)) for number in range(1, 5)]
    table = answers_table(asked_of(monkeypatch, *many))
    assert [row[-1] for row in table.rows] == ["first", "second", "third", "4th"]


@pytest.mark.parametrize("wildcard", ["", "*"])
def test_without_a_host_the_wildcards_of_a_server_are_shown(wildcard: str) -> None:
    """0.0.0.0 and ::, which no client is told to connect to."""
    found = resolved(wildcard, "80")
    assert found.wildcard
    assert {answer.host for answer in found.answers if answer.listens} <= {"0.0.0.0", "::"}
    assert all(answer.tried is None for answer in found.answers)
    assert "AI_PASSIVE" in found.call


@pytest.mark.parametrize("host", ["", "localhost"])
def test_where_a_server_listens_is_where_it_says_it_does(host: str) -> None:
    """The real server's own listening line agrees."""
    told = {answer.host for answer in resolved(host).answers if answer.listens}
    with serving("iterative", "--host", host) as server:
        assert {address for address, _ in server.listening["addresses"]} == told


def test_a_service_has_its_number() -> None:
    """By the system's list, for a name that every system has."""
    found = resolved("127.0.0.1", "http")
    assert (found.service, found.port) == ("http", 80)
    assert {answer.port for answer in found.answers} == {80}


@pytest.mark.skipif("::1" not in LOOPBACKS, reason="this machine has no IPv6")
def test_a_scope_is_shown_with_its_interface(capsys: pytest.CaptureFixture[str]) -> None:
    """A link-local address is valid on one link."""
    name = socket.if_indextoname(1)
    assert run(["resolve", f"fe80::1%{name}", "80"]) == 0
    told = capsys.readouterr().out
    assert f"fe80::1%{name} (scope 1)" in told
    assert "number of the network interface" in told


def test_brackets_around_an_address_are_taken_off() -> None:
    """They belong to HOST:PORT, where a colon must not be taken for another."""
    assert resolved("[::1]", "7").answers[0].host == "::1"


def test_a_path_needs_no_resolver(capsys: pytest.CaptureFixture[str]) -> None:
    """It is told what it is, and how to use it."""
    assert run(["resolve", "/tmp/serverlab.sock"]) == 0
    told = capsys.readouterr().out
    assert "AF_UNIX (1)" in told
    assert "serverlab serve MODEL --unix /tmp/serverlab.sock" in told


def test_json_has_what_the_table_has(capsys: pytest.CaptureFixture[str]) -> None:
    """One object, its answers in the resolver's order."""
    assert run(["resolve", "127.0.0.1", "5151", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["host"], found["port"], found["wildcard"]) == ("127.0.0.1", 5151, False)
    first = found["answers"][0]
    assert (first["family"], first["type"], first["protocol"]) == ("AF_INET", "SOCK_STREAM", "IPPROTO_TCP")
    assert (first["transport"], first["listens"], first["tried"]) == ("tcp", True, 1)


def test_the_table_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    """The question in Python, the canonical name, and what each member of a tuple is for."""
    assert run(["resolve", "127.0.0.1", "5151"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "socket.getaddrinfo('127.0.0.1', 5151, flags=socket.AI_CANONNAME)" in told
    assert "The canonical name is 127.0.0.1." in told
    assert "An answer is a 5-tuple" in told
    assert "SOCK_STREAM (1) IPPROTO_TCP (6) 127.0.0.1 port 5151 yes first" in told


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["localhost", "70000"], 2, "a port is at most 65535"),
        (["localhost", "nonsense"], 1, "unknown service 'nonsense'"),
        (["nobody.invalid", "80"], 1, "unknown host 'nobody.invalid': "),
        (["nobody.invalid:80"], 1, "the port is a word of its own: nobody.invalid 80"),
        (["x" * 64 + ".invalid"], 1, "unknown host "),
        ([], 2, "HOST"),
    ],
)
def test_a_question_without_an_answer_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, line: str
) -> None:
    """Status 2 for what can be no port, 1 for what nobody knows."""
    assert run(["resolve", *arguments]) == status
    told = capsys.readouterr()
    assert line in told.err
    assert (told.err.count("\n"), told.out) == (1, "")
