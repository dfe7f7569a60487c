"""Measure one cell: start a server, put the load on it, read what it cost, stop it.

    server starts ... load processes connect ... warm-up | window | last answers ... server stops
                                                         ^        ^
                                                meter, memory    meter, memory

The meter is read as soon as the load's parent hears that the window has opened or closed, which can be some
milliseconds late; each reading knows when it was made. Memory is looked at after each reading.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clients.addresses import Address
from clients.events import WindowClosed, WindowOpened
from clients.plan import LoadPlan, PlanError
from clients.process import LoadError
from clients.swarm import run_load
from tools.accounting.meters import metering
from tools.cells import Cpu, Load, Peaks
from tools.failure import Failure
from tools.launch import running
from tools.sampling import sampling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from clients.events import Event
    from clients.result import LoadResult
    from tools.accounting.meters import Meter
    from tools.accounting.readings import CpuReading
    from tools.cells import Variant
    from tools.launch import Server
    from tools.machine import Division
    from tools.sampling import Sampler
    from tools.workloads import Workload

CHECKOUT = Path(__file__).resolve().parent.parent
SERVER_GRACE = 2.0  # seconds that a server has for what is in flight at its end: by then nothing should be
STOP_PATIENCE = 5.0  # seconds until a server that does not stop is killed
CLIENT_TIMEOUT = 5.0  # seconds for a connect or an answer; longer where a window is longer, so that waiting is waiting


@dataclass(slots=True)
class Findings:
    """What is known of a cell, as far as it came. `error` is one line, empty where all went well."""

    error: str = ""
    load: LoadResult | None = None
    opened: CpuReading | None = None
    closed: CpuReading | None = None
    sampling_began: float = 0.0
    sampling_cpu: float = 0.0
    peaks: Peaks | None = None
    stopped: dict[str, Any] | None = None

    def latencies_ns(self) -> NDArray[np.int64]:
        """Nanoseconds from due to done of every request that ended in the window, sorted."""
        if self.load is None:
            return np.empty(0, dtype=np.int64)
        return np.rint(self.load.latencies() * 1e9).astype(np.int64)

    def load_record(self) -> Load | None:
        """What the clients saw, for the files."""
        if self.load is None:
            return None
        return Load(
            window=self.load.duration,
            requests=self.load.completed,
            connections=self.load.plan.connections,
            served=self.load.connections_served,
            unfinished=self.load.in_flight,
            errors=dict(self.load.errors),
            examples=dict(self.load.error_examples),
            client_cpu=self.load.client_cpu_seconds,
        )

    def cpu_record(self) -> Cpu | None:
        """What the server used between the two readings, for the files."""
        if self.opened is None or self.closed is None:
            return None
        used = self.closed.since(self.opened)
        return Cpu(
            total=used.total,
            user=used.user,
            system=used.system,
            interval=(self.closed.at_ns - self.opened.at_ns) / 1e9,
            method=used.method,
            complete=used.complete,
            reason=used.reason,
        )


def measured(
    workload: Workload,
    model: Variant,
    *,
    warm_up: float,
    duration: float,
    division: Division,
    breakable: Callable[[], AbstractContextManager[None]],
) -> Findings:
    """Measure one model on one workload with a server of its own, which is gone when this returns or raises.

    What fails is told in the findings. `breakable` makes the context in which KeyboardInterrupt may be
    raised: that of the load alone. KeyboardInterrupt comes out of here where it was.
    """
    findings = Findings()
    try:
        with (
            metering() as meter,
            running(
                server_command(model.name, workload.protocol, model.options),
                cpus=division.server or None,
                meter=meter,
                environment=server_environment(),
            ) as server,
        ):
            plan = load_plan(workload, server, division, warm_up, duration)
            _put_load_on(plan, meter, findings, breakable)
            _stop(server, findings)
    except (Failure, LoadError, PlanError, OSError) as error:
        findings.error = findings.error or " ".join(str(error).split())
    return findings


def server_command(model: str, protocol: str, options: Mapping[str, int]) -> list[str]:
    """The command that starts a server of the checkout, whatever else the current folder calls `servers`."""
    equal = ["--protocol", protocol, "--port", "0", "--grace", f"{SERVER_GRACE:g}"]
    own = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-P", "-m", "servers", model, *equal, *own]


def server_environment() -> dict[str, str]:
    """The environment in which the command finds the checkout's packages, installed or not."""
    path = filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def load_plan(workload: Workload, server: Server, division: Division, warm_up: float, duration: float) -> LoadPlan:
    """What the clients are to do to this server."""
    host, port = server.listening["host"], server.listening["port"]
    whole = warm_up + duration
    return LoadPlan(
        address=Address(host=host, port=int(port)),
        protocol=workload.protocol,
        connections=workload.connections,
        duration=whole,
        churn=workload.churn,
        size=workload.size_bytes or 1,  # the protocol work has none, and does not look at it
        work=workload.work,
        warmup=warm_up,
        timeout=max(CLIENT_TIMEOUT, whole + 1),
        cpus=division.client,
    )


def _put_load_on(
    plan: LoadPlan, meter: Meter, findings: Findings, breakable: Callable[[], AbstractContextManager[None]]
) -> None:
    with sampling(meter) as sampler, breakable():
        findings.load = run_load(plan, _listener(meter, sampler, findings))
    findings.peaks = Peaks(
        pss_bytes=sampler.peaks.pss_bytes,
        processes=sampler.peaks.processes,
        threads=sampler.peaks.threads,
        descriptors=sampler.peaks.descriptors,
        samples=len(sampler.samples),
        own_cpu=findings.sampling_cpu,
    )
    if findings.load.interrupted:  # the load ends in order when it is broken off; the cell is none all the same
        raise KeyboardInterrupt


def _listener(meter: Meter, sampler: Sampler, findings: Findings) -> Callable[[Event], None]:
    def hear(event: Event) -> None:
        if isinstance(event, WindowOpened):
            findings.opened = meter.read()
            findings.sampling_began = sampler.cpu_seconds
        elif isinstance(event, WindowClosed):
            findings.closed = meter.read()
            findings.sampling_cpu = sampler.cpu_seconds - findings.sampling_began
        else:
            return
        sampler.sample(memory_too=True)

    return hear


def _stop(server: Server, findings: Findings) -> None:
    """Stop the server, keep its last line, and say what is wrong with how it ended."""
    line = server.stop(STOP_PATIENCE)
    findings.stopped = line.fields if line else None
    if line is None or server.exit_status:
        findings.error = f"the server ended with status {server.exit_status}: {' '.join(server.errors().split())}"
    elif server.leftover:
        findings.error = f"the server left {server.leftover} of its processes behind"
    elif findings.load and not (findings.load.completed and findings.load.duration > 0):
        errors = ", ".join(f"{count} {kind}" for kind, count in findings.load.errors.items())
        findings.error = f"no request was answered in the window ({errors or 'no error'})"
