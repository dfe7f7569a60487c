"""What a load run found: the records as arrays, and the figures that follow from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from clients.breakdown import parts, steps
from clients.pacing import expected
from clients.percentiles import figures
from clients.population import Population, ended_with, failed
from clients.records import CONNECTION_COLUMNS, Outcome
from clients.verdict import judge

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clients.plan import LoadPlan
    from clients.population import Requests, Seconds
    from clients.verdict import KnownCeiling

    Rows = np.ndarray[tuple[int, int], np.dtype[np.int64]]
    Column = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ClientProcess:
    """What a load process used in the window, how long it was ready and did not run, and how late its loop was.

    In seconds; `late` is all in all. `waiting` is None where the kernel does not tell.
    """

    cpu: float
    waiting: float | None
    late: float


@dataclass(frozen=True, slots=True, eq=False)
class LoadResult:
    """The outcome of one run of `plan`.

    `requests` holds a row per request begun or due in the whole run, warm-up included, as a structured array with the
    columns of `clients.records`; `connections` one per connection opened (int64). Times are nanoseconds of the
    monotonic clock. The window, in which figures are taken, goes from `opened_ns` to `closed_ns`; at `ended_ns` what
    was still under way was given up. `errors` counts by kind over the whole run; the kind "unanswered" counts clients
    that waited to the end and were never answered. `late` and `duplicates` count answers to datagrams that had been
    given up, or answered, in the whole run; `idle_closed` connections that the server ended while nothing was asked on
    them.

    `client_cpu_seconds` is what the load processes used, user and system, in the window; `cpus` where they could
    run; `client_wait_seconds` how long they were ready and did not run, None where the kernel does not tell;
    `client_processes` has both for each;
    `loop_late_ns` samples how late their loops were, `outstanding` is the mean of requests in flight that they saw
    (None: too short a run). `guests` tells what became of held and hostile clients, and `guest_cpu_seconds` what their
    process used in the window, in no other figure; `missing` tells in words what parts of the load were lost.
    """

    plan: LoadPlan
    requests: Requests
    connections: Rows
    opened_ns: int
    closed_ns: int
    ended_ns: int
    errors: dict[str, int]
    error_examples: dict[str, str]
    client_cpu_seconds: float
    cpus: tuple[int, ...]
    interrupted: bool
    gave_up: bool
    late: int = 0
    duplicates: int = 0
    idle_closed: int = 0
    client_wait_seconds: float | None = None
    client_processes: tuple[ClientProcess, ...] = ()
    loop_late_ns: Column = field(default_factory=lambda: np.empty(0, np.int64))
    outstanding: float | None = None
    guests: dict[str, dict[str, object]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    guest_cpu_seconds: float = 0.0

    @property
    def duration(self) -> float:
        """The window's real length in seconds."""
        return (self.closed_ns - self.opened_ns) / 1e9

    @property
    def rows(self) -> Population:
        """The requests, and of which of them the figures are."""
        return Population(
            self.requests,
            self.opened_ns,
            self.closed_ns,
            self.ended_ns,
            timeout=self.plan.timeout,
            by_due=self.plan.rate is not None,
        )

    @property
    def completed(self) -> int:
        """Requests whose right answer was whole within the window."""
        return self.rows.count(self.rows.done_in_window, ended_with(Outcome.ANSWERED))

    @property
    def lost(self) -> int:
        """Datagrams of the population given up, because no answer came within the timeout."""
        return self.rows.count(self.rows.counts, ended_with(Outcome.LOST))

    @property
    def failed(self) -> int:
        """Requests of the population that ended in any other way than by a right answer or a loss."""
        return self.rows.count(self.rows.counts, failed)

    @property
    def shed(self) -> int:
        """Requests that were due in the window and were never asked, because too many waited already."""
        return self.rows.count(self.rows.due_in_window, ended_with(Outcome.SHED))

    @property
    def offered(self) -> float | None:
        """Requests per second that were due in the window, by its real length; None in a closed loop."""
        if self.plan.rate is None or self.duration <= 0:
            return None
        if self.missing:  # what the lost ones should have asked was due, too
            began = (self.opened_ns / 1e9) - self.plan.warmup_seconds
            return (
                expected(self.plan.segments, self.opened_ns / 1e9 - began, self.closed_ns / 1e9 - began) / self.duration
            )
        return self.rows.count(self.rows.due_in_window) / self.duration

    @property
    def achieved(self) -> float | None:
        """The share of the offered rate that was answered rightly; None in a closed loop."""
        return self.throughput / self.offered if self.offered else None

    @property
    def loss(self) -> float | None:
        """The share of datagrams that was lost, of the population; None over streams."""
        counted = self.rows.count(self.rows.counts) if self.plan.udp else 0
        return self.lost / counted if counted else None

    @property
    def throughput(self) -> float:
        """Right answers in the window by its real length, per second."""
        return self.completed / self.duration if self.duration > 0 else 0.0

    @property
    def client_busy(self) -> float:
        """The share of their CPUs that the load processes used in the window; each can use one."""
        usable = min(self._process_count, len(self.cpus))
        return self.client_cpu_seconds / (self.duration * usable) if self.duration > 0 else 0.0

    @property
    def client_waiting(self) -> float | None:
        """The share of the window for which load processes were ready to run, and something else ran in their place."""
        if self.client_wait_seconds is None or self.duration <= 0:
            return None
        return self.client_wait_seconds / (self.duration * self._process_count)

    @property
    def _process_count(self) -> int:
        """How many load processes handed in what they found."""
        return len(self.client_processes) or self.plan.processes

    @property
    def in_flight(self) -> int:
        """Requests that were due or begun when the window closed, had not ended and were not shed."""
        return self.rows.count(self.rows.in_flight)

    @property
    def unsent(self) -> int:
        """Of these, the requests that had not been sent: they waited for a client that was free."""
        return self.rows.count(self.rows.in_flight, self.rows.unsent)

    @property
    def given_up(self) -> int:
        """Requests of the population that were still under way, or had not been sent, when the run ended."""
        return self.rows.count(self.rows.counts, ended_with(Outcome.IN_FLIGHT))

    @property
    def connections_served(self) -> int:
        """How many of the `plan.connections` clients got an answer's first byte before the window closed."""
        return len(served(self.connections, self.closed_ns))

    @property
    def ok(self) -> bool:
        """Whether the run was whole, there were answers, nothing failed and nobody was left out.

        A datagram that was lost did not fail, nor did a request that was shed; one that was given up in an open loop,
        because it had no answer long after the end, did.
        """
        unanswered = self.plan.rate is not None and self.given_up > 0
        faults = self.errors or self.gave_up or self.interrupted or self.missing or unanswered
        return not faults and self.completed > 0

    def request(self, column: str) -> Column:
        """One column of `requests` by its name."""
        return self.requests[column]

    def connection(self, column: str) -> Column:
        """One column of `connections` by its name."""
        return self.connections[:, CONNECTION_COLUMNS.index(column)]

    def response(self) -> Seconds:
        """Seconds from due to done: what a user would have felt. Sorted, of the population.

        The population of a closed loop is what ended in the window, that of an open loop what was due in it and was not
        shed. What failed or was lost is in it with at least the timeout: a server that fails fast must not look fast.
        What an open loop gave up at the end is in it with its age by then, than which its response is longer.
        """
        return self.rows.seconds("due_ns", self.rows.counts)

    def service(self) -> Seconds:
        """Seconds from sent to done, in the same way: what the server took. Without what was never sent."""
        return self.rows.seconds("sent_ns", self.rows.counts)

    def lateness(self) -> Seconds:
        """Seconds from due to ready, sorted, of the population: by how much the client itself was late."""
        return self.rows.lateness(self.rows.counts)

    def latencies(self) -> Seconds:
        """The response times: see `response`."""
        return self.response()

    def latency(self) -> dict[str, float | None]:
        """Percentiles, min, max and mean of `response`; None where there are too few to tell.

        A percentile p is told from 10 / (1 - p) requests on, the median from one on.
        """
        return figures(self.response())

    def little(self) -> dict[str, float] | None:
        """Little's law, N = X R: how many requests were in flight as the loops saw it, against what the records say.

        The records say it by the time that each request was in flight in the window, whatever became of it. None where
        there is too little to tell. What the loops saw more is time that an answer waited for the client.
        """
        flown_ns = 0
        for rows in self.rows.blocks():
            begun, done = self._begun_ns(rows), rows["done_ns"]
            ended = np.minimum(np.where(done > 0, done, self.ended_ns), self.closed_ns)
            flown_ns += int(np.maximum(ended - np.maximum(begun, self.opened_ns), 0)[begun > 0].sum())
        if not self.outstanding or not flown_ns:
            return None
        expected = flown_ns / (self.closed_ns - self.opened_ns)
        return {"seen": self.outstanding, "expected": expected, "ratio": self.outstanding / expected}

    def _begun_ns(self, rows: Requests) -> Column:
        """When requests began to be in flight: with their connection, where each has one of its own; 0: never."""
        if not self.plan.churn or self.plan.udp:
            return rows["sent_ns"]
        began = np.zeros(len(self.connections) + 1, np.int64)  # the last is of those without a connection
        began[self.connection("connection")] = self.connection("began_ns")
        mine = began[rows["connection"]]
        found: Column = np.where(mine > 0, np.maximum(mine, rows["ready_ns"]), 0)
        return found

    def connect(self) -> dict[str, float | None]:
        """The same figures of connecting, over all connections of the run that stood; with TLS its handshake in it."""
        return figures(self._between("began_ns", "secured_ns" if self.plan.tls else "connected_ns"))

    def handshake(self) -> dict[str, float | None]:
        """The same figures of TLS handshakes alone."""
        return figures(self._between("connected_ns", "secured_ns"))

    def admission(self) -> dict[str, float | None]:
        """The same figures from beginning to connect until the server's greeting, which says that it has accepted."""
        return figures(self._between("began_ns", "greeted_ns"))

    def summary(self, ceiling: KnownCeiling | None = None) -> dict[str, object]:
        """What `load --json` prints: figures of the window, errors of the whole run, and the parameters."""
        verdict = judge(self, ceiling)
        return {
            "throughput": self.throughput,
            "loop": self.plan.loop,
            "offered": self.offered,
            "achieved": self.achieved,
            "requests": self.completed,
            "failed": self.failed,
            "shed": self.shed,
            "duration": self.duration,
            "latency": self.latency(),
            "response": self.latency(),
            "service": figures(self.service()),
            "lateness": figures(self.lateness()),
            "steps": [asdict(step) for step in steps(self)],
            "parts": [asdict(part) for part in parts(self)],
            "errors": self.errors,
            "error_examples": self.error_examples,
            "connections": self.plan.connections,
            "connections_opened": len(self.connections),
            "connections_served": self.connections_served,
            "in_flight": self.in_flight,
            "unsent": self.unsent,
            "given_up": self.given_up,
            "idle_closed": self.idle_closed,
            "lost": self.lost,
            "loss": self.loss,
            "late": self.late,
            "duplicates": self.duplicates,
            "connect": self.connect(),
            "handshake": self.handshake(),
            "admission": self.admission(),
            "warmup": self.plan.warmup_seconds,
            "client_cpu_seconds": self.client_cpu_seconds,
            "client_busy": self.client_busy,
            "client_wait_seconds": self.client_wait_seconds,
            "client_waiting": self.client_waiting,
            "loop_lateness": figures(np.sort(self.loop_late_ns) / 1e9),
            "little": self.little(),
            "ceiling": ceiling.to_json() if ceiling else None,
            "limit": verdict.limit or None,
            "limit_known": verdict.known,
            "limit_reasons": list(verdict.reasons),
            "guests": self.guests,
            "missing": list(self.missing),
            "cpus": list(self.cpus),
            "interrupted": self.interrupted,
            "gave_up": self.gave_up,
            "protocol": self.plan.protocol,
            "transport": self.plan.transport,
            "tls": self.plan.tls,
            "address": str(self.plan.address),
            "parameters": self.plan.to_json(),
        }

    def _between(self, began: str, ended: str) -> Seconds:
        """Seconds between two times of the connections, sorted; without those to which the second never came."""
        begins, ends = self.connection(began), self.connection(ended)
        seconds: Seconds = (ends - begins)[ends > 0] / 1e9
        seconds.sort()
        return seconds


def served(connections: Rows, closed_ns: int) -> Column:
    """The numbers of the clients that were answered until then."""
    first = connections[:, CONNECTION_COLUMNS.index("first_answer_ns")]
    numbers: Column = np.unique(connections[(first > 0) & (first <= closed_ns), 1])
    return numbers
