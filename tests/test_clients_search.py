"""The search for the highest rate: against servers that are functions, whose answer is known."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from clients.__main__ import main
from clients.addresses import Address
from clients.plan import LoadPlan
from clients.records import CONNECTION_COLUMNS, REQUEST_COLUMNS, REQUEST_FORMATS, Outcome
from clients.result import LoadResult
from clients.searching.objective import Objective, ProbeFindings, read_objective, reasons
from clients.searching.probing import findings_of, probe_with
from clients.searching.search import LONGEST_WINDOW, search
from clients.searching.steadiness import in_flight, in_flight_grew
from clients.searching.trials import Trial, describe_found, describe_trial
from tests.commands import done_here
from tests.known_servers import known_server
from tests.serving import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from clients.searching.search import Probe

P99_50MS, P99_20MS = Objective(0.99, 0.05), Objective(0.99, 0.02)
MOST_TRIALS = 100


def test_an_objective_is_a_percentile_and_a_time() -> None:
    """As it is written on the command line, in every unit."""
    assert read_objective("p99=50ms") == P99_50MS
    assert read_objective("p99 = 0.05 s") == P99_50MS
    assert read_objective("p50=800us") == Objective(0.5, 800 * 1e-6)
    assert read_objective("P99.9=1s") == read_objective("p999=1s") == Objective(0.999, 1.0)
    assert [str(read_objective(text)) for text in ("p99=50ms", "p999=1s")] == ["p99=50ms", "p99.9=1s"]


@pytest.mark.parametrize(
    "text", ["", "p99", "p99=", "p99=50", "p98=5ms", "99=5ms", "p99=-5ms", "p99=5m", "p99=0ms", "p99=nanms", "p99=2e9s"]
)
def test_what_is_no_objective_is_refused_in_one_line(text: str) -> None:
    """With an example of how it is written, or the bounds."""
    with pytest.raises(ValueError, match=r"objective") as caught:
        read_objective(text)
    assert "\n" not in str(caught.value)


def test_a_trial_asks_for_what_the_percentile_needs() -> None:
    """Ten beyond the percentile and half as many again, but never fewer than edges allow."""
    assert [Objective(p, 1).requests for p in (0.5, 0.9, 0.99, 0.999)] == [750, 750, 1500, 15_000]


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        (ProbeFindings(1.0, 0.05), []),
        (ProbeFindings(0.99, 0.001), []),
        (ProbeFindings(1.02, 0.001), []),
        (ProbeFindings(0.9899, 0.001), ["achieved only 98.9 %"]),
        (ProbeFindings(0.92, 0.2, growing=True), ["achieved only 92 %", "in flight grew", "p99 200 ms, above 50 ms"]),
        (ProbeFindings(1.0, 0.051), ["p99 51 ms, above 50 ms"]),
        (ProbeFindings(1.0, None), ["too few requests to tell p99"]),
        (ProbeFindings(0.5, None), ["achieved only 50 %"]),
        (ProbeFindings(1.0, 0.001, growing=True), ["in flight grew"]),
        (ProbeFindings(1.0, 0.001, errors=1), ["1 error"]),
        (ProbeFindings(1.0, 0.001, errors=1200, shed=3), ["1,200 errors", "3 requests shed"]),
        (ProbeFindings(1.0, 0.001, client_limited=True), []),
    ],
)
def test_a_run_fails_for_all_its_reasons(findings: ProbeFindings, expected: list[str]) -> None:
    """Too slow, too little, growing, failing; a busy client alone is no failure."""
    assert reasons(findings, P99_50MS) == expected


def queue(capacity: float, service: float = 0.0002) -> Probe:
    """A server whose response grows as a queue's does, and which answers its capacity and no more."""

    def probe(rate: float, _window: float) -> ProbeFindings:
        if rate >= capacity:
            return ProbeFindings(capacity / rate, 2.0, growing=True)
        return ProbeFindings(1.0, 4.6 * service / (1 - rate / capacity))

    return probe


