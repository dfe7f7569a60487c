"""Load from many machines: a real scheduler, real worker processes, a server that counts."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from clients.addresses import Address
from clients.cluster import link as cluster_link
from clients.cluster import run as cluster_run
from clients.cluster import task as cluster_task
from clients.cluster.clock import Offset, offset_of
from clients.cluster.result import ClusterResult, describe_shares
from clients.cluster.run import in_turn, run_on_cluster
from clients.events import Progress, WindowClosed, WindowOpened
from clients.percentiles import percentiles
from clients.plan import LoadPlan, PlanError
from clients.process import LoadError
from clients.swarm import NobodyListensError
from tests.dask_cluster import DaskCluster, dask_cluster
from tests.known_servers import KnownServer, known_server, refusing
from tests.serving import PATIENCE, ROOT, port_to_come_back_to, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import psutil

    from clients.events import Event, Listener

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def started() -> Iterator[DaskCluster]:
    """A scheduler that all tests of this file share."""
    with dask_cluster(2) as running:
        yield running


@pytest.fixture
def dask(started: DaskCluster) -> DaskCluster:
    """The scheduler with two workers, whatever a test before did to them."""
    if len(started.workers) < 2:
        started.add_worker()
        started.await_workers()
    return started


@pytest.fixture(scope="module")
def alone() -> Iterator[DaskCluster]:
    """A scheduler to which workers come and go."""
    with dask_cluster(0) as running:
        yield running


def load(server: KnownServer, dask: DaskCluster, on_event: Listener | None = None, **parameters: Any) -> ClusterResult:
    """Run a small plan in two load processes, one on each worker."""
    plan = LoadPlan(server.address, **{"connections": 4, "processes": 2, **parameters})
    result = run_on_cluster(plan, dask.scheduler, on_event)
    assert isinstance(result, ClusterResult)
    return result


def in_progress(action: Any) -> Listener:
    """Make a listener that does something once, when the load is well under way."""
    done: list[Event] = []

    def listen(event: Event) -> None:
        if isinstance(event, Progress) and event.completed and not done:
            done.append(event)
            action()

    return listen


def command(*arguments: str) -> list[str]:
    """Return the command line of the load."""
    return [sys.executable, "-m", "clients", *arguments]


def told(*arguments: str) -> tuple[int, str]:
    """Run the command to its end: its status and what it said on standard error."""
    done = subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr


# What is measured


def test_every_request_is_sent_once_and_both_workers_take_part(dask: DaskCluster) -> None:
    """The server and the records agree on the count; the connections of both workers have numbers of their own."""
    with known_server() as server:
        result = load(server, dask, requests=101)
    assert result.completed == server.requests == len(result.requests) == len(result.latencies()) == 101
    assert server.connections == len(result.connections) == 4
    assert len(np.unique(result.connection("connection"))) == 4
    assert set(result.connection("client")) == {0, 1, 2, 3}
    assert result.ok
    assert result.missing == ()
    assert [(share.worker, share.clients, share.missing) for share in result.shares] == [
        (address, 2, "") for address in sorted(worker.address for worker in dask.workers)
    ]


def test_more_load_processes_than_threads_all_take_part(dask: DaskCluster) -> None:
    """Five on two workers of one thread each: a part that waits leaves its thread to the next."""
    with known_server() as server:
        result = load(server, dask, requests=50, processes=5, connections=5)
    assert result.completed == server.requests == 50
    assert server.connections == 5
    assert sorted(share.clients for share in result.shares) == [2, 3]


def test_samples_of_all_workers_are_in_one_distribution(dask: DaskCluster) -> None:
    """The records are in order of time on each connection, and the percentiles are of all of them together."""
    with known_server() as server:
        result = load(server, dask, duration=0.6, warmup=0.2)
    names = ("due_ns", "ready_ns", "sent_ns", "first_byte_ns", "done_ns")
    answered = result.request("done_ns") > 0
    times = [result.request(name)[answered] for name in names]
    assert all((before <= after).all() for before, after in pairwise(times))
    assert result.duration == pytest.approx(0.4)
    assert result.latency()["p50"] == percentiles(result.latencies(), [0.5])[0]
    assert len(result.latencies()) == result.completed > 0


def test_the_caller_hears_of_the_window_and_of_progress_from_afar(dask: DaskCluster) -> None:
    """One opening, one closing, progress in between, as from load processes of this machine."""
    events: list[Event] = []
    with known_server() as server:
        result = load(server, dask, events.append, duration=0.9, warmup=0.1)
    [opened] = [event for event in events if isinstance(event, WindowOpened)]
    [closed] = [event for event in events if isinstance(event, WindowClosed)]
    assert events.index(opened) < events.index(closed)
    assert (opened.at_ns, closed.at_ns) == (result.opened_ns, result.closed_ns)
    progress = [event for event in events if isinstance(event, Progress)]
    assert progress[-1].completed > 0
    assert progress[-1].recent


def test_an_open_loop_is_shared_out_over_the_workers(dask: DaskCluster) -> None:
    """Constant arrivals at 200/s, a half of them from each worker, are in step by the clock of the caller.

    What the whole load wanted is 5 ms apart, whoever carried it, as far as the clocks were told apart.
    """
    with known_server() as server:
        result = load(server, dask, duration=1, warmup=0, rate=200, arrivals="constant")
    assert result.offered == pytest.approx(200, abs=2)
    due = np.sort(result.request("due_ns")) / 1e9
    doubt = sum(share.clock_uncertainty for share in result.shares)
    assert np.diff(due) == pytest.approx(0.005, abs=0.001 + doubt)
    assert abs(due[0] - result.opened_ns / 1e9) < 0.006 + doubt


def test_clients_that_are_held_come_from_a_worker_too(dask: DaskCluster) -> None:
    """They have a part of their own, which ends with those that ask."""
    with known_server() as server:
        result = load(server, dask, requests=20, hold=3)
    assert result.completed == server.requests == 20
    assert server.connections == 7
    assert result.guests.keys() == {"hold"}
    assert result.ok


def test_a_result_tells_which_worker_had_which_share(dask: DaskCluster) -> None:
    """In the summary and in words: the clients of each, and how far its clock can be trusted."""
    with known_server() as server:
        result = load(server, dask, requests=10, processes=3)
    told = json.loads(json.dumps(result.summary()))["cluster"]
    assert [share["clients"] for share in told] == [3, 1]
    assert all(0 < share["clock_uncertainty"] < 5 for share in told)
    first, second = describe_shares(result)
    assert f"{result.shares[0].worker}: 3 clients" in first
    assert f"{result.shares[1].worker}: 1 clients" in second


# Who gets lost


def test_a_worker_killed_in_the_run_is_missing_and_nobody_begins_its_part_again(dask: DaskCluster) -> None:
    """The rest goes on and ends in time, the load process ends with its worker, and the server sees no second batch."""
    worker = dask.workers[0]
    children: list[psutil.Process] = []

    def kill() -> None:
        children.extend(worker.load_processes())
        dask.drop(worker)

    with known_server() as server:
        began = time.monotonic()
        result = load(server, dask, in_progress(kill), duration=3, warmup=0, think="0.01")
        seconds = time.monotonic() - began
        assert server.connections == 4
    assert seconds < 3 + PATIENCE / 2
    [missing] = result.missing
    assert worker.address in missing
    assert "the worker is gone" in missing
    assert ("clients 0 to 1" in missing) == (result.shares[0].worker == worker.address)
    assert not result.ok
    assert result.completed > 0
    assert result.duration == pytest.approx(3)
    assert set(result.connection("client")) == ({2, 3} if "clients 0 to 1" in missing else {0, 1})
    assert [child.pid for child in children]
    wait_until(lambda: not any(child.is_running() for child in children))


def test_a_worker_that_comes_back_at_its_address_does_not_begin_again(alone: DaskCluster) -> None:
    """Its nanny starts it anew, the scheduler gives it its task again, and the task refuses: nobody connects."""
    port = port_to_come_back_to()
    with_nanny = alone.add_worker("--worker-port", str(port), nanny=True)
    other = alone.add_worker()
    alone.await_workers()
    assert with_nanny.address == f"tcp://127.0.0.1:{port}"

    def came_back() -> bool:
        with alone.link() as link:
            return with_nanny.address in link.workers()

    def restart() -> None:
        with alone.link() as link:
            [pid] = link.ask([with_nanny.address], os.getpid).values()
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: with_nanny.address not in link.workers())
        wait_until(came_back)
        wait_until(lambda: "a part of a load is not begun again" in alone.log())

    with known_server() as server:
        result = load(server, alone, in_progress(restart), duration=1, warmup=0, think="0.01")
        assert server.connections == 4
    [missing] = result.missing
    assert with_nanny.address in missing
    assert result.completed > 0
    alone.drop(other)
    alone.drop(with_nanny)


def test_a_worker_that_falls_silent_is_missing(dask: DaskCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that hangs is not waited for."""
    monkeypatch.setattr(cluster_run, "SILENCE", 3)
    monkeypatch.setattr(cluster_link, "_PATIENCE", 0.5)
    worker = dask.workers[0]
    with known_server() as server:
        stop = in_progress(lambda: os.kill(worker.process.pid, signal.SIGSTOP))
        result = load(server, dask, stop, duration=1, think="0.01")
    [missing] = result.missing
    assert worker.address in missing
    assert "nothing was heard" in missing
    assert result.completed > 0
    dask.drop(worker)


