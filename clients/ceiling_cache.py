"""The ceilings that were measured on this machine, in one small JSON file of the user's cache.

A file that cannot be read or understood counts as empty and is replaced; where it cannot be written, nothing is
remembered. It is replaced whole, so nobody ever reads a half of it. Of two processes that write at the same time, one
may lose what it found: that is measured again, which is cheaper than a lock that somebody may never release.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

from clients.processor import processor

CEILING_VERSION = 1  # another one whenever load processes or the null server have become faster or slower
MOST = 200  # ceilings that are kept, the last ones: a cache that only grows would be somebody's problem one day


def path() -> Path:
    """Where the ceilings are: ceilings.json in `$XDG_CACHE_HOME/serverlab`, or in ~/.cache/serverlab."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    folder = Path(home) if Path(home).is_absolute() else Path(os.path.expanduser("~")) / ".cache"  # noqa: PTH111 - it never raises
    return folder / "serverlab" / "ceilings.json"


def find(configuration: str) -> object:
    """Return what was kept for this configuration on this machine; None where nothing was."""
    return _read().get(_key(configuration))


def keep(configuration: str, value: dict[str, object]) -> None:
    """Remember `value`, as far as that is possible."""
    known = _read()
    known.pop(_key(configuration), None)
    known[_key(configuration)] = value
    with contextlib.suppress(OSError):
        _write(dict(list(known.items())[-MOST:]))


def forget() -> None:
    """Remember nothing, as far as that is possible."""
    with contextlib.suppress(OSError):
        path().unlink(missing_ok=True)


def fingerprint() -> str:
    """Return what a ceiling depends on beside its configuration: machine, kernel, interpreter, this program."""
    usable = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    python = f"{platform.python_implementation()} {platform.python_version()}"
    facts = (
        processor() or platform.machine(),
        f"CPUs {usable} of {os.cpu_count()}",
        platform.release(),
        python,
        f"ceiling {CEILING_VERSION}",
    )
    return "; ".join(facts)


def _key(configuration: str) -> str:
    return f"{fingerprint()}; {configuration}"


def _read() -> dict[str, Any]:
    try:
        content = json.loads(path().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(content: dict[str, Any]) -> None:
    target = path()
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix="ceilings-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
        Path(name).replace(target)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
