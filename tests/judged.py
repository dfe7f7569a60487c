"""A cell of a real server, with what its verdict needs: a stand-in for what measures cells, for servers of one process.

What else ran on the machine is left out: these servers have known answers, and a busy machine is no part of them.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clients.addresses import Address
from clients.events import WindowClosed, WindowOpened
from clients.verdict import judge as judge_client
from tests.comparisons import cell as made_cell
from tests.comparisons import header as made_header
from tests.load_runs import load
from tools.accounting.meters import metering
from tools.cells import Admission, Cpu, Load, Variant, Working
from tools.launch import running
from tools.machine import Division
from tools.measuring import server_command, server_environment
from tools.verdicts.judging import judge
from tools.workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clients.events import Event
    from clients.result import LoadResult
    from tools.accounting.meters import Meter
    from tools.accounting.readings import CpuReading
    from tools.verdicts.verdict import Verdict

STATED = 3  # the first field of a process' stat after its name and its closing bracket
TICKS = 100  # a second


@dataclass
class Look:
    """A server at one instant: by its meter, by its threads, and what the kernel counted of its clients."""

    cpu: CpuReading
    process: float
    threads: dict[str, float]
    network: dict[str, int]


def looked(meter: Meter) -> Look:
    """Look at a server of one process."""
    folder = Path(f"/proc/{meter.pid}")
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    threads = {}
    for thread in (folder / "task").iterdir():
        with suppress(OSError):  # threads come and go
            threads[thread.name] = int((thread / "schedstat").read_text().split()[0]) / 1e9
    return Look(meter.read(), (int(fields[14 - STATED]) + int(fields[15 - STATED])) / TICKS, threads, network())


def network() -> dict[str, int]:
    """The kernel's extended counters of TCP, by name."""
    names, values = (
        line.split()[1:] for line in Path("/proc/net/netstat").read_text().splitlines() if line.startswith("TcpExt:")
    )
    return dict(zip(names, map(int, values), strict=True))


@dataclass
class Judged:
    """A server and a load on known CPUs, none where nothing is to be pinned."""

    model: str
    plan: Mapping[str, Any]
    options: Mapping[str, int] = field(default_factory=dict)
    server: tuple[int, ...] = ()
    client: tuple[int, ...] = ()

    def verdict(self) -> Verdict:
        """Run both, and judge."""
        looks: list[Look] = []
        command = server_command(self.model, self.plan["protocol"], self.options)
        with (
            metering() as meter,
            running(command, cpus=self.server or None, meter=meter, environment=server_environment()) as server,
        ):

            def hear(event: Event) -> None:
                if isinstance(event, WindowOpened | WindowClosed):
                    looks.append(looked(meter))

            address = Address(server.listening["host"], server.listening["port"])
            found = load(address, hear, **{"duration": 1.2, "warmup": 0.2, "cpus": self.client, **self.plan})
        return self._judged(found, *looks)

    def _judged(self, found: LoadResult, early: Look, late: Look) -> Verdict:
        """What measures cells is asked for the workload's size alone, and for the requests that it is made of."""
        workload = replace(
            WORKLOADS["waiting"], connections=found.plan.connections, churn=found.plan.churn, work=found.plan.work
        )
        variant = Variant(self.model, "", "", "", "", options=dict(self.options), model=self.model)
        used = late.cpu.since(early.cpu)
        seconds = (late.cpu.at_ns - early.cpu.at_ns) / 1e9
        lost = {name: late.network[name] - early.network[name] for name in late.network}
        cell = made_cell(
            "waiting",
            self.model,
            load=_load(found),
            cpu=Cpu(used.total, used.user, used.system, seconds, used.method, used.complete, used.reason),
            working=_working(early, late, seconds),
            admission=Admission(
                lost["ListenOverflows"],
                lost["ListenDrops"],
                lost["TCPSynRetrans"],
                None,
                None,
                self.options.get("backlog"),
            ),
        )
        division = Division(self.server, self.client, "")
        return judge(cell, workload, variant, made_header(division=division))


def _load(found: LoadResult) -> Load:
    said, little = judge_client(found), found.little()
    return Load(
        window=found.duration,
        requests=found.completed,
        connections=found.plan.connections,
        served=found.connections_served,
        unfinished=found.in_flight,
        errors=dict(found.errors),
        examples=dict(found.error_examples),
        client_cpu=found.client_cpu_seconds,
        opened=len(found.connections),
        offered=found.offered,
        achieved=found.achieved,
        in_flight=found.outstanding,
        little=little["ratio"] if little else None,
        connect_p99=found.connect()["p99"],
        client_waiting=found.client_waiting,
        client_limit=said.limit,
        client_reasons=said.reasons,
        client_busy=found.client_busy,
    )


def _working(early: Look, late: Look, seconds: float) -> Working:
    shares = [(used - early.threads.get(name, 0.0)) / seconds for name, used in late.threads.items()]
    return Working((late.process - early.process) / seconds, max(shares), sum(share > 0.02 for share in shares))