def flat(capacity: float) -> Probe:
    """A server which sheds in silence: however much is asked, as much is answered, and at once."""
    return lambda rate, _window: ProbeFindings(min(1.0, capacity / rate), 0.001)


def noisy(probe: Probe, seed: int, share: float) -> Probe:
    """Have a share of the runs disturbed by a stall of the machine."""
    random_ = random.Random(seed)

    def disturbed(rate: float, window: float) -> ProbeFindings:
        found = probe(rate, window)
        return ProbeFindings(found.achieved - 0.005, 0.3, found.growing) if random_.random() < share else found

    return disturbed


# The share of the capacity at which a queue of 0.2 ms has 50 ms at its 99th percentile.
AT_50MS = 1 - 4.6 * 0.0002 / 0.05


@pytest.mark.parametrize(
    ("probe", "right", "limit"),
    [
        (queue(3000), 3000 * AT_50MS, "p99"),
        (queue(170), 170 * AT_50MS, "p99"),
        (queue(44_000), 44_000 * AT_50MS, "p99"),
        (flat(5000), 5050, "achieved only"),
        (flat(1000), 1010, "achieved only"),
        (lambda rate, _window: ProbeFindings(1.0, 0.001, errors=int(rate > 2500)), 2500, "1 error"),
        (lambda rate, _window: ProbeFindings(1.0, 0.001, growing=rate > 7000), 7000, "in flight grew"),
        (lambda rate, _window: ProbeFindings(1.0, 0.001, shed=rate > 7000), 7000, "1 requests shed"),
    ],
)
@pytest.mark.parametrize("precision", [0.05, 0.01])
def test_the_rate_is_found_within_the_precision(probe: Probe, right: float, limit: str, precision: float) -> None:
    """Never above what is right, and below it by no more than the bracket; the limit is named."""
    result = search(probe, P99_50MS, precision=precision)
    assert result.rate is not None
    assert right / (1 + precision) * 0.999 <= result.rate <= right * 1.001
    assert result.confirmed
    assert limit in result.limit
    assert [trial.phase for trial in result.trials[-3:]] == ["confirming"] * 3
    assert all(trial.held and trial.rate == result.rate for trial in result.trials[-3:])


@pytest.mark.parametrize("start", [1.0, 30.0, 2940.0, 2e6])
def test_the_start_does_not_matter(start: float) -> None:
    """Far below it is doubled, far above it is halved."""
    result = search(queue(3000), P99_50MS, start_rate=start)
    assert result.rate == pytest.approx(3000 * AT_50MS, rel=0.06)
    assert result.confirmed


def test_a_server_that_never_holds_ends_the_search() -> None:
    """Halved down to where a trial would take too long; there is no rate, and it is said why."""
    result = search(lambda _rate, _window: ProbeFindings(1.0, 0.06), P99_50MS)
    assert (result.rate, result.confirmed) == (None, False)
    assert result.limit == "p99 60 ms, above 50 ms"
    assert result.trials[-1].rate == P99_50MS.requests / LONGEST_WINDOW
    assert len(result.trials) <= MOST_TRIALS
    assert describe_found(result)[-1] == "  no rate holds p99 within 50 ms: p99 60 ms, above 50 ms"


def test_a_server_that_always_holds_ends_the_search() -> None:
    """At the highest rate that is asked at all."""
    result = search(lambda _rate, _window: ProbeFindings(1.0, 0.001), P99_50MS, highest_rate=10_000_000)
    assert (result.rate, result.confirmed, result.limit) == (10_000_000, True, "the highest rate asked")
    assert len(result.trials) <= 20


