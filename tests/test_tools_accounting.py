"""CPU accounting: each method tells what the kernel says, or that it cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.measured import BURN, burner, forker, held, holder, python, works
from tools.accounting.cgroups import Cgroup, cgroup_of_its_own, sweep
from tools.accounting.ledger import IGNORED, NOT_WAITED_FOR, REPARENTED, Ledger
from tools.accounting.meters import CGROUP_METHODS, METHODS, metering
from tools.accounting.processes import Key, Process, read_process
from tools.accounting.readings import CpuReading, Times
from tools.failure import Failure
from tools.processes.children import Child, start

if TYPE_CHECKING:
    from pathlib import Path

TREE_METHODS = ("rusage", "process-tree")


WORKING = [method for method in METHODS if works(method)]


def run(command: list[str], method: str | None) -> tuple[CpuReading, Child]:
    """Run a command to its end, metered; looks at it now and then, as a sampler would."""
    with metering(method) as meter:
        child = start(command, meter=meter)
        try:
            while not child.wait(0.05):
                meter.look()
        finally:
            child.reap()
        return meter.read(), child


def reference(stack: ExitStack, method: str) -> Cgroup:
    """Make a cgroup of the other version, whose counter the method under test cannot have read."""
    for name, version in CGROUP_METHODS.items():
        if name != method and works(name):
            return stack.enter_context(cgroup_of_its_own(version))
    pytest.skip("needs a cgroup of another version that can be written")


def inside(cgroup: Cgroup, command: list[str]) -> list[str]:
    """Return a command that enters a cgroup first."""
    return ["/bin/sh", "-c", 'echo $$ > "$1" && shift && exec "$@"', "sh", str(cgroup.procs), *command]


@pytest.mark.parametrize("method", WORKING)
def test_a_known_burn_is_told(method: str) -> None:
    """wait4 knows the CPU of a single process to the microsecond; each method agrees."""
    cpu, child = run(burner(0.2), method)
    assert child.usage is not None
    assert cpu.total >= 0.2
    assert cpu.total == pytest.approx(child.usage.ru_utime + child.usage.ru_stime, rel=0.05, abs=0.01)
    assert cpu.user + cpu.system == pytest.approx(cpu.total)
    assert (cpu.method, cpu.complete, cpu.reason) == (method, True, "")


@pytest.mark.parametrize("ignored", [False, True], ids=["waited", "ignored"])
@pytest.mark.parametrize("method", WORKING)
def test_children_that_die_between_looks_are_counted_or_missed_openly(method: str, *, ignored: bool) -> None:
    """The kernel's counter of another cgroup says the same within 5 %, or `complete` is false."""
    with ExitStack() as stack:
        truth = reference(stack, method)
        before = truth.used().total
        cpu, _ = run(inside(truth, forker(60, ignored=ignored)), method)
        used = truth.used().total - before
    assert cpu.complete is (method not in TREE_METHODS or not ignored)
    if cpu.complete:
        assert cpu.total == pytest.approx(used, rel=0.05)
    else:
        assert cpu.total < used
        assert IGNORED in cpu.reason


@pytest.mark.parametrize("method", WORKING)
def test_a_window_has_only_what_was_used_in_it(method: str) -> None:
    """A process that burns 0.1 s each time it is told to is charged for the times in the window."""
    command = python(BURN + "import sys\nfor _ in sys.stdin:\n    burn(0.1)\n    print('burnt', flush=True)")
    with metering(method) as meter, held(command, meter) as burner:
        readings = []
        for _ in range(3):
            assert burner.ask() == "burnt"
            readings.append(meter.read())
    window = readings[2].since(readings[0])
    assert window.total == pytest.approx(0.2, rel=0.05, abs=0.005)
    assert window.user + window.system == pytest.approx(window.total)


def test_a_stranger_is_charged_from_now_on() -> None:
    """What a running process used before its meter was attached does not count."""
    with metering("process-tree") as meter, held(holder(f"{BURN}\nburn(0.3)")) as stranger:
        assert stranger.line() == "ready"
        meter.attach(stranger.pid, ours=False)
        assert meter.read().total < 0.05
        process = read_process(stranger.pid)
        assert process is not None
        assert process.times.total > 0.3


