"""Protocols without I/O: what a session answers, however the bytes are cut."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.protocols import PROTOCOLS, load
from servers.protocols.effects import Close, Compute, Sleep
from servers.protocols.session import Limits

if TYPE_CHECKING:
    from servers.protocols.effects import Effect

SMALL = Limits(max_line=64, max_size=200_000, max_sleep=2.0, max_cpu=1.0)


def converse(protocol: str, pieces: list[bytes], limits: Limits = SMALL) -> tuple[list[Effect], int]:
    """Return all effects of a conversation in these pieces, neighbouring bytes joined, and the requests counted."""
    session = load(protocol)(limits)
    effects: list[Effect] = []
    for answer in (session.started, *[lambda piece=piece: session.received(piece) for piece in pieces], session.ended):
        for effect in answer():
            if isinstance(effect, bytes) and effects and isinstance(effects[-1], bytes):
                effects[-1] += effect
            elif effect != b"":
                effects.append(effect)
            if isinstance(effect, Close):
                return effects, session.requests
    return effects, session.requests


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut data at these places, wherever they fall."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


echo_input = st.lists(st.binary(max_size=70), max_size=8).map(b"\n".join)
upper_input = st.one_of(st.text(max_size=60).map(str.encode), st.binary(max_size=40))
work_line = st.sampled_from(
    [b"1", b"64", b"70000", b"5 sleep=0.5", b"5 cpu=0.1 sleep=1", b"", b"0", b"x", b"9" * 30, b"1 sleep=inf", b"\xff"]
)
work_input = st.lists(work_line, max_size=6).map(b"\n".join)
frames_input = st.lists(
    st.one_of(st.sampled_from([b"^", b"$", b"ab", b"\xff", b"x" * 70]), st.binary(max_size=9)), max_size=20
).map(b"".join)
http_piece = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /work?size=70000&cpu=1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"HEAD /echo?text=a HTTP/1.1\r\nHost:\r\n\r\n",
        b"POST /upper HTTP/1.1\r\nHost:\r\nContent-Length: 2\r\n\r\n\xc3\xa9",
        b"POST /echo HTTP/1.1\r\nHost:\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost:\r\nExpect: 100-continue\r\n",
        b"Content-Length: 3\r\n\r\n",
        b"2;x=y\r\nab\r\n",
        b"0\r\nA: b\r\n\r\n",
        b"0\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b" ",
        b"x",
        b"\r",
        b"\n",
        b"\0",
    ]
)
INPUTS = {
    "echo": echo_input,
    "upper": upper_input,
    "work": work_input,
    "frames": frames_input,
    "http": st.lists(http_piece, max_size=6).map(b"".join),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(data=st.data())
def test_the_answers_are_the_same_however_the_bytes_are_cut(protocol: str, data: st.DataObject) -> None:
    """In one piece, byte by byte, or anywhere between: the same effects in the same order."""
    sent = data.draw(INPUTS[protocol])
    pieces = cut(sent, data.draw(st.lists(st.integers(0, 1000), max_size=10)))
    whole, _ = converse(protocol, [sent] if sent else [])
    assert converse(protocol, pieces)[0] == whole
    assert converse(protocol, [bytes([byte]) for byte in sent])[0] == whole


@given(st.lists(st.binary(max_size=60).filter(lambda line: b"\n" not in line), max_size=8))
def test_echo_returns_what_was_sent_and_counts_its_lines(lines: list[bytes]) -> None:
    """A line comes back as it was, and the rest at the half-close."""
    sent = b"\n".join(lines)
    effects, requests = converse("echo", [sent] if sent else [])
    assert effects == ([sent] if sent else [])
    assert requests == sent.count(b"\n") + (not sent.endswith(b"\n") and bool(sent))


def test_echo_waits_for_the_end_of_a_line() -> None:
    """Half a line is no request yet, and its deadline runs."""
    session = load("echo")(SMALL)
    assert not session.pending
    assert list(session.received(b"hel")) == []
    assert session.pending
    assert list(session.received(b"lo\nwor")) == [b"hello\n"]
    assert session.pending
    assert list(session.ended()) == [b"wor"]


@pytest.mark.parametrize("protocol", ["echo", "work"])
@pytest.mark.parametrize("size", [64, 65, 1000])
def test_a_line_may_be_as_long_as_the_limit_and_no_longer(protocol: str, size: int) -> None:
    """The newline counts; a line without end is refused as soon as it has passed the limit."""
    line = b"1" + b" " * (size - 2) + b"\n"
    effects, _ = converse(protocol, [line])
    without_end, _ = converse(protocol, [b" " * size])
    too_long = [b"error: line longer than 64 bytes\n", Close("line-too-long")]
    if size <= 64:
        assert effects == [line if protocol == "echo" else b"x"]
    else:
        assert effects == too_long
    assert without_end == too_long


def test_lines_before_one_that_is_too_long_are_answered() -> None:
    """An error ends the conversation after what was right, not instead of it."""
    effects, requests = converse("echo", [b"one\ntwo\n" + b"x" * 100])
    assert effects == [b"one\ntwo\nerror: line longer than 64 bytes\n", Close("line-too-long")]
    assert requests == 2


@given(st.text(max_size=60))
def test_upper_returns_the_upper_case_of_any_text(text: str) -> None:
    """Emoji, sharp s (which becomes two letters) and all."""
    effects, _ = converse("upper", [text.encode()] if text else [])
    assert effects == ([text.upper().encode()] if text else [])


def test_upper_waits_for_the_rest_of_a_character() -> None:
    """A character cut by a segment boundary is no error."""
    session = load("upper")(SMALL)
    rocket = "go \N{ROCKET}!".encode()
    assert list(session.received(rocket[:5])) == [b"GO "]
    assert session.pending
    assert list(session.received(rocket[5:])) == [rocket[3:]]
    assert not session.pending


@pytest.mark.parametrize("sent", [b"\xff", b"ok\xff", b"\xc3\x28", "é".encode()[:1]])
def test_upper_refuses_what_is_not_utf_8(sent: bytes) -> None:
    """One error line after what was right, then a close; a character that never becomes whole is no better."""
    effects, _ = converse("upper", [sent])
    before = b"OK" if sent.startswith(b"ok") else b""
    assert effects == [before + b"error: not UTF-8\n", Close("not-utf-8")]


@pytest.mark.parametrize(
    ("line", "effects"),
    [
        (b"4000", [b"x" * 4000]),
        (b"4000\r", [b"x" * 4000]),
        (b"1 sleep=0.25", [Sleep(0.25), b"x"]),
        (b"1 cpu=1e-3", [Compute(0.001), b"x"]),
        (b"3 cpu=.5 sleep=2", [Compute(0.5), Sleep(2.0), b"xxx"]),
        (b"200000", [b"x" * 200_000]),
    ],
)
def test_work_does_what_its_line_asks(line: bytes, effects: list[Effect]) -> None:
    """Stevens' bare number, and waiting and computing before the answer in the order given."""
    assert converse("work", [line + b"\n"]) == (effects, 1)
    assert converse("work", [line]) == (effects, 1), "the last line may lack its newline"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "an empty line is no request"),
        (b"0", "SIZE is a number from 1 to 200000"),
        (b"-1", "SIZE is a number from 1 to 200000"),
        (b"200001", "SIZE is a number from 1 to 200000"),
        (b"9" * 60, "SIZE is a number from 1 to 200000"),
        (b"1_0", "SIZE is a number from 1 to 200000"),
        (b"hello", "SIZE is a number from 1 to 200000"),
        (b"1\0", "SIZE is a number from 1 to 200000"),
        (b"\xd9\xa1", "not a request"),  # an Arabic digit, which int() would take
        (b"1 sleep=inf", "sleep= is a number of seconds from 0 to 2"),
        (b"1 sleep=nan", "sleep= is a number of seconds from 0 to 2"),
        (b"1 sleep=2.1", "sleep= is a number of seconds from 0 to 2"),
        (b"1 sleep=", "sleep= is a number of seconds from 0 to 2"),
        (b"1 sleep=1_0", "sleep= is a number of seconds from 0 to 2"),
        (b"1 cpu=-1", "cpu= is a number of seconds from 0 to 1"),
        (b"1 cpu=1e999", "cpu= is a number of seconds from 0 to 1"),
        (b"1 cpu=0.1 cpu=0.1", "cpu= is given twice"),
        (b"1 fork=1", "after SIZE come only sleep=SECONDS and cpu=SECONDS"),
    ],
)
def test_work_refuses_anything_else_with_one_clear_line(line: bytes, reason: str) -> None:
    """What the client sent is never repeated to it, and nothing is waited for or computed first."""
    effects, requests = converse("work", [line + b"\n"])
    answer, close = effects
    assert isinstance(answer, bytes)
    assert answer.startswith(f"error: {reason}".encode())
    assert answer.count(b"\n") == 1
    assert close == Close("bad-request")
    assert requests == 0


