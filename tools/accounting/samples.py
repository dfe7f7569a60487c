"""What is seen of a process tree at one instant, and the highest of what was seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True, slots=True)
class Sample:
    """A process tree at one instant; CPU, faults and context switches count from the beginning.

    `at` is seconds since sampling began. `rss_upper_bound_bytes` counts a page that several processes share
    once for each, `pss_bytes` once in all, `uss_bytes` not. Faults of children that nobody waited for are
    lost; context switches are a lower bound. None: not read this time, or not for us to
    read; a cgroup does not list its zombies.
    """

    at: float
    cpu_user_seconds: float
    cpu_system_seconds: float
    processes: int
    zombies: int | None
    threads: int
    descriptors: int | None
    minor_faults: int
    major_faults: int
    rss_upper_bound_bytes: int
    pss_bytes: int | None = None
    uss_bytes: int | None = None
    voluntary_switches: int | None = None
    involuntary_switches: int | None = None

    def to_json(self) -> dict[str, object]:
        """Return the fields as JSON values."""
        return asdict(self)


@dataclass(slots=True)
class Peaks:
    """The highest of each count over all samples that saw a living process, None where it could not be read.

    The peak of RSS is the sum of the processes' own high-water marks, so that a spike between two samples
    is in it.
    """

    processes: int = 0
    zombies: int | None = None
    threads: int = 0
    descriptors: int | None = None
    pss_bytes: int | None = None
    uss_bytes: int | None = None
    rss_upper_bound_bytes: int | None = None

    def include(self, sample: Sample, high_water_bytes: int) -> None:
        """Take a sample in."""
        for field in fields(self):
            seen = getattr(sample, field.name)
            if seen is not None:
                setattr(self, field.name, max(seen, getattr(self, field.name) or 0))
        self.rss_upper_bound_bytes = max(self.rss_upper_bound_bytes or 0, high_water_bytes)

    def to_json(self) -> dict[str, object]:
        """Return the peaks as JSON values."""
        return asdict(self)
