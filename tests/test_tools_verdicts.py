"""What limited a cell: each rule, and each border, on cells that are made up."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from servers.runtime.settings import Settings
from tests.comparisons import cell as made_cell
from tests.comparisons import header as made_header
from tools.machine import Division
from tools.saved.cells import Admission, Cpu, Host, Load, Peaks, Working
from tools.saved.header import Variant
from tools.variants.choosing import THREADS
from tools.verdicts.judging import judge
from tools.verdicts.rows import of_row
from tools.verdicts.verdict import (
    ADMISSION,
    CLIENT,
    GIL,
    HOST_NOISE,
    POOL,
    SERVER_CPU,
    UNKNOWN,
    UNSATURATED,
    Verdict,
)
from tools.workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.saved.cells import Cell
    from tools.saved.header import Header
    from tools.workloads import Workload


def variant(model: str, command: tuple[str, ...] = (), **options: int) -> Variant:
    """A model as it was started."""
    return Variant(model, "", "", "", "", options=options, model="" if command else model, command=command)


def load(**changes: Any) -> Load:
    """What fifty clients saw that stay connected and were all served, half as busy as they can be."""
    made = Load(1.0, 1000, 50, 50, 50, {}, {}, 0.5, opened=50, in_flight=50.0, little=1.0, client_busy=0.5)
    return replace(made, **changes)


def host(**changes: Any) -> Host:
    """A quiet machine."""
    return replace(Host(0.5, 0.5, 0.01, 0.01, 0.0, 0.99, 0.99, 90.0, 90.0), **changes)


@dataclass
class Scene:
    """A cell in which nothing was used up, on one CPU for the server and one for the clients, and what differs from it.

    `used` are the CPUs that the server used, `working` the busiest process, its busiest thread, and its threads.
    """

    model: Variant = field(default_factory=lambda: variant("selector"))
    workload: Workload = WORKLOADS["keepalive"]
    used: float = 0.5
    user: float | None = None
    working: tuple[float, float, int] | None = None
    load: Mapping[str, Any] = field(default_factory=dict)
    host: Mapping[str, Any] = field(default_factory=dict)
    admission: Admission | None = None
    cell: Mapping[str, Any] = field(default_factory=dict)
    cpus: int = 1
    header: Mapping[str, Any] = field(default_factory=dict)

    def made(self) -> Cell:
        """The cell."""
        user = self.used / 2 if self.user is None else self.user
        return made_cell(
            self.workload.name,
            self.model.name,
            **{
                "load": load(**self.load),
                "cpu": Cpu(self.used, user, self.used - user, 1.0, "a meter", complete=True, reason=""),
                "working": Working(*self.working) if self.working else None,
                "host": host(**self.host),
                "admission": self.admission,
                **self.cell,
            },
        )

    def made_header(self) -> Header:
        """What it ran on."""
        serving = tuple(range(1, self.cpus + 1))
        return made_header(**{"division": Division(serving, (0,), ""), **self.header})

    def verdict(self) -> Verdict:
        """What limited it."""
        return judge(self.made(), self.workload, self.model, self.made_header())


def queue(mean: float, **changes: Any) -> Admission:
    """Nobody was turned away, and so many waited."""
    return replace(Admission(0, 0, 0, mean, int(mean) + 1, 1024), **changes)


CLIENT_BUSY = {"client_limit": "client", "client_reasons": ("it used 85% of its CPUs",), "client_busy": 0.85}
POOLED = variant("pooled", threads=4)
CHURN = WORKLOADS["churn"]
CHURNING = {"connections": 10, "served": 10, "opened": 1000, "in_flight": 9.7}
SHARED = {"division": Division((), (), "there is only one CPU")}


def test_a_server_that_used_up_its_cpu_is_limited_by_it() -> None:
    """The word, the figures, and all that was looked at."""
    verdict = Scene(used=0.97).verdict()
    assert verdict.limit == SERVER_CPU
    assert verdict.sentence == "the server used 0.97 of 1 CPU"
    assert "the server used 0.97 of 1 CPU (a meter)" in verdict.evidence
    assert "others used 1% of the server's CPUs" in verdict.evidence
    assert "50 of 50 clients were served" in verdict.evidence


@pytest.mark.parametrize(("used", "limit"), [(0.89, UNSATURATED), (0.9, SERVER_CPU)])
def test_nine_tenths_of_a_cpu_are_all_of_it(used: float, limit: str) -> None:
    """The border."""
    assert Scene(used=used).verdict().limit == limit


@pytest.mark.parametrize(
    ("working", "limit"),
    [
        ((0.85, 0.1, 9), GIL),
        ((0.84, 0.1, 9), UNSATURATED),
        ((1.1, 0.1, 9), GIL),
        ((1.12, 0.1, 9), UNSATURATED),
        ((0.88, 0.78, 2), GIL),
        ((0.88, 0.80, 2), UNSATURATED),  # one thread does it all, and was idle at times
        ((0.96, 0.90, 2), SERVER_CPU),  # one thread does it all, and was not
        ((0.95, 0.01, 0), GIL),  # a hundred threads, each of which did a hundredth
    ],
)
def test_threads_that_got_one_cpu_between_them_are_under_the_gil(working: tuple[float, float, int], limit: str) -> None:
    """On two CPUs, of which one was idle; each border of the process' use and of its busiest thread's."""
    verdict = Scene(variant("threaded"), used=working[0], user=0.5, working=working, cpus=2).verdict()
    assert verdict.limit == limit


def test_the_gil_is_named_with_the_cpus_that_it_left_idle() -> None:
    """In the sentence."""
    verdict = Scene(variant("threaded"), used=0.97, working=(0.97, 0.13, 8), cpus=4).verdict()
    assert verdict.sentence == (
        "8 threads of one process used 0.97 of 4 CPUs between them, and none of them more than 0.13"
    )


def test_the_gil_is_told_from_user_mode_where_the_kernel_worked_for_several_threads() -> None:
    """A process that used one and a half CPUs, one of them for Python; not one that used less for it."""
    scene = Scene(variant("threaded"), used=1.5, user=0.97, working=(1.5, 0.1, 20), cpus=4)
    assert scene.verdict().limit == GIL
    assert "0.97 of that in user mode" in scene.verdict().sentence
    assert replace(scene, user=0.7).verdict().limit == UNSATURATED


def test_the_gil_on_one_cpu_is_the_servers_cpu_and_is_foretold() -> None:
    """More CPUs would be nothing to it."""
    verdict = Scene(variant("threaded"), used=0.97, working=(0.97, 0.13, 8)).verdict()
    assert verdict.limit == SERVER_CPU
    assert verdict.sentence == "the server used 0.97 of 1 CPU; with more, the GIL would keep its threads at one"


def test_the_gil_is_foretold_on_one_cpu_alone_and_found_on_several() -> None:
    """Processes of threads that used up two CPUs want more of them; threads that left some of one CPU had enough."""
    verdict = Scene(variant("hybrid"), used=1.9, working=(0.95, 0.2, 5), cpus=2).verdict()
    assert (verdict.limit, verdict.sentence) == (SERVER_CPU, "the server used 1.90 of 2 CPUs")
    assert Scene(variant("threaded"), used=0.87, working=(0.87, 0.1, 8)).verdict().limit == UNSATURATED


def test_user_mode_tells_of_no_lock_where_it_is_of_several_processes() -> None:
    """Two that used one and a half CPUs each, and half of one each for Python."""
    scene = Scene(variant("hybrid"), used=3.0, user=1.0, working=(1.5, 0.1, 20), cpus=8)
    assert scene.verdict().limit == UNSATURATED


@dataclass
class FreeThreaded:
    """An interpreter that says that it has no GIL."""

    gil: bool = False


def test_threads_of_an_interpreter_without_a_gil_are_not_under_it() -> None:
    """It is looked up by the variant's interpreter, and is the measuring one's where it names none."""
    free: Mapping[str, Any] = {"interpreters": {"free": FreeThreaded()}}
    scene = Scene(variant("threaded"), used=0.97, working=(0.97, 0.13, 8), cpus=2, header=free)
    assert scene.verdict().limit == GIL
    without = replace(scene, model=replace(scene.model, interpreter="free"))
    assert without.verdict().limit == UNSATURATED
    # Nor is one of two threads that used up a CPU each all that there is of their process.
    assert replace(without, used=1.9, working=(1.9, 0.96, 2), cpus=4).verdict().limit == UNSATURATED


def test_a_loop_that_used_up_a_cpu_can_use_no_second_one() -> None:
    """One thread."""
    verdict = Scene(used=0.96, working=(0.96, 0.96, 1), cpus=4).verdict()
    assert verdict.limit == SERVER_CPU
    assert "can use no second one" in verdict.sentence


def test_loops_that_used_up_a_cpu_each_are_limited_by_cpu_though_others_are_idle() -> None:
    """Two of four."""
    verdict = Scene(variant("symped", workers=2), used=1.92, working=(0.97, 0.97, 1), cpus=4).verdict()
    assert verdict.limit == SERVER_CPU
    assert "1.92 of 4 CPUs" in verdict.sentence


def test_workers_that_used_up_a_cpu_each_are_a_pool_that_is_too_small() -> None:
    """Two of four: more workers would use the others."""
    scene = Scene(variant("preforked", workers=2), used=1.92, working=(0.97, 0.97, 1), cpus=4)
    assert scene.verdict().limit == POOL
    assert scene.verdict().sentence == "all of its 2 workers were taken, and used up 1.92 of 4 CPUs: a CPU each"
    assert replace(scene, load={"connections": 2, "served": 2}).verdict().limit == SERVER_CPU
    assert replace(scene, used=3.7).verdict().limit == SERVER_CPU


@pytest.mark.parametrize(
    ("model", "used", "working"),
    [
        (variant("preforked", workers=4), 1.2, (0.95, 0.95, 1)),  # three of four had little to do
        (variant("prethreaded", threads=1), 0.96, (0.96, 0.95, 1)),  # another thread would share its GIL
    ],
)
def test_a_pool_of_which_more_would_use_no_more_cpu_is_limited_by_its_thread(
    model: Variant, used: float, working: tuple[float, float, int]
) -> None:
    """That one used up a CPU, and others are idle."""
    verdict = Scene(model, CHURN, used, working=working, load=CHURNING, cpus=8).verdict()
    assert verdict.limit == SERVER_CPU
    assert "can use no second one" in verdict.sentence


def test_a_client_that_says_so_is_the_limit() -> None:
    """With its own reasons, and what the server had left."""
    verdict = Scene(load=CLIENT_BUSY).verdict()
    assert verdict.limit == CLIENT
    assert verdict.sentence == (
        "the client could not ask for more: it used 85% of its CPUs, and the server used 0.50 of 1 CPU"
    )


@pytest.mark.parametrize(
    ("used", "busy", "limit"),
    [(0.97, 0.85, SERVER_CPU), (0.94, 0.85, CLIENT), (0.97, 0.98, CLIENT), (0.99, 0.98, SERVER_CPU)],
)
def test_where_both_are_near_their_end_it_is_the_busier_server_or_else_the_client(
    used: float, busy: float, limit: str
) -> None:
    """A server that used 95 % of its CPU, and more of it than the client; the sentence names both."""
    verdict = Scene(used=used, load={**CLIENT_BUSY, "client_busy": busy}).verdict()
    assert verdict.limit == limit
    assert f"the server used {used} of 1 CPU" in verdict.sentence
    assert "it used 85% of its CPUs" in verdict.sentence


def test_a_client_without_a_known_share_is_as_near_as_its_judge_says() -> None:
    """One process of a client that could have had four CPUs: a quarter of them is all that it could use."""
    clients = {**CLIENT_BUSY, "client_busy": None, "client_cpu": 1.0}
    wide = {"division": Division((4,), (0, 1, 2, 3), "")}
    verdict = Scene(used=0.7, load=clients, header=wide).verdict()
    assert verdict.limit == CLIENT


def test_a_client_that_waited_for_its_cpu_is_as_near_its_end_as_if_it_had_worked() -> None:
    """Seven tenths and three make one."""
    waited = {**CLIENT_BUSY, "client_busy": 0.7, "client_waiting": 0.29}
    assert Scene(used=0.97, load=waited).verdict().limit == CLIENT
    assert Scene(used=0.97, load={**waited, "client_waiting": 0.2}).verdict().limit == SERVER_CPU


def test_a_server_on_all_cpus_has_the_clients_among_them() -> None:
    """Where the workload says so, or the division; what is used up then is used by both."""
    everywhere = replace(WORKLOADS["keepalive"], cpus="all")
    threads = Scene(variant("threaded"), everywhere, 0.97, working=(0.97, 0.1, 8))
    assert threads.verdict().limit == GIL
    crowded: Mapping[str, Any] = {"division": Division((0, 1), (0,), "")}
    loops = Scene(variant("symped"), used=1.1, load={"client_cpu": 0.75, "client_busy": 0.75}, header=crowded)
    assert loops.verdict().sentence == "the server used 1.10 and the clients 0.75 of 2 CPUs that they shared"


def test_places_are_those_of_the_model_and_not_of_the_name() -> None:
    """A model under another name has them; a command that has a model's name does not."""
    served = {"served": 25}
    assert Scene(replace(variant("pooled"), name="mine"), load=served).verdict().limit == POOL
    assert Scene(variant("pooled", ("./pooled",)), load=served).verdict().limit == UNSATURATED


