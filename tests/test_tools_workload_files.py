"""Workloads of a user's own: files that are read, and what is wrong with them in one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from servers.__main__ import settings_of
from tools.workloads import WORKLOADS, Workload, WorkloadError, chosen_workloads, file_of, read_workload
from tools.workloads.reading import SERVER_OPTIONS

LEAST = 'protocol = "echo"\nconnections = 3\n'
WHOLE = """
name = "whole"
asks = "A."
shows = "B."
protocol = "http"
connections = 4
churn = true
work = "64 sleep=exp(0.01)"
rate = 500
arrivals = "constant"
hold = 7
close = "reset"
processes = 2
timeout = 3
weight = 2
cpus = "all"
[hostile]
silent = 5
never-reading = 1
[server]
backlog = 64
max_connections = 100
"""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Where a test writes its file."""
    return tmp_path / "mine.toml"


def refused(path: Path, text: str) -> str:
    """How a file is refused, without its path."""
    path.write_text(text)
    with pytest.raises(WorkloadError) as refusal:
        read_workload(path)
    line = str(refusal.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    return line.removeprefix(f"{path}: ")


def test_every_key_of_a_file_is_a_field_of_the_workload(written: Path) -> None:
    """Whole numbers may stand for any number."""
    written.write_text(WHOLE)
    assert read_workload(written) == Workload(
        name="whole",
        protocol="http",
        connections=4,
        churn=True,
        work="64 sleep=exp(0.01)",
        rate=500.0,
        arrivals="constant",
        hold=7,
        hostile={"silent": 5, "never-reading": 1},
        close="reset",
        processes=2,
        timeout=3.0,
        weight=2.0,
        cpus="all",
        server={"backlog": 64, "max_connections": 100},
        asks="A.",
        shows="B.",
    )


def test_a_file_needs_to_say_little(written: Path) -> None:
    """Its name is the file's, a request is a line of 64 bytes, and its sentences name the file."""
    written.write_text(LEAST)
    assert read_workload(written) == Workload(
        name="mine",
        protocol="echo",
        connections=3,
        size="64",
        asks="3 clients at a time do what mine.toml says.",
        shows="How each model copes with what mine.toml says.",
    )


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("size = 1_000", "size", "1000"),
        ('size = "64..4096"', "size", "64..4096"),
        ("think = 1", "think", "1"),
        ("think = 1e-5", "think", "0.00001"),
        ('think = "exp(0.1)"', "think", "exp(0.1)"),
        ("pipeline = 8", "pipeline", 8),
    ],
)
def test_a_number_or_a_distribution_may_stand_where_both_make_sense(
    written: Path, line: str, field: str, value: object
) -> None:
    """A field has the text of it."""
    written.write_text(LEAST + line)
    assert getattr(read_workload(written), field) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LEAST + "connection = 3", "connection: there is no such key; there are name, protocol, "),
        (LEAST + 'scaling_of = "churn"', "scaling_of: there is no such key"),
        ('protocol = "echo"', "connections: it is missing"),
        ("connections = 3", "protocol: it is missing"),
        ('protocol = "echo"\nconnections = "3"', "connections is a whole number, not '3'"),
        ('protocol = "echo"\nconnections = true', "connections is a whole number, not True"),
        ('protocol = "echo"\nconnections = 0', "connections must be from 1 to 100000, not 0"),
        ('protocol = "ecco"\nconnections = 3', "protocol is one of echo, "),
        ('protocol = "work"\nconnections = 3', "protocol: the protocol work and a work line go together"),
        (LEAST + 'work = "64"', "work: a work line goes together with the protocols work and http alone"),
        (LEAST + "churn = 1", "churn is true or false, not 1"),
        (LEAST + "size = 64.0", "size is bytes as a whole number, or a distribution"),
        (LEAST + "size = 0", "size must be from 1 to "),
        (LEAST + 'size = ""', "size: bytes as a whole number, or a distribution"),
        (LEAST + f"size = {10**400}", "size is at most 9223372036854775807"),
        (LEAST + f"rate = -{10**400}", "rate is at most 9223372036854775807"),
        (LEAST + f"hold = {2**63 - 1}", "hold must be from 0 to "),
        (LEAST + 'arrivals = "constant"', "arrivals: it is of an open loop"),
        (LEAST + "size = -5", "size: a distribution is "),
        (LEAST + 'mix = "100% echo 64"\nsize = 64', "size: work and mix say their own sizes"),
        (LEAST + 'mix = "90% echo 64"', "mix: "),
        (LEAST + 'mix = "100% work 64"', "mix: the mix speaks work, and the protocol is echo"),
        (LEAST + "rate = 0", "rate must be from 0.001 to "),
        (LEAST + "rate = nan", "rate must be from 0.001 to "),
        (LEAST + 'rate = "500"', "rate is a number, not '500'"),
        (LEAST + 'rate = 5\narrivals = "bursts"', "arrivals is one of "),
        (LEAST + 'think = "often"', "think: a distribution is "),
        (LEAST + "think = inf", "think: a distribution is "),
        (LEAST + "pipeline = 0", "pipeline must be from 1 to "),
        (LEAST + "processes = 4", "processes: 4 processes need at least as many connections"),
        (LEAST + "timeout = 0", "timeout must be from 0.001 to "),
        (LEAST + 'close = "never"', "close is one of fin, reset"),
        (LEAST + "hold = -1", "hold must be from 0 to "),
        (LEAST + "hostile = 3", "hostile is a table of whole numbers, not 3"),
        (LEAST + "[hostile]\nrude = 3", "hostile.rude: there are silent, drip, "),
        (LEAST + "[hostile]\nsilent = 0.5", "hostile.silent is a whole number, not 0.5"),
        (LEAST + "[hostile]\nsilent = 0", "hostile: clients that are silent must be from 1 to "),
        (LEAST + "[server]\nport = 80", "server.port: there are backlog, "),
        (LEAST + "[server]\nmax-line = 80", "server.max-line: there are backlog, "),
        (LEAST + "[server]\nbacklog = -1", "server.backlog: from 0 to "),
        (LEAST + '[server]\nbacklog = "5"', "server.backlog is a whole number, not '5'"),
        (LEAST + 'cpus = "2"', 'cpus: "apart" or "all", not \'2\''),
        (LEAST + "weight = 0", "weight: above 0 and at most 100, not 0"),
        (LEAST + "weight = inf", "weight: above 0 and at most 100, not inf"),
        (LEAST + 'name = "a/b"', "name: at most 60 letters, digits and . _ -"),
        (LEAST + "weight = nan", "weight: above 0 and at most 100, not nan"),
        (LEAST + f'name = "{"a" * 61}"', "name: at most 60 letters, digits and . _ -"),
        (LEAST + 'name = ""', "name: at most 60 letters, digits and . _ -"),
        (LEAST + "size = ", "it is not TOML: "),
        (LEAST + "churn = true\nchurn = true", "it is not TOML: "),
    ],
)
def test_what_is_wrong_with_a_file_is_told_in_a_line_that_names_the_key(written: Path, text: str, words: str) -> None:
    """Before anything runs."""
    assert refused(written, text).startswith(words)


