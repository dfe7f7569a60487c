"""Run a plan: start the load processes, have them begin together, listen, and end them whatever happens."""

from __future__ import annotations

import json
import selectors
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from clients.addresses import AddressError
from clients.gathering import gather
from clients.ports import sources_for
from clients.process import LoadError, LoadProcess, Prepared
from clients.spec import divide
from clients.window import Window

if TYPE_CHECKING:
    from clients.addresses import Target
    from clients.events import Event, Listener
    from clients.plan import LoadPlan
    from clients.result import LoadResult

# From the order to start until the start: longer than a process takes to wake up, so that all begin at one
# time.
_NOTICE_NS = 20_000_000


class NobodyListensError(LoadError):
    """Every address of the server refuses connections."""


def run_load(plan: LoadPlan, on_event: Listener | None = None, *, prepared: Prepared | None = None) -> LoadResult:
    """Carry out `plan` and return what was recorded; `on_event` is told of the window and of progress.

    Processes that are `prepared` are used first, and gone afterwards; of too few, the others are started.

    It ends within the set-up (at most the timeout), the duration and a fraction of a second, whatever the
    server does; an open loop waits for what was due as long as the timeout, at most 5 s. An interrupt
    (KeyboardInterrupt) once the load runs ends it early; the result says so. Raises LoadError (NobodyListensError
    where nobody listens; PlanError where ports would run out) with one clear line. No load process is left, whatever
    happens.
    """
    targets = targets_of(plan)
    specs = divide(plan, targets, sources_for(plan, targets))
    with ExitStack() as stack:
        workers = prepared or stack.enter_context(Prepared(0))
        processes = [stack.enter_context(LoadProcess(spec, workers.take())) for spec in specs]
        return _Run(plan, processes, on_event or _ignore).carry_out()


def cannot_connect(plan: LoadPlan, event: dict[str, Any]) -> LoadError:
    """Say why no load process came through to the server, from what one of them said."""
    if fault := plan.address.fault():
        return LoadError(f"cannot connect to {plan.address}: {fault}")
    if event["outcome"] == "refused":
        return NobodyListensError(f"nobody listens at {plan.address}")
    return LoadError(f"cannot connect to {plan.address}: {event['detail']}")


def targets_of(plan: LoadPlan) -> list[Target]:
    """Resolve where the plan's server is, and read whom it trusts; LoadError where either cannot be."""
    try:
        check_trust(plan)
        return plan.address.resolve(socket.SOCK_DGRAM if plan.udp else socket.SOCK_STREAM)
    except (AddressError, ValueError) as error:
        raise LoadError(str(error)) from error


def check_trust(plan: LoadPlan) -> None:
    """Read the certificates that the plan trusts; ValueError with one line for the user where that cannot be."""
    if plan.tls:
        from clients.trust import Trust  # noqa: PLC0415 - ssl is for those who speak TLS

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
        self._lost: dict[LoadProcess, str] = {}

    def carry_out(self) -> LoadResult:
        with self._selector:
            for process in self._processes:
                self._selector.register(process, selectors.EVENT_READ)
            self._await_ready()
            window = self._start()
            while not all(process.done for process in self._there()):
                try:
                    self._step(window)
                except KeyboardInterrupt:
                    self._interrupt()
        recorded = [process.recorded for process in self._there()]
        missing = tuple(f"{process.part}: {why}" for process, why in self._lost.items())
        return gather(self._plan, recorded, window.bounds(), interrupted=self._interrupted, missing=missing)

    def _there(self) -> list[LoadProcess]:
        """The load processes that have not been lost."""
        return [process for process in self._processes if process not in self._lost]

    def _await_ready(self) -> None:
        waiting = set(self._processes)
        while waiting:
            for key, _ in self._selector.select():
                process = key.fileobj
                assert isinstance(process, LoadProcess)
                for event in process.hear():
                    if event["event"] == "unreachable":
                        raise cannot_connect(self._plan, event)
                    waiting.discard(process)

    def _start(self) -> Window:
        window = Window(self._plan, time.monotonic_ns() + _NOTICE_NS, self._processes, self._on_event)
        for process in self._processes:
            process.tell(json.dumps(window.times()))
        return window

    def _step(self, window: Window) -> None:
        """Wait for the next moment or message, whichever comes first, and tell the caller of it."""
        for key, _ in self._selector.select(window.seconds_to_next()):
            process = key.fileobj
            assert isinstance(process, LoadProcess)
            try:
                for _event in process.hear():
                    pass
            except LoadError as error:
                self._lose(process, error)
            if process.done:
                self._selector.unregister(process)
        if window.tell() and self._plan.requests is not None and not self._interrupted:
            self._stop_guests()

    def _lose(self, process: LoadProcess, error: LoadError) -> None:
        """Go on without a load process that has ended; LoadError where nobody is left who asks."""
        self._lost[process] = str(error)
        if not any(left.asks for left in self._there()):
            raise error
        self._selector.unregister(process)
        process.finished = True

    def _stop_guests(self) -> None:
        """End those that have no end of their own: all requests that count are answered."""
        for process in self._there():
            if not process.asks:
                process.tell("stop")

    def _interrupt(self) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True
        for process in self._there():
            if process.report is None:
                process.tell("stop")