@pytest.mark.parametrize(
    ("used", "client", "limit"), [(0.6, 0.35, SERVER_CPU), (0.4, 0.55, CLIENT), (0.5, 0.5, SERVER_CPU)]
)
def test_on_one_cpu_for_both_it_is_the_one_that_used_more(used: float, client: float, limit: str) -> None:
    """They used it up between them; that the client waited for it is no surprise, and no reason."""
    machine = replace(made_header().machine, usable_cpus=1)
    waited = {"client_limit": "client", "client_reasons": ("it waited for a CPU for 60%",), "client_waiting": 0.6}
    verdict = Scene(
        used=used,
        load={**waited, "client_cpu": client, "client_busy": client},
        header={**SHARED, "machine": machine},
    ).verdict()
    assert verdict.limit == limit
    assert f"the server used {used:.2f} and the clients {client:.2f} of 1 CPU that they shared" in verdict.sentence


def test_one_cpu_for_both_that_was_idle_at_times_limits_neither() -> None:
    """Seven tenths of it."""
    machine = replace(made_header().machine, usable_cpus=1)
    scene = Scene(used=0.4, load={"client_cpu": 0.3, "client_busy": 0.3}, header={**SHARED, "machine": machine})
    assert scene.verdict().limit == UNSATURATED


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({"server_others": 0.1, "server_busy": 0.99}, HOST_NOISE),
        ({"server_others": 0.09, "server_busy": 0.99}, SERVER_CPU),
        ({"client_others": 0.3, "client_busy": 0.81}, HOST_NOISE),
        ({"client_others": 0.3, "client_busy": 0.79}, SERVER_CPU),  # a fifth was idle all the same
        ({"steal": 0.05}, HOST_NOISE),
        ({"steal": 0.04}, SERVER_CPU),
        ({"spin_before": 0.89}, HOST_NOISE),
        ({"spin_after": 0.89}, HOST_NOISE),
        ({"spin_after": 0.9}, SERVER_CPU),
        ({"server_speed": 40.0}, SERVER_CPU),  # a slower machine is the same in every respect
        (dict.fromkeys(("server_busy", "server_others", "steal", "spin_before", "spin_after")), SERVER_CPU),
    ],
)
def test_what_others_took_of_cpus_that_were_wanted_is_noise(changes: dict[str, Any], limit: str) -> None:
    """Before all else, for it makes a server look used up; what is not known is no noise."""
    assert Scene(used=0.95, host=changes).verdict().limit == limit


