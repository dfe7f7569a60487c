"""What measuring leaves out of a window: memory is looked at before it and after it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from clients import window
from clients.addresses import Address
from clients.events import Event, WindowNear, WindowOpened
from clients.plan import LoadPlan
from clients.window import Window
from tests.test_tools_accounting import process
from tools.accounting import sampling
from tools.accounting.meters import Look
from tools.accounting.readings import CpuReading
from tools.accounting.resources import Memory
from tools.accounting.sampling import Sampler

if TYPE_CHECKING:
    from clients.process import Told
    from tools.accounting.meters import Meter

NOBODY = 1 << 30  # beyond every pid
SECOND = 1_000_000_000
READING = CpuReading(at_ns=0, user=0.0, system=0.0, total=0.0, method="made up", complete=True, reason="")


class Tree:
    """A meter of so many processes that nobody runs."""

    cgroup = None
    pid = NOBODY

    def __init__(self, processes: int) -> None:
        self.processes = processes

    def look(self) -> Look:
        """All of them, alive."""
        one = replace(process(NOBODY, 1, own=0.0), rss_bytes=4096)
        return Look(READING, [replace(one, parent=NOBODY) for _ in range(self.processes)])


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The processes whose memory was read, in the order of reading."""
    pids: list[int] = []

    def memory(pid: int) -> Memory:
        pids.append(pid)
        return Memory(1, 1)

    monkeypatch.setattr(sampling, "memory", memory)
    return pids


def test_a_sparing_sampler_looks_at_memory_when_asked_and_where_processes_were_added(looked_at: list[int]) -> None:
    """However often it samples, and though it is always due."""
    tree = Tree(3)
    sampler = Sampler(cast("Meter", tree), memory_interval=0.0)
    sampler.sparing = True
    sampler.sample(memory_too=True)
    assert len(looked_at) == 3
    for processes, looks in ((3, 3), (2, 3), (4, 7), (4, 7)):
        tree.processes = processes
        sampler._memory_due = 0.0
        sampler.sample()
        assert len(looked_at) == looks
    sampler.sample(memory_too=True)
    assert len(looked_at) == 11


@pytest.mark.parametrize(
    ("seconds_ago", "warm_up", "events"),
    [
        (0.94, 1.0, []),
        (0.96, 1.0, [WindowNear]),
        (0.04, 0.1, []),
        (0.06, 0.1, [WindowNear]),
        (1.0, 1.0, [WindowOpened]),
        (0.0, 0.0, [WindowOpened]),
    ],
)
def test_the_end_of_the_warm_up_is_told_before_the_window_opens(
    monkeypatch: pytest.MonkeyPatch, seconds_ago: float, warm_up: float, events: list[type[Event]]
) -> None:
    """A short while before it, so that what would disturb the window can be done; too late, it is not told at all."""
    monkeypatch.setattr(window, "time", SimpleNamespace(monotonic_ns=lambda: int((5 + seconds_ago) * SECOND)))
    told: list[Event] = []
    plan = LoadPlan(Address("127.0.0.1", 1), warmup=warm_up, duration=100.0)
    asking = SimpleNamespace(asks=True, finished=False, completed=0, errors=0, recent=())
    run = Window(plan, 5 * SECOND, [cast("Told", asking)], told.append)
    run.tell()
    run.tell()
    assert [type(event) for event in told if isinstance(event, WindowNear | WindowOpened)] == events
    assert run.seconds_to_next() > 0
