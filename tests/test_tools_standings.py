"""Who is ahead of whom: by what, at which speed of the CPUs, and where the clients were the limit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.comparisons import FIVE, WORKLOADS, at_speed, cell, rounds_of, saved
from tools.analysis.controls import control_ratio, session_control
from tools.analysis.measures import measure_of, percentile_for
from tools.analysis.one_speed import at_one_speed, cpu_at_one_speed, verdict_on
from tools.analysis.standings import AT_THE_END, standing
from tools.verdicts.verdict import CLIENT, HOST_NOISE, SERVER_CPU

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tools.saved.cells import Cell

CHURN = WORKLOADS["churn"]
AGAIN = "selector (again)"
SPEEDS = (10.0, 8.0, 9.0, 7.0, 9.5)
"""Of CPUs in five rounds, in millions of rounds of an empty loop a second."""
TWICE = replace(
    FIVE,
    models=(*FIVE.models, replace(FIVE.models[-1], name=AGAIN, control_of="selector")),
    workloads=(CHURN,),
)


def busy(cells: Sequence[Cell], share: float, **load: Any) -> list[Cell]:
    """The same from a server that used such a share of its one CPU; with changes to what the clients saw."""
    return [
        replace(each, cpu=replace(each.cpu, total=share), load=replace(each.load, **load))
        for each in cells
        if each.cpu and each.load
    ]


def by_clients(cells: Sequence[Cell], share: float, client_busy: float) -> list[Cell]:
    """The same with the clients as the limit, which used such a share of their CPUs."""
    return busy(cells, share, client_limit="client", client_reasons=("no CPU was left",), client_busy=client_busy)


def first_tier(folder: Path, limited: Sequence[Cell]) -> tuple[str, ...]:
    """Beside a selector that does 3000 a second and uses up its CPU."""
    cells = [*busy(rounds_of("selector", 3000), 0.99), *limited]
    results = saved(folder, cells, replace(FIVE, workloads=(CHURN,)))
    return standing(results, CHURN).first()


def test_a_model_that_the_clients_limited_is_told_apart_only_by_what_its_cpu_would_have_allowed(
    tmp_path: Path,
) -> None:
    """2000 a second with half of a CPU may be 4000; with nine tenths of one it is 2500 at most."""
    slower = rounds_of("threaded", 2000)
    assert first_tier(tmp_path / "half", by_clients(slower, 0.5, 0.99)) == ("selector", "threaded")
    assert first_tier(tmp_path / "most", by_clients(slower, 0.9, 0.99)) == ("selector",)
    assert first_tier(tmp_path / "server", busy(slower, 0.5)) == ("selector",)


def test_a_model_that_left_the_clients_cpu_is_ranked_as_it_is(tmp_path: Path) -> None:
    """They may be its limit, but kept less from it than would change the order."""
    slower = rounds_of("threaded", 2000)
    assert first_tier(tmp_path / "at", by_clients(slower, 0.5, AT_THE_END)) == ("selector", "threaded")
    assert first_tier(tmp_path / "below", by_clients(slower, 0.5, AT_THE_END - 0.01)) == ("selector",)


def test_waiting_for_a_cpu_is_as_good_as_using_it(tmp_path: Path) -> None:
    """Clients that were ready and did not run were at their end, too."""
    waiting = busy(by_clients(rounds_of("threaded", 2000), 0.5, 0.8), 0.5, client_waiting=0.15)
    assert first_tier(tmp_path / "r", waiting) == ("selector", "threaded")


def test_a_limited_model_whose_cpu_was_not_seen_whole_is_told_from_nobody(tmp_path: Path) -> None:
    """Nobody knows what it would have done."""
    limited = by_clients(rounds_of("threaded", 2000), 0.99, 0.99)
    blind = [replace(each, cpu=replace(each.cpu, complete=False, reason="children")) for each in limited if each.cpu]
    assert first_tier(tmp_path / "seen", limited) == ("selector",)
    assert first_tier(tmp_path / "blind", blind) == ("selector", "threaded")


def test_the_control_and_models_without_figures_are_not_ranked(tmp_path: Path) -> None:
    """The order is that of the throughputs, and ratios are to the first."""
    cells = [*rounds_of("selector", 1000), *rounds_of(AGAIN, 1100), *rounds_of("threaded", 2000)]
    found = standing(saved(tmp_path / "r", cells, TWICE), CHURN)
    assert found.order == ("threaded", "selector")
    assert found.measure == "throughput"
    assert found.ratios.keys() == {"threaded", "selector"}
    assert found.ratios["selector"].estimate == pytest.approx(0.5, abs=0.01)
    assert found.tiers == {"threaded": (1,), "selector": (2,)}
    assert standing(saved(tmp_path / "s", [], TWICE), CHURN).order == ()


def test_a_time_is_better_where_it_is_shorter(tmp_path: Path) -> None:
    """At a rate all answer the same many; without times there is no order."""
    results = saved(tmp_path / "r", rounds_of("selector", 1000), FIVE)
    found = measure_of(results, replace(CHURN, rate=1000.0))
    assert (found.name, found.more_is_better) == ("p99", False)
    closed = measure_of(results, CHURN)
    assert (closed.name, closed.more_is_better) == ("throughput", True)
    assert closed.by_model == {"selector": {number: 1000.0 + number for number in range(1, 6)}}


@pytest.mark.parametrize(
    ("fewest", "name"), [(1000, "p99"), (999, "p95"), (200, "p95"), (199, "p90"), (100, "p90"), (99, "p50"), (3, "p50")]
)
def test_times_are_ranked_by_the_highest_percentile_that_every_round_can_tell(fewest: int, name: str) -> None:
    """Ten answers must lie beyond it."""
    cells = [cell(), cell(round_number=2)]
    cells = [replace(each, load=replace(each.load, requests=5000)) for each in cells if each.load]
    assert percentile_for(cells) == "p99"
    few = [replace(each, load=replace(each.load, requests=fewest)) for each in cells[1:] if each.load]
    assert percentile_for([*cells, *few]) == name
    assert percentile_for([]) == "p50"


def at_speeds(model: str, server: Sequence[float], client: Sequence[float], driven: Sequence[float]) -> list[Cell]:
    """Five rounds on CPUs of such speeds, whose throughput goes as `driven`, and whose CPU time against it."""
    cells = []
    for number, made in enumerate(rounds_of(model, 0)):
        (one,) = at_speed([made], server[number])
        assert one.load is not None
        assert one.cpu is not None
        assert one.host is not None
        load = replace(one.load, requests=round(1000 * driven[number]))
        cpu = replace(one.cpu, total=0.5)
        cells.append(replace(one, load=load, cpu=cpu, host=replace(one.host, client_speed=client[number])))
    return cells


def turned(values: Sequence[float], by: int) -> tuple[float, ...]:
    """The same in rounds that are so many later."""
    return (*values[by:], *values[:by])


def spread(values: dict[int, float]) -> float:
    """By which share the highest is above the lowest."""
    return max(values.values()) / min(values.values()) - 1


@pytest.mark.parametrize("limit", [SERVER_CPU, CLIENT])
def test_a_figure_is_adjusted_for_the_cpus_that_limited_it(tmp_path: Path, limit: str) -> None:
    """Throughputs that went as these CPUs' speed are equal at one speed, and the other side's explains nothing."""
    cells: list[Cell] = []
    for place, model in enumerate(("iterative", "threaded", "selector")):
        moving, still = turned(SPEEDS, place), (9.0,) * 5
        server, client = (moving, still) if limit == SERVER_CPU else (still, moving)
        made = at_speeds(model, server, client, moving)
        cells += by_clients(made, 0.5, 0.99) if limit == CLIENT else busy(made, 0.99)
    results = saved(tmp_path / "r", cells, replace(FIVE, workloads=(CHURN,)))
    assert {verdict_on(results, CHURN, model).limit for model in FIVE.models[::3]} == {limit}
    raw = measure_of(results, CHURN).by_model
    found = at_one_speed(results, CHURN, raw, rises=True)
    powers = found.exponents["selector"]
    limiting, other = (powers.server, powers.client) if limit == SERVER_CPU else (powers.client, powers.server)
    assert limiting == pytest.approx(1, abs=0.02)
    assert other == pytest.approx(0.2)
    assert not found.reason
    assert spread(dict(raw["selector"])) > 0.3
    assert spread(found.figures["selector"]) < 0.01
    assert standing(results, CHURN).exponents == found.exponents


def test_rows_that_noise_limited_are_adjusted_by_what_they_used(tmp_path: Path) -> None:
    """A server that used all of its CPU goes with the CPU's speed, though nothing tells what it would have done."""
    cells: list[Cell] = []
    for place, model in enumerate(("iterative", "threaded", "selector")):
        moving = turned(SPEEDS, place)
        made = at_speeds(model, moving, (9.0,) * 5, moving)
        cells += [
            replace(each, host=replace(each.host, server_others=0.4, steal=0.3), cpu=replace(each.cpu, total=0.95))
            for each in by_clients(made, 0.5, 0.3)
            if each.host and each.cpu
        ]
    results = saved(tmp_path / "r", cells, replace(FIVE, workloads=(CHURN,)))
    assert {verdict_on(results, CHURN, model).limit for model in FIVE.models[::3]} == {HOST_NOISE}
    found = at_one_speed(results, CHURN, measure_of(results, CHURN).by_model, rises=True)
    assert found.exponents["selector"].server == pytest.approx(1, abs=0.1)
    assert spread(found.figures["selector"]) < 0.05