def test_all_that_a_machine_lost_is_in_the_sentence() -> None:
    """Not the first of it alone."""
    sentence = Scene(host={"server_others": 0.4, "server_busy": 1.0, "spin_after": 0.5}).verdict().sentence
    assert sentence == (
        "others used 40% of the server's CPUs, which were busy for 100%; after it, a loop got 50% of a CPU"
    )


@pytest.mark.parametrize(
    ("model", "served", "words"),
    [
        (variant("iterative"), 1, "its only place was held"),
        (variant("preforked", workers=15), 15, "all of its 15 workers were held"),
        (variant("pooled"), 25, "all of its 25 threads were held"),
        (variant("hybrid", workers=2, threads=4), 8, "all of its 8 threads were held"),
        (variant("prethreaded", threads=1), 1, "its only thread was held"),
    ],
)
def test_clients_that_are_never_served_name_the_places_that_others_hold(
    model: Variant, served: int, words: str
) -> None:
    """Even where the CPU is used up, or the machine is noisy: neither explains it."""
    scene = Scene(model, load={"served": served}, used=0.95, host={"spin_after": 0.5})
    assert scene.verdict().limit == POOL
    assert words in scene.verdict().sentence
    assert f"{served} of 50 clients were served" in scene.verdict().sentence


def test_workers_are_counted_by_the_servers_last_line_where_no_option_tells() -> None:
    """Or are as many as its CPUs, which is the server's own default."""
    scene = Scene(variant("preforked"), load={"served": 3}, cell={"stopped": {"connections_per_worker": [1, 1, 1]}})
    assert "all of its 3 workers" in scene.verdict().sentence
    assert (
        "all of its 2 workers" in replace(scene, cell={"stopped": None}, cpus=2, load={"served": 2}).verdict().sentence
    )


