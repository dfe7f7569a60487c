"""What limited a cell: the rules, in the order in which they are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.verdict import BUSY, MET, SHORTEST_SECONDS, WAITED
from clients.words import duration
from tools.host.judging import LITTLE_SPIN
from tools.verdicts.evidence import evidence_of
from tools.verdicts.exhaustion import ALL_BUT_ALL, USED_UP, exhausted
from tools.verdicts.facts import facts_of
from tools.verdicts.verdict import ADMISSION, CLIENT, HOST_NOISE, POOL, UNKNOWN, UNSATURATED, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.saved.cells import Cell
    from tools.saved.header import Header, Variant
    from tools.verdicts.facts import Facts
    from tools.workloads import Workload

    Rule = Callable[[Facts], Verdict | None]

OTHERS = 0.1  # of CPUs: two runs of one server differ by a few per cent, so that less explains nothing
WANTED = 0.8  # of CPUs that were in use: where more was idle, whoever else ran took nothing away
STOLEN = 0.05  # of all CPUs, by a hypervisor that takes them only while somebody wants them
MOSTLY_SERVED = 0.9  # of the clients: with fewer, those who were kept out are what is to be told
LATE_CONNECT = 0.9  # seconds at p99: a connection request that was turned away is sent again after 1 s
LOST_SHARE = 0.01  # of the connections begun: as many as p99 leaves out
WAITERS = 1.0  # in the accept queue in the mean: somebody was always waiting


def judge(cell: Cell, workload: Workload, variant: Variant, header: Header) -> Verdict:
    """Say what limited a cell of this workload and variant. A cell without a load or a whole window has no limit."""
    load = cell.load
    if load is None or load.window < SHORTEST_SECONDS:
        return Verdict(UNKNOWN, _nothing_to_judge(cell))
    facts = facts_of(cell, load, workload, variant, header)
    rules: tuple[Rule, ...] = (_places_held, _noise, _kept_out, _taken, exhausted, _admission, _pool, _unsaturated)
    if cell.error:  # figures of a failed cell mean nothing, but whom it never served is known all the same
        rules = () if load.requests or cell.stopped is None else (_places_held, _noise, _admission)
    for rule in rules:
        if found := rule(facts):
            return Verdict(found.limit, found.sentence, evidence_of(facts))
    return Verdict(UNKNOWN, cell.error or _unexplained(facts), evidence_of(facts))


def _nothing_to_judge(cell: Cell) -> str:
    if cell.error or cell.load is None:
        return cell.error or "there was no load"
    return f"a window of {duration(cell.load.window)} is too short to judge by"


def _places_held(facts: Facts) -> Verdict | None:
    """Clients hold all places for as long as they are connected, and the others are never served.

    In a closed loop every client asks, so that who was not served was kept waiting. No noise explains that.
    """
    load, places = facts.load, facts.places
    if places is None or places.by_request or not facts.crowded or load.offered is not None:
        return None
    if load.served >= load.connections or load.served > places.number:
        return None
    return Verdict(
        POOL,
        f"{places.words} {places.verb} held by clients that stay connected: "
        f"{load.served:,} of {load.connections:,} clients were served{_cpu_beside(facts)}",
    )


def _noise(facts: Facts) -> Verdict | None:
    """Something else used CPUs that were wanted, or the machine lost CPU; that it is merely slower is no limit."""
    host = facts.cell.host
    if host is None:
        return None
    reasons = [
        f"others used {others:.0%} of the {whose} CPUs, which were busy for {busy:.0%}"
        for whose, others, busy in (
            ("server's", host.server_others, host.server_busy),
            ("clients'", host.client_others, host.client_busy),
        )
        if others is not None and others >= OTHERS and (busy is None or busy >= WANTED)
    ]
    if host.steal is not None and host.steal >= STOLEN:
        reasons.append(f"the hypervisor gave {host.steal:.0%} of the CPUs to others")
    spins = [("before", host.spin_before), ("after", host.spin_after)]
    reasons += [
        f"{when} it, a loop got {got:.0%} of a CPU" for when, got in spins if got is not None and got < LITTLE_SPIN
    ]
    return Verdict(HOST_NOISE, "; ".join(reasons)) if reasons else None


def _kept_out(facts: Facts) -> Verdict | None:
    """Many clients of a closed loop were never let in, because they were turned away.

    Those who were let in may use up the server between them; the others wait for a second and ask again.
    """
    load = facts.load
    if load.offered is not None or load.served >= MOSTLY_SERVED * load.connections:
        return None
    return _admission(facts)


def _taken(facts: Facts) -> Verdict | None:
    """All places were taken and somebody always waited for one, while the client had some time left, be it little.

    Such a client has asked for more than it got. It turns with the server's one place from work to waiting and back,
    and is near its end by what that takes: by a hundredth more or less it would be called the limit, or not.
    """
    load = facts.load
    one_reason = load.client_limit == CLIENT and len(load.client_reasons) == 1
    by_its_cpu = one_reason and BUSY <= facts.client < ALL_BUT_ALL and (load.client_waiting or 0.0) < WAITED
    spare = facts.share is not None and facts.share < USED_UP
    if not (by_its_cpu and spare and facts.crowded and _waited(facts)):
        return None
    found = _pool(facts)
    near = f"; the client was near its end, too: {load.client_reasons[0]}"
    return Verdict(found.limit, f"{found.sentence}{near}") if found else None


def _admission(facts: Facts) -> Verdict | None:
    """Connections were turned away, or came late, by the kernel; where somebody always waits, it is not the queue.

    A server that always finds the next client in the queue loses no time by those who are turned away.
    """
    admission, load = facts.cell.admission, facts.load
    if admission is None or (_waited(facts) and facts.crowded):
        return None
    lost = max(admission.overflows, admission.drops, admission.retransmits)
    late = load.connect_p99 is not None and load.connect_p99 >= LATE_CONNECT
    if not lost or not (late or lost >= LOST_SHARE * max(load.opened, load.connections)):
        return None
    how = f", and connecting took {duration(load.connect_p99)} at the 99th percentile" if load.connect_p99 else ""
    room = "" if admission.backlog is None else f" with room for {admission.backlog:,}"
    return Verdict(
        ADMISSION,
        f"the accept queue{room} overflowed {admission.overflows:,} times and {admission.retransmits:,} connection "
        f"requests were sent again, of {load.opened:,} connections{how}{_cpu_beside(facts)}",
    )


def _pool(facts: Facts) -> Verdict | None:
    """All places were taken, by Little's law or because somebody always waited to be accepted."""
    places, admission = facts.places, facts.cell.admission
    waiting = f"{admission.queue_mean:.1f} connections waited to be accepted" if admission and _waited(facts) else ""
    if places is None or not facts.crowded:
        if not waiting or facts.boundless:
            return None
        return Verdict(POOL, f"in the mean, {waiting}: it was busy with other clients{_cpu_beside(facts)}")
    if facts.in_flight is not None and facts.in_flight > places.number:
        waiting = f"{facts.in_flight:.1f} requests were in flight"
    if not waiting:
        return None
    return Verdict(POOL, f"{places.words} {places.verb} taken: in the mean, {waiting}{_cpu_beside(facts)}")


