"""A cgroup of its own for a measured command: the kernel counts the CPU of all that ever runs in it.

Version 1 needs the cpuacct controller; version 2 counts CPU in every cgroup, also where no controller is
enabled and where it is mounted beside version 1. The cgroup is made inside our own, so that a limit on us
still holds for what we start. Where cpu is a controller of the same hierarchy, the cgroup is also a
scheduling group of its own, with the default weight.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tools.accounting.processes import read_file, stat_fields
from tools.accounting.readings import Times

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "serverlab-"
COUNTER = itertools.count(1)

ENDING = 0x4
"""PF_EXITING, among the flags in /proc/PID/stat."""

REMOVAL_PATIENCE = 5.0
"""Seconds after which a cgroup whose members do not die is given up (one in uninterruptible sleep, say)."""

STALE_AGE = 60.0
"""Seconds after which an empty cgroup of a dead owner is taken for forgotten; a live one in another pid
namespace could look the same while it starts."""


class CgroupUnavailableError(Exception):
    """No cgroup of this version can be made here; the text says why."""


@dataclass(frozen=True, slots=True)
class Cgroup:
    """A cgroup that we made."""

    path: Path
    version: int

    @property
    def procs(self) -> Path:
        """The file that a process's pid is written to, to move it in; its children are born in it."""
        return self.path / "cgroup.procs"

    def used(self) -> Times:
        """Return the CPU used in it so far, by the living and the dead, in it and in cgroups below it."""
        if self.version == 1:
            return used_v1(self.path)
        return used_v2(self.path)

    def pids(self) -> list[int]:
        """Return the pids of its members, those of cgroups below it too."""
        return [pid for folder in folders(self.path) for pid in members(folder)]

    def left_by(self, pid: int) -> bool:
        """Tell whether a process that was in it is in another one now; one that is ending is not."""
        where = read_file(f"/proc/{pid}/cgroup")
        if where is None or self.path.name.encode() in where:
            return False
        fields = stat_fields(pid)  # version 1 shows a process that is ending in the root
        return fields is not None and not int(fields[6]) & ENDING

    def remove(self) -> None:
        """Remove it and what is below it; members that are left are moved up to the cgroup that we are in."""
        deadline = time.monotonic() + REMOVAL_PATIENCE
        while self.path.exists() and time.monotonic() < deadline:
            for pid in self.pids():
                with suppress(OSError):  # it ended, or is still being born
                    (self.path.parent / "cgroup.procs").write_text(str(pid))
            for folder in reversed(folders(self.path)):
                with suppress(OSError):  # busy until the last exit in it is through
                    folder.rmdir()
            if self.path.exists():
                time.sleep(0.001)


def used_v1(path: Path) -> Times:
    """Read cpuacct: the sum by the scheduler's clock, the split by ticks."""
    user, system, total = (int((path / f"cpuacct.{name}").read_text()) for name in ("usage_user", "usage_sys", "usage"))
    return Times(user / 1e9, system / 1e9).scaled_to(total / 1e9)


def used_v2(path: Path) -> Times:
    """Read cpu.stat, in which the kernel has already fitted the split to the sum."""
    fields = dict(line.split() for line in (path / "cpu.stat").read_text().splitlines())
    user, system, total = (int(fields[f"{name}_usec"]) for name in ("user", "system", "usage"))
    return Times(user / 1e6, system / 1e6).scaled_to(total / 1e6)


def folders(path: Path) -> list[Path]:
    """Return a cgroup and all cgroups below it, each before those below it."""
    return [Path(folder) for folder, _, _ in os.walk(path)]


def members(folder: Path) -> list[int]:
    """Return the pids in one cgroup; none where it is gone."""
    try:
        return [int(pid) for pid in (folder / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def own_folder(version: int, controller: str = "cpuacct") -> Path:
    """Return the folder of the cgroup that we are in, or raise CgroupUnavailableError.

    Version 1 has a hierarchy for each `controller`, or for several together; version 2 has one.
    """
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        before, _, after = line.partition(" - ")
        root, mount_point = before.split()[3:5]
        kind, _, options = after.split(None, 2)
        controls = kind == "cgroup" and controller in options.split(",")
        if controls if version == 1 else kind == "cgroup2":
            return Path(mount_point) / inside(own_path(version, controller), root)
    raise CgroupUnavailableError(f"cgroup version {version} is not mounted with {controller}")


def own_path(version: int, controller: str = "cpuacct") -> str:
    """Return the path of the cgroup that we are in, from /proc/self/cgroup."""
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" if version == 2 else controller in controllers.split(","):
            return path
    raise CgroupUnavailableError(f"this process is in no cgroup of version {version}")


def inside(path: str, root: str) -> str:
    """Return a cgroup's path below a mount whose root is `root`; in a container only a part is mounted."""
    inner = os.path.relpath(path, root)
    return "." if inner.startswith("..") else inner


def create(version: int) -> Cgroup:
    """Make a cgroup that a process can enter, or raise CgroupUnavailableError with the reason."""
    parent = own_folder(version)
    sweep(parent)
    cgroup = Cgroup(parent / f"{PREFIX}{os.getpid()}-{next(COUNTER)}", version)
    try:
        cgroup.path.mkdir()
        cgroup.used()
    except (OSError, KeyError, ValueError) as error:
        cgroup.remove()
        raise CgroupUnavailableError(f"cannot make a cgroup in {parent}: {error}") from error
    if not enterable(cgroup):
        cgroup.remove()
        raise CgroupUnavailableError(f"a process may not enter a cgroup made in {parent}")
    return cgroup


def enterable(cgroup: Cgroup) -> bool:
    """Tell whether a process of ours may move itself in."""
    trial = subprocess.run(["/bin/sh", "-c", 'echo $$ > "$0"', cgroup.procs], stderr=subprocess.DEVNULL, check=False)
    return trial.returncode == 0


def sweep(parent: Path) -> None:
    """Remove cgroups that a killed run of ours forgot: owner dead, empty, not new."""
    for folder in parent.glob(f"{PREFIX}*-*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        with suppress(OSError):
            if not Path("/proc", owner).exists() and time.time() - folder.stat().st_mtime > STALE_AGE:
                folder.rmdir()


def remove_those_of(owner: int) -> None:
    """Remove the cgroups that this process, which is dead, has left behind."""
    for version, controller in ((1, "cpuacct"), (1, "memory"), (2, "")):
        with suppress(CgroupUnavailableError):
            for folder in own_folder(version, controller).glob(f"{PREFIX}{owner}-*"):
                Cgroup(folder, version).remove()


@contextmanager
def cgroup_of_its_own(version: int) -> Iterator[Cgroup]:
    """Make a cgroup and remove it in the end; raise CgroupUnavailableError where there can be none."""
    cgroup = create(version)
    try:
        yield cgroup
    finally:
        cgroup.remove()
