"""What the kernel holds for a server: by the memory controller its own, else what the whole machine has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_tools_holding import HELD, KIB, model, probed, slope
from tools.memory.kernel_memory import kernel_memory, read_meminfo, read_slabinfo, read_v2

SOCKET_BYTES = (2500, 6000)  # of the kernel for one end: a TCP socket, its inode, its file, its dentry, an epoll item


def test_the_kernel_holds_a_socket_and_what_belongs_to_it_for_each_connection() -> None:
    """By the memory controller the server's end alone; where there is none, this is not told so finely."""
    holding = probed("selector", most=HELD)
    if not holding.kernel_method.startswith("cgroup"):
        pytest.skip(f"kernel memory is told by {holding.kernel_method or 'nothing'} here")
    low, high = SOCKET_BYTES
    assert low < slope(holding, holding.kernel_bytes) < high


def test_the_kernel_holds_more_for_a_thread_and_most_for_a_process() -> None:
    """A stack of 16 KiB, and page tables."""
    ends = {name: probed(name, most=20) for name in ("selector", "threaded", "forking")}
    if not ends["selector"].kernel_method.startswith("cgroup"):
        pytest.skip("kernel memory is not told so finely here")
    slopes = {name: slope(holding, holding.kernel_bytes) for name, holding in ends.items()}
    assert slopes["threaded"] > slopes["selector"] + 16 * KIB
    assert slopes["forking"] > slopes["threaded"] + 16 * KIB


def test_the_server_is_where_it_was_once_its_kernel_memory_has_been_told() -> None:
    """No cgroup of ours is left."""
    with model("preforked", workers=2) as (server, meter):
        before = Path(f"/proc/{server.pid}/cgroup").read_text()
        with kernel_memory(meter) as kernel:
            assert kernel.method
        assert Path(f"/proc/{server.pid}/cgroup").read_text() == before
        assert meter.read().complete
        server.stop()
        assert server.leftover == 0


def test_without_a_cgroup_the_whole_machine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the slabs where they may be read, else from their sum, else not at all."""
    monkeypatch.setattr("tools.memory.kernel_memory.release", lambda: (5, 4))
    with model("selector") as (_, meter):
        for method, missing in (("slabinfo", "SLABINFO"), ("meminfo", "MEMINFO"), ("", "")):
            if method != "slabinfo" or read_slabinfo() is not None:
                with kernel_memory(meter) as kernel:
                    assert kernel.method == method
                    assert kernel.both_ends is bool(method)
                    found = kernel.read()
                    assert found is None if not method else found is not None and found > 1 << 20
            if missing:
                monkeypatch.setattr(f"tools.memory.kernel_memory.{missing}", Path("/proc/not-there"))


def test_the_slabs_in_use_are_a_part_of_all_slabs() -> None:
    """Two files of the kernel tell the same, to their precision; the first is root's."""
    in_use, whole = read_slabinfo(), read_meminfo()
    assert whole
    if in_use is None:
        pytest.skip("the slabs may not be read here")
    assert 0.5 * whole < in_use < 1.1 * whole


def test_a_cgroup_of_version_2_tells_kernel_and_socket_memory(tmp_path: Path) -> None:
    """Where the memory controller is on; without it there is no such file."""
    assert read_v2(tmp_path) is None
    (tmp_path / "memory.stat").write_text("anon 1\nkernel 40960\nkernel_stack 16384\nsock 4096\n")
    assert read_v2(tmp_path) == 45056
