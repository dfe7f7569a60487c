"""The records of a comparison, as they stand in its files: what each cell, memory probe and search found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Load:
    """What the clients saw in the window, which was `window` seconds as measured and not as asked.

    `requests` counts right answers. Of `connections` clients at a time, `served` got an answer. `errors`
    counts by kind and `examples` holds one of each in words. `unfinished` requests were under way when the
    window closed.

    `failed` requests of the window had no right answer; `opened` connections were begun in it. `offered` is what was
    due a second, and `achieved` which share of it was answered (None in a closed loop). `in_flight` is how many
    requests were in flight in the mean of the window, as the load processes saw it (`LoadResult.mean_in_flight`), and
    `little` that mean by what Little's law expects of it. `connect_p99` is in seconds, over the whole run; the
    longest where connects are too few for a percentile.
    `client_cpu` is seconds of the load processes in the window, `client_busy` which share that is of the CPUs that they
    can use, one for each process, and `client_waiting` the share of the window in which they were ready and did not
    run. `client_limit` is what `clients.verdict` says ("client", "connections" or ""), with its reasons. `guests` tells
    of held and hostile clients, and `guest_cpu` the seconds that these used in the window.
    """

    window: float
    requests: int
    connections: int
    served: int
    unfinished: int
    errors: dict[str, int]
    examples: dict[str, str]
    client_cpu: float
    failed: int = 0
    opened: int = 0
    offered: float | None = None
    achieved: float | None = None
    in_flight: float | None = None
    little: float | None = None
    connect_p99: float | None = None
    client_waiting: float | None = None
    client_limit: str = ""
    client_reasons: tuple[str, ...] = ()
    guests: dict[str, Any] = field(default_factory=dict)
    client_busy: float | None = None
    guest_cpu: float = 0.0


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds of the server and its children over `interval` seconds, which all but covers the window.

    `method` names how they were counted. Where `complete` is false it cannot see all of them, and `reason`
    says why.
    """

    total: float
    user: float
    system: float
    interval: float
    method: str
    complete: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Life:
    """CPU seconds of a server from its start to its end, counted twice.

    `total`, `user` and `system` are by the method of `Cpu`; `stopped` is what its own last line says of itself and of
    its children, None where it printed none.
    """

    total: float
    user: float
    system: float
    stopped: float | None

    @property
    def apart(self) -> float | None:
        """By which share of the first the second count differs from it."""
        if self.stopped is None or self.total <= 0:
            return None
        return abs(self.stopped - self.total) / self.total


@dataclass(frozen=True, slots=True)
class Working:
    """Who used the CPU in the window, in CPUs: 1.0 is one that was never idle.

    `busiest_process` is the process of the server that used most, `busiest_thread` the thread of it that used most,
    and `threads` how many threads of that process worked, each for more than 2 % of the window.
    """

    busiest_process: float
    busiest_thread: float
    threads: int


@dataclass(frozen=True, slots=True)
class Host:
    """What the machine gave in the window.

    `server_busy` and `client_busy` are the shares of the server's and of the clients' CPUs that were used by anything,
    `server_others` and `client_others` what of that was neither the server, nor the clients, nor the measuring.
    `steal` is the share that the hypervisor gave to others. `spin_before` and `spin_after` are the least share of a CPU
    that a loop got on any of them just before and after. `server_speed` and `client_speed` are how fast these CPUs
    computed in the window, in millions of rounds of an empty loop a second; they mean something beside each other
    only. None: not known.
    """

    server_busy: float | None
    client_busy: float | None
    server_others: float | None
    client_others: float | None
    steal: float | None
    spin_before: float | None
    spin_after: float | None
    server_speed: float | None
    client_speed: float | None


@dataclass(frozen=True, slots=True)
class Admission:
    """How connections got in, in the window.

    `overflows` and `drops` are the kernel's ListenOverflows and ListenDrops, `retransmits` SYNs sent again; all three
    of the whole network namespace. `queue_mean` and `queue_most` are the connections that waited in the server's accept
    queue, from looks at it, and `backlog` what the queue holds. None: not known.
    """

    overflows: int
    drops: int
    retransmits: int
    queue_mean: float | None
    queue_most: int | None
    backlog: int | None


@dataclass(frozen=True, slots=True)
class Counts:
    """What the kernel counted of the server and its children from when it listened to its end.

    Where `complete` is false, some can be missing.
    """

    voluntary_switches: int
    involuntary_switches: int
    minor_faults: int
    major_faults: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Peaks:
    """The most that any look saw of the server and its children, and what looking cost.

    `own_cpu` is CPU seconds that looking took in the window, on the clients' CPUs, and `canary_cpu` what the canaries
    took on all CPUs. `pss_bytes` is memory with shared pages divided among those that share them; None where it cannot
    be read.
    """

    pss_bytes: int | None
    processes: int
    threads: int
    descriptors: int | None
    samples: int
    own_cpu: float
    canary_cpu: float = 0.0


@dataclass(frozen=True, slots=True)
class Cell:
    """One model on one workload in one round, from a server's start to its stop.

    `error` says why the cell has no figures, or not all; it is empty where all went well. `stopped` is the
    server's own last line, whole and as it came. `samples` names the file of its latencies. `position` counts
    the cells in the order in which they ran, and `attempt` how often this one was run: `disturbed` says why it is to be
    run again, because the machine lost CPU to something else; empty where it did not.
    """

    workload: str
    model: str
    round: int
    position: int
    started: str
    took: float
    error: str
    load: Load | None
    cpu: Cpu | None
    peaks: Peaks | None
    stopped: dict[str, Any] | None
    samples: str
    attempt: int = 1
    disturbed: str = ""
    life: Life | None = None
    working: Working | None = None
    host: Host | None = None
    admission: Admission | None = None
    counts: Counts | None = None


@dataclass(frozen=True, slots=True)
class MemoryProbe:
    """What one fresh server of a model held in memory while more and more connections were open and idle.

    `held` has the connections that were open at each look, `admitted` how many of these it had answered once. Bytes
    are those of the look: `pss_bytes` of the server's processes, pages of files left out; `kernel_bytes` what the
    kernel held for its sockets and its processes, by `kernel_method` (None and "": it cannot be told here). By slabinfo
    and meminfo the clients' ends of connections are in it, and all else on the machine; by a cgroup they are not.
    """

    model: str
    round: int
    position: int
    started: str
    took: float
    error: str
    held: tuple[int, ...]
    admitted: tuple[int, ...]
    pss_bytes: tuple[int | None, ...]
    kernel_bytes: tuple[int | None, ...]
    kernel_method: str
    processes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Capacity:
    """The highest rate at which a model held the objective on a workload, as a search found it.

    `rate` is in requests a second, None where none held; `confirmed` where three more runs held it too. `limit` is what
    ended the search, in its words, and `trials` are all its runs. `connections` is how many clients they had (0: not
    known, as it was begun by an older version, or none were opened).
    """

    workload: str
    model: str
    position: int
    started: str
    took: float
    error: str
    objective: str
    rate: float | None
    confirmed: bool
    limit: str
    trials: tuple[dict[str, Any], ...]
    connections: int = 0
