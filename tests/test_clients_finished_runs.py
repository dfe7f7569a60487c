"""A run that is over is reported, whatever happens after it: an interrupt, or no place to save it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

from tests.known_servers import known_server
from tests.serving import wait_until

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-m", "clients", "load"]


def measures_its_ceiling(process: psutil.Process) -> bool:
    """Whether a client of the null server runs under `process`."""
    commands = [child.cmdline() for child in process.children() if child.status() != psutil.STATUS_ZOMBIE]
    return {"clients.null_server", "clients.worker"} <= {word for command in commands for word in command}


@pytest.mark.parametrize("as_json", [False, True])
def test_an_interrupt_while_the_ceiling_is_measured_loses_nothing(tmp_path: Path, as_json: bool) -> None:
    """The run itself is whole: it is told and saved, and the status is its own."""
    folder = tmp_path / "run"
    arguments = ["--duration", "0.5", "--output", str(folder), *(["--json"] if as_json else [])]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with (
        known_server() as server,
        subprocess.Popen(
            [*COMMAND, str(server.address), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        ) as load,
    ):
        seen = psutil.Process(load.pid)
        wait_until(lambda: measures_its_ceiling(seen))
        load.send_signal(signal.SIGINT)
        told, complaints = load.communicate(timeout=30)
    assert (load.returncode, complaints) == (0, "")
    _, summary = map(json.loads, (folder / "load.jsonl").read_text().splitlines())
    assert (summary["interrupted"], summary["ceiling"]) == (False, None)
    assert len(np.load(folder / "requests.npy")) >= summary["requests"] > 0
    assert json.loads(told)["requests"] == summary["requests"] if as_json else "right answers in" in told


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("export", ["npy", "jsonl"])
def test_a_run_that_cannot_be_saved_is_told_all_the_same(tmp_path: Path, export: str, as_json: bool) -> None:
    """No file may be longer than a few kilobytes: the summary, then one line that says why, and status 1."""
    arguments = ["--requests", "2000", "--no-ceiling", "--output", str(tmp_path), "--export", export]
    with known_server() as server:
        command = [*COMMAND, str(server.address), *arguments, *(["--json"] if as_json else [])]
        limited = ["sh", "-c", 'ulimit -f 8 && exec "$@"', "sh", *command]
        done = subprocess.run(limited, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 1
    assert json.loads(done.stdout)["requests"] == 2000 if as_json else "2,000 right answers in" in done.stdout
    assert done.stderr.startswith(f"serverlab load: cannot write to {tmp_path}: ")
    assert done.stderr.count("\n") == 1
    assert "None" not in done.stderr
