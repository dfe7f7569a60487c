"""Watch a command from its start to its end, or a running process for a while, and tell what it cost."""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.accounting.cost import Cost, cost_of
from tools.accounting.processes import read_process
from tools.accounting.sampling import Sampler
from tools.failure import Failure
from tools.processes.children import LaunchError, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tools.accounting.meters import Meter
    from tools.accounting.samples import Sample
    from tools.processes.children import Child

CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
FROM_THE_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
"""Signals that a terminal sends to a whole process group, not to one process."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """How to watch: by which meter, how often, where `signals` arrive, and whom to tell of each sample."""

    meter: Meter
    interval: float
    arrivals: int
    tell: Callable[[Sample], None]

    def command(self, command: list[str]) -> Cost:
        """Start a command and watch it until it ends; signals to us are passed on to it.

        Raises LaunchError where it cannot be started. What outlives it is left alone.
        """
        began, spent = time.monotonic(), time.process_time()
        child = start(command, meter=self.meter)
        try:
            sampler = Sampler(self.meter, self.interval, keep=False)
            self._sample_until_end(sampler, child.pidfd, lambda number: pass_on(child, number))
        except BaseException:
            child.end()
            raise
        duration = time.monotonic() - began
        failed = child.never_started()
        self.tell(sampler.sample())
        survivors = child.survivors()
        exit_status = child.reap()
        if failed:
            raise LaunchError(f"cannot start {command[0]}: exit status {exit_status} of the launcher")
        return cost_of(
            command=command,
            pid=child.pid,
            duration=duration,
            exit_status=exit_status,
            survivors=survivors,
            cpu=self.meter.read(),
            sampler=sampler,
            usage=child.usage,
            monitor_cpu_seconds=time.process_time() - spent,
        )

    def process(self, pid: int, duration: float | None) -> Cost:
        """Watch a running process until it ends, for `duration` seconds, or until a signal asks us to end.

        Raises Failure where there is no such process.
        """
        began, spent = time.monotonic(), time.process_time()
        with following(pid) as pidfd:
            self.meter.attach(pid, ours=False)
            sampler = Sampler(self.meter, self.interval, since_birth=False, keep=False)
            until = None if duration is None else began + duration
            self._sample_until_end(sampler, pidfd, lambda _: True, until)
            self.tell(sampler.sample(memory_too=True))
        return cost_of(
            command=None,
            pid=pid,
            duration=time.monotonic() - began,
            exit_status=None,
            survivors=[],
            cpu=self.meter.read(),
            sampler=sampler,
            usage=None,
            monitor_cpu_seconds=time.process_time() - spent,
        )

    def _sample_until_end(
        self,
        sampler: Sampler,
        pidfd: int,
        on_signal: Callable[[int], bool],
        until: float | None = None,
    ) -> None:
        """Sample until the process ends, the time is over, or `on_signal` says so."""
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.register(self.arrivals, select.POLLIN)
        while until is None or time.monotonic() < until:
            if time.monotonic() >= sampler.due:
                self.tell(sampler.sample())
            wake = sampler.due if until is None else min(sampler.due, until)
            ready = [descriptor for descriptor, _ in poll.poll(max(0.0, wake - time.monotonic()) * 1000)]
            if pidfd in ready or (self.arrivals in ready and any(map(on_signal, os.read(self.arrivals, 64)))):
                break


def pass_on(child: Child, number: int) -> bool:
    """Send the command a signal that was meant for it, as a terminal or a `kill` would; go on watching."""
    with suppress(ProcessLookupError):
        if number in FROM_THE_TERMINAL:
            os.killpg(child.pid, number)
        else:
            child.signal(number)
    return False


@contextmanager
def signals() -> Iterator[int]:
    """Catch the signals that ask us to end; yield a descriptor to read their numbers from.

    One that we were started to ignore (nohup) stays ignored. Nothing interrupts what is done meanwhile, so that a
    second Ctrl-C finds the summary written and the cgroup removed.
    """
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    caught = [number for number in CAUGHT if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda *_: None) for number in caught}
    previous = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(previous)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)


@contextmanager
def following(pid: int) -> Iterator[int]:
    """Yield a descriptor that is readable once a process has ended; raise Failure where there is none."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError as error:
        raise Failure(f"there is no process {pid}") from error
    try:
        process = read_process(pid)
        if process is None or process.zombie:
            raise Failure(f"process {pid} has ended")
        yield pidfd
    finally:
        os.close(pidfd)
