"""The workloads that a comparison knows."""

from __future__ import annotations

import dataclasses

import pytest

from tools.workloads import WORKLOADS, UnknownWorkloadError, chosen_workloads


def test_no_name_stands_for_all_workloads() -> None:
    """In their own order."""
    assert [workload.name for workload in chosen_workloads([])] == [
        "churn",
        "keepalive",
        "waiting",
        "computing",
    ]


def test_workloads_keep_their_order_however_they_are_asked_for() -> None:
    """Two comparisons of the same workloads look alike, and a name given twice counts once."""
    chosen = chosen_workloads(["computing", "churn", "computing"])
    assert [workload.name for workload in chosen] == ["churn", "computing"]


def test_an_unknown_workload_is_refused_with_the_known_ones() -> None:
    """One line that helps."""
    with pytest.raises(UnknownWorkloadError, match="unknown workload 'chrun': choose from churn, keepalive"):
        chosen_workloads(["churn", "chrun"])


def test_churn_is_stevens_own_workload() -> None:
    """Ten connections at a time, one request each, 4000 bytes back."""
    churn = WORKLOADS["churn"]
    assert (churn.protocol, churn.connections, churn.churn, churn.work) == ("work", 10, True, "4000")


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_a_workload_is_either_lines_or_work(workload: object) -> None:
    """The protocol `work` has a work line and no size, any other a size and no work line."""
    values = dataclasses.asdict(workload)  # type: ignore[call-overload]
    assert bool(values["work"]) == (values["protocol"] == "work")
    assert bool(values["size_bytes"]) != bool(values["work"])
