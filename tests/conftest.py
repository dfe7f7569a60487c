"""What holds for every test."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.prestarting import prestarting

if TYPE_CHECKING:
    from collections.abc import Iterator

# How long one example may take would be a test of how busy the machine is.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

# A shell starts what it runs in the background with SIGINT ignored; all that tests start would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of the tests' own: they neither believe what was measured before nor leave anything behind.

    All processes of a run share it: a ceiling takes two CPUs for half a second.
    """
    base = tmp_path_factory.getbasetemp()
    cache = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    cache.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        yield


@pytest.fixture(scope="module")
def prestarted() -> Iterator[None]:
    """Servers and load processes of a module that starts many are forked from interpreters that are there already."""
    with prestarting():
        yield