def test_a_search_ends_whatever_the_server_does() -> None:
    """Verdicts by chance, response unknown or not: bounded trials, each of bounded length."""
    for seed in range(300):
        random_ = random.Random(seed)
        windows: list[float] = []

        def probe(
            _rate: float, window: float, dice: random.Random = random_, seen: list[float] = windows
        ) -> ProbeFindings:
            seen.append(window)
            response = dice.choice([None, 0.001, 0.05, 0.06, 9.0])
            return ProbeFindings(dice.uniform(0.95, 1.01), response, growing=dice.random() < 0.2)

        result = search(probe, P99_50MS, start_rate=random_.choice([1, 1000, 9e6]))
        assert len(windows) == len(result.trials) <= 200
        assert max(windows) <= 2 * LONGEST_WINDOW
        judged = [trial for trial in result.trials if not trial.why.startswith("too few")]
        assert all(trial.held for trial in judged[-3:]) or not result.confirmed


def test_a_disturbed_trial_is_made_once_more() -> None:
    """One stall of the machine in a search does not halve the rate: the second trial counts."""
    undisturbed = queue(3000)
    calls = 0

    def probe(rate: float, window: float) -> ProbeFindings:
        nonlocal calls
        calls += 1
        return ProbeFindings(0.995, 0.4) if calls == 1 else undisturbed(rate, window)

    result = search(probe, P99_50MS)
    assert result.rate == pytest.approx(3000 * AT_50MS, rel=0.06)
    assert [(trial.rate, trial.held) for trial in result.trials[:2]] == [(1000, False), (1000, True)]


def test_noise_costs_a_step_but_not_the_search() -> None:
    """With one run in twenty disturbed, most searches confirm a rate, and within a few steps of the right one."""
    results = [search(noisy(queue(3000), seed, 0.05), P99_50MS) for seed in range(100)]
    confirmed = [result.rate for result in results if result.confirmed and result.rate is not None]
    assert len(confirmed) >= 95
    assert max(confirmed) <= 3000 * AT_50MS
    assert np.median(confirmed) >= 3000 * AT_50MS * 0.9
    assert all(len(result.trials) <= MOST_TRIALS for result in results)


@pytest.mark.parametrize("failing", [ProbeFindings(0.5, 2.0), ProbeFindings(1.0, 0.001, errors=3)])
def test_a_clear_failure_is_not_made_again(failing: ProbeFindings) -> None:
    """Neither where the answers fail, nor where it is far from holding."""
    result = search(lambda rate, _window: failing if rate >= 2000 else ProbeFindings(1.0, 0.001), P99_50MS)
    failed = [trial.rate for trial in result.trials if not trial.held]
    assert len(failed) == len(set(failed))


def failing_to_confirm(below: float) -> Probe:
    """Trials hold up to 4000/s; of runs at one rate, the second fails, unless the rate is below."""
    seen: set[float] = set()

    def probe(rate: float, _window: float) -> ProbeFindings:
        again = rate in seen
        seen.add(rate)
        return ProbeFindings(1.0, 0.2 if rate > 4000 or (again and rate >= below) else 0.01)

    return probe


def test_a_rate_that_is_not_confirmed_is_lowered_and_confirmed() -> None:
    """Step by step, a tenth each; the limit is what failed above."""
    result = search(failing_to_confirm(3000), P99_50MS, precision=0.01)
    assert result.rate == pytest.approx(4000 * 0.9**3, rel=0.02)
    assert result.confirmed
    assert result.limit == "p99 200 ms, above 50 ms"


def test_what_is_never_confirmed_is_told_as_that() -> None:
    """The search gives up after some steps: the rate held once, and the result says so."""
    result = search(failing_to_confirm(0), P99_50MS)
    assert result.rate is not None
    assert not result.confirmed
    assert result.limit.startswith("no rate held in 3 runs")
    assert "but not in three runs" in describe_found(result)[-2]


@pytest.mark.parametrize(("start", "least_window"), [(1000, 1.5), (100, 15), (25, 60)])
def test_a_trial_is_as_long_as_its_percentile_needs(start: float, least_window: float) -> None:
    """At a low rate a percentile takes longer."""
    windows: dict[float, float] = {}

    def probe(rate: float, window: float) -> ProbeFindings:
        windows[rate] = window
        return ProbeFindings(1.0, 0.001 if rate < 30_000 else 1.0)

    search(probe, P99_50MS, start_rate=start, window=0.5)
    assert windows[start] == least_window
    assert windows[max(windows)] == 0.5