def test_threads_are_as_many_as_the_servers_make_where_no_option_tells() -> None:
    """The number is the servers' own, and is written down twice."""
    assert Settings.threads == THREADS


def test_guests_that_hold_a_connection_take_places_from_those_who_ask() -> None:
    """A cell in which nobody was answered has failed; whom it served instead is known all the same."""
    failed: Mapping[str, Any] = {"error": "no request was answered in the window (10 unanswered)"}
    guests = {"requests": 0, "connections": 10, "served": 0, "guests": {"hold": {"connections": 100}}}
    scene = Scene(variant("pooled"), load=guests, cell=failed)
    assert scene.verdict().limit == POOL
    assert "100 more stayed connected, idle or hostile" in scene.verdict().evidence
    assert replace(scene, load={**guests, "guests": {}}).verdict().limit == UNKNOWN
    left_behind: Mapping[str, Any] = {"error": "the server left 2 of its processes behind"}
    assert Scene(POOLED, load={"served": 4}, cell=left_behind).verdict().limit == UNKNOWN
    crashed = replace(scene, cell={**failed, "stopped": None})
    assert crashed.verdict().limit == UNKNOWN
    assert crashed.verdict().sentence == failed["error"]


HOSTILE: Mapping[str, Any] = {"never-reading": {"clients": 4, "connections": 9}, "drip": {"clients": 6}}


