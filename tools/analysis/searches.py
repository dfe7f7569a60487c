"""Of which models a capacity is searched on which workloads, and which of these searches a comparison lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tools.variants.choosing import serves_all

if TYPE_CHECKING:
    from tools.machine import Division
    from tools.saved.header import Variant
    from tools.saved.results import Results
    from tools.workloads import Workload


class Searching(Protocol):
    """A plan, or the header that was written for it, as far as it matters here."""

    @property
    def models(self) -> tuple[Variant, ...]:
        """The models, the control among them."""

    @property
    def workloads(self) -> tuple[Workload, ...]:
        """The workloads, those at other numbers of connections among them."""

    @property
    def division(self) -> Division:
        """The CPUs of servers, of which some models have a worker each."""

    @property
    def objective(self) -> str:
        """What a capacity is searched for; empty where none is."""


def searches(asked: Searching) -> tuple[tuple[Workload, Variant], ...]:
    """The searches for capacities; none where there is no objective, nor at other numbers of connections."""
    if not asked.objective:
        return ()
    return tuple(
        (workload, model)
        for workload in asked.workloads
        if not workload.scaling_of and workload.rate is None
        for model in asked.models
        if not model.control_of and serves_all(model, workload, asked.division)
    )


def searches_missing(results: Results) -> tuple[tuple[str, str], ...]:
    """The workload and model of each search that was not carried out: the comparison was broken off before it ended."""
    done = {(each.workload, each.model) for each in results.capacities}
    wanted = ((workload.name, model.name) for workload, model in searches(results.header))
    return tuple(each for each in wanted if each not in done)