def test_a_trial_with_too_few_answers_is_made_longer() -> None:
    """Not failed: where nothing but the percentile is missing, twice the time and again."""

    def probe(rate: float, window: float) -> ProbeFindings:
        return ProbeFindings(1.0, 0.001 if rate * window > 5000 else None)

    result = search(probe, P99_50MS, window=1.5, highest_rate=1000)
    assert [(trial.duration, trial.why) for trial in result.trials[:3]] == [
        (1.5, "too few requests to tell p99"),
        (3.0, "too few requests to tell p99"),
        (6.0, ""),
    ]
    assert (result.rate, result.confirmed) == (1000, True)


def test_a_busy_client_is_named_beside_what_failed() -> None:
    """A rate that fails while the load processes are busy is perhaps not the server's."""
    result = search(
        lambda rate, _window: ProbeFindings(min(1, 9000 / rate), 0.001, client_limited=rate > 8000), P99_50MS
    )
    assert result.rate == pytest.approx(9000, rel=0.06)
    assert result.limit.endswith("the client may have been the limit")


def raise_interrupt(rate: float) -> ProbeFindings:
    """Be interrupted between two runs."""
    raise KeyboardInterrupt(rate)


def test_an_interrupt_between_runs_is_one_too() -> None:
    """Ctrl-C in the set-up of a run loses nothing of what was found before."""
    result = search(lambda rate, _window: ProbeFindings(1.0, 0.001) if rate < 3000 else raise_interrupt(rate), P99_50MS)
    assert (result.rate, result.confirmed, result.limit) == (2000, False, "interrupted")


def test_an_interrupt_keeps_what_was_found() -> None:
    """The highest rate that had held, unconfirmed."""
    result = search(lambda rate, _window: ProbeFindings(1.0, 0.001, interrupted=rate > 3000), P99_50MS)
    assert (result.rate, result.confirmed, result.limit) == (2000, False, "interrupted")


def test_the_whole_way_is_in_the_result() -> None:
    """As JSON and in words, trial by trial, in the order in which a listener heard of them."""
    heard: list[Trial] = []
    result = search(queue(3000), P99_50MS, on_trial=heard.append)
    assert tuple(heard) == result.trials
    told = json.loads(json.dumps(result.to_json()))
    assert told["objective"] == {"percentile": "p99", "seconds": 0.05}
    assert [trial["rate"] for trial in told["trials"]] == [trial.rate for trial in heard]
    phases = [trial["phase"] for trial in told["trials"]]
    assert phases == sorted(phases, key=["doubling", "bisection", "confirming"].index)
    lines = [*map(describe_trial, heard), *describe_found(result)]
    assert lines[-2].endswith("per second hold p99 within 50 ms in 3 runs")
    assert max(map(len, lines)) <= 140


def simulated(service_ns: int) -> Callable[[LoadPlan], LoadResult]:
    """Stand in for run_load: Poisson arrivals at one server that takes each request `service_ns`, in their order."""

    def run_load(plan: LoadPlan) -> LoadResult:
        assert plan.rate is not None
        count = int(plan.rate * plan.duration * 1.2) + 100
        gaps = np.random.default_rng(plan.seed).exponential(1e9 / plan.rate, count).astype(np.int64)
        due = SECOND_NS + np.cumsum(gaps)
        numbers = np.arange(count)
        done = np.maximum.accumulate(due - numbers * service_ns) + (numbers + 1) * service_ns
        opened = SECOND_NS + int(plan.warmup_seconds * 1e9)
        closed = SECOND_NS + int(plan.duration * 1e9)
        rows = np.zeros(count, list(zip(REQUEST_COLUMNS, REQUEST_FORMATS, strict=True)))
        rows["due_ns"] = rows["ready_ns"] = due
        rows["sent_ns"], rows["first_byte_ns"], rows["done_ns"] = done - service_ns, done, done
        mine = rows[due <= closed]
        mine["done_ns"][mine["done_ns"] > closed] = 0
        mine["outcome"] = np.where(mine["done_ns"] > 0, Outcome.ANSWERED, Outcome.IN_FLIGHT)
        return LoadResult(
            plan=plan,
            requests=mine,
            connections=np.zeros((0, len(CONNECTION_COLUMNS)), np.int64),
            opened_ns=opened,
            closed_ns=closed,
            ended_ns=closed,
            errors={},
            error_examples={},
            client_cpu_seconds=0.1,
            cpus=(0,),
            interrupted=False,
            gave_up=False,
        )

    return run_load