def test_hostile_guests_that_stay_take_places_too_and_those_that_come_and_go_do_not() -> None:
    """Twenty ordinary clients and ten that never leave are more than 25 threads serve; nothing else is used up."""
    left = {"connections": 20, "served": 15, "in_flight": 15.0, "guests": HOSTILE}
    scene = Scene(variant("pooled", threads=25), load=left)
    assert scene.verdict().limit == POOL
    assert "15 of 20 clients were served" in scene.verdict().sentence
    assert "10 more stayed connected, idle or hostile" in scene.verdict().evidence
    all_served = {**left, "served": 20, "in_flight": 20.0}
    assert replace(scene, load=all_served, admission=queue(5.0)).verdict().limit == POOL
    going = {"burst": {"clients": 100}, "garbage": {"clients": 9}, "reset-in-request": {"clients": 9}}
    assert replace(scene, load={**all_served, "guests": going}).verdict().limit == UNSATURATED


@pytest.mark.parametrize(
    ("workload", "changes"),
    [
        (
            "keepalive",
            {"served": 3, "offered": 100.0, "achieved": 1.0, "in_flight": 1.0},
        ),  # the schedule needed no more
        ("churn", {**CHURNING, "served": 9, "in_flight": 3.0}),  # more than there are places: nobody held one for long
        ("keepalive", {"connections": 3, "served": 3, "in_flight": 2.0, "guests": {"hold": {"connections": 10}}}),
    ],
)
def test_places_are_held_only_where_that_kept_somebody_from_being_served(
    workload: str, changes: dict[str, Any]
) -> None:
    """An open loop may not need all its clients, and where all were served it was no hindrance."""
    assert Scene(POOLED, WORKLOADS[workload], load=changes).verdict().limit == UNSATURATED


