"""The workloads that a comparison puts to every model: TOML files, each with its reasons, for users to copy.

A workload says what the clients do and nothing about how a server copes. The first four are chosen so that each
separates models that the others let look alike: one is all connections, one all requests, one all waiting, one all
computing. The others are what people meet. Reading order: `churn.toml` and its siblings, `workload` (the record, and
the load that follows from it), `reading` (a file, checked), `choosing` (which there are).
"""

from __future__ import annotations

from tools.workloads.choosing import DEFAULT, WORKLOADS, UnknownWorkloadError, chosen_workloads, file_of
from tools.workloads.reading import WorkloadError, read_workload
from tools.workloads.workload import Workload, upgraded

__all__ = [
    "DEFAULT",
    "WORKLOADS",
    "UnknownWorkloadError",
    "Workload",
    "WorkloadError",
    "chosen_workloads",
    "file_of",
    "read_workload",
    "upgraded",
]