def test_a_load_whose_workers_are_all_lost_is_an_error(dask: DaskCluster) -> None:
    """There is nothing to report."""
    worker = min(dask.workers, key=lambda worker: worker.address)
    with (
        known_server() as server,
        pytest.raises(LoadError, match=r"nothing is left of the load: clients 0 to 3 .* the worker is gone"),
    ):
        load(server, dask, in_progress(lambda: dask.drop(worker)), duration=30, processes=1)


def test_a_scheduler_that_is_lost_in_the_run_is_told() -> None:
    """Without it nothing can be brought together."""
    with known_server() as server, dask_cluster(1) as dask:
        kill = in_progress(dask.scheduler_process.kill)
        with pytest.raises(LoadError, match=r"nothing is left of the load: .*: the Dask scheduler"):
            load(server, dask, kill, duration=30, processes=1)


def test_a_load_process_that_dies_is_missing(dask: DaskCluster) -> None:
    """Its last words are told; the worker is as good as before."""

    def kill() -> None:
        [process] = dask.workers[0].load_processes()
        process.kill()

    with known_server() as server:
        result = load(server, dask, in_progress(kill), duration=1.5, warmup=0, think="0.01")
        assert load(server, dask, requests=4).ok
    [missing] = result.missing
    assert "a load process ended early" in missing


