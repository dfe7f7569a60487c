"""Load processes that are started before there is a spec for them."""

from __future__ import annotations

import psutil
import pytest

from clients.plan import LoadPlan
from clients.process import LoadError, Prepared
from clients.swarm import run_load
from tests.known_servers import known_server


def workers() -> set[int]:
    """The pids of our load processes that have not ended."""
    return {child.pid for child in psutil.Process().children() if is_worker(child)}


def is_worker(child: psutil.Process) -> bool:
    """Whether a child is a load process."""
    try:
        return "clients.worker" in child.cmdline()
    except psutil.NoSuchProcess:
        return False


def test_a_run_uses_the_processes_that_are_prepared_and_starts_those_that_lack() -> None:
    """None is left of either."""
    with known_server() as server, Prepared(2) as prepared:
        idle = workers()
        assert len(idle) == 2
        seen: set[int] = set()
        plan = LoadPlan(server.address, connections=3, processes=3, duration=0.5, warmup=0)
        result = run_load(plan, lambda _event: seen.update(workers()), prepared=prepared)
    assert result.completed > 0
    assert idle < seen
    assert len(seen) == 3
    assert not workers()


def test_a_prepared_process_that_has_died_is_replaced() -> None:
    """As if it had not been prepared."""
    with known_server() as server, Prepared() as prepared:
        (pid,) = workers()
        died = psutil.Process(pid)
        died.kill()
        died.wait(10)
        result = run_load(LoadPlan(server.address, requests=10), prepared=prepared)
    assert result.completed == 10
    assert not workers()


def test_those_that_nobody_takes_are_ended() -> None:
    """Also where no load can be run."""
    with pytest.raises(RuntimeError, match="another thing went wrong"), Prepared(2):
        raise RuntimeError("another thing went wrong")
    with known_server() as server:
        address = server.address
    with pytest.raises(LoadError, match="nobody listens"), Prepared(2) as prepared:
        run_load(LoadPlan(address, duration=0.1), prepared=prepared)
    assert not workers()
