"""The sampler finds what is known to be there: memory, processes, threads, descriptors, context switches."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.measured import BURN, held, holder, works
from tools.accounting.meters import metering
from tools.accounting.resources import descriptors, memory
from tools.accounting.samples import Peaks, Sample
from tools.accounting.sampling import FIRST_INTERVAL, SHARE, Sampler, sampling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.accounting.meters import Meter

MEBIBYTE = 1 << 20

TOUCH = "block = bytearray(b'x') * (50 << 20)"

SHARE_WITH_CHILDREN = f"""
import os
{TOUCH}
for _ in range(2):
    if os.fork() == 0:
        sys.stdin.read()
        os._exit(0)
"""


@pytest.fixture(params=["cgroup-v1", "cgroup-v2", "rusage"])
def meter(request: pytest.FixtureRequest) -> Iterator[Meter]:
    """Make a meter of each kind that finds the processes in a way of its own."""
    if not works(request.param):
        pytest.skip(f"the method {request.param} does not work here")
    with metering(request.param) as made:
        yield made


def look_at(script: str, meter: Meter) -> Sample:
    """Return a sample, with memory, of a process that has run a script and stays as it is."""
    with held(holder(script), meter) as child:
        assert child.line() == "ready"
        return Sampler(meter).sample(memory_too=True)


def test_memory_that_a_process_touched_is_told(meter: Meter) -> None:
    """50 MiB more than the same process without them, in PSS and in USS."""
    without, touched = look_at("", meter), look_at(TOUCH, meter)
    assert None not in {without.pss_bytes, without.uss_bytes, touched.pss_bytes, touched.uss_bytes}
    assert (touched.pss_bytes or 0) - (without.pss_bytes or 0) == pytest.approx(50 * MEBIBYTE, rel=0.03)
    assert (touched.uss_bytes or 0) - (without.uss_bytes or 0) == pytest.approx(50 * MEBIBYTE, rel=0.03)


def test_memory_that_forked_children_share_is_counted_once(meter: Meter) -> None:
    """Three processes share 50 MiB: PSS has them once, USS not, and RSS, which says so in its name, three times."""
    sample = look_at(SHARE_WITH_CHILDREN, meter)
    assert sample.processes == 3
    assert sample.pss_bytes is not None
    assert sample.uss_bytes is not None
    assert 50 * MEBIBYTE < sample.pss_bytes < 65 * MEBIBYTE
    assert sample.uss_bytes < 15 * MEBIBYTE
    assert sample.rss_upper_bound_bytes > 150 * MEBIBYTE


def test_threads_and_descriptors_are_counted(meter: Meter) -> None:
    """Seven threads beside the first, and twenty descriptors beside the three it began with."""
    script = """
import os, threading
wait = threading.Event()
for _ in range(7):
    threading.Thread(target=wait.wait, daemon=True).start()
held = [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]
"""
    sample = look_at(script, meter)
    assert (sample.processes, sample.threads, sample.descriptors) == (1, 8, 23)


def test_context_switches_are_those_of_all_threads() -> None:
    """A second thread waits a hundred times; the kernel's count for the process shows its first thread alone."""
    script = """
import threading, time
def wait():
    for _ in range(100):
        time.sleep(0.0001)
thread = threading.Thread(target=wait)
stay = threading.Event()
def wait_and_stay():
    wait()
    done.set()
    stay.wait()
done = threading.Event()
threading.Thread(target=wait_and_stay, daemon=True).start()
done.wait()
"""
    with metering("rusage") as meter, held(holder(script), meter) as child:
        assert child.line() == "ready"
        sample = Sampler(meter).sample(memory_too=True)
        of_the_first = psutil.Process(child.pid).num_ctx_switches().voluntary
    assert sample.voluntary_switches is not None
    assert sample.voluntary_switches >= 100
    assert of_the_first < 100


def test_switches_and_faults_of_a_stranger_count_from_the_first_sample() -> None:
    """What it did before is not ours to charge."""
    with metering("process-tree") as meter, held(holder(TOUCH)) as child:
        assert child.line() == "ready"
        meter.attach(child.pid, ours=False)
        sample = Sampler(meter, since_birth=False).sample(memory_too=True)
    assert (sample.voluntary_switches, sample.minor_faults, sample.major_faults) == (0, 0, 0)


def test_zombies_are_not_processes(meter: Meter) -> None:
    """Three children that are not waited for: one process, three zombies, which a cgroup does not list."""
    script = """
import os
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
"""
    sample = look_at(script, meter)
    assert sample.processes == 1
    assert sample.zombies == (None if meter.cgroup else 3)


