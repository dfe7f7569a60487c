"""A real Dask scheduler with real worker processes, on free ports, for the length of a with statement."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import psutil

from clients.cluster.link import Link, link_to
from tests.serving import PATIENCE, ROOT, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class DaskWorker:
    """A started worker; `address` is what the scheduler calls it, once it is there."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.address = ""

    def load_processes(self) -> list[psutil.Process]:
        """What it runs at the moment of load."""
        return [child for child in psutil.Process(self.process.pid).children(recursive=True) if _carries_load(child)]

    def pids(self) -> list[int]:
        """Return the pid that was started, and those of all processes below it."""
        return [self.process.pid, *(child.pid for child in psutil.Process(self.process.pid).children(recursive=True))]

    def kill(self) -> None:
        """End it as a machine does that loses its power."""
        self.process.kill()
        self.process.wait(PATIENCE)


def _carries_load(process: psutil.Process) -> bool:
    try:
        return "clients.worker" in process.cmdline()
    except psutil.NoSuchProcess:  # it has just ended
        return False


class DaskCluster:
    """A running scheduler and its workers. `within` stands before every command, to run it somewhere else."""

    def __init__(self, stack: ExitStack, folder: Path, host: str, within: Sequence[str] = ()) -> None:
        self._stack, self._folder, self._host = stack, folder, host
        self._file = folder / "scheduler.json"
        self.workers: list[DaskWorker] = []
        self._numbers = itertools.count()
        arguments = ["--host", host, "--port", "0", "--no-dashboard", "--scheduler-file", str(self._file)]
        self.scheduler_process = self._start("dask_scheduler", arguments, within)
        wait_until(lambda: self._file.exists() and self._file.read_text().endswith("}"))
        self.scheduler: str = json.loads(self._file.read_text())["address"]

    def add_worker(
        self,
        *arguments: str,
        host: str | None = None,
        within: Sequence[str] = (),
        environment: dict[str, str] | None = None,
        nanny: bool = False,
    ) -> DaskWorker:
        """Start a worker of one thread; it is there only some seconds later."""
        where = host or self._host
        common = [
            self.scheduler,
            "--host",
            where,
            "--no-dashboard",
            "--nthreads",
            "1",
        ]
        common += ["--local-directory", str(self._folder), "--nanny" if nanny else "--no-nanny", *arguments]
        worker = DaskWorker(self._start("dask_worker", common, within, environment))
        self.workers.append(worker)
        return worker

    def drop(self, worker: DaskWorker) -> None:
        """Kill a worker, and forget it."""
        worker.kill()
        self.workers.remove(worker)

    @contextmanager
    def link(self) -> Iterator[Link]:
        """Speak to the scheduler and its workers."""
        with link_to(self.scheduler) as link:
            yield link

    def await_workers(self) -> None:
        """Wait until the scheduler knows all workers, and those that are gone no more."""
        with self.link() as link:
            wait_until(lambda: len(link.workers()) == len(self.workers))
            addresses = {pid: address for address, pid in link.ask(link.workers(), os.getpid).items()}
        for worker in self.workers:
            worker.address = next(addresses[pid] for pid in worker.pids() if pid in addresses)

    def log(self) -> str:
        """Return what the scheduler and the workers have said so far."""
        return "".join(path.read_text(errors="replace") for path in self._folder.glob("*.log"))

    def _start(
        self,
        module: str,
        arguments: Sequence[str],
        within: Sequence[str],
        environment: dict[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        log = self._stack.enter_context((self._folder / f"{module}-{next(self._numbers)}.log").open("wb"))
        command = [*within, sys.executable, "-m", f"distributed.cli.{module}", *arguments]
        return self._stack.enter_context(ended(command, log, environment))


@contextmanager
def ended(
    command: Sequence[str], log: IO[bytes], environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command in a process group of its own, and kill all of it in the end."""
    # Preferred to the installed package: what is tested is this checkout.
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=log.name.rpartition("/")[0], env=variables,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        left = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        for pid in [*(child.pid for child in left), process.pid]:
            _kill(pid)
        process.wait(PATIENCE)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@contextmanager
def dask_cluster(workers: int, host: str = "127.0.0.1", within: Sequence[str] = ()) -> Iterator[DaskCluster]:
    """Run a scheduler and so many workers."""
    with tempfile.TemporaryDirectory(prefix="serverlab-") as folder, ExitStack() as stack:
        cluster = DaskCluster(stack, Path(folder), host, within)
        for _ in range(workers):
            cluster.add_worker()
        if workers:
            cluster.await_workers()
        yield cluster