def _unsaturated(facts: Facts) -> Verdict | None:
    """Nothing was used up, and more clients, or a higher rate, would have got more."""
    load = facts.load
    if facts.share is None or not facts.complete or (facts.boundless and _waited(facts)):
        return None
    if load.offered is None:
        why = f"nothing was used up{_cpu_beside(facts)}{_asked_for(facts)}: more clients would get more"
        return Verdict(UNSATURATED, why)
    if load.achieved is not None and load.achieved >= MET:
        return Verdict(
            UNSATURATED,
            f"all that was due was answered ({load.achieved:.1%} of {load.offered:,.0f}/s){_cpu_beside(facts)}",
        )
    if load.client_limit == "connections":
        reasons = "; ".join(load.client_reasons)
        return Verdict(UNSATURATED, f"{reasons}{_cpu_beside(facts)}: with more connections it would have done more")
    return None


def _asked_for(facts: Facts) -> str:
    """How long an answer took by Little's law, beside the sleep that was asked for, if any."""
    asleep, load = facts.asleep, facts.load
    if asleep is None or facts.in_flight is None or not load.requests:
        return ""
    took = facts.in_flight * load.window / load.requests
    return f" (an answer took {duration(took)}, {duration(asleep)} of that the sleep that was asked for)"


def _unexplained(facts: Facts) -> str:
    if facts.share is None or not facts.complete:
        return "the server's CPU is not known, or not all of it, and nothing else was used up"
    if facts.boundless and _waited(facts):
        return (
            f"clients waited to be accepted by what serves whoever comes, and nothing was used up{_cpu_beside(facts)}"
        )
    return f"less was answered than was due, and nothing that was looked at was used up{_cpu_beside(facts)}"


def _waited(facts: Facts) -> bool:
    """Whether somebody always waited in the accept queue."""
    admission = facts.cell.admission
    return admission is not None and admission.queue_mean is not None and admission.queue_mean >= WAITERS


def _cpu_beside(facts: Facts) -> str:
    """What the server used of its CPUs, as a clause that follows others."""
    if facts.server is None:
        return ""
    used_up = facts.share is not None and facts.share >= USED_UP
    return f", and the server used {'as much as ' if used_up else ''}{facts.server:.2f} of {facts.of_cpus}"
