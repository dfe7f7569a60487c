"""How many clients a variant can serve at a time: what the registry and its options tell before it is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servers.registry import CONCURRENCY, MODELS, MORE_CLIENTS_THAN_WORKERS

if TYPE_CHECKING:
    from tools.cells import Variant

THREADS = 25  # of a pool that is not told how many: the servers' own default
WORKERS = 1  # at the least, of a pool that is not told how many: one for each of its CPUs


def places_of(variant: Variant) -> int | None:
    """The clients that it can serve at a time; None where that has no bound, or is not known (a user's command)."""
    entry = MODELS.get(variant.model)
    if entry is None:
        return None
    if CONCURRENCY in entry.cannot:
        return 1
    if MORE_CLIENTS_THAN_WORKERS not in entry.cannot:
        return None
    workers = variant.options.get("workers", WORKERS) if "workers" in entry.options else 1
    threads = variant.options.get("threads", THREADS) if "threads" in entry.options else 1
    return workers * threads
