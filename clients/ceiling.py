"""How fast a client can be at all: its ceiling, measured against a server that does nothing (`clients.null_server`).

A run whose throughput comes near the ceiling of its client says more of the client than of the server. The ceiling is
measured once per machine and way of asking, and remembered (`clients.ceiling_cache`).
"""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clients import ceiling_cache
from clients.addresses import Address
from clients.checkout import with_checkout
from clients.events import WindowClosed, WindowOpened
from clients.plan import PlanError
from clients.process import LoadError
from clients.swarm import run_load
from clients.verdict import BUSY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clients.events import Event
    from clients.plan import LoadPlan

PATIENCE = 10.0  # seconds for a null server to listen, on a machine that is busy with something else
ATTEMPTS = 2  # where something else took the CPUs meanwhile
UNDISTURBED = 0.7  # of a CPU, or of all: with several requests in flight, client or server uses it where they may
ENOUGH_IN_FLIGHT = 4  # with fewer, client and server wait for each other, however free the machine is
FEW_CONNECTIONS = 8  # up to which one more makes a difference that shows
WARMUP = 0.1
_WAITS = re.compile(r" (?:sleep|cpu)=[^\s;]+")  # what the null server does not do, in a work line or a mix
# What makes a plan wait, or more than a closed loop, or give up; each is left at its default.
_LEFT_OUT = (
    *("rate", "final_rate", "steps", "arrivals", "seed", "max_waiting"),
    *("think", "hold", "hostile", "sources", "requests", "timeout"),
)
_AT_ONCE = "0"  # thinking for no time: the same way through the loop as an open loop's, or a thinker's, and no waiting
# What a client's throughput against a null server depends on, beside the number of connections.
_KEYED = ("protocol", "churn", "close", "pipeline", "processes", "cpus")


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What a client can do: `requests_per_second`, at so many seconds of its CPU for each.

    `limited_by_client` holds where the client was the limit, as it should be; else the figure is only a lower bound,
    for the server that does nothing was, or the machine. `measured_at` is the date, as 2025-01-31.
    """

    requests_per_second: float
    client_cpu_per_request: float
    limited_by_client: bool
    measured_at: str

    def __str__(self) -> str:
        """The throughput in words."""
        least = "" if self.limited_by_client else "at least "
        return f"{least}{self.requests_per_second:,.0f} requests/s"

    def to_json(self) -> dict[str, object]:
        """Return what `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> Ceiling:
        """Read it again; ValueError where it is anything else."""
        kinds = {"requests_per_second": float, "client_cpu_per_request": float, "limited_by_client": bool}
        if not isinstance(value, dict) or value.keys() != {*kinds, "measured_at"}:
            raise ValueError("not a ceiling")
        if not all(type(value[name]) is kind for name, kind in kinds.items()) or not value["requests_per_second"] > 0:
            raise ValueError("not a ceiling's figures")
        return cls(**{**value, "measured_at": str(value["measured_at"])})


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One measurement: the ceiling, and whether nothing else took the CPUs meanwhile."""

    ceiling: Ceiling
    undisturbed: bool


def ceiling(plan: LoadPlan, *, seconds: float = 0.5) -> Ceiling | None:
    """Return what the client of `plan` can do as a closed loop that never waits; None where it cannot be told.

    It cannot with TLS, nor where a load process or the null server does not come up. A figure that is not
    remembered takes `seconds` and about half a second more to measure, twice that where the machine is disturbed;
    one that was disturbed to the end is a lower bound, and is not remembered.
    """
    if plan.tls:
        return None
    key = configuration(plan)
    try:
        return Ceiling.from_json(ceiling_cache.find(key))
    except ValueError:
        pass  # there is none, or none that can be understood
    try:
        attempt = _best(plan, seconds)
    except (LoadError, PlanError, OSError):
        return None
    if attempt.undisturbed:
        ceiling_cache.keep(key, attempt.ceiling.to_json())
    return attempt.ceiling


def forget() -> None:
    """Have every ceiling measured again."""
    ceiling_cache.forget()


def configuration(plan: LoadPlan) -> str:
    """Return what the ceiling of `plan` depends on, as text; plans that differ little have the same.

    More than a few connections count to the next power of two, so that few ceilings serve many runs.
    """
    key: dict[str, object] = {name: getattr(plan, name) for name in _KEYED}
    many = plan.connections > FEW_CONNECTIONS
    key["connections"] = 1 << (plan.connections - 1).bit_length() if many else plan.connections
    key["transport"] = plan.transport
    key["waits"] = _waits(plan)
    key["usable_cpus"] = len(_client_cpus(plan))
    key["asked"] = _WAITS.sub("", plan.mix or plan.work) or plan.size
    return json.dumps(key, sort_keys=True)


def _best(plan: LoadPlan, seconds: float) -> _Attempt:
    """Measure until nothing disturbs, at most `ATTEMPTS` times; return the fastest."""
    attempts = []
    for _ in range(ATTEMPTS):
        attempts.append(_measured(plan, seconds))
        if attempts[-1].undisturbed:
            return attempts[-1]
    return max(attempts, key=lambda attempt: attempt.ceiling.requests_per_second)


def _measured(plan: LoadPlan, seconds: float) -> _Attempt:
    """Run the plan's client against a null server. Raises LoadError, or OSError."""
    marks: list[float] = []
    with null_server(plan) as (address, pid):

        def note(event: Event) -> None:
            if isinstance(event, WindowOpened | WindowClosed):
                marks.append(_cpu_seconds(pid))

        result = run_load(closed_loop(plan, address, seconds), note)
    if result.interrupted:
        raise KeyboardInterrupt
    if not result.ok:
        raise LoadError(f"the client fails against a server that does nothing: {result.errors}")
    server_busy = (marks[-1] - marks[0]) / result.duration
    undisturbed = _is_undisturbed(plan, result.client_busy, server_busy)
    by_client = result.client_busy >= BUSY or (undisturbed and server_busy < result.client_busy)
    per_request = result.client_cpu_seconds / result.completed
    found = Ceiling(result.throughput, per_request, by_client, time.strftime("%Y-%m-%d"))
    return _Attempt(found, undisturbed)


def _is_undisturbed(plan: LoadPlan, client_busy: float, server_busy: float) -> bool:
    """Tell from the CPU that each client process and the server used whether they had it when they wanted it."""
    if plan.connections * plan.pipeline < ENOUGH_IN_FLIGHT:
        return True
    usable = min(os.cpu_count() or 1, plan.processes + 1)
    clients = client_busy * min(plan.processes, len(_client_cpus(plan)), usable)
    return max(client_busy, server_busy) >= UNDISTURBED or clients + server_busy >= UNDISTURBED * usable


def _waits(plan: LoadPlan) -> bool:
    """Whether requests are due at times of their own, which takes the loop more than to ask at once."""
    return plan.rate is not None or bool(plan.think)


def closed_loop(plan: LoadPlan, address: Address, seconds: float) -> LoadPlan:
    """Return the plan as a closed loop against `address` that never waits, for so many seconds."""
    changes: dict[str, Any] = {field.name: field.default for field in fields(plan) if field.name in _LEFT_OUT}
    changes["think"] = _AT_ONCE if _waits(plan) else ""
    return replace(plan, **changes, address=address, duration=seconds + WARMUP, warmup=WARMUP)


@contextmanager
def null_server(plan: LoadPlan) -> Iterator[tuple[Address, int]]:
    """Run a null server for the plan's protocol, away from its CPUs where there are others; yield address and pid.

    Raises LoadError where it does not come up. It is ended on the way out.
    """
    with ExitStack() as stack:
        path = ""
        if plan.transport == "unix":
            path = str(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="serverlab-"))) / "null")
        process = _started(plan, path)
        stack.callback(_end, process)
        port = _port(process)
        yield (Address(path=path) if path else Address("127.0.0.1", port)), process.pid


def _started(plan: LoadPlan, path: str) -> subprocess.Popen[bytes]:
    others = sorted(set(range(os.cpu_count() or 1)) - _client_cpus(plan))
    settings = {"protocol": plan.protocol, "udp": plan.udp, "path": path, "cpus": others}
    return subprocess.Popen(
        [sys.executable, "-m", "clients.null_server", json.dumps(settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=with_checkout(os.environ),
        process_group=0,  # a terminal's Ctrl-C is for the parent
    )


def _client_cpus(plan: LoadPlan) -> set[int]:
    """Where the load processes may run."""
    return set(plan.cpus) or os.sched_getaffinity(0)


def _port(process: subprocess.Popen[bytes]) -> int:
    """Wait until it listens, and return its port; 0 for a path."""
    assert process.stdout is not None
    poller = select.poll()
    poller.register(process.stdout, select.POLLIN)
    line = process.stdout.readline() if poller.poll(PATIENCE * 1000) else b""
    if not line:
        raise LoadError("a server that does nothing did not come up")
    port: int | None = json.loads(line)["port"]
    return port or 0


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.wait()


def _cpu_seconds(pid: int) -> float:
    """The CPU time of a process, user and system: its own clock, whose number clock_getcpuclockid makes of the pid."""
    return time.clock_gettime((~pid << 3) | 2)