def test_a_process_that_has_ended_gives_an_empty_sample() -> None:
    """Sampling goes on after the end, and keeps the CPU and the peaks."""
    with metering() as meter, held(holder(f"{BURN}\nburn(0.05)"), meter) as child:
        assert child.line() == "ready"
        sampler = Sampler(meter)
        sampler.sample(memory_too=True)
        child.child.end()
        sample = sampler.sample(memory_too=True)
    assert (sample.processes, sample.threads, sample.pss_bytes, sample.descriptors) == (0, 0, 0, 0)
    assert sample.cpu_user_seconds + sample.cpu_system_seconds > 0.05
    assert sampler.peaks.processes == 1
    assert sampler.peaks.pss_bytes


def test_a_thread_samples_until_the_block_ends() -> None:
    """Samples come by themselves, in order, and memory is read less often than the counters."""
    enough = threading.Event()
    with metering() as meter, held(holder(""), meter) as child, sampling(meter, 0.01, memory_interval=60) as sampler:
        assert child.line() == "ready"
        deadline = time.monotonic() + 20
        while sampler.taken < 10 and time.monotonic() < deadline:
            enough.wait(0.005)
    taken = sampler.taken
    times = [sample.at for sample in sampler.samples]
    assert taken >= 10
    assert times == sorted(times)
    assert sum(sample.pss_bytes is not None for sample in sampler.samples) < taken
    assert sampler.cpu_seconds > 0
    assert sampler.taken == taken


def test_the_first_samples_come_in_quick_succession() -> None:
    """The second look is due within milliseconds, or once the first one's cost is paid, though the interval is long."""
    with metering() as meter, held(holder(""), meter):
        sampler = Sampler(meter, interval=10.0)
        began = time.monotonic()
        sampler.sample()
        took = time.monotonic() - began
        assert sampler.due - began <= took + max(took, FIRST_INTERVAL, sampler.cpu_seconds / SHARE)


def test_sampling_takes_no_more_than_its_share() -> None:
    """However short the interval, the next look is due once this one's cost is its share of the time."""
    with metering("process-tree") as meter, held(holder(""), meter):
        sampler = Sampler(meter, interval=0.0)
        before = sampler.cpu_seconds
        sampler.sample()
        sampler.sample()
        cost = sampler.cpu_seconds - before
        assert sampler.due - time.monotonic() > 0
        assert cost > 0


def test_what_goes_wrong_in_the_thread_is_raised_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads a thread's traceback in the middle of a comparison."""
    failed = threading.Event()

    def fail(_sampler: Sampler, **_: bool) -> Sample:
        failed.set()
        raise RuntimeError("no such counter")

    def block() -> None:
        with metering() as meter, held(holder(""), meter), sampling(meter, 0.001):
            monkeypatch.setattr(Sampler, "sample", fail)
            assert failed.wait(20)

    with pytest.raises(RuntimeError, match="no such counter"):
        block()


def test_peaks_are_the_highest_of_each() -> None:
    """One sample has the most threads, another the most memory; what was not read does not count."""
    peaks = Peaks()
    for threads, pss in ((3, None), (1, 500), (2, 100)):
        sample = Sample(
            at=0.0,
            cpu_user_seconds=0.0,
            cpu_system_seconds=0.0,
            processes=1,
            zombies=0,
            threads=threads,
            descriptors=None,
            minor_faults=0,
            major_faults=0,
            rss_upper_bound_bytes=600,
            pss_bytes=pss,
        )
        peaks.include(sample, high_water_bytes=700)
    assert (peaks.threads, peaks.pss_bytes, peaks.descriptors, peaks.rss_upper_bound_bytes) == (3, 500, None, 700)


def test_what_is_gone_is_none() -> None:
    """Between two reads anything can vanish."""
    with subprocess.Popen(["true"]) as gone:
        pass
    assert memory(gone.pid) is None
    assert descriptors(gone.pid) is None


def test_memory_of_another_user_s_process_is_told_to_be_missing() -> None:
    """An ordinary user may count root's processes and threads, not read their memory; the sampler says so."""
    if os.getuid() != 0:
        pytest.skip("needs root, to become another user")
    script = """
        import os, sys
        from tools.accounting.meters import metering
        from tools.accounting.sampling import Sampler
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
        with metering("process-tree") as meter:
            meter.attach(int(sys.argv[1]), ours=False)
            sampler = Sampler(meter)
            sample = sampler.sample(memory_too=True)
        print(sample.processes, sample.threads, sample.pss_bytes, sampler.memory_complete)
    """
    with held(holder("")) as child:
        assert child.line() == "ready"
        command = [sys.executable, "-c", textwrap.dedent(script), str(child.pid)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, timeout=30)
    assert done.stdout.split() == ["1", "1", "None", "False"]