def test_threads_that_requests_take_are_held_by_nobody() -> None:
    """Who was not served by an event MPM was waiting for its turn."""
    assert "were taken" in Scene(variant("event_mpm"), load={"served": 20}).verdict().sentence


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({"in_flight": 4.1}, POOL),
        ({"in_flight": 4.0}, UNSATURATED),
        ({"in_flight": 6.0, "little": 1.6}, UNSATURATED),  # a third of them had an answer that waited for the client
        ({"in_flight": None}, UNSATURATED),
        ({"connections": 4, "served": 4, "in_flight": 4.2}, UNSATURATED),  # nobody was left to wait
    ],
)
def test_more_requests_in_flight_than_places_are_a_pool_that_is_taken(changes: dict[str, Any], limit: str) -> None:
    """By Little's law, with the CPU idle."""
    assert Scene(POOLED, CHURN, load={**CHURNING, **changes}).verdict().limit == limit


def test_a_pool_is_told_by_those_who_wait_for_it() -> None:
    """In the accept queue, in the mean; also for a server of which nobody knows how many it serves."""
    unseen = {**CHURNING, "in_flight": None}
    scene = Scene(POOLED, CHURN, load=unseen, admission=queue(1.0))
    assert scene.verdict().sentence == (
        "all of its 4 threads were taken: in the mean, 1.0 connections waited to be accepted, "
        "and the server used 0.50 of 1 CPU"
    )
    assert replace(scene, admission=queue(0.99)).verdict().limit == UNSATURATED
    assert replace(scene, model=variant("mine", ("./mine",))).verdict().limit == POOL


@pytest.mark.parametrize(
    ("changes", "used", "waiting", "limit"),
    [
        ({}, 0.5, 9.0, POOL),
        ({"client_busy": 0.95}, 0.5, 9.0, CLIENT),  # it had nothing left
        ({"client_busy": 0.7, "client_waiting": 0.2}, 0.5, 9.0, CLIENT),  # others kept it from its CPU
        ({"client_reasons": ("it used 85% of its CPUs", "its loop stood still")}, 0.5, 9.0, CLIENT),
        ({}, 0.5, 0.9, CLIENT),  # nobody waited for the place
        ({}, 0.92, 9.0, CLIENT),  # the server was near its end, too
    ],
)
def test_a_place_for_which_somebody_always_waits_is_the_limit_though_the_client_is_busy(
    changes: dict[str, Any], used: float, waiting: float, limit: str
) -> None:
    """A client that turns with a server of one place is at 78 % or at 82 %, which must not make another limit."""
    clients = {**CHURNING, **CLIENT_BUSY, **changes}
    scene = Scene(variant("iterative"), CHURN, used, load=clients, admission=queue(waiting))
    assert scene.verdict().limit == limit
    if limit == POOL:
        assert scene.verdict().sentence == (
            "its only place was taken: in the mean, 9.7 requests were in flight, and the server used 0.50 of 1 CPU; "
            "the client was near its end, too: it used 85% of its CPUs"
        )


def test_requests_take_the_places_where_silent_clients_hold_none() -> None:
    """Fifty clients of an event MPM with 25 threads were all served, 25 at a time."""
    scene = Scene(variant("event_mpm"), WORKLOADS["waiting"])
    assert scene.verdict().limit == POOL
    assert replace(scene, model=variant("event_mpm", threads=50)).verdict().limit == UNSATURATED


