"""What a meter tells: CPU seconds, how they were learned, and whether anything can be missing."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import NamedTuple


class Times(NamedTuple):
    """CPU seconds in user and in system mode."""

    user: float
    system: float

    @property
    def total(self) -> float:
        """Seconds in both modes."""
        return self.user + self.system

    def plus(self, other: Times) -> Times:
        """Return the sum, mode by mode."""
        return Times(self.user + other.user, self.system + other.system)

    def minus(self, other: Times) -> Times:
        """Return the difference, mode by mode; it can be negative."""
        return Times(self.user - other.user, self.system - other.system)

    def scaled_to(self, total: float) -> Times:
        """Return times of that total in the same proportion, all in user mode where nothing is known."""
        if not self.total:
            return Times(total, 0.0)
        return Times(total * self.user / self.total, total * self.system / self.total)


NOTHING = Times(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class CpuReading:
    """CPU used by a process tree from the moment its meter was attached until `at_ns`.

    `at_ns` is `time.monotonic_ns()`; `user`, `system` and `total` are seconds, and `total` never falls from
    one reading of a meter to the next. `complete` is false where some CPU can be missing, and `reason` says
    why ("" otherwise).
    """

    at_ns: int
    user: float
    system: float
    total: float
    method: str
    complete: bool
    reason: str

    def since(self, earlier: CpuReading) -> CpuReading:
        """Return what was used between two readings of one meter; as complete as the later one."""
        total = max(0.0, self.total - earlier.total)
        user = min(max(0.0, self.user - earlier.user), total)
        return replace(self, total=total, user=user, system=total - user)

    def to_json(self) -> dict[str, object]:
        """Return the fields as JSON values."""
        return asdict(self)
