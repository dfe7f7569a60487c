"""What a plan means for several processes and machines, and what makes no sense there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from clients.addresses import Address
from clients.plan import LoadPlan, PlanError
from clients.spec import divide

NOBODY = Address("127.0.0.1", 9)


def test_sources_of_a_cluster_are_refused() -> None:
    """They are addresses of one machine; nothing is asked of the scheduler."""
    pytest.importorskip("distributed")
    arguments = [str(NOBODY), "--cluster", "127.0.0.1:9", "--sources", "127.0.0.2"]
    command = [sys.executable, "-m", "clients", "load", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("serverlab load: --sources are addresses of one machine")


def test_one_step_is_refused() -> None:
    """It goes from one rate to another in no step; none at all is a ramp."""
    with pytest.raises(PlanError, match="steps must be from 2 to"):
        LoadPlan(NOBODY, rate=100, final_rate=200, steps=1)
    assert len(LoadPlan(NOBODY, rate=100, final_rate=200, steps=2).segments) == 2
    assert LoadPlan(NOBODY, rate=100, final_rate=200).steps == 0


@pytest.mark.parametrize(
    ("max_waiting", "processes", "each"), [(0, 3, 0), (1, 3, 1), (9, 3, 3), (10, 3, 4), (1000, 1, 1000), (1000, 2, 500)]
)
def test_room_for_what_waits_is_shared_out(max_waiting: int, processes: int, each: int) -> None:
    """All processes together have as much as one would, to the next whole request of each."""
    plan = LoadPlan(NOBODY, rate=100, processes=processes, max_waiting=max_waiting)
    assert [spec.max_waiting for spec in divide(plan, [])] == [each] * processes
