"""Measure one cell: start a server, put the load on it, read what it cost and what limited it, stop it.

    spin | server starts ... load processes connect ... warm-up | window | last answers ... server stops | spin
                                                                ^        ^
                                       meter, threads, CPUs, queue: as it opens, and again as it closes

They are read as soon as the load's parent hears that the window has opened or closed, which can be some milliseconds
late; each reading knows when it was made. Memory is looked at before the window and after it, and in it only where
processes are added: looking at many takes long, and would be in the figures.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clients.addresses import Address
from clients.events import WindowClosed, WindowNear, WindowOpened
from clients.plan import PlanError
from clients.process import LoadError, Prepared
from clients.swarm import run_load
from tools.accounting.meters import metering
from tools.accounting.sampling import sampling
from tools.comparison.findings import Before, CellFindings, Edge, load_fault
from tools.comparison.leftovers import note_server
from tools.failure import Failure
from tools.host.cpus import look
from tools.host.judging import disturbed
from tools.host.listening import watching_queue
from tools.host.spinning import Spins
from tools.host.threads import thread_times
from tools.machine import Division
from tools.saved.cells import Cell
from tools.variants.starting import started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from clients.events import Event, Listener
    from clients.result import LoadResult
    from clients.verdict import KnownCeiling
    from tools.accounting.meters import Meter
    from tools.accounting.sampling import Sampler
    from tools.host.canary import Canaries
    from tools.host.listening import QueueWatch
    from tools.processes.launch import Server
    from tools.saved.cells import Host
    from tools.saved.header import Variant
    from tools.variants.interpreters import Python
    from tools.workloads import Workload

STOP_PATIENCE = 5.0  # seconds until a server that does not stop is killed
HELD_ENDED_A_SECOND = 100  # idle connections, by a server with a thread for each, as was seen on one busy CPU


@dataclass(frozen=True, slots=True)
class Bench:
    """What all cells of a comparison have in common.

    `breakable` makes the context in which KeyboardInterrupt may be raised. `folder` is where a server that runs is
    noted, None for nowhere.
    """

    division: Division
    interpreters: Mapping[str, Python]
    canaries: Canaries
    breakable: Callable[[], AbstractContextManager[None]]
    folder: Path | None = None
    spins: Spins = field(init=False)

    def __post_init__(self) -> None:
        """Have the loop that tries all of these CPUs before each cell and after it."""
        object.__setattr__(self, "spins", Spins(self.cpus))

    @property
    def cpus(self) -> tuple[int, ...]:
        """All CPUs that matter, each once."""
        return tuple(sorted({*self.division.server, *self.division.client}))

    def division_of(self, workload: Workload | None) -> Division:
        """Where the server and the clients of a workload run."""
        if workload is None or not workload.everywhere or not self.division.disjoint:
            return self.division
        return Division(self.cpus, self.division.client, f"{workload.name} lets the server use every CPU")


def measured(
    bench: Bench,
    workload: Workload,
    variant: Variant,
    *,
    warm_up: float,
    duration: float,
    seed: int = 1,
    ceiling: KnownCeiling | None = None,
) -> CellFindings:
    """Measure one variant on one workload with a server of its own, which is gone when this returns or raises.

    What fails is told in the findings. KeyboardInterrupt comes out of here where it was raised in the load, the only
    part that is breakable.
    """
    findings = CellFindings(ceiling=ceiling, spin_before=bench.spins.before())
    division = bench.division_of(workload)
    try:
        with metering() as meter, Prepared(load_processes(workload)) as prepared:
            with serving(
                bench, variant, workload.protocol, options=workload.server, division=division, meter=meter
            ) as server:
                findings.before = Before.of(meter.look().processes)
                plan = workload.load_plan(
                    address_of(server), warm_up=warm_up, duration=duration, cpus=division.client, seed=seed
                )
                try:
                    _put_load_on(bench, server, meter, findings, lambda hear: run_load(plan, hear, prepared=prepared))
                except LoadError:  # that nobody listens any more is what comes of a server that has ended
                    _stop(server, findings, STOP_PATIENCE)
                    raise
                _stop(server, findings, STOP_PATIENCE + workload.hold / HELD_ENDED_A_SECOND)
            findings.life = meter.read()
    except (Failure, LoadError, PlanError, OSError) as error:
        findings.error = findings.error or " ".join(str(error).split())
    findings.spin_after = bench.spins.after()
    return findings


def cell_of(findings: CellFindings, bench: Bench, workload: Workload, variant: Variant) -> Cell:
    """The record of what was found, of a first attempt in a first round that has no place yet among others."""
    division = bench.division_of(workload)
    host = findings.host_record(division, bench.canaries)
    return Cell(
        workload=workload.name,
        model=variant.name,
        round=1,
        position=0,
        started="",
        took=0.0,
        error=findings.error,
        load=findings.load_record(),
        cpu=findings.cpu_record(),
        peaks=findings.peaks,
        stopped=findings.stopped.fields if findings.stopped else None,
        samples="",
        disturbed=_disturbed(host, bench, division),
        life=findings.life_record(),
        working=findings.working_record(),
        host=host,
        admission=findings.admission,
        counts=findings.counts_record(),
    )


def _disturbed(host: Host | None, bench: Bench, division: Division) -> str:
    """Why the cell is to be run again, because the machine was not its own."""
    if host is None:
        return ""
    server = division.server if division.disjoint else bench.cpus
    client = division.client if division.disjoint else bench.cpus
    fastest = bench.canaries.fastest_of
    return disturbed(host, server_fastest=fastest(server), client_fastest=fastest(client))


def load_processes(workload: Workload) -> int:
    """How many processes its load takes, which can come up while the server does: guests have one of their own."""
    return workload.processes + bool(workload.hold or workload.hostile)


@contextmanager
def serving(
    bench: Bench,
    variant: Variant,
    protocol: str,
    *,
    options: Mapping[str, int],
    division: Division,
    meter: Meter,
) -> Iterator[Server]:
    """Run a variant on the server's CPUs, noted in the folder."""
    cpus = division.server or None
    with started(variant, protocol, options=options, cpus=cpus, meter=meter, interpreters=bench.interpreters) as server:
        if bench.folder:
            note_server(bench.folder, server.pid)
        yield server


