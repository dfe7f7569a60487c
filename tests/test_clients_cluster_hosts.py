"""Load from two hosts, which are network namespaces, one of them with a monotonic clock of its own."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.dask_cluster import dask_cluster
from tests.serving import PATIENCE, ROOT, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

AHEAD_SECONDS = 100_000
NETWORK = "198.18.0"  # of RFC 2544, for benchmarks: no route leads there
OWN_CLOCK = ("unshare", "--time", "--monotonic", str(AHEAD_SECONDS))


@dataclass(frozen=True)
class Host:
    """A network namespace: how to run something in it, and its address."""

    within: tuple[str, ...]
    address: str


def _run(*arguments: str) -> None:
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode:
        raise OSError(done.stderr.strip() or f"{arguments[0]} failed")


def _connect(names: list[str]) -> None:
    for name in names:
        _run("ip", "netns", "add", name)
        _run("ip", "-n", name, "link", "set", "lo", "up")
    _run("ip", "-n", names[0], "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", names[1])
    for number, name in enumerate(names, 1):
        _run("ip", "-n", name, "address", "add", f"{NETWORK}.{number}/24", "dev", "eth0")
        _run("ip", "-n", name, "link", "set", "eth0", "up")


@contextmanager
def two_hosts() -> Iterator[list[Host]]:
    """Make two hosts with a wire between them, and take them away in the end; skips where that is not allowed."""
    names = [f"serverlab-{uuid.uuid4().hex[:8]}-{number}" for number in (1, 2)]
    try:
        try:
            _connect(names)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"no network namespaces here: {error}")
        yield [
            Host(("ip", "netns", "exec", name), f"{NETWORK}.{number}") for number, name in enumerate(names, 1)
        ]  # fmt: skip
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, timeout=PATIENCE, check=False)


def has_own_clock() -> bool:
    """Tell whether a process can be given another monotonic clock here."""
    return subprocess.run([*OWN_CLOCK, "true"], capture_output=True, timeout=PATIENCE, check=False).returncode == 0


@contextmanager
def server_on(host: Host) -> Iterator[int]:
    """Run an echo server there, and yield its port."""
    command = [*host.within, sys.executable, "-m", "servers", "selector", "--host", host.address, "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert select.select([process.stdout], [], [], PATIENCE)[0]
            yield int(json.loads(process.stdout.readline())["port"])
        finally:
            process.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes network namespaces")
@pytest.mark.timeout(120)
def test_two_hosts_start_together_though_their_clocks_differ(tmp_path: Path) -> None:
    """What the whole load wanted is 5 ms apart, whoever carried it, by the clock of the caller.

    The second host's clock is more than a day ahead where the kernel has time namespaces. What lies within a host
    is left as it was: no latency is longer than the run.
    """
    with two_hosts() as (first, second), dask_cluster(0, first.address, first.within) as dask, server_on(first) as port:
        clock = OWN_CLOCK if has_own_clock() else ()
        dask.add_worker(host=first.address, within=first.within)
        other = dask.add_worker(host=second.address, within=(*second.within, *clock))
        wait_until(lambda: dask.log().count("Starting worker compute stream") == 2)
        if clock:
            offsets = Path(f"/proc/{other.process.pid}/timens_offsets").read_text().split()
            assert offsets[:2] == ["monotonic", str(AHEAD_SECONDS)]
        load = [*first.within, sys.executable, "-m", "clients", f"{first.address}:{port}", "--json"]
        load += ["--cluster", dask.scheduler, "--processes", "2", "--connections", "4", "--output", str(tmp_path)]
        load += ["--rate", "200", "--arrivals", "constant", "--duration", "1", "--warmup", "0"]
        done = subprocess.run(load, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    summary = json.loads(done.stdout)
    assert [share["clients"] for share in summary["cluster"]] == [2, 2]
    assert {share["worker"].rpartition(":")[0] for share in summary["cluster"]} == {
        f"tcp://{host.address}" for host in (first, second)
    }
    doubt = sum(share["clock_uncertainty"] for share in summary["cluster"])
    assert doubt < 1
    requests, connections = np.load(tmp_path / "requests.npy"), np.load(tmp_path / "connections.npy")
    assert np.diff(np.sort(requests["due_ns"]) / 1e9) == pytest.approx(0.005, abs=0.001 + doubt)
    assert np.ptp(requests["done_ns"]) < 20e9
    assert np.ptp(connections[:, 2]) < 20e9
    assert summary["service"]["max"] < 20