def test_the_most_trusted_method_that_works_is_chosen() -> None:
    """The methods are listed in the order of trust; process-tree is for those that wait4 is not for."""
    with metering() as meter:
        assert meter.method == WORKING[0]


def test_a_method_that_does_not_exist_is_refused() -> None:
    """The line names those that there are."""
    with pytest.raises(Failure, match="cgroup-v1, cgroup-v2, rusage, process-tree"), metering("guess"):
        pass


def test_a_process_that_leaves_its_cgroup_is_noticed() -> None:
    """Its CPU is then counted elsewhere, and the reading says that it is not complete."""
    if WORKING[0] not in CGROUP_METHODS:
        pytest.skip("needs a cgroup that can be written")
    with metering(WORKING[0]) as meter:
        assert meter.cgroup is not None
        leave = f"open({str(meter.cgroup.path.parent / 'cgroup.procs')!r}, 'w').write(str(__import__('os').getpid()))"
        with held(holder(leave), meter) as child:
            assert child.line() == "ready"
            cpu = meter.look().cpu
    assert not cpu.complete
    assert "left the cgroup" in cpu.reason


@pytest.mark.parametrize("method", [method for method in WORKING if method in CGROUP_METHODS])
def test_a_cgroup_is_removed_though_something_lives_in_it(method: str) -> None:
    """Survivors are moved to the cgroup that we are in, and cgroups made inside are removed too."""
    with ExitStack() as stack:
        with metering(method) as meter:
            assert meter.cgroup is not None
            path = meter.cgroup.path
            child = stack.enter_context(held(holder(""), meter))
            (path / "inner").mkdir()
            (path / "inner" / "cgroup.procs").write_text(str(child.pid))
            assert child.pid in meter.cgroup.pids()
        assert not path.exists()
        assert str(child.pid) in (path.parent / "cgroup.procs").read_text().split()


def test_a_cgroup_that_a_killed_run_forgot_is_swept_up(tmp_path: Path) -> None:
    """One whose owner is dead and that is old goes; a new one, and a living owner's, stay."""
    with subprocess.Popen(["true"]) as dead:
        pass
    old, new = tmp_path / f"serverlab-{dead.pid}-1", tmp_path / f"serverlab-{dead.pid}-2"
    alive = tmp_path / f"serverlab-{os.getpid()}-1"
    for folder in (old, new, alive):
        folder.mkdir()
    for folder in (old, alive):
        os.utime(folder, (0, 0))
    sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([new, alive])


