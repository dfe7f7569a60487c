"""What a load run found: the records as arrays, and the figures that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from clients.connection_rows import column, seconds_between, served
from clients.pacing import expected
from clients.percentiles import figures
from clients.population import Population, ended_with, failed
from clients.records import Outcome
from clients.summary_json import summary_of

if TYPE_CHECKING:
    from clients.connection_rows import Column, Rows
    from clients.plan import LoadPlan
    from clients.population import Requests, Seconds
    from clients.verdict import KnownCeiling


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
    `client_processes` has both for each; `loop_late_ns` samples how late their loops were. `mean_in_flight` is how many
    requests were in flight in the mean of the window, as they saw it (None: too short a run); those that still were
    when it closed are `unfinished`. `guests` tells what became of held and hostile clients, and `guest_cpu_seconds`
    what their process used in the window, in no other figure; `missing` tells in words what of the load was lost.
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
    mean_in_flight: float | None = None
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
    def unfinished(self) -> int:
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

    def request(self, name: str) -> Column:
        """One column of `requests` by its name."""
        return self.requests[name]

    def connection(self, name: str) -> Column:
        """One column of `connections` by its name."""
        return column(self.connections, name)

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

    def summary(self, ceiling: KnownCeiling | None = None) -> dict[str, object]:
        """What `load --json` prints."""
        return summary_of(self, ceiling)

    def connect(self) -> dict[str, float | None]:
        """The same figures of connecting, over all connections of the run that stood; with TLS its handshake in it."""
        return figures(seconds_between(self.connections, "began_ns", "secured_ns" if self.plan.tls else "connected_ns"))

    def handshake(self) -> dict[str, float | None]:
        """The same figures of TLS handshakes alone."""
        return figures(seconds_between(self.connections, "connected_ns", "secured_ns"))

    def admission(self) -> dict[str, float | None]:
        """The same figures from beginning to connect until the server's greeting, which says that it has accepted."""
        return figures(seconds_between(self.connections, "began_ns", "greeted_ns"))