@pytest.mark.parametrize(("workload", "limit"), [("computing", POOL), ("waiting", UNSATURATED)])
def test_a_pool_for_computations_is_none_for_what_the_loop_does(workload: str, limit: str) -> None:
    """The model that hands computations, and only these, to processes."""
    scene = Scene(variant("offloading", workers=2), WORKLOADS[workload], load={"in_flight": 8.0}, cpus=4)
    assert scene.verdict().limit == limit


def test_a_pool_that_grows_has_the_places_that_it_grew_to() -> None:
    """One of its processes is the parent."""
    scene = Scene(variant("dynamic"), cell={"peaks": Peaks(None, 31, 31, None, 5, 0.0)})
    assert "all of its 30 workers" in scene.verdict().sentence
    assert replace(scene, cell={"peaks": Peaks(None, 51, 51, None, 5, 0.0)}).verdict().limit == UNSATURATED
    assert replace(scene, cell={"peaks": None}).verdict().limit == UNSATURATED


@pytest.mark.parametrize(
    ("lost", "connect_p99", "limit"),
    [
        ((10, 10, 0), None, ADMISSION),  # a hundredth of the connections
        ((9, 9, 0), None, UNSATURATED),
        ((0, 0, 10), None, ADMISSION),
        ((0, 10, 0), None, ADMISSION),
        ((1, 1, 1), 0.9, ADMISSION),
        ((1, 1, 1), 0.89, UNSATURATED),
        ((0, 0, 0), 1.02, UNSATURATED),  # the kernel turned nobody away
    ],
)
def test_connections_that_were_turned_away_are_the_limit(
    lost: tuple[int, int, int], connect_p99: float | None, limit: str
) -> None:
    """Where there are enough of them to be felt, and CPU to spare."""
    scene = Scene(
        variant("threaded"),
        CHURN,
        load={**CHURNING, "connect_p99": connect_p99},
        admission=Admission(*lost, 0.3, 6, 5),
    )
    assert scene.verdict().limit == limit
    assert replace(scene, used=0.95).verdict().limit == SERVER_CPU


def test_who_waits_for_a_server_that_takes_all_comers_waits_for_no_place() -> None:
    """Nor would more clients get more; of a server that is not ours it is not known whether it has places."""
    scene = Scene(variant("threaded"), CHURN, 0.88, load=CHURNING, admission=queue(3.0))
    assert scene.verdict().limit == UNKNOWN
    assert "by what serves whoever comes" in scene.verdict().sentence
    assert replace(scene, admission=queue(0.5)).verdict().limit == UNSATURATED
    assert replace(scene, model=variant("mine", command=("./mine",))).verdict().limit == POOL
    assert replace(scene, model=variant("dynamic"), cell={"peaks": None}).verdict().limit == POOL  # it may have to grow


def test_a_server_that_is_turned_away_from_is_told_with_its_queue() -> None:
    """The sentence has what overflowed, how often, and what it cost."""
    verdict = Scene(
        variant("threaded"), CHURN, load={**CHURNING, "connect_p99": 1.03}, admission=Admission(60, 60, 58, 0.2, 6, 5)
    ).verdict()
    assert verdict.sentence == (
        "the accept queue with room for 5 overflowed 60 times and 58 connection requests were sent again, of 1,000 "
        "connections, and connecting took 1.03 s at the 99th percentile, and the server used 0.50 of 1 CPU"
    )


def test_places_that_are_always_taken_are_the_limit_though_the_queue_overflows() -> None:
    """Who finds somebody in the queue at any time loses nothing by those that were turned away."""
    scene = Scene(POOLED, CHURN, load=CHURNING, admission=Admission(60, 60, 58, 4.8, 6, 5))
    assert scene.verdict().limit == POOL
    assert replace(scene, admission=Admission(60, 60, 58, 0.2, 6, 5)).verdict().limit == ADMISSION
    assert replace(scene, model=variant("threaded")).verdict().limit == ADMISSION


