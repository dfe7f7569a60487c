"""Two comparisons side by side: what is said of them, what is refused, and what is marked."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
from rich.console import Console

from tests.comparisons import FIVE, MODELS, ROUNDS, WORKLOADS, at_speed, made_up, rounds_of, saved
from tools.analysis.pairing import compared
from tools.cli import run
from tools.failure import Failure
from tools.saved.results import SAMPLES, read_results, writing
from tools.tables.against import against_tables, as_object, set_against
from tools.tables.terminal import print_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tools.analysis.pairing import Pair
    from tools.saved.cells import Cell
    from tools.saved.results import Results

CHURN = WORKLOADS["churn"]


def costing(cells: Sequence[Cell], factor: float) -> list[Cell]:
    """The same at so many times the CPU."""
    return [replace(each, cpu=replace(each.cpu, total=each.cpu.total * factor)) for each in cells if each.cpu]


def pairs(now: Results, before: Results) -> dict[str, Pair]:
    """What there is of each model on churn."""
    return {pair.model: pair for pair in compared(now, before).pairs}


def test_what_surely_differs_is_faster_or_slower_and_takes_less_or_more_cpu(tmp_path: Path) -> None:
    """Ratios are those of now to before; what differs by less than 5 % is not told apart."""
    before = {"forking": 1000, "threaded": 1000, "selector": 1000}
    now = {"forking": 1200, "threaded": 800, "selector": 1030}
    cost = {"forking": 1.0, "threaded": 1.0, "selector": 1.03}  # for as many seconds, not for a request
    found = pairs(
        saved(tmp_path / "now", [it for name, n in now.items() for it in costing(rounds_of(name, n), cost[name])]),
        saved(tmp_path / "before", [it for name, number in before.items() for it in rounds_of(name, number)]),
    )
    assert {name: (pair.speed, pair.cost) for name, pair in found.items()} == {
        "forking": ("faster", "less"),
        "threaded": ("slower", "more"),
        "selector": ("not told apart", "not told apart"),
        "iterative": ("no figures", "no figures"),
    }
    ratio, cpu_ratio = found["forking"].ratio, found["forking"].cpu_ratio
    assert ratio is not None
    assert cpu_ratio is not None
    assert ratio.estimate == pytest.approx(1.2, rel=0.002)
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.low < ratio.estimate < ratio.high
    assert cpu_ratio.estimate == pytest.approx(1 / 1.2, rel=0.002)


def test_three_rounds_conclude_nothing(tmp_path: Path) -> None:
    """However far apart they are."""
    now = saved(tmp_path / "now", rounds_of("selector", 3000, rounds=3))
    before = saved(tmp_path / "before", rounds_of("selector", 1000))
    found = pairs(now, before)["selector"]
    assert (found.speed, found.cost) == ("too few rounds", "too few rounds")


def with_latencies(folder: Path, milliseconds: float) -> Results:
    """A comparison in which requests are due at a rate, and are answered in about so many milliseconds."""
    head = replace(FIVE, workloads=(replace(CHURN, rate=1000.0),))
    with writing(folder) as writer:
        writer.add_header(head)
        for one in rounds_of("selector", 1000):
            slowest = np.full(1000, round(1e6 * milliseconds * (1 + one.round / 100)), dtype=np.int64)
            writer.add(replace(one, samples=writer.add_samples(f"churn-{one.round}", slowest)))
    return read_results(folder)


def test_where_requests_are_due_at_a_rate_faster_is_a_shorter_time(tmp_path: Path) -> None:
    """Throughput is then what was asked for, and says nothing."""
    slow, quick = with_latencies(tmp_path / "slow", 20), with_latencies(tmp_path / "quick", 10)
    found = pairs(quick, slow)["selector"]
    assert (found.measure, found.speed) == ("p99", "faster")
    assert found.ratio is not None
    assert found.ratio.estimate == pytest.approx(0.5)
    assert pairs(slow, quick)["selector"].speed == "slower"
    assert any("its speed is by p99" in note for note in against_tables(compared(quick, slow))[0].notes)


def test_the_copy_of_a_model_is_no_model(tmp_path: Path) -> None:
    """The control is there to judge each session by."""
    again = replace(FIVE.models[3], name="selector (again)", control_of="selector")
    head = replace(FIVE, models=(*FIVE.models, again))
    made = [*rounds_of("selector", 1000), *rounds_of("selector (again)", 1000)]
    found = compared(saved(tmp_path / "now", made, head), saved(tmp_path / "before", made, head))
    assert [pair.model for pair in found.pairs] == list(MODELS)
    assert found.marks == ()


def disturbed(cells: Sequence[Cell]) -> list[Cell]:
    """The same on a machine that gave half of a CPU away."""
    return [replace(each, host=replace(each.host, spin_before=0.5)) for each in at_speed(cells, 10.0) if each.host]


def asked_too_little(cells: Sequence[Cell]) -> list[Cell]:
    """The same by clients that could not ask for more."""
    return [
        replace(each, load=replace(each.load, client_limit="client", client_reasons=("it was late",)))
        for each in cells
        if each.load
    ]


def halved(cells: Sequence[Cell]) -> list[Cell]:
    """A quarter of the requests: now half as many as before, where both have made theirs of the same clients."""
    return [replace(each, load=replace(each.load, requests=each.load.requests // 4)) for each in cells if each.load]


def halved_and_asked_too_little(cells: Sequence[Cell]) -> list[Cell]:
    """Both."""
    return halved(asked_too_little(cells))


def unchanged(cells: Sequence[Cell]) -> list[Cell]:
    """The same."""
    return list(cells)


@pytest.mark.parametrize(
    ("change_now", "change_before", "words"),
    [
        (disturbed, unchanged, ("host noise", "host noise")),
        (unchanged, disturbed, ("host noise", "host noise")),
        (asked_too_little, asked_too_little, ("clients' limit", "less")),
        (asked_too_little, unchanged, ("faster", "less")),  # and would have been by more
        (unchanged, asked_too_little, ("clients' limit", "less")),  # before, it could have done as much
        (halved, asked_too_little, ("slower", "more")),
        (halved_and_asked_too_little, unchanged, ("clients' limit", "more")),
    ],
)
def test_nothing_is_concluded_where_something_else_was_measured(
    tmp_path: Path,
    change_now: Callable[[Sequence[Cell]], list[Cell]],
    change_before: Callable[[Sequence[Cell]], list[Cell]],
    words: tuple[str, str],
) -> None:
    """The machine, or the clients; what a request costs is seen all the same where these were the limit."""
    now = saved(tmp_path / "now", change_now(rounds_of("selector", 2000)))
    found = compared(now, saved(tmp_path / "before", change_before(rounds_of("selector", 1000))))
    pair = next(pair for pair in found.pairs if pair.model == "selector")
    assert (pair.speed, pair.cost) == words
    told = any(note.startswith(f"{words[0]}: ") for note in against_tables(found)[0].notes)
    assert told is (words[0] not in {"faster", "slower"})


def test_what_the_cpus_ran_slower_by_is_no_difference_of_servers(tmp_path: Path) -> None:
    """A fifth less is told apart on CPUs of the same speed, and not on those that a canary found a quarter slower."""
    made, slower = rounds_of("selector", 1000), rounds_of("selector", 800)
    before = saved(tmp_path / "before", at_speed(made, 10.0))
    assert pairs(saved(tmp_path / "same", at_speed(slower, 10.0)), before)["selector"].speed == "slower"
    found = compared(saved(tmp_path / "slow", at_speed(slower, 7.5)), before)
    assert [pair.speed for pair in found.pairs if pair.model == "selector"] == ["not told apart"]
    assert as_object(found)["least_difference"] == pytest.approx(1 / 3)
    assert "surely differs by more than 33 %" in against_tables(found)[0].notes[0]


def test_where_all_models_moved_one_way_the_machine_is_named(tmp_path: Path) -> None:
    """And not where one of them did not."""
    head = replace(FIVE, models=FIVE.models[2:])
    before = saved(tmp_path / "r", [*rounds_of("threaded", 1000), *rounds_of("selector", 1000)], head)
    for number, told in ((800, True), (1000, False)):
        now = saved(tmp_path / str(number), [*rounds_of("threaded", 800), *rounds_of("selector", number)], head)
        notes = against_tables(compared(now, before))[0].notes
        assert any(note.startswith("All models are slower") for note in notes) is told


def test_the_table_fits_a_terminal_and_says_why_there_is_no_figure(tmp_path: Path) -> None:
    """A model that served a few, and one that failed, have their lines and their reasons."""
    results, before = read_results(made_up(tmp_path / "now")), read_results(made_up(tmp_path / "before"))
    stream = StringIO()
    speed, cpu = against_tables(compared(results, before))
    print_tables(Console(file=stream, width=80), (speed, cpu))
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert len(speed.rows) == len(cpu.rows) == len(MODELS) * len(WORKLOADS)
    assert "iterative on keepalive: now it served 1 of 50 clients." in speed.notes
    assert not [note for note in speed.notes if "NOT COMPARABLE" in note]


def test_two_saved_comparisons_are_one_object_for_a_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing else on stdout."""
    now, before = made_up(tmp_path / "now"), made_up(tmp_path / "before")
    assert run(["compare", str(now), "--against", str(before), "--json"]) == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert found == json.loads(json.dumps(as_object(compared(read_results(now), read_results(before)))))
    selector = found["workloads"]["churn"]["selector"]
    assert selector["ratio"]["estimate"] == 1.0
    assert selector["speed"] == "too few rounds"
    assert selector["now"]["p99"] == selector["before"]["p99"] > 0
    assert found["comparable"] is True
    assert found["marks"] == []
    assert not (now / "report.html").exists()