# The end


@contextmanager
def run(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start the command, and kill it in the end."""
    process = subprocess.Popen(command(*arguments), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


def children_of(dask: DaskCluster) -> list[psutil.Process]:
    """Return all load processes of the workers."""
    return [process for worker in dask.workers for process in worker.load_processes()]


def test_an_interrupt_stops_all_and_tells_what_was_measured(dask: DaskCluster) -> None:
    """Status 1, one JSON object with what came until then, no load process left, no word of Dask."""
    with known_server() as server:
        server.enough = 500
        arguments = ("--duration", "60", "--processes", "2", "--cluster", dask.scheduler, "--json")
        with run(str(server.address), *arguments) as process:
            assert server.had_enough.wait(PATIENCE)
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=PATIENCE)
    result = json.loads(output)
    assert process.returncode == 1
    assert errors == ""
    assert result["interrupted"]
    assert result["missing"] == []
    assert len(result["cluster"]) == 2
    wait_until(lambda: not children_of(dask))


def test_no_load_process_goes_on_for_a_caller_that_is_gone(dask: DaskCluster) -> None:
    """A caller that was killed renews nothing, and its load ends soon."""
    with known_server() as server:
        server.enough = 500
        with run(str(server.address), "--duration", "60", "--processes", "2", "--cluster", dask.scheduler):
            assert server.had_enough.wait(PATIENCE)
            assert len(children_of(dask)) == 2
        with dask.link() as link:
            link.ask(link.workers(), exec, f"import {cluster_task.__name__} as task; task.LEASE = 0.5")
        wait_until(lambda: not children_of(dask))
        with dask.link() as link:
            link.ask(link.workers(), exec, f"import {cluster_task.__name__} as task; task.LEASE = 20")


# Who cannot be reached


def test_nobody_at_the_server_is_told_as_by_one_machine(dask: DaskCluster) -> None:
    """One line, and no load process stays behind."""
    with refusing() as address, pytest.raises(NobodyListensError, match="nobody listens at"):
        run_on_cluster(LoadPlan(address, processes=2), dask.scheduler)
    wait_until(lambda: not children_of(dask))


def test_nobody_at_the_scheduler_is_one_clear_line() -> None:
    """Status 1 and no traceback."""
    with refusing() as address:
        status, errors = told("127.0.0.1:1", "--cluster", str(address))
    assert (status, errors) == (1, f"serverlab load: no Dask scheduler listens at {address}\n")


def test_a_scheduler_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something listens there and says nothing."""
    monkeypatch.setattr(cluster_link, "CONNECT_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(LoadError, match=f"no Dask scheduler answers at {where} "):
            run_on_cluster(LoadPlan(Address("127.0.0.1", 1)), where)


def test_what_is_no_scheduler_is_told() -> None:
    """A server that speaks first, and not as Dask does: whose greeting Dask itself would try to make room for."""
    with known_server(greeting=b"220 mail.example ready\r\n") as server, pytest.raises(LoadError, match="is no Dask"):
        run_on_cluster(LoadPlan(server.address), str(server.address))


def test_a_worker_in_place_of_the_scheduler_is_told(dask: DaskCluster) -> None:
    """It speaks as Dask does, and is no scheduler."""
    status, errors = told("127.0.0.1:1", "--cluster", dask.workers[0].address)
    where = dask.workers[0].address.removeprefix("tcp://")
    assert (status, errors) == (1, f"serverlab load: what answers at {where} is no Dask scheduler but a worker\n")


def test_a_scheduler_without_workers_is_told(alone: DaskCluster) -> None:
    """There is nobody to carry the load."""
    with pytest.raises(LoadError, match="has no workers"):
        run_on_cluster(LoadPlan(Address("127.0.0.1", 1)), alone.scheduler)


@pytest.mark.parametrize(
    ("scheduler", "complaint"),
    [
        ("nowhere", "the scheduler: an address is HOST:PORT"),
        ("tls://127.0.0.1:8786", "over tcp://, not tls://"),
        ("localhost:0", "the scheduler: a port is a number"),
    ],
)
def test_what_is_no_address_of_a_scheduler_is_told(scheduler: str, complaint: str) -> None:
    """Before anything is connected."""
    with pytest.raises(LoadError, match=complaint):
        run_on_cluster(LoadPlan(Address("127.0.0.1", 1)), scheduler)


def test_a_unix_socket_is_of_one_machine() -> None:
    """It cannot be reached from others."""
    with pytest.raises(PlanError, match="a Unix socket is of one machine"):
        run_on_cluster(LoadPlan(Address(path="/nowhere")), "127.0.0.1:8786")


def test_the_missing_package_is_told_with_the_words_that_mend_it() -> None:
    """One line, before anything runs."""
    code = (
        "import sys; sys.modules['distributed'] = None; from clients.command import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = [sys.executable, "-c", code, "127.0.0.1:1", "--cluster", "127.0.0.1:2"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    words = "serverlab load: --cluster needs the package distributed: pip install 'serverlab[cluster]'\n"
    assert (done.returncode, done.stderr) == (1, words)


def test_another_version_on_a_worker_is_told(dask: DaskCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Specs and records would not be understood."""
    monkeypatch.setattr(cluster_task, "SPEC_VERSION", 0)
    with pytest.raises(LoadError, match="has another version of serverlab"):
        run_on_cluster(LoadPlan(Address("127.0.0.1", 1)), dask.scheduler)


def test_a_worker_without_serverlab_is_told(alone: DaskCluster, tmp_path: Path) -> None:
    """Its interpreter finds another package by the name of clients."""
    (tmp_path / "clients").mkdir()
    (tmp_path / "clients" / "__init__.py").touch()
    worker = alone.add_worker(environment={"PYTHONPATH": str(tmp_path)})
    alone.await_workers()
    with pytest.raises(LoadError, match=f"the Dask worker {worker.address} lacks this serverlab"):
        run_on_cluster(LoadPlan(Address("127.0.0.1", 1)), alone.scheduler)
    alone.drop(worker)


def test_a_worker_that_is_busy_is_not_waited_for(alone: DaskCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its one thread is taken by the work of others."""
    monkeypatch.setattr(cluster_run, "SETUP_PATIENCE", 0.5)
    worker = alone.add_worker()
    alone.await_workers()
    with alone.link() as link, known_server() as server:
        busy = link._client.submit(time.sleep, 30, pure=False, workers=[worker.address])
        wait_until(lambda: link._client.processing()[worker.address])
        with pytest.raises(LoadError, match="is it busy"):
            run_on_cluster(LoadPlan(server.address, timeout=0.1), alone.scheduler)
        busy.release()
    alone.drop(worker)


# Without any machine


@pytest.mark.parametrize(
    ("readings", "offset"),
    [
        ([(1000, 5050, 1100)], Offset(4000, 50, 100)),
        ([(1000, 5050, 1100), (2000, 6010, 2020)], Offset(4000, 10, 100)),
        ([(1000, 5020, 1040), (2000, 6010, 2060)], Offset(3995, 15, 60)),  # slow back and slow there: each narrows
        ([(1000, 950, 1010)], Offset(-55, 5, 10)),
        ([(1000, 1000, 1000)], Offset(0, 0, 0)),
    ],
)
def test_the_offset_of_a_clock_lies_between_its_bounds(readings: list[tuple[int, int, int]], offset: Offset) -> None:
    """Every question narrows them; what remains is said."""
    assert offset_of(readings) == offset


def test_each_machine_has_a_part_before_any_has_the_next() -> None:
    """Workers of one machine do not take the parts away from others."""
    workers = [f"tcp://10.0.0.{machine}:{port}" for machine, port in ((1, 5), (1, 6), (1, 7), (2, 5), (3, 1), (3, 2))]
    assert [worker.partition("10.0.0.")[2] for worker in in_turn(workers)] == ["1:5", "2:5", "3:1", "1:6", "3:2", "1:7"]
