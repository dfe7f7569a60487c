"""What a load run found: the records as arrays, and the figures that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clients.percentiles import percentiles
from clients.records import CONNECTION_COLUMNS, REQUEST_COLUMNS, Outcome

if TYPE_CHECKING:
    from clients.plan import LoadPlan

    Rows = np.ndarray[tuple[int, int], np.dtype[np.int64]]
    Column = np.ndarray[tuple[int], np.dtype[np.int64]]
    Seconds = np.ndarray[tuple[int], np.dtype[np.float64]]

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
BUSY = 0.8  # of its CPUs: a client was seen to be the limit at 80 to 82 %, for it also waits to be run


@dataclass(frozen=True, slots=True, eq=False)
class LoadResult:
    """The outcome of one run of `plan`.

    `requests` and `connections` hold a row per request begun and per connection opened in the whole run,
    warm-up included, with the columns of `clients.records` (int64, nanoseconds of the monotonic clock). The
    window, in which figures are taken, goes from `opened_ns` to `closed_ns`. `errors` counts by kind over the
    whole run; the kind "unanswered" counts clients that waited to the end and were never answered. `late` and
    `duplicates` count answers to datagrams that had been given up, or answered, in the whole run.
    `client_cpu_seconds` is what the load processes used, user and system, in the window; `cpus` where they
    could run.
    """

    plan: LoadPlan
    requests: Rows
    connections: Rows
    opened_ns: int
    closed_ns: int
    errors: dict[str, int]
    error_examples: dict[str, str]
    client_cpu_seconds: float
    cpus: tuple[int, ...]
    interrupted: bool
    gave_up: bool
    late: int = 0
    duplicates: int = 0

    @property
    def duration(self) -> float:
        """The window's real length in seconds."""
        return (self.closed_ns - self.opened_ns) / 1e9

    @property
    def completed(self) -> int:
        """Requests whose right answer was whole within the window."""
        return self._ended(Outcome.ANSWERED)

    @property
    def lost(self) -> int:
        """Datagrams given up within the window, because no answer came within the timeout."""
        return self._ended(Outcome.LOST)

    @property
    def failed(self) -> int:
        """Requests that ended within the window in any other way."""
        return int(np.count_nonzero(self._in_window())) - self.completed - self.lost

    @property
    def loss(self) -> float | None:
        """The share of datagrams that was lost, of those that ended within the window; None over streams."""
        ended = int(np.count_nonzero(self._in_window()))
        return self.lost / ended if self.plan.udp and ended else None

    @property
    def throughput(self) -> float:
        """Right answers in the window by its real length, per second."""
        return self.completed / self.duration if self.duration > 0 else 0.0

    @property
    def client_busy(self) -> float:
        """The share of their CPUs that the load processes used in the window; each can use one."""
        usable = min(self.plan.processes, len(self.cpus))
        return self.client_cpu_seconds / (self.duration * usable) if self.duration > 0 else 0.0

    @property
    def in_flight(self) -> int:
        """Requests that had begun when the window closed, and had not ended."""
        begun = self.request("due_ns") <= self.closed_ns
        done = self.request("done_ns")
        return int(np.count_nonzero(begun & ((done == 0) | (done > self.closed_ns))))

    @property
    def connections_served(self) -> int:
        """How many of the `plan.connections` clients got an answer's first byte before the window closed."""
        return len(served(self.connections, self.closed_ns))

    @property
    def ok(self) -> bool:
        """Whether the run was whole, there were answers, nothing failed and nobody was left out.

        A datagram that was lost did not fail.
        """
        return not (self.errors or self.gave_up or self.interrupted) and self.completed > 0

    def request(self, column: str) -> Column:
        """One column of `requests` by its name."""
        return self.requests[:, REQUEST_COLUMNS.index(column)]

    def connection(self, column: str) -> Column:
        """One column of `connections` by its name."""
        return self.connections[:, CONNECTION_COLUMNS.index(column)]

    def latencies(self) -> Seconds:
        """Seconds from due to done of all requests that ended in the window, sorted.

        What failed or was lost is in it with at least the timeout: a server that fails fast must not look fast.
        """
        ended = self._in_window()
        seconds: Seconds = (self.request("done_ns") - self.request("due_ns"))[ended] / 1e9
        failed = self.request("outcome")[ended] != Outcome.ANSWERED
        seconds[failed] = np.maximum(seconds[failed], self.plan.timeout)
        seconds.sort()
        return seconds

    def latency(self) -> dict[str, float | None]:
        """Percentiles, min, max and mean of `latencies`; None where there are too few to tell.

        A percentile p is told from 10 / (1 - p) requests on, the median from one on.
        """
        return _figures(self.latencies())

    def connect(self) -> dict[str, float | None]:
        """The same figures of connecting, over all connections of the run that stood; with TLS its handshake in it."""
        return _figures(self._between("began_ns", "secured_ns" if self.plan.tls else "connected_ns"))

    def handshake(self) -> dict[str, float | None]:
        """The same figures of TLS handshakes alone."""
        return _figures(self._between("connected_ns", "secured_ns"))

    def admission(self) -> dict[str, float | None]:
        """The same figures from beginning to connect until the server's greeting, which says that it has accepted."""
        return _figures(self._between("began_ns", "greeted_ns"))

    def summary(self) -> dict[str, object]:
        """What `load --json` prints: figures of the window, errors of the whole run, and the parameters."""
        return {
            "throughput": self.throughput,
            "requests": self.completed,
            "failed": self.failed,
            "duration": self.duration,
            "latency": self.latency(),
            "errors": self.errors,
            "error_examples": self.error_examples,
            "connections": self.plan.connections,
            "connections_opened": len(self.connections),
            "connections_served": self.connections_served,
            "in_flight": self.in_flight,
            "lost": self.lost,
            "loss": self.loss,
            "late": self.late,
            "duplicates": self.duplicates,
            "connect": self.connect(),
            "handshake": self.handshake(),
            "admission": self.admission(),
            "warmup": self.plan.warmup_seconds,
            "client_cpu_seconds": self.client_cpu_seconds,
            "cpus": list(self.cpus),
            "interrupted": self.interrupted,
            "gave_up": self.gave_up,
            "protocol": self.plan.protocol,
            "transport": self.plan.transport,
            "tls": self.plan.tls,
            "address": str(self.plan.address),
            "parameters": self.plan.to_json(),
        }

    def _ended(self, outcome: Outcome) -> int:
        return int(np.count_nonzero(self._in_window() & (self.request("outcome") == outcome)))

    def _between(self, began: str, ended: str) -> Seconds:
        """Seconds between two times of the connections, sorted; without those to which the second never came."""
        begins, ends = self.connection(began), self.connection(ended)
        seconds: Seconds = (ends - begins)[ends > 0] / 1e9
        seconds.sort()
        return seconds

    def _in_window(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        done = self.request("done_ns")
        inside: np.ndarray[tuple[int], np.dtype[np.bool_]] = (done >= self.opened_ns) & (done <= self.closed_ns)
        return inside


def _figures(seconds: Seconds) -> dict[str, float | None]:
    """Percentiles, min, max and mean of sorted samples."""
    enough = {name: len(seconds) >= (1 if p == 0.5 else 10 / (1 - p) - 1e-6) for name, p in PERCENTILES.items()}
    figures: dict[str, float | None] = {
        name: float(percentiles(seconds, [p])[0]) if enough[name] else None for name, p in PERCENTILES.items()
    }
    some = len(seconds) > 0
    figures["min"] = float(seconds[0]) if some else None
    figures["max"] = float(seconds[-1]) if some else None
    figures["mean"] = float(seconds.mean()) if some else None
    return figures


def served(connections: Rows, closed_ns: int) -> Column:
    """The numbers of the clients that were answered until then."""
    first = connections[:, CONNECTION_COLUMNS.index("first_answer_ns")]
    numbers: Column = np.unique(connections[(first > 0) & (first <= closed_ns), 1])
    return numbers