def test_two_saved_comparisons_are_a_table_for_a_reader(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a line for each model and workload."""
    made_up(tmp_path / "now")
    made_up(tmp_path / "before")
    assert run(["compare", str(tmp_path / "now"), "--against", str(tmp_path / "before")]) == 0
    told = capsys.readouterr()
    assert "Now against before" in told.out
    assert told.err == ""


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["{now}"], 2, "is a folder and no model: set it beside another comparison with --against DIR"),
        (["{now}", "--against", "{nowhere}"], 1, "holds no comparison"),
        (["selector", "--against", "{nowhere}"], 1, "holds no comparison"),
        (["selector", "--against", "{damaged}"], 1, "is missing"),
        (["{damaged}", "--against", "{now}"], 1, "is missing"),
        (["{now}", "--against", "{now}", "--rounds", "3"], 2, "it takes no models and no other options than --json"),
        (["{now}", "selector", "--against", "{now}"], 2, "it takes no models and no other options than --json"),
        (["reuseport", "--workload", "churn", "--against", "{now}"], 1, "nothing in common: reuseport on churn"),
        (["selector", "--backlog", "7", "--against", "{now}"], 1, "server is {{'backlog': 7}} now and was {{}} before"),
    ],
)
def test_what_cannot_be_set_side_by_side_is_refused_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, line: str
) -> None:
    """In one line, and no folder is made."""
    folders = {name: str(tmp_path / name) for name in ("now", "damaged", "nowhere", "new")}
    made_up(tmp_path / "now")
    made_up(tmp_path / "damaged")
    next((tmp_path / "damaged" / SAMPLES).iterdir()).unlink()
    output = ["--output", folders["new"]] if "{now}" not in arguments[:1] and "{damaged}" not in arguments[:1] else []
    assert run(["compare", *(each.format(**folders) for each in arguments), *output]) == status
    told = capsys.readouterr()
    assert line.format() in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""
    assert not (tmp_path / "new").exists()


def test_nothing_that_was_measured_in_both_is_refused(tmp_path: Path) -> None:
    """Two that were broken off before they came to the same."""
    now = saved(tmp_path / "now", rounds_of("selector", 1000))
    before = saved(tmp_path / "before", rounds_of("selector", 1000, "waiting"))
    with pytest.raises(Failure, match="nothing in common that was measured in both"):
        set_against(now, before)


def test_a_comparison_that_is_run_is_set_beside_a_saved_one_in_one_object(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under "against"; the made-up machine is another, so that nothing is concluded."""
    before, folder = made_up(tmp_path / "before"), tmp_path / "new"
    options = ["--workload", "churn", "--rounds", "1", "--duration", "0.1", "--warmup", "0", "--held", "0", "--json"]
    assert run(["compare", "selector", *options, "--against", str(before), "--output", str(folder)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["against"]["before"] == str(before)
    assert found["against"]["comparable"] is False
    assert found["against"]["workloads"]["churn"]["selector"]["speed"] == "not comparable"
    assert found["workloads"]["churn"]["models"]["selector"]["throughput"]
    assert len(read_results(folder).cells) == 1
    assert found["against"]["workloads"]["churn"]["selector"]["before"]["rounds"] == ROUNDS
