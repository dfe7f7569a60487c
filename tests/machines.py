"""A machine that is fit to measure on, of which tests make worse ones."""

from __future__ import annotations

from clients.ceiling import Ceiling
from tools.fitness.findings import Busy, MachineFindings, Spin, Wakes

FAST = Ceiling(60_000.0, 15e-6, limited_by_client=True, measured_at="2025-01-31")
FIT = MachineFindings(
    cpus=4,
    usable_cpus=4,
    shared_cores=(),
    quota=None,
    governors=("performance",),
    turbo=False,
    virtual=False,
    somaxconn=4096,
    ports=28_232,
    tw_reuse=2,
    soft_descriptors=1024,
    hard_descriptors=1 << 19,
    cgroup="cgroup-v2",
    cgroup_fault="",
    spins=(Spin(0, 1.0), Spin(1, 0.99)),
    steal=0.0,
    load_average=0.1,
    others=(),
    clock_source="tsc",
    clock_resolution=1e-9,
    clock_cost=5e-8,
    wakes=Wakes(6e-5, 2e-4),
    round_trip=2e-5,
    apart=True,
    memory_bytes=8 << 30,
    memory_available=6 << 30,
    swap_used_bytes=0,
    swapped_in_pages=0,
    keepalive=FAST,
    keepalive_fault="",
    churn=FAST,
    churn_fault="",
)
HOG = Busy("hog", 4711, 0.5)
