"""`serverlab load` as a user runs it: what is printed where, and the exit status."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from clients.__main__ import main
from clients.plan import LoadPlan
from clients.process import LoadProcess
from clients.spec import divide
from tests import known_servers
from tests.commands import done_here
from tests.known_servers import known_server, refusing

if TYPE_CHECKING:
    from pathlib import Path


def serverlab(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m clients` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "clients", *arguments], capture_output=True, text=True, timeout=50, check=False
    )


def last_object(output: str) -> dict[str, Any]:
    """The JSON object on the last line."""
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def test_json_has_what_a_program_needs() -> None:
    """One object, last on standard output, with figures in requests per second and seconds."""
    with known_server() as server:
        done = serverlab("load", str(server.address), "--requests", "1000", "--connections", "3", "--json")
    summary = last_object(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert summary["requests"] == 1000
    assert summary["throughput"] == pytest.approx(1000 / summary["duration"])
    assert 0 < summary["latency"]["min"] <= summary["latency"]["p50"] <= summary["latency"]["p99"] < 5
    assert summary["errors"] == summary["error_examples"] == {}
    assert (summary["connections"], summary["connections_served"], summary["in_flight"]) == (3, 3, 0)
    assert (summary["protocol"], summary["address"]) == ("echo", str(server.address))
    assert summary["parameters"]["size"] == 64
    assert summary["client_cpu_seconds"] > 0


def test_the_summary_is_readable_and_plain() -> None:
    """A few lines on standard output, nothing on standard error where that is no terminal; load is the default."""
    with known_server(known_servers.upper) as server:
        done = serverlab(str(server.address), "--duration", "0.3", "--protocol", "upper")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{server.address}: 10 clients, kept alive, upper, lines of 64 bytes" in done.stdout
    assert "right answers in 0.27 s" in done.stdout
    assert "p50" in done.stdout


def test_a_failed_run_says_so_and_has_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    """Errors by kind with an example, in words and in the status."""
    with known_server(known_servers.corrupt_every(10)) as server:
        done = done_here(main, ["load", str(server.address), "--requests", "20", "--connections", "1"], capsys)
    assert done.status == 1
    assert "2 x wrong-bytes, for example client 0: byte 3 of 64" in done.stdout
    assert "failed requests count as at least the timeout (5 s)" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "give an ADDRESS"),
        (["127.0.0.1:1", "--unix", "x"], "not both"),
        (["127.0.0.1:1", "--size", "0"], "size must be from 1 to 16777216, not 0"),
        (["127.0.0.1"], "an address is HOST:PORT"),
        (["127.0.0.1:70000"], "a port is a number from 1 to 65535"),
        (["127.0.0.1:1", "--connections", "many"], "invalid int value"),
        (["127.0.0.1:1", "--connections", "0"], "connections must be from 1"),
        (["127.0.0.1:1", "--duration", "nan"], "duration must be from"),
        (["127.0.0.1:1", "--duration", "1", "--requests", "1"], "not allowed with"),
        (["127.0.0.1:1", "--work", "0.5"], "a work line is"),
        (["127.0.0.1:1", "--work", "64", "--protocol", "echo"], "goes together with the protocols work and http"),
        (["127.0.0.1:1", "--work", "64", "--size", "5"], "--size is for what is echoed"),
        (["127.0.0.1:1", "--protocol", "gopher"], "invalid choice"),
        (["127.0.0.1:1", "--cpus", "a-b"], "CPUs are given as"),
        (["127.0.0.1:1", "--cpus", "9999"], "CPU 9999 is not among"),
        (["127.0.0.1:1", "--cpus", "0-99999999999999"], "CPUs are given as"),
        (["127.0.0.1:1", "--frobnicate"], "unrecognized arguments"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is run, and nothing else is printed."""
    done = done_here(main, ["load", *arguments], capsys)
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr.startswith("serverlab load: ")
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_cannot_be_reached_is_one_line_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody listens, a host that does not resolve, a folder that cannot be written."""
    with refusing() as address:
        nobody = done_here(main, ["load", str(address)], capsys)
        folder = done_here(main, ["load", str(address), "--output", "/dev/null/folder"], capsys)
    unknown = done_here(main, ["load", "no.such.host.invalid:80"], capsys)
    assert nobody.stderr == f"serverlab load: nobody listens at {address}\n"
    assert folder.stderr.startswith("serverlab load: cannot write to /dev/null/folder")
    assert "'no.such.host.invalid' does not resolve" in unknown.stderr
    for done in (nobody, folder, unknown):
        assert (done.status, done.stdout, done.stderr.count("\n")) == (1, "", 1)


@pytest.mark.parametrize("arguments", [["--json"], ["--help"]])
def test_output_that_cannot_be_written_is_one_line(arguments: list[str]) -> None:
    """A full disk: status 1, and nothing more when the interpreter ends."""
    with known_server() as server, open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        command = [sys.executable, "-m", "clients", "load", str(server.address), "--requests", "10", *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=50, check=False)
    assert done.returncode == 1
    assert done.stderr == "serverlab load: cannot write to standard output: No space left on device\n"


def test_a_stop_that_comes_with_the_start_is_heard() -> None:
    """A load process that reads both lines at once ends at once, long before its time."""
    with known_server() as server:
        plan = LoadPlan(server.address, connections=1, duration=3600)
        with LoadProcess(divide(plan, server.address.resolve())[0]) as process:
            assert [event["event"] for event in process.hear()] == ["ready"]
            start_ns = time.monotonic_ns()
            times = {"start_ns": start_ns, "warm_ns": start_ns, "end_ns": start_ns + 3600 * 10**9}
            process.tell(json.dumps(times) + "\nstop")
            while not process.done:
                assert select.select([process], [], [], 30)[0]
                list(process.hear())


def test_records_are_saved_with_a_header_that_explains_them(tmp_path: Path) -> None:
    """JSON Lines with the columns' names, and every request and connection in numpy arrays."""
    with known_server() as server:
        main(["load", str(server.address), "--requests", "30", "--output", str(tmp_path / "run")])
    header, summary = map(json.loads, (tmp_path / "run" / "load.jsonl").read_text().splitlines())
    requests = np.load(tmp_path / "run" / "requests.npy")
    connections = np.load(tmp_path / "run" / "connections.npy")
    assert (header["version"], summary["requests"]) == (2, 30)
    assert len(requests) == 30
    assert list(requests.dtype.names) == header["files"]["requests.npy"]["columns"]
    assert connections.shape == (10, len(header["files"]["connections.npy"]["columns"]))