def address_of(server: Server) -> Address:
    """Where a server listens, for the clients."""
    if isinstance(server.address, str):
        return Address(path=server.address)
    host, port = server.address
    return Address(host=host, port=port)


def _put_load_on(
    bench: Bench, server: Server, meter: Meter, findings: CellFindings, load: Callable[[Listener], LoadResult]
) -> None:
    address = server.address
    port = 0 if isinstance(address, str) else address[1]
    with sampling(meter) as sampler, watching_queue(port or None) as queue, bench.breakable():
        findings.load = load(_listener(meter, sampler, queue, findings))
    opened, closed = findings.opened, findings.closed
    canary_cpu = bench.canaries.cpu_seconds(opened.cpu.at_ns, closed.cpu.at_ns) if opened and closed else 0.0
    findings.note_peaks(sampler, canary_cpu)
    if opened and closed:
        findings.admission = queue.admission(opened.queue, closed.queue)
    if findings.load.interrupted:  # the load ends in order when it is broken off; the cell is none all the same
        raise KeyboardInterrupt


def _listener(meter: Meter, sampler: Sampler, queue: QueueWatch, findings: CellFindings) -> Listener:
    def hear(event: Event) -> None:
        if isinstance(event, WindowNear):
            sampler.sparing = True  # what takes milliseconds on the clients' CPUs is left out of the window
            sampler.sample(memory_too=True)
        elif isinstance(event, WindowOpened):
            sampler.sparing = True
            findings.opened = _edge(meter, queue)
        elif isinstance(event, WindowClosed):
            findings.closed = _edge(meter, queue)
            sampler.sample(memory_too=True)

    return hear


def _edge(meter: Meter, queue: QueueWatch) -> Edge:
    """Read all that is read twice, what it is measured by first."""
    cpu, cpus, mark, own_cpu = meter.read(), look(), queue.mark(), time.process_time()
    pids = [process.key.pid for process in meter.look().processes]
    return Edge(cpu, cpus, mark, thread_times(pids), own_cpu)


def _stop(server: Server, findings: CellFindings, patience: float) -> None:
    """Stop the server, keep its last line, and say what is wrong with how it ended."""
    findings.stopped = server.stop(patience)
    findings.usage = server.usage
    findings.error = server.fault or (load_fault(findings.load) if findings.load else "")