def test_nothing_that_was_used_up_is_unsaturated() -> None:
    """With the sleep that was asked for beside the time that an answer took."""
    verdict = Scene(workload=WORKLOADS["waiting"], load={"requests": 4800}).verdict()
    assert verdict.limit == UNSATURATED
    assert verdict.sentence == (
        "nothing was used up, and the server used 0.50 of 1 CPU (an answer took 10.4 ms, 10 ms of that the "
        "sleep that was asked for): more clients would get more"
    )


@pytest.mark.parametrize(
    ("achieved", "said", "limit"),
    [(0.99, "", UNSATURATED), (0.98, "", UNKNOWN), (0.98, "connections", UNSATURATED)],
)
def test_an_open_loop_that_was_answered_is_unsaturated(achieved: float, said: str, limit: str) -> None:
    """Or in which every connection was busy; where less was answered and nothing explains it, that is said."""
    opened = {"offered": 500.0, "achieved": achieved, "client_limit": said, "client_reasons": ("50 were in flight",)}
    verdict = Scene(load=opened).verdict()
    assert verdict.limit == limit
    assert verdict.sentence
    assert f"{achieved:.1%} of 500" in " ".join(verdict.evidence)
    assert Scene(load=opened, used=0.95).verdict().limit == SERVER_CPU


def test_a_cell_with_nothing_to_judge_by_says_why() -> None:
    """No load, a window that is too short, a server that failed."""
    error = "the server ended with status 1"
    assert Scene(cell={"load": None, "error": error}).verdict() == Verdict(UNKNOWN, error)
    assert Scene(cell={"load": None}).verdict() == Verdict(UNKNOWN, "there was no load")
    short = Scene(load={"window": 0.19}).verdict()
    assert short == Verdict(UNKNOWN, "a window of 190 ms is too short to judge by")
    assert Scene(load={"window": 0.2, "client_cpu": 0.1}).verdict().limit == UNSATURATED
    failed = Scene(used=0.97, cell={"error": error}).verdict()
    assert (failed.limit, failed.sentence) == (UNKNOWN, error)


def test_a_server_whose_cpu_nobody_saw_is_judged_by_its_cpus() -> None:
    """By what they were used for, less the canaries there, and that is said; without that, nothing is said."""
    blind = Cpu(0.2, 0.1, 0.1, 1.0, "sampling", complete=False, reason="children can be missed")
    scene = Scene(cell={"cpu": blind}, host={"server_busy": 0.97, "server_others": None})
    verdict = scene.verdict()
    assert verdict.limit == SERVER_CPU
    assert verdict.sentence == "the server used 0.97 of 1 CPU (estimated)"
    assert "the server used about 0.97 of 1 CPU (estimated" in verdict.evidence[0]
    sang = Peaks(None, 1, 1, 20, samples=10, own_cpu=0.01, canary_cpu=0.16)  # half of it on the clients' CPU
    assert replace(scene, cell={"cpu": blind, "peaks": sang}).verdict().limit == UNSATURATED
    unseen = replace(scene, host={"server_busy": None}).verdict()
    assert unseen.limit == UNKNOWN
    assert "is not known" in unseen.sentence
    assert "the server used at least 0.20 of 1 CPU (sampling)" in unseen.evidence
    assert replace(scene, cell={"cpu": None, "host": None}).verdict().limit == UNKNOWN


def test_a_row_has_the_verdict_of_most_rounds() -> None:
    """And in how many, where they differ; rounds that could not be judged are told."""
    cpu, client, unknown = (
        Verdict(SERVER_CPU, "it used 0.97", ("a",)),
        Verdict(CLIENT, "busy"),
        Verdict("", "it failed"),
    )
    assert of_row([cpu, cpu]) == cpu
    assert of_row([client, cpu, cpu]) == Verdict(SERVER_CPU, "in 2 of 3 rounds (1 client), it used 0.97", ("a",))
    assert of_row([client, cpu]).limit == CLIENT
    assert of_row([unknown, unknown, cpu]) == Verdict(
        SERVER_CPU, "in 1 of 3 rounds (2 could not be judged), it used 0.97", ("a",)
    )
    assert of_row([unknown, unknown]) == unknown
    assert of_row([]) == Verdict(UNKNOWN, "it was not measured")
