"""What this machine's processor is called."""

from __future__ import annotations

import contextlib
from pathlib import Path


def processor() -> str:
    """The model's name as the kernel tells it; empty where it tells none."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in {"model name", "Hardware"}:
                return value.strip()
    return ""