def test_a_file_that_cannot_be_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    """None there, a folder, or no text."""
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    for path, words in ((tmp_path / "none.toml", "No such file"), (tmp_path, "directory"), (binary, "it is not TOML")):
        with pytest.raises(WorkloadError, match=words) as refusal:
            read_workload(path)
        assert str(refusal.value).startswith(f"{path}: ")


def test_files_come_after_the_built_in_workloads_by_their_names(tmp_path: Path) -> None:
    """However they were asked for; a file given twice counts once."""
    a, b = str(tmp_path / "2.toml"), str(tmp_path / "1.toml")
    for name, path in (("a", a), ("b", b)):
        Path(path).write_text(f'name = "{name}"\n{LEAST}')
    for asked in ([b, "waiting", a, b, "churn"], ["churn", a, "waiting", b]):
        assert [workload.name for workload in chosen_workloads(asked)] == ["churn", "waiting", "a", "b"]


def test_what_has_a_slash_is_a_file_whatever_it_ends_with(tmp_path: Path) -> None:
    """As shells have it."""
    path = tmp_path / "mine"
    path.write_text(LEAST)
    assert chosen_workloads([str(path)])[0].name == "mine"


def test_two_workloads_of_one_name_are_refused(tmp_path: Path) -> None:
    """Nobody could tell their figures apart."""
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
    one, other = tmp_path / "one" / "mine.toml", tmp_path / "other" / "mine.toml"
    one.write_text(LEAST)
    other.write_text(LEAST + "churn = true")
    with pytest.raises(WorkloadError, match=r"other/mine.toml: name: mine is the workload of another file: give"):
        chosen_workloads([str(one), str(other)])
    other.write_text(LEAST)
    assert len(chosen_workloads([str(one), str(other)])) == 1


def test_a_changed_copy_of_a_built_in_workload_needs_a_name_of_its_own(tmp_path: Path) -> None:
    """Stevens' tables are of churn as it is; an unchanged copy is that."""
    copy = tmp_path / "churn.toml"
    shutil.copy(file_of("churn"), copy)
    assert chosen_workloads([str(copy), "churn"]) == (WORKLOADS["churn"],)
    copy.write_text(copy.read_text().replace("connections = 10", "connections = 11"))
    with pytest.raises(WorkloadError, match=r"churn.toml: name: churn is a built-in workload: give"):
        chosen_workloads([str(copy)])
    copy = copy.rename(tmp_path / "mine.toml")
    assert [workload.connections for workload in chosen_workloads([str(copy)])] == [11]


def is_taken(option: str, value: int) -> bool:
    """Whether `python -m servers` takes this value of an option."""
    try:
        settings_of(["threaded", f"--{option.replace('_', '-')}={value}"])
    except SystemExit:
        return False
    return True


@pytest.mark.parametrize("option", SERVER_OPTIONS)
def test_a_workload_may_tell_its_servers_what_their_command_line_takes(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No more and no less, so that a server is never refused when the comparison has begun."""
    least, most = SERVER_OPTIONS[option]
    assert [is_taken(option, value) for value in (least - 1, least, most, most + 1)] == [False, True, True, False]
    assert "usage" not in capsys.readouterr().out
