"""Run a plan: start the load processes, have them begin together, listen, and end them whatever happens."""

from __future__ import annotations

import json
import selectors
import socket
import time
from contextlib import ExitStack
from itertools import chain
from typing import TYPE_CHECKING

from clients.addresses import AddressError
from clients.events import Event, Listener, Progress, WindowClosed, WindowOpened
from clients.gathering import gather
from clients.ports import sources_for
from clients.process import LoadError, LoadProcess
from clients.spec import divide

if TYPE_CHECKING:
    from clients.plan import LoadPlan
    from clients.result import LoadResult

SECOND_NS = 1_000_000_000
# From the order to start until the start: longer than a process takes to wake up, so that all begin at one
# time.
_NOTICE_NS = 20_000_000
_PROGRESS_NS = 200_000_000


class NobodyListensError(LoadError):
    """Every address of the server refuses connections."""


def run_load(plan: LoadPlan, on_event: Listener | None = None) -> LoadResult:
    """Carry out `plan` and return what was recorded; `on_event` is told of the window and of progress.

    It ends within the set-up (at most the timeout), the duration and a fraction of a second, whatever the
    server does. An interrupt (KeyboardInterrupt) once the load runs ends it early; the result says so. Raises
    LoadError (NobodyListensError where nobody listens; PlanError where ports would run out) with one clear
    line. No load process is left, whatever happens.
    """
    try:
        targets = plan.address.resolve(socket.SOCK_DGRAM if plan.udp else socket.SOCK_STREAM)
        check_trust(plan)
    except (AddressError, ValueError) as error:
        raise LoadError(str(error)) from error
    specs = divide(plan, targets, sources_for(plan, targets))
    with ExitStack() as stack:
        processes = [stack.enter_context(LoadProcess(spec)) for spec in specs]
        return _Run(plan, processes, on_event or _ignore).carry_out()


def check_trust(plan: LoadPlan) -> None:
    """Read the certificates that the plan trusts; ValueError with one line for the user where that cannot be."""
    if plan.tls:
        from clients.secure import Trust  # noqa: PLC0415 - ssl is for those who speak TLS

        Trust(plan.address.name, ca=plan.ca, insecure=plan.insecure)


def _ignore(_event: Event) -> None:
    pass


class _Run:
    """One run of load processes that have their specs."""

    def __init__(self, plan: LoadPlan, processes: list[LoadProcess], on_event: Listener) -> None:
        self._plan = plan
        self._processes = processes
        self._on_event = on_event
        self._selector = selectors.DefaultSelector()
        self._interrupted = False
        self._opened = self._closed = False
        self._ended_ns: int | None = None

    def carry_out(self) -> LoadResult:
        with self._selector:
            for process in self._processes:
                self._selector.register(process, selectors.EVENT_READ)
            self._await_ready()
            self._set_times()
            while not all(process.done for process in self._processes):
                try:
                    self._step()
                except KeyboardInterrupt:
                    self._interrupt()
        recorded = [process.recorded for process in self._processes]
        return gather(self._plan, recorded, self._window(), interrupted=self._interrupted)

    def _await_ready(self) -> None:
        waiting = set(self._processes)
        while waiting:
            for key, _ in self._selector.select():
                process = key.fileobj
                assert isinstance(process, LoadProcess)
                for event in process.hear():
                    if event["event"] == "unreachable":
                        self._refuse(event["outcome"], event["detail"])
                    waiting.discard(process)

    def _refuse(self, outcome: str, detail: str) -> None:
        if fault := self._plan.address.fault():
            raise LoadError(f"cannot connect to {self._plan.address}: {fault}")
        if outcome == "refused":
            raise NobodyListensError(f"nobody listens at {self._plan.address}")
        raise LoadError(f"cannot connect to {self._plan.address}: {detail}")

    def _set_times(self) -> None:
        self._start_ns = time.monotonic_ns() + _NOTICE_NS
        self._warm_ns = self._start_ns + int(self._plan.warmup_seconds * SECOND_NS)
        counted = self._plan.requests is not None
        self._end_ns = None if counted else self._start_ns + int(self._plan.duration * SECOND_NS)
        self._progress_ns = self._start_ns + _PROGRESS_NS
        times = {"start_ns": self._start_ns, "warm_ns": self._warm_ns, "end_ns": self._end_ns}
        for process in self._processes:
            process.tell(json.dumps(times))

    def _step(self) -> None:
        """Wait for the next moment or message, whichever comes first, and tell the caller of it."""
        now = time.monotonic_ns()
        for key, _ in self._selector.select(max(0, self._next_moment() - now) / SECOND_NS):
            process = key.fileobj
            assert isinstance(process, LoadProcess)
            for _event in process.hear():
                pass
            if process.done:
                self._selector.unregister(process)
        self._tell(time.monotonic_ns())

    def _next_moment(self) -> int:
        moments = [self._progress_ns]
        if not self._opened:
            moments.append(self._warm_ns)
        if not self._closed and self._end_ns is not None:
            moments.append(self._end_ns)
        return min(moments)

    def _tell(self, now: int) -> None:
        """Tell the caller what has come about by now."""
        closed = not self._closed and self._is_closed(now)
        if not self._opened and (closed or now >= self._warm_ns):
            self._opened = True
            self._on_event(WindowOpened(min(now, self._warm_ns)))
        if closed:
            self._closed = True
            self._ended_ns = now if self._end_ns is None else min(now, self._end_ns)
            if self._end_ns is None and not self._interrupted:
                self._stop_guests()
            self._on_event(WindowClosed(self._ended_ns))
        if now >= self._progress_ns:
            self._progress_ns = now + _PROGRESS_NS
            completed = sum(process.completed for process in self._processes)
            errors = sum(process.errors for process in self._processes)
            recent = tuple(chain.from_iterable(chain.from_iterable(process.recent for process in self._processes)))
            left = None if self._end_ns is None else max(0.0, (self._end_ns - now) / SECOND_NS)
            self._on_event(Progress((now - self._start_ns) / SECOND_NS, completed, errors, recent, left))

    def _is_closed(self, now: int) -> bool:
        if self._end_ns is not None and now >= self._end_ns:
            return True
        return all(process.finished for process in self._processes if process.asks)

    def _stop_guests(self) -> None:
        """End those that have no end of their own: all requests that count are answered."""
        for process in self._processes:
            if not process.asks:
                process.tell("stop")

    def _interrupt(self) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True
        for process in self._processes:
            if process.report is None:
                process.tell("stop")

    def _window(self) -> tuple[int, int]:
        """When the window opened and closed; empty where the run was stopped in its warm-up."""
        self._tell(time.monotonic_ns())
        assert self._ended_ns is not None
        return min(self._warm_ns, self._ended_ns), self._ended_ns