def test_load_runs_are_probes() -> None:
    """Of a server that takes exactly 1 ms, 99 % are answered in 20 ms up to 88 % of its capacity, by M/D/1."""
    seeds: set[int] = set()
    lengths: set[tuple[float, float]] = set()
    run_load = simulated(1_000_000)

    def run(plan: LoadPlan) -> LoadResult:
        seeds.add(plan.seed)
        lengths.add((plan.warmup_seconds, plan.duration))
        assert (plan.final_rate, plan.steps, plan.connections) == (None, 0, 7)
        return run_load(plan)

    plan = LoadPlan(
        Address("127.0.0.1", 9), connections=7, rate=50, final_rate=60, steps=2, duration=20, seed=2**63 - 2
    )
    result = search(probe_with(plan, P99_20MS, run), P99_20MS, start_rate=200, window=19)
    assert result.rate is not None
    assert 700 <= result.rate <= 930  # bursts within 20 s, and three runs that must hold
    assert len(seeds) == len(result.trials)
    assert lengths == {(1.0, 20.0)}
    assert result.limit.startswith("p99 ")


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (500, []),
        (1100, ["achieved only", "in flight grew", "p99 "]),
        (3000, ["achieved only", "in flight grew", "p99 "]),
    ],
)
def test_findings_come_from_the_records(rate: float, expected: list[str]) -> None:
    """A server that takes exactly 1 ms, below and above its capacity."""
    plan = LoadPlan(Address("127.0.0.1", 9), rate=rate, duration=10)
    why = reasons(findings_of(simulated(1_000_000)(plan), P99_20MS), P99_20MS)
    assert len(why) == len(expected)
    assert all(reason.startswith(start) for reason, start in zip(why, expected, strict=True))


def test_what_was_shed_or_failed_is_among_the_findings() -> None:
    """Each by its count; what was shed is not in flight."""
    plan = LoadPlan(Address("127.0.0.1", 9), rate=500, duration=10)
    result = simulated(1_000_000)(plan)
    result.requests["outcome"][-1000:] = Outcome.SHED
    result.requests["done_ns"][-1000:] = 0
    found = findings_of(replace(result, errors={"timeout": 2, "reset": 1}), P99_20MS)
    assert (found.errors, found.shed, found.growing) == (3, 1000, False)
    assert findings_of(replace(result, gave_up=True), P99_20MS).errors == 1
    assert findings_of(replace(result, interrupted=True), P99_20MS).interrupted


SECOND_NS = 1_000_000_000


