"""Run a plan from many machines: `swarm`'s sibling, whose load processes are started by the workers of a Dask cluster.

    check every worker -> deposit specs -> a task per part, pinned -> all are ready -> ask the clocks
      -> start at one time -> progress comes, workers may get lost -> rows and reports come -> gather

A part is what one load process carries: its clients and its share of the requests. The parts go to the workers in turn.

What may be compared: times of one worker are one clock's, and their differences are exact. All of a worker's rows are
shifted by one number of nanoseconds, so that the agreed start is at the same time in all of them; between workers
a time is wrong by at most `WorkerShare.clock_uncertainty` of both. Latencies are differences within a worker.

The plan's host is looked up here. A loopback address is each worker's own; a file of `ca` must be on every worker's
machine at the same path; `cpus` are those of each worker's machine. The worker's interpreter needs this serverlab.
"""

from __future__ import annotations

import json
import queue
import time
import uuid
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from clients.cluster import clock, task
from clients.cluster.gathering import gather_parts
from clients.cluster.link import link_to
from clients.cluster.part import Part
from clients.cluster.watch import Watch
from clients.plan import PlanError
from clients.process import LoadError
from clients.spec import divide
from clients.swarm import cannot_connect, targets_of
from clients.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clients.cluster.clock import Offset
    from clients.cluster.link import Carried, Link
    from clients.events import Event, Listener
    from clients.plan import LoadPlan
    from clients.result import LoadResult

# From the order to start until the start: longer than it takes to reach every load process, also where that is slow.
_NOTICE_NS = 300_000_000
_NOTICE_QUESTIONS = 10
SETUP_PATIENCE = 15.0  # beside the timeout of connecting: an interpreter starts, a worker is not at once free
SILENCE = 10.0  # seconds without a word from a load process, which says five a second, after which it is lost
_LOOK = 1.0  # how often it is looked who is silent, at the least


def run_on_cluster(plan: LoadPlan, scheduler: str, on_event: Listener | None = None) -> LoadResult:
    """Carry out `plan` on the workers of the Dask scheduler at HOST:PORT and return what was recorded.

    `on_event` is told of the window and of progress. A worker that is lost in the run, or falls silent for
    `SILENCE`, is among the result's `missing`, which is then not ok: nothing of it is known, and nobody begins its part
    again. An interrupt (KeyboardInterrupt) once the load runs ends it early; the result says so. Raises LoadError with
    one clear line: nobody at the scheduler, no workers, a worker without this serverlab or lost before the
    start, all workers lost, nobody at the server; PlanError for a Unix socket. No load process is left.
    """
    if plan.address.path:
        raise PlanError("--cluster needs HOST:PORT: a Unix socket is of one machine")
    if plan.sources:
        raise PlanError("--sources are addresses of one machine: with --cluster each worker has its own")
    specs = divide(plan, targets_of(plan))
    with link_to(scheduler) as link:
        workers = in_turn(link.workers())
        if not workers:
            raise LoadError(f"the Dask scheduler at {scheduler} has no workers")
        parts = [Part(number, spec, workers[number % len(workers)]) for number, spec in enumerate(specs)]
        run = _Run(plan, link, parts, on_event or _ignore)
        try:
            return run.carry_out()
        finally:
            run.end()


def in_turn(workers: list[str]) -> list[str]:
    """Order the workers so that each machine has had one before any has the next."""
    seen: Counter[str] = Counter()
    order = []
    for worker in sorted(workers):
        machine = worker.rpartition(":")[0]
        order.append((seen[machine], worker))
        seen[machine] += 1
    return [worker for _, worker in sorted(order)]


def _ignore(_event: Event) -> None:
    pass


