"""CPUs as they are written on a command line: 0, 0,2 or 0-3."""

from __future__ import annotations

LARGEST = 65_535  # of a CPU's number: no kernel has as many, and a range to one far larger would take all memory


def read_cpu_list(text: str) -> tuple[int, ...]:
    """Read the numbers, each once and in order; ValueError with one line for the user where they are none."""
    cpus: set[int] = set()
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            cpus.update(range(int(first), min(int(last or first), LARGEST + 1) + 1))
    except ValueError:
        cpus.clear()
    if not cpus or min(cpus) < 0 or max(cpus) > LARGEST:
        raise ValueError(f"CPUs are given as 0,2 or 0-3, not {text!r}")
    return tuple(sorted(cpus))
