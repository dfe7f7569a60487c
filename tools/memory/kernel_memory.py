"""What the kernel holds for a server beside the server's own pages: sockets, stacks, page tables, descriptors.

In this order of trust; what counts is the difference between two readings by one method:

    cgroup-v1, cgroup-v2   what is charged to the server's own memory cgroup: its end of each connection, and its
                           processes; to the page.
    slabinfo               the slab caches of the whole machine, kernel stacks and page tables. Both ends of a
                           connection to this machine are in it, and so is what everybody else does. A cache's free
                           objects are known to some pages alone: it takes hundreds of connections to tell a few KiB.
                           Root alone may read it.
    meminfo                as slabinfo, in whole slabs.

An accepted TCP socket is made while the client's packet is handled, in nobody's name. Linux charges it to who accepts
it since 6.12, and in version 1 where TCP memory is accounted for at all, which begins when its limit is written. An
older kernel would leave out most of a connection, so a cgroup is not asked there.
"""

from __future__ import annotations

import os
import platform
import re
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tools.accounting.cgroups import COUNTER, PREFIX, Cgroup, CgroupUnavailableError, own_folder, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tools.accounting.meters import Meter

CHARGES_ACCEPTED = (6, 12)
"""The Linux that charges an accepted socket to the cgroup of who accepts it."""

NO_LIMIT = 1 << 62
"""Bytes of TCP memory; that a limit is written makes version 1 account for it."""

MOVES = 5
"""Looks for processes that were born while the others were moved, at most."""

SLABINFO = Path("/proc/slabinfo")
MEMINFO = Path("/proc/meminfo")
COMMAND_LINE = Path("/proc/cmdline")
"""Of the kernel: `cgroup.memory=nokmem` has it charge nothing of its own to cgroups."""


@dataclass(frozen=True, slots=True)
class KernelMemory:
    """How kernel memory is told here: by `method` ("": it cannot be), whose `read` gives bytes, or None."""

    method: str
    read: Callable[[], int | None]

    @property
    def both_ends(self) -> bool:
        """Whether the clients' end of connections is counted too."""
        return counts_both_ends(self.method)


def counts_both_ends(method: str) -> bool:
    """Whether the clients' end of connections is counted by this method, too."""
    return method in {"slabinfo", "meminfo"}


@contextmanager
def kernel_memory(meter: Meter) -> Iterator[KernelMemory]:
    """Tell the kernel's memory for what `meter` meters, from now on; the server goes on as before in the end.

    Where a cgroup is made for it, the server is in that until the end: it then counts what is asked of the kernel from
    now on, and not what was before.
    """
    with ExitStack() as stack:
        yield _in_a_cgroup(stack, meter) or _of_the_machine()


def _in_a_cgroup(stack: ExitStack, meter: Meter) -> KernelMemory | None:
    """Tell it by a cgroup: the meter's own where that controls memory in version 2, else by one that is made."""
    if release() < CHARGES_ACCEPTED or "nokmem" in COMMAND_LINE.read_text():
        return None
    path = meter.cgroup.path if meter.cgroup else Path()
    if meter.cgroup and read_v2(path) is not None:
        return KernelMemory("cgroup-v2", lambda: read_v2(path))
    if meter.cgroup and read_v1(path) is not None:
        return None  # CPU and memory are one hierarchy: a process that is moved would leave the meter's cgroup
    try:
        cgroup = stack.enter_context(_memory_cgroup())
        _move_in(cgroup, meter)
    except (CgroupUnavailableError, OSError):
        return None
    return KernelMemory("cgroup-v1", lambda: read_v1(cgroup.path))


@contextmanager
def _memory_cgroup() -> Iterator[Cgroup]:
    """Make a cgroup of the memory controller that accounts for TCP; OSError where it cannot be made."""
    parent = own_folder(1, "memory")
    sweep(parent)
    cgroup = Cgroup(parent / f"{PREFIX}{os.getpid()}-{next(COUNTER)}", 1)
    try:
        cgroup.path.mkdir()
        (cgroup.path / "memory.kmem.tcp.limit_in_bytes").write_text(str(NO_LIMIT))
        yield cgroup
    finally:
        cgroup.remove()


def _move_in(cgroup: Cgroup, meter: Meter) -> None:
    """Move all processes of the server in; those that they start from now on are born in it."""
    for _ in range(MOVES):
        pids = {process.key.pid for process in meter.look().processes if not process.zombie}
        outside = pids - set(cgroup.pids())
        if not outside:
            return
        for pid in outside:
            with suppress(ProcessLookupError):
                cgroup.procs.write_text(str(pid))
    raise CgroupUnavailableError("the server's processes are born faster than they are moved")


def _of_the_machine() -> KernelMemory:
    for method, read in (("slabinfo", read_slabinfo), ("meminfo", read_meminfo)):
        if read() is not None:
            return KernelMemory(method, read)
    return KernelMemory("", lambda: None)


def release() -> tuple[int, int]:
    """Return the version of Linux that runs; (0, 0) where its name is another's."""
    found = re.match(r"(\d+)\.(\d+)", platform.release())
    return (int(found[1]), int(found[2])) if found else (0, 0)


def read_v1(path: Path) -> int | None:
    """Return the kernel memory charged to a cgroup of version 1, socket buffers included."""
    try:
        return sum(int((path / f"memory.kmem.{name}usage_in_bytes").read_text()) for name in ("", "tcp."))
    except OSError:
        return None


def read_v2(path: Path) -> int | None:
    """Return the same of a cgroup of version 2; None where memory is not controlled there."""
    try:
        fields = _fields((path / "memory.stat").read_text())
        return fields["kernel"] + fields["sock"]
    except (OSError, KeyError):
        return None


def read_slabinfo() -> int | None:
    """Return the bytes of all slab objects in use on this machine, and of kernel stacks and page tables."""
    try:
        lines = [line.split() for line in SLABINFO.read_text().splitlines()[2:]]  # the version, the headings
        return sum(int(line[1]) * int(line[3]) for line in lines) + _outside_slabs()
    except (OSError, IndexError, ValueError, KeyError):
        return None


def read_meminfo() -> int | None:
    """Return the bytes of all slabs of this machine, and of kernel stacks and page tables."""
    try:
        return 1024 * _fields(MEMINFO.read_text())["Slab"] + _outside_slabs()
    except (OSError, KeyError):
        return None


def _outside_slabs() -> int:
    """What processes have of the kernel that is in no slab."""
    fields = _fields(MEMINFO.read_text())
    return 1024 * (fields["KernelStack"] + fields["PageTables"])


def _fields(text: str) -> dict[str, int]:
    """Read lines of a name and a number; others are left out."""
    lines: Iterable[list[str]] = (line.replace(":", " ").split() for line in text.splitlines())
    return {line[0]: int(line[1]) for line in lines if len(line) > 1 and line[1].isdigit()}
