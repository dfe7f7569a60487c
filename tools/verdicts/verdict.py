"""The verdict on a cell or on a row, and the words that a limit can have."""

from __future__ import annotations

from dataclasses import dataclass

SERVER_CPU = "server-CPU"
GIL = "GIL"
ADMISSION = "admission"
POOL = "pool"
CLIENT = "client"
HOST_NOISE = "host-noise"
UNSATURATED = "unsaturated"
UNKNOWN = ""
"""Where there is nothing to judge by, or nothing of what was looked at explains what was found."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What limited a cell or a row.

    `limit` is one word for a table, empty where it cannot be told. `sentence` says why, with figures, as a clause that
    begins in lower case and has no full stop. `evidence` is all that was looked at, in words with figures.
    """

    limit: str
    sentence: str
    evidence: tuple[str, ...] = ()