def served(
    rate: float, services: Callable[[int], np.ndarray], seconds: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Due and done times (ns) of Poisson arrivals at one server that takes them in turn.

    `services` makes so many service times. By Lindley's recursion, a request is done after the services up to its own,
    counted from the latest moment at which the server began anew.
    """
    random_ = np.random.default_rng(seed)
    due = np.cumsum(random_.exponential(1 / rate, int(rate * seconds)))
    service = services(len(due))
    so_far = np.cumsum(service)
    done = np.maximum.accumulate(due - (so_far - service)) + so_far
    return (due * 1e9).astype(np.int64), (done * 1e9).astype(np.int64)


def exponential(mean: float, seed: int) -> Callable[[int], np.ndarray]:
    """Service times of an M/M/1 queue."""
    return lambda count: np.random.default_rng([seed, 1]).exponential(mean, count)


def constant_but_for(stalled: int) -> Callable[[int], np.ndarray]:
    """Service times of 0.2 ms, and once of half a second."""
    return lambda count: np.where(np.arange(count) == stalled, 0.5, 0.0002)


@pytest.mark.parametrize("capacity", [1000, 5000])
@pytest.mark.parametrize(
    ("load", "grows"), [(0.5, False), (0.8, False), (0.9, False), (0.95, False), (1.05, True), (1.1, True), (2.0, True)]
)
def test_what_is_in_flight_grows_above_the_capacity_alone(load: float, grows: bool, capacity: int) -> None:
    """A queue at 95 % of its capacity has long waves, which are no growth; 5 % above it is seen."""
    found = 0
    for seed in range(20):
        due, done = served(load * capacity, exponential(1 / capacity, seed), 11, seed)
        found += in_flight_grew(due, done, SECOND_NS, 10 * SECOND_NS)
    assert found >= 18 if grows else found <= 2


@pytest.mark.parametrize("stalled", [1200, 4000])
def test_a_stall_that_is_made_up_for_is_no_growth(stalled: int) -> None:
    """A server that stands for half a second in the middle or at the start."""
    due, done = served(1000, constant_but_for(stalled), 7, 3)
    assert not in_flight_grew(due, done, SECOND_NS, 6 * SECOND_NS)


def test_what_is_never_done_stays_in_flight() -> None:
    """A done time of 0 stands for what never happened."""
    due = np.array([1, 2, 3, 9], dtype=np.int64)
    done = np.array([4, 0, 5, 10], dtype=np.int64)
    assert list(in_flight(due, done, np.array([0, 1, 3, 4, 8, 11], dtype=np.int64))) == [0, 1, 3, 2, 1, 1]
    many = np.arange(0, 6 * SECOND_NS, 1_000_000, dtype=np.int64)
    assert in_flight_grew(many, np.zeros_like(many), SECOND_NS, 5 * SECOND_NS)
    assert not in_flight_grew(many[:0], many[:0], SECOND_NS, 5 * SECOND_NS)


COMMAND = [sys.executable, "-m", "clients", "load"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--find-rate", "p98=5ms"], "an objective is a percentile and a time with its unit, as p99=50ms"),
        (["--find-rate", "p99=5ms", "--requests", "5"], "--find-rate tries one rate after the other"),
        (["--find-rate", "p99=5ms", "--rate", "5..10"], "--find-rate tries one rate after the other"),
        (["--find-rate", "p99=5ms", "--think", "1"], "think"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, with status 2, before anything runs."""
    done = done_here(main, ["load", "127.0.0.1:1", *arguments], capsys)
    assert (done.status, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert complaint in done.stderr


@pytest.mark.parametrize("as_json", [False, True])
def test_a_search_tells_of_trials_and_ends_when_it_is_interrupted(as_json: bool, tmp_path: Path) -> None:
    """Trials by and by; then what had held, its path as JSON Lines, and status 1."""
    with known_server() as server:
        options = ["--find-rate", "p50=400ms", "--rate", "500", "--duration", "0.2", "--output", str(tmp_path)]
        command = [*COMMAND, str(server.address), *options, *(["--json"] if as_json else [])]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as searching:
            wait_until(lambda: server.requests > 1100)  # the first trial asks for 950: the second is under way
            searching.send_signal(signal.SIGINT)
            told, complaints = searching.communicate(timeout=50)
    assert (searching.returncode, complaints) == (1, "")
    head, *trials, found = map(json.loads, (tmp_path / "search.jsonl").read_text().splitlines())
    assert (head["format"], head["version"]) == ("serverlab search", 2)
    assert (found["record"], found["confirmed"], found["limit"]) == ("found", False, "interrupted")
    assert trials[0]["rate"] == 500
    if as_json:
        assert json.loads(told)["find_rate"]["trials"][0]["phase"] == "doubling"
    else:
        assert "doubling            500/s  achieved" in told
        assert told.splitlines()[-1] == "  limit: interrupted"