def test_a_hundred_requests_are_answered_lazily() -> None:
    """A server holds no more than the effect it is carrying out, however much one segment asks for."""
    session = load("work")(Limits())
    effects = iter(session.received(b"16000000\n" * 100))
    assert len([next(effects) for _ in range(10)]) == 10
    assert session.requests == 0, "the first answer alone has 245 parts"


@pytest.mark.parametrize(
    ("sent", "answer", "requests"),
    [
        (b"", b"*", 0),
        (b"noise", b"*", 0),
        (b"abc^de^abte$xyz^123$25$^ab$abab", b"*ef_bcuf234bc", 3),  # Bendersky's own example
        (b"^\xff\x00$", b"*\x00\x01", 1),
        (b"^$$^$", b"*", 2),
        (b"^open", b"*pqfo", 0),
    ],
)
def test_frames_returns_what_is_inside_plus_one(sent: bytes, answer: bytes, requests: int) -> None:
    """After a greeting; what is outside is ignored, and a frame counts when it has ended."""
    assert converse("frames", [sent] if sent else []) == ([answer], requests)


def test_frames_answers_before_the_frame_has_ended() -> None:
    """The stream is answered as it comes; a deadline runs inside a frame and nowhere else."""
    session = load("frames")(SMALL)
    assert list(session.started()) == [b"*"]
    assert list(session.received(b"..")) == []
    assert not session.pending
    assert list(session.received(b"^a")) == [b"b"]
    assert session.pending
    assert list(session.received(b"b$..")) == [b"c"]
    assert not session.pending


@pytest.mark.parametrize("size", [64, 65, 1000])
def test_a_frame_may_hold_as_much_as_the_limit_and_no_more(size: int) -> None:
    """So much is answered; the byte after it is refused, whether or not the frame would end."""
    for sent in (b"^a$^" + b"a" * size + b"$", b"^a$^" + b"a" * size):
        effects, requests = converse("frames", [sent])
        if size <= 64:
            assert effects == [b"*b" + b"b" * size]
            assert requests == sent.count(b"$")
        else:
            error = b"error: frame longer than 64 bytes\n"
            assert effects == [b"*b" + b"b" * 64 + error, Close("line-too-long")]
            assert requests == 1
