"""What is refused, and what is marked, where two comparisons are set side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.comparisons import FIVE, WORKLOADS, at_speed, rounds_of, saved
from tools.analysis.alike import check_alike, marks
from tools.analysis.pairing import compared
from tools.failure import Failure
from tools.machine import Division
from tools.tables.against import against_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tools.saved.cells import Cell

CHURN = WORKLOADS["churn"]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"models": FIVE.models[:1], "workloads": (CHURN,)},
            "nothing in common: selector on churn, and before iterative on churn",
        ),
        ({"workloads": (WORKLOADS["waiting"],)}, "nothing in common: selector on churn, and before iterative"),
        (
            {"workloads": (replace(CHURN, connections=20),)},
            "workload churn is not the same: connections is 10 now and was 20 before",
        ),
        ({"workloads": (replace(CHURN, server={"backlog": 5}),)}, "server is {} now and was {'backlog': 5} before"),
        (
            {"models": (replace(FIVE.models[3], options={"workers": 15}),)},
            "selector was started with other options: none now and --workers 15 before",
        ),
        ({"models": (replace(FIVE.models[3], model="threaded"),)}, "selector is another server now than before"),
    ],
)
def test_what_asks_something_else_is_refused_in_one_line(changes: dict[str, object], line: str) -> None:
    """With what differs, by its name."""
    with pytest.raises(Failure) as refused:
        check_alike(FIVE.models[3:], (CHURN,), replace(FIVE, **changes))  # type: ignore[arg-type]
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


def test_words_for_the_reader_and_the_length_of_windows_make_no_other_workload() -> None:
    """A sentence that was mended asks nothing else of a server."""
    before = replace(FIVE, workloads=(replace(CHURN, asks="Otherwise.", shows="Else.", weight=2.0),))
    check_alike(FIVE.models, (CHURN,), before)


MACHINE, PYTHON = FIVE.machine, FIVE.interpreter


@pytest.mark.parametrize(
    ("changes", "decisive", "sentence"),
    [
        ({"machine": replace(MACHINE, processor="B")}, True, "Another processor: A Processor now, B before."),
        ({"machine": replace(MACHINE, cpus=4)}, True, "Another number of CPUs: 2 now, 4 before."),
        ({"machine": replace(MACHINE, kernel="5.9")}, False, "Another kernel: Linux 6.1.0 now, Linux 5.9 before."),
        (
            {"machine": replace(MACHINE, memory_bytes=2**32)},
            False,
            "Another memory: 8.0 GiB now, 4.0 GiB before.",
        ),
        (
            {"machine": replace(MACHINE, governor="powersave")},
            False,
            "Another CPU governor: not told now, powersave before.",
        ),
        (
            {"machine": replace(MACHINE, sysctls={"net.core.somaxconn": "128"})},
            False,
            "Another net.core.somaxconn: 4096 now, 128 before.",
        ),
        (
            {"interpreter": replace(PYTHON, version="3.12.1")},
            True,
            "Another Python: CPython 3.11.7, GIL on now, CPython 3.12.1, GIL on before.",
        ),
        (
            {"interpreter": replace(PYTHON, version="3.11.9")},
            False,
            "Another Python: CPython 3.11.7, GIL on now, CPython 3.11.9, GIL on before.",
        ),
        (
            {"interpreter": replace(PYTHON, gil=False)},
            True,
            "Another Python: CPython 3.11.7, GIL on now, CPython 3.11.7, GIL off before.",
        ),
        (
            {"interpreter": replace(PYTHON, packages={"numpy": "2.3"})},
            False,
            "Another numpy of Python: 2.4 now, 2.3 before.",
        ),
        (
            {"division": Division((0,), (1,), "")},
            False,
            "Another division of the CPUs: servers on 1, clients on 0 now, servers on 0, clients on 1 before.",
        ),
        (
            {"division": Division((), (), "one CPU")},
            True,
            "Another division of the CPUs: servers on 1, clients on 0 now, servers on any, clients on any before.",
        ),
        ({"warm_up": 1.0}, False, "Another warm-up: 0.2 s now, 1 s before."),
        (
            {"models": (*FIVE.models[:3], replace(FIVE.models[3], command=("other",)))},
            False,
            "Another command of selector: not told now, other before.",
        ),
    ],
)
def test_what_else_can_move_a_figure_is_marked(
    tmp_path: Path, changes: dict[str, object], decisive: bool, sentence: str
) -> None:
    """And where it moves every figure, nothing is concluded; ratios are shown all the same."""
    now = saved(tmp_path / "now", rounds_of("selector", 2000))
    head = replace(FIVE, **changes)  # type: ignore[arg-type]
    before = saved(tmp_path / "before", rounds_of("selector", 1000), head)
    found = compared(now, before)
    assert [(mark.sentence, mark.decisive) for mark in found.marks] == [(sentence, decisive)]
    pair = next(pair for pair in found.pairs if pair.model == "selector")
    assert pair.speed == ("not comparable" if decisive else "faster")
    assert pair.ratio is not None
    assert any(note.startswith("Nothing is concluded") for note in against_tables(found)[0].notes) is decisive
    assert (("NOT COMPARABLE: " if decisive else "") + sentence) in against_tables(found)[0].notes


def test_the_python_of_the_servers_counts_as_that_which_measured(tmp_path: Path) -> None:
    """Of those that ran a server that both have."""
    models = tuple(replace(model, interpreter="3.13") for model in FIVE.models)
    one = replace(FIVE, models=models, interpreters={"3.13": replace(PYTHON, version="3.13.1")})
    other = replace(one, interpreters={"3.13": replace(PYTHON, version="3.13.2")})
    made = rounds_of("selector", 1000)
    (mark,) = marks(saved(tmp_path / "now", made, one), saved(tmp_path / "before", made, other))
    assert mark.sentence.startswith("Another Python 3.13 of the servers: CPython 3.13.1")


def lasting(cells: Sequence[Cell], window: float) -> list[Cell]:
    """The same with windows of so many seconds, and as many requests a second."""
    return [
        replace(each, load=replace(each.load, window=window, requests=round(each.load.requests * window)))
        for each in cells
        if each.load
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda cells: cells[:4], "Another number of rounds: 5 now, 4 before."),
        (lambda cells: lasting(cells, 2.0), "Another length of windows: 1 s now, 2 s before."),
        (lambda cells: lasting(cells, 1.05), None),
        (
            lambda cells: [replace(cells[0], disturbed="others ran"), *cells[1:]],
            "Disturbed before: 1 of 5 cells lost CPU to something else.",
        ),
        (lambda cells: at_speed(cells, 8.0), "The servers' CPUs ran at 1.25 of their speed before"),
        (lambda cells: at_speed(cells, 10.1), None),
    ],
)
def test_what_one_of_the_two_met_is_marked(
    tmp_path: Path, change: Callable[[list[Cell]], list[Cell]], sentence: str | None
) -> None:
    """As far as it matters."""
    made = at_speed(rounds_of("selector", 1000), 10.0)
    found = marks(saved(tmp_path / "now", made), saved(tmp_path / "before", change(made)))
    assert [mark.decisive for mark in found] == ([] if sentence is None else [False])
    assert all(mark.sentence.startswith(sentence or "") for mark in found)


def test_a_session_that_differs_from_itself_or_was_broken_off_is_marked(tmp_path: Path) -> None:
    """By its own control, and by what was planned."""
    again = replace(FIVE.models[3], name="selector (again)", control_of="selector")
    head = replace(FIVE, models=(*FIVE.models, again))
    sound = [*rounds_of("selector", 1000), *rounds_of("selector (again)", 1000)]
    unsound = [*rounds_of("selector", 1000), *rounds_of("selector (again)", 600)]
    found = marks(saved(tmp_path / "now", unsound, head), saved(tmp_path / "before", sound, replace(head, planned=20)))
    first, second = (mark.sentence for mark in found)
    assert first.startswith("UNSOUND now: the control differs from itself")
    assert second == "Broken off before: 10 of 20 cells were measured."