class _Run:
    """One run of parts that have their workers."""

    def __init__(self, plan: LoadPlan, link: Link, parts: list[Part], on_event: Listener) -> None:
        self._plan, self._link, self._parts, self._on_event = plan, link, parts, on_event
        self._name = uuid.uuid4().hex
        self._workers = list(dict.fromkeys(part.worker for part in parts))
        self._offsets: dict[str, Offset] = {}
        # What other threads found out, to be done in this one.
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._window: Window | None = None
        self._interrupted = False
        self._watch = Watch(link, self._name, self._needed, self._hear_of_loss)

    def carry_out(self) -> LoadResult:
        cpus = self._introduce()
        self._submit()
        self._watch.begin()
        self._await_ready()
        self._offsets = {worker: clock.measure(partial(self._clock_of, worker)) for worker in self._workers}
        window = self._window = self._start()
        while not all(part.over for part in self._parts):
            try:
                self._step(window)
            except KeyboardInterrupt:
                self._interrupt()
        return gather_parts(self._plan, self._parts, self._offsets, window, cpus, interrupted=self._interrupted)

    def end(self) -> None:
        """Leave no load process, no task and no thread of the run."""
        self._watch.end_soon()
        for part in self._parts:
            if part.carried:
                part.carried.give_up()
        self._link.try_to_ask(sorted(self._needed()), task.end, self._name)
        self._watch.join()

    # Setting up

    def _introduce(self) -> tuple[int, ...]:
        """See that every worker speaks the same, and return the CPUs of all machines."""
        here = task.introduce()["format"]
        machines = {}
        for worker, told in self._link.ask(self._workers, task.introduce).items():
            if told["format"] != here:
                raise LoadError(f"the Dask worker {worker} has another version of serverlab: install the same on both")
            machines[told["host"]] = self._plan.cpus or tuple(told["cpus"])
        return tuple(cpu for cpus in machines.values() for cpu in cpus)

    def _submit(self) -> None:
        self._link.listen(self._hear)
        for worker in self._workers:
            mine = [part for part in self._parts if part.worker == worker]
            specs = {part.number: part.spec.to_json() for part in mine}
            self._link.ask([worker], task.deposit, self._name, specs)
            for part in mine:
                wake = partial(self._calls.put, _nothing)
                part.carried = self._link.submit(self._name, part.number, worker, wake)

    def _hear(self, event: dict[str, Any]) -> None:
        """Called in another thread, also with the words of other runs."""
        if event.get("run") == self._name:
            self._calls.put(partial(self._parts[event["part"]].note, event))

    def _await_ready(self) -> None:
        deadline = time.monotonic() + self._plan.timeout + SETUP_PATIENCE
        while waiting := [part for part in self._parts if not part.ready]:
            patience = deadline - time.monotonic()
            if patience <= 0:
                raise LoadError(f"the Dask worker {waiting[0].worker} has not begun its load: is it busy?")
            self._attend(patience)

    def _clock_of(self, worker: str) -> int:
        reading: int = self._link.ask([worker], time.monotonic_ns)[worker]
        return reading

    def _start(self) -> Window:
        slowest_ns = max(offset.slowest_ns for offset in self._offsets.values())
        start_ns = time.monotonic_ns() + _NOTICE_NS + _NOTICE_QUESTIONS * slowest_ns
        window = Window(self._plan, start_ns, self._parts, self._on_event)
        times = {part: window.times(self._offsets[part.worker].ahead_ns) for part in self._parts}
        orders = {part.number: json.dumps(times[part]) for part in self._parts}
        answers = self._link.ask(self._workers, task.order, self._name, orders)
        for part in self._parts:
            part.heard = time.monotonic()
            if answers[part.worker] > start_ns + self._offsets[part.worker].ahead_ns:
                raise LoadError(f"the Dask worker {part.worker} did not hear of the start in time")
        return window

    # Listening

    def _needed(self) -> set[str]:
        """The workers of which something may still come; called in another thread, too."""
        return {part.worker for part in self._parts if not part.over}

    def _hear_of_loss(self, workers: set[str], why: str) -> None:
        """Called in another thread."""
        self._calls.put(partial(self._lose, workers, why))

    def _step(self, window: Window) -> None:
        """Wait for the next moment or message, whichever comes first, and tell the caller of it."""
        self._attend(min(_LOOK, window.seconds_to_next()))
        self._do_calls()  # fetching may have taken long, and what was said meanwhile waits there
        for part in self._parts:
            if not part.over and time.monotonic() - part.heard > SILENCE:
                self._lose_part(part, f"nothing was heard of it for {SILENCE:g} s")
        if window.tell() and self._plan.requests is not None and not self._interrupted:
            self._stop(part for part in self._parts if not part.asks)

    def _do_calls(self) -> None:
        """Do what other threads have found out by now."""
        with suppress(queue.Empty):
            while True:
                self._calls.get_nowait()()

    def _attend(self, seconds: float) -> None:
        """Do what other threads found out, waiting up to that long for the first, and fetch what is done."""
        with suppress(queue.Empty):
            self._calls.get(timeout=seconds)()
        self._do_calls()
        for part in self._parts:
            if not part.over and part.carried and part.carried.done():
                self._fetch(part, part.carried)

    def _fetch(self, part: Part, carried: Carried) -> None:
        try:
            records = carried.records()
        except LoadError as error:
            self._lose_part(part, str(error))
            return
        if records[0]["event"] == "unreachable":
            raise cannot_connect(self._plan, records[0])
        part.record(records)

    def _lose(self, workers: set[str], why: str) -> None:
        for part in self._parts:
            if part.worker in workers and not part.over:
                self._lose_part(part, why)

    def _lose_part(self, part: Part, why: str) -> None:
        if self._window is None:
            raise LoadError(f"the Dask worker {part.worker}, before the start: {why}")
        part.lose(why)

    def _interrupt(self) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True
        self._stop(self._parts)

    def _stop(self, parts: Iterable[Part]) -> None:
        left = {part.number: part.worker for part in parts if not part.over}
        self._link.try_to_ask(sorted(set(left.values())), task.order, self._name, dict.fromkeys(left, "stop"))


def _nothing() -> None:
    """Wake who waits."""