def test_cpu_for_a_request_is_adjusted_for_the_servers_cpus(tmp_path: Path) -> None:
    """It falls with their speed; models whose CPU was not seen whole, and such as served a few, are left out."""
    cells = [
        made
        for place, model in enumerate(("iterative", "threaded", "selector"))
        for made in at_speeds(model, turned(SPEEDS, place), (9.0,) * 5, turned(SPEEDS, place))
    ]
    results = saved(tmp_path / "r", cells, replace(FIVE, workloads=(CHURN,)))
    found = cpu_at_one_speed(results, CHURN)
    assert found.exponents["threaded"].server == pytest.approx(1, abs=0.02)
    assert spread(found.figures["threaded"]) < 0.01
    blind = [replace(each, cpu=replace(each.cpu, complete=False)) for each in cells[:5] if each.cpu]
    few = [replace(each, load=replace(each.load, served=1)) for each in cells[5:10] if each.load]
    results = saved(tmp_path / "s", [*blind, *few, *cells[10:]], replace(FIVE, workloads=(CHURN,)))
    assert {name for name, values in cpu_at_one_speed(results, CHURN).figures.items() if values} == {"selector"}


def test_speeds_that_are_not_known_leave_figures_as_they_are_and_say_so(tmp_path: Path) -> None:
    """As where the canaries could not run."""
    results = saved(tmp_path / "r", rounds_of("selector", 1000), FIVE)
    raw = measure_of(results, CHURN).by_model
    found = at_one_speed(results, CHURN, raw, rises=True)
    assert found.figures == raw
    assert found.exponents == {}
    assert found.reason