def test_a_second_run_leaves_nothing_of_the_first_in_its_folder(tmp_path: Path) -> None:
    """Other formats of an earlier run would be taken for this one's."""
    with known_server() as server:
        for requests, formats in (("30", "jsonl,npy,hgrm"), ("10", "jsonl")):
            folder = str(tmp_path / "run")
            main(["load", str(server.address), "--requests", requests, "--output", folder, "--export", formats])
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["load.jsonl", "requests.jsonl"]
    assert len((tmp_path / "run" / "requests.jsonl").read_text().splitlines()) == 11


def test_ctrl_c_ends_the_run_and_reports() -> None:
    """The interrupt of a terminal: what was measured is printed, with status 1, and no traceback."""
    with known_server() as server:
        server.enough = 100
        command = [sys.executable, "-m", "clients", "load", str(server.address), "--duration", "60", "--warmup", "0"]
        with subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as load:
            assert server.had_enough.wait(30)
            load.send_signal(signal.SIGINT)
            output, errors = load.communicate(timeout=30)
    summary = last_object(output)
    assert (load.returncode, errors) == (1, "")
    assert summary["interrupted"] is True
    assert summary["requests"] > 0


def test_a_bar_is_drawn_on_a_terminal() -> None:
    """With a terminal as standard error the progress is drawn there, and the summary stays on standard output."""
    terminal, its_side = os.openpty()
    with known_server() as server:
        command = [sys.executable, "-m", "clients", "load", str(server.address), "--duration", "0.7", "--rate", "1000"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=its_side, text=True, timeout=50, check=True)
    os.close(its_side)
    drawn = os.read(terminal, 1 << 16).decode()
    os.close(terminal)
    assert "0 errors" in drawn
    assert "right answers" in done.stdout


def test_a_load_process_imports_nothing_that_it_does_not_need() -> None:
    """An import is memory and start-up time, and might be a thread or a collection in the middle of a request."""
    program = "import sys, clients.worker; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    unwanted = {"numpy", "rich", "argparse", "typer", "psutil", "subprocess", "threading", "asyncio", "logging", "ssl"}
    assert unwanted.isdisjoint(done.stdout.split())


def test_help_names_the_command_of_the_user() -> None:
    """The commands are reached through `serverlab`, so that is what they call themselves."""
    assert serverlab("load", "--help").stdout.startswith("usage: serverlab load")
    assert serverlab("talk", "--help").stdout.startswith("usage: serverlab talk")
