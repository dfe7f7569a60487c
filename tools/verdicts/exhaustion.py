"""Who had no CPU left: the server, the threads of one of its processes under the GIL, or the clients.

A thread can use one CPU. So a server with more CPUs has nothing left, too, where all its work is one thread's and that
was never idle. Under the GIL several threads of a process get one CPU's worth of Python between them, which is seen by
a process that used about one CPU, though none of its threads used most of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tools.verdicts.verdict import CLIENT, GIL, POOL, SERVER_CPU, Verdict

if TYPE_CHECKING:
    from tools.verdicts.facts import Facts

USED_UP = 0.9  # of its CPUs: the rest goes to waking up, and to ticks that do not fall on the window's ends
ALL_BUT_ALL = 0.95  # of what the server can use: with less, a client at its end is the limit, be it less busy or not
GIL_LEAST = 0.85  # of a CPU: handing the lock from thread to thread takes some time in which neither runs
GIL_MOST = 1.1  # of a CPU: more is threads that ran at the same time, in the kernel or in C
ONE_DOES_MOST = 0.9  # of a process' CPU, by one of its threads: the others wait for nothing


class Exhaustion(NamedTuple):
    """Who had nothing left: which share of what it could use it used, and why, in words."""

    limit: str
    share: float
    why: str


def exhausted(facts: Facts) -> Verdict | None:
    """The verdict where server or clients had no CPU left; None where both had some.

    Where both are near their end, it is the client, unless the server used `ALL_BUT_ALL` of what it can use, and a
    larger share than the client did of its own. The sentence has both.
    """
    server = _server(facts)
    if facts.load.client_limit != CLIENT:
        return Verdict(server.limit, server.why) if server else None
    reasons = "; ".join(facts.load.client_reasons) or f"it used {facts.client:.0%} of its CPUs"
    if server is None:
        spare = "" if facts.share is None else f", and the server used {facts.server:.2f} of {facts.of_cpus}"
        return Verdict(CLIENT, f"the client could not ask for more: {reasons}{spare}")
    if server.share >= ALL_BUT_ALL and server.share > facts.client:
        return Verdict(server.limit, f"{server.why}; the client was near its end, too: {reasons}")
    return Verdict(
        CLIENT, f"the client could not ask for more: {reasons}; the server was near its end, too: {server.why}"
    )


def _server(facts: Facts) -> Exhaustion | None:
    return _all_cpus(facts) or _lock(facts) or _one_thread(facts) or _shared_cpus(facts)


def _all_cpus(facts: Facts) -> Exhaustion | None:
    if facts.server is None or facts.server < USED_UP * facts.cpus:
        return None
    why = f"the server used {facts.server:.2f} of {facts.of_cpus}{' (estimated)' if facts.estimated else ''}"
    if facts.cpus == 1 and _locked(facts):
        why += "; with more, the GIL would keep its threads at one"
    return Exhaustion(SERVER_CPU, facts.server / facts.cpus, why)


def _lock(facts: Facts) -> Exhaustion | None:
    working = facts.cell.working
    if facts.cpus == 1 or working is None or not _locked(facts):
        return None
    used = working.busiest_process
    whose = f"{working.threads} threads" if working.threads > 1 else "its threads"
    mode = f", {facts.user:.2f} of that in user mode," if used > GIL_MOST and facts.user is not None else ""
    why = (
        f"{whose} of one process used {used:.2f}{mode} of {facts.of_cpus} between them, "
        f"and none of them more than {working.busiest_thread:.2f}"
    )
    return Exhaustion(GIL, min(used, 1.0), why)


def _locked(facts: Facts) -> bool:
    """Whether one process' threads got what a GIL gives: one CPU's worth of Python, shared among several.

    The kernel works for several threads at the same time, so that a process can use more; the lock is then told from
    user mode, which can be said of a process where it is all there is of the server.
    """
    working = facts.cell.working
    if not facts.gil or working is None or working.busiest_thread >= ONE_DOES_MOST * working.busiest_process:
        return False
    if working.busiest_process <= GIL_MOST:
        return working.busiest_process >= GIL_LEAST
    alone = facts.server is not None and working.busiest_process >= ONE_DOES_MOST * facts.server
    return alone and facts.user is not None and GIL_LEAST <= facts.user <= GIL_MOST


def _one_thread(facts: Facts) -> Exhaustion | None:
    """One thread that was never idle, in each process that works; more CPUs are nothing to it."""
    working = facts.cell.working
    if working is None or working.busiest_thread < USED_UP:
        return None
    if working.busiest_thread < ONE_DOES_MOST * working.busiest_process:  # others of its threads got as much and more
        return None
    share, places = min(working.busiest_thread, 1.0), facts.places
    used = facts.server if facts.server is not None else working.busiest_process
    if facts.crowded and places and places.kind == "worker" and used >= USED_UP * places.number:
        why = f"{places.words} {places.verb} taken, and used up {used:.2f} of {facts.of_cpus}: a CPU each"
        return Exhaustion(POOL, share, why)
    if used < 2 * USED_UP:
        return Exhaustion(
            SERVER_CPU, share, f"the server's one busy thread used up a CPU ({share:.2f}), and can use no second one"
        )
    return Exhaustion(
        SERVER_CPU,
        share,
        f"the server's busiest thread used up a CPU ({share:.2f}), and all {used:.2f} of {facts.of_cpus}",
    )


def _shared_cpus(facts: Facts) -> Exhaustion | None:
    """Server and clients on the same CPUs, which they used up between them: whoever used more."""
    if not facts.shared or facts.server is None or facts.share is None or facts.share < USED_UP:
        return None
    both = f"the server used {facts.server:.2f} and the clients {facts.client_cpus:.2f}"
    why = f"{both} of {facts.of_cpus} that they shared"
    return Exhaustion(SERVER_CPU if facts.server >= facts.client_cpus else CLIENT, min(facts.share, 1.0), why)
