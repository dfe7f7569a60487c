"""Which process worked, and which of its threads: on processes of which that is known."""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.hogs import running, until
from tests.measured import BURN, held, holder
from tools.host.threads import ThreadKey, ThreadTimes, thread_times, working
from tools.saved.cells import Working

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

SECOND = 1_000_000_000
COMPUTE = f"""
import os, sys, threading, time
{BURN}
def compute():
    while os.getppid() == parent:
        burn(0.002)
number, parent = int(sys.argv[1]), int(sys.argv[2])
for _ in range(number - 1):
    threading.Thread(target=compute, daemon=True).start()
print("computing", flush=True)
compute()
"""


def computing(threads: int) -> AbstractContextManager[int]:
    """Keep a process that computes in so many threads under one GIL; its value is the pid."""
    return running(COMPUTE, str(threads))


def used(pids: Sequence[int], times: ThreadTimes) -> float:
    """Return the CPU seconds that all of them have used."""
    return sum(times.processes[pid] for pid in pids) / SECOND


def working_for(pids: Sequence[int], seconds: float) -> Working:
    """Return who works until all of them have used so many CPU seconds, as shares of these: no clock is asked.

    So a machine that is busy with something else takes longer and tells the same.
    """
    early = thread_times(pids)
    until(lambda: used(pids, thread_times(pids)) - used(pids, early) >= seconds)
    late = thread_times(pids)
    found = working(early, late, used(pids, late) - used(pids, early))
    assert found
    return found


def test_threads_under_one_gil_work_as_one_cpu() -> None:
    """Four threads, each with a part of it."""
    with computing(4) as pid:
        found = working_for([pid], 0.4)
    assert found.busiest_process == pytest.approx(1)
    assert found.busiest_thread < 0.8
    assert found.threads == 4


def test_a_single_loop_is_its_process() -> None:
    """All but what its thread did since the kernel's last tick."""
    with computing(1) as pid:
        found = working_for([pid], 0.2)
    assert found.busiest_process == pytest.approx(1)
    assert found.busiest_thread == pytest.approx(1, abs=0.1)
    assert found.threads == 1


def test_of_several_processes_the_busiest_is_told() -> None:
    """Four with a thread each: the one that got most has more than a quarter, and not all."""
    with ExitStack() as stack:
        found = working_for([stack.enter_context(computing(1)) for _ in range(4)], 0.4)
    assert 0.25 <= found.busiest_process < 0.9
    assert found.busiest_thread == pytest.approx(found.busiest_process, abs=0.1)
    assert found.threads == 1


def test_threads_that_lived_between_two_looks_are_in_their_process() -> None:
    """Ten of them, with 10 ms each; of those that are there, the first did little, and the last may still end."""
    script = f"""
import threading
{BURN}
print("begun", flush=True)
sys.stdin.readline()
for _ in range(10):
    thread = threading.Thread(target=burn, args=(0.01,))
    thread.start()
    thread.join()
"""
    command = holder(script)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == b"begun\n"
        early = thread_times([process.pid])
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"ready\n"
        late = thread_times([process.pid])
        process.stdin.close()
    found = working(early, late, 0.1)
    assert found
    assert 1 <= found.busiest_process < 2
    assert found.busiest_thread < 0.5
    assert found.threads <= 2


def test_what_began_after_the_first_look_counts_from_its_birth() -> None:
    """A process and its threads; a number that was given anew is another's, too."""
    early = ThreadTimes(
        {5: 9 * SECOND, 6: SECOND}, {ThreadKey(5, 5): 9 * SECOND, ThreadKey(6, 6): 0}, frozenset({5, 6})
    )
    late = ThreadTimes(
        {5: SECOND // 2, 6: SECOND, 7: 2 * SECOND},
        {ThreadKey(5, 5): SECOND // 2, ThreadKey(6, 6): SECOND, ThreadKey(7, 7): SECOND, ThreadKey(7, 8): SECOND // 2},
        frozenset({5, 6, 7}),
    )
    assert working(early, late, 4.0) == Working(busiest_process=0.5, busiest_thread=0.25, threads=2)
    without = ThreadTimes({5: SECOND // 2, 6: SECOND}, late.threads, frozenset({5, 6}))
    assert working(early, without, 1.0) == Working(busiest_process=0.5, busiest_thread=0.5, threads=1)


def test_a_thread_works_that_used_more_than_two_hundredths_of_the_window() -> None:
    """Of three, two: one at the limit has only waited."""
    early = ThreadTimes({5: 0}, {}, frozenset({5}))
    threads = {ThreadKey(5, 5): SECOND // 50, ThreadKey(5, 6): SECOND // 40, ThreadKey(5, 7): SECOND // 2}
    found = working(early, ThreadTimes({5: SECOND}, threads, frozenset({5})), 1.0)
    assert found == Working(busiest_process=1.0, busiest_thread=0.5, threads=2)


def test_more_threads_than_are_read_leave_the_processes_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the busiest processes are read first, and a process has all its threads read or none."""
    monkeypatch.setattr("tools.host.threads.MOST_THREADS", 4)
    idle = holder("import threading\nfor _ in range(3): threading.Thread(target=sys.stdin.read, daemon=True).start()")
    with computing(2) as busy, held(idle) as child:
        assert child.line() == "ready"
        until(lambda: thread_times([busy]).processes[busy] > thread_times([child.pid]).processes[child.pid] + 10**7)
        found = thread_times([child.pid, busy])
    assert found.processes.keys() == {child.pid, busy}
    assert found.read == {busy}
    assert {key.pid for key in found.threads} == {busy}
    assert len(found.threads) == 2


def test_threads_that_were_not_read_before_are_not_taken_for_new_ones() -> None:
    """Their whole past would count; their process is known all the same."""
    early = ThreadTimes({5: 8 * SECOND}, {}, frozenset())
    late = ThreadTimes({5: 9 * SECOND}, {ThreadKey(5, 5): 9 * SECOND}, frozenset({5}))
    assert working(early, late, 1.0) == Working(busiest_process=1.0, busiest_thread=0.0, threads=0)


def test_a_kernel_without_schedstat_tells_in_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tick is 10 ms on most machines."""
    schedstat, line = None, b"7 (a ) name) R 1 1 1 0 -1 4194304 100 0 0 0 25 5 0 0 20 0 1 0 100 0 0"
    monkeypatch.setattr("tools.host.threads.read_file", lambda path: schedstat if "schedstat" in path else line)
    monkeypatch.setattr("tools.host.threads.TICK", 0.01)
    assert list(thread_times([os.getpid()]).threads.values())[:1] == [3 * SECOND // 10]


def test_processes_that_are_gone_are_left_out() -> None:
    """Of none that is there, nothing can be told."""
    with held(holder("")) as child:
        assert child.line() == "ready"
    gone = thread_times([child.pid])
    assert gone == ThreadTimes({}, {}, frozenset())
    assert working(gone, gone, 1.0) is None