def test_without_a_cgroup_that_can_be_written_the_books_of_the_tree_are_used() -> None:
    """As an ordinary user the same command is metered by wait4, and forcing a cgroup is refused with its reason."""
    if os.getuid() != 0:
        pytest.skip("needs root, to become another user")
    script = """
        import json, os, resource
        from tools.accounting.meters import metering
        from tools.processes.children import start
        from tools.failure import Failure
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
        refused = []
        for method in ("cgroup-v1", "cgroup-v2"):
            try:
                with metering(method):
                    pass
            except Failure as failure:
                refused.append(str(failure))
        # Everything is imported by now: another user may not read this interpreter's library.
        with metering() as meter:
            child = start(["/bin/sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"], meter=meter)
            child.wait(60)
            child.reap()
            print(json.dumps([refused, meter.read().to_json()]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, check=True, timeout=60
    )
    refused, cpu = json.loads(done.stdout)
    assert len(refused) == 2
    assert all("does not work here" in line for line in refused)
    assert (cpu["method"], cpu["complete"]) == ("rusage", True)
    assert cpu["total"] > 0


def test_our_reading_of_a_process_is_psutil_s() -> None:
    """Two readers of the same process agree on what both can tell."""
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        ours, theirs = read_process(os.getpid()), psutil.Process()
        assert ours is not None
        assert ours.parent == theirs.ppid()
        assert ours.threads == theirs.num_threads()
        times = theirs.cpu_times()
        assert ours.own.total == pytest.approx(times.user + times.system, abs=0.1)
        assert ours.reaped.total == pytest.approx(times.children_user + times.children_system, abs=0.1)
        assert ours.rss_bytes == pytest.approx(theirs.memory_info().rss, rel=0.1)
    finally:
        stop.set()
        thread.join()


def test_a_process_that_is_gone_is_none() -> None:
    """Reading it does not raise."""
    with subprocess.Popen(["true"]) as gone:
        pass
    assert read_process(gone.pid) is None


def process(
    pid: int, parent: int, *, own: float, reaped: float = 0.0, zombie: bool = False, ignored: bool = False
) -> Process:
    """Make a process up, for the ledger."""
    return Process(
        key=Key(pid, pid),
        parent=parent,
        session=1,
        zombie=zombie,
        threads=1,
        own=Times(own, 0.0),
        reaped=Times(reaped, 0.0),
        minor_faults=0,
        major_faults=0,
        rss_bytes=0,
        peak_rss_bytes=0,
        sigchld_ignored=ignored,
    )


def books(*looks: list[Process]) -> Ledger:
    """Return a ledger after these looks."""
    ledger = Ledger()
    for look in looks:
        ledger.update({process.key: process for process in look})
    return ledger


def test_a_child_that_was_waited_for_is_counted_once() -> None:
    """What it used after the last look is in its parent's time, too."""
    ledger = books(
        [process(1, 0, own=1.0), process(2, 1, own=2.0)],
        [process(1, 0, own=1.0, reaped=2.5)],
    )
    assert ledger.total.total == pytest.approx(3.5)
    assert not ledger.reasons


def test_a_child_that_was_never_seen_is_counted() -> None:
    """Its parent's time tells."""
    ledger = books([process(1, 0, own=1.0)], [process(1, 0, own=1.0, reaped=5.0)])
    assert ledger.total.total == pytest.approx(6.0)


def test_a_child_that_nobody_waited_for_counts_as_far_as_it_was_seen() -> None:
    """The sum does not fall, and two looks later the books say that they are not complete."""
    parent = process(1, 0, own=1.0)
    ledger = books([parent, process(2, 1, own=2.0)], [parent], [parent])
    assert ledger.total.total == pytest.approx(3.0)
    assert list(ledger.reasons) == [NOT_WAITED_FOR]


def test_a_child_that_is_reaped_between_two_reads_of_one_look_is_no_loss() -> None:
    """The next look shows it in its parent's time."""
    parent = process(1, 0, own=1.0)
    ledger = books([parent, process(2, 1, own=2.0)], [parent], [process(1, 0, own=1.0, reaped=2.1)])
    assert ledger.total.total == pytest.approx(3.1)
    assert not ledger.reasons


def test_a_family_that_dies_at_once_is_counted_through_its_survivor() -> None:
    """Child and grandchild are gone since the last look: both are in the parent's time."""
    ledger = books(
        [process(1, 0, own=1.0), process(2, 1, own=2.0), process(3, 2, own=4.0)],
        [process(1, 0, own=1.0, reaped=6.0)],
        [process(1, 0, own=1.0, reaped=6.0)],
    )
    assert ledger.total.total == pytest.approx(7.0)
    assert not ledger.reasons


def test_an_orphan_that_dies_unseen_makes_the_books_incomplete() -> None:
    """Its parent was outside the tree, so nobody here can tell what it used in the end."""
    root = process(1, 0, own=1.0)
    ledger = books([root, process(2, 99, own=2.0)], [root])
    assert ledger.total.total == pytest.approx(3.0)
    assert list(ledger.reasons) == [REPARENTED]


def test_a_zombie_has_told_all() -> None:
    """Whoever reaps it, nothing is missing."""
    ledger = books([process(1, 0, own=1.5, zombie=True)], [])
    assert ledger.total.total == pytest.approx(1.5)
    assert not ledger.reasons


def test_ignoring_sigchld_makes_the_books_incomplete() -> None:
    """Even where no child has been seen: it may have lived between two looks."""
    assert list(books([process(1, 0, own=1.0, ignored=True)]).reasons) == [IGNORED]