def test_a_model_that_differs_from_itself_makes_the_session_unsound(tmp_path: Path) -> None:
    """In what ranks it, or in its CPU; one that does not is sound, and without a second entry nothing is known."""
    equal = [*rounds_of("selector", 1000), *rounds_of(AGAIN, 1000)]
    assert session_control(saved(tmp_path / "equal", equal, TWICE)).sound
    apart = [*rounds_of("selector", 1000), *rounds_of(AGAIN, 1300)]
    results = saved(tmp_path / "apart", apart, TWICE)
    assert session_control(results).sound is False
    ratio = control_ratio(results, CHURN)
    assert ratio is not None
    assert ratio.estimate == pytest.approx(1.3, abs=0.01)
    dearer = [*equal[:5], *busy(equal[5:], 0.3)]
    found = session_control(saved(tmp_path / "dearer", dearer, TWICE))
    assert found.sound is False
    assert "CPU" in found.reason
    alone = saved(tmp_path / "alone", rounds_of("selector", 1000), FIVE)
    assert session_control(alone).sound is None
    assert control_ratio(alone, CHURN) is None


def test_the_control_is_not_judged_by_workloads_that_are_not_ranked(tmp_path: Path) -> None:
    """Those at other numbers of connections."""
    cells = [*rounds_of("selector", 1000), *rounds_of(AGAIN, 1300)]
    scaling = replace(TWICE, workloads=(replace(CHURN, scaling_of="churn"),))
    assert session_control(saved(tmp_path / "r", cells, scaling)).sound is None
