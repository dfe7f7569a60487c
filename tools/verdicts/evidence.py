"""All that was looked at to judge a cell, in words with figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.words import duration

if TYPE_CHECKING:
    from tools.verdicts.facts import Facts


def evidence_of(facts: Facts) -> tuple[str, ...]:
    """A clause for each thing that is known; what is not known is left out, or said to be."""
    return (
        *_of_server(facts),
        *_of_host(facts),
        *_of_clients(facts),
        *_of_demand(facts),
        *_of_admission(facts),
        *_of_places(facts),
    )


def _of_server(facts: Facts) -> list[str]:
    words = []
    if facts.server is None:
        words.append("the server's CPU is not known")
    else:
        least = "" if facts.complete else "at least "
        method = f" ({facts.cell.cpu.method})" if facts.cell.cpu else ""
        if facts.estimated:
            least, method = "about ", " (estimated: what anybody used of its CPUs, because its meter is blind)"
        words.append(f"the server used {least}{facts.server:.2f} of {facts.of_cpus}{method}")
    if working := facts.cell.working:
        count = f"{working.threads} thread{'' if working.threads == 1 else 's'} of it at work"
        words.append(
            f"its busiest process used {working.busiest_process:.2f} CPUs, "
            f"the busiest thread of that {working.busiest_thread:.2f}, {count}"
        )
    return words


def _of_host(facts: Facts) -> list[str]:
    host = facts.cell.host
    if host is None:
        return ["what else ran on the machine is not known"]
    told = (
        (host.server_busy, "the server's CPUs were busy for {:.0%}"),
        (host.server_others, "others used {:.0%} of the server's CPUs"),
        (host.client_busy, "the clients' CPUs were busy for {:.0%}"),
        (host.client_others, "others used {:.0%} of the clients' CPUs"),
        (host.steal, "the hypervisor took {:.0%}"),
        (host.spin_before, "a loop got {:.0%} of a CPU before"),
        (host.spin_after, "a loop got {:.0%} of a CPU after"),
    )
    words = [text.format(share) for share, text in told if share is not None]
    return [*words, *([f"the cell is marked: {facts.cell.disturbed}"] if facts.cell.disturbed else [])]


def _of_clients(facts: Facts) -> list[str]:
    load = facts.load
    waited = "" if load.client_waiting is None else f", waiting for one {load.client_waiting:.0%} of the time"
    return [f"the clients used {facts.client_cpus:.2f} CPUs{waited}", *load.client_reasons]


def _of_demand(facts: Facts) -> list[str]:
    load = facts.load
    words = [f"{load.served:,} of {load.connections:,} clients were served"]
    if facts.clients > load.connections:
        words.append(f"{facts.clients - load.connections:,} more stayed connected, idle or hostile")
    if load.offered is not None and load.achieved is not None:
        words.append(f"{load.achieved:.1%} of {load.offered:,.0f} requests due a second were answered")
    if load.in_flight is not None:
        little = "" if load.little is None else f", {load.little:.0%} of what Little's law expects"
        words.append(f"{load.in_flight:.1f} requests were in flight in the mean{little}")
    return words


def _of_admission(facts: Facts) -> list[str]:
    words, admission = [], facts.cell.admission
    if admission is not None:
        words.append(
            f"the kernel counted {admission.overflows:,} accept queue overflows, {admission.drops:,} drops and "
            f"{admission.retransmits:,} connection requests (SYN) sent again"
        )
        if admission.queue_mean is not None:
            most = "" if admission.queue_most is None else f", {admission.queue_most:,} at the most"
            room = "" if admission.backlog is None else f", with room for {admission.backlog:,}"
            words.append(f"{admission.queue_mean:.1f} connections waited in the accept queue in the mean{most}{room}")
    if facts.load.connect_p99 is not None:
        words.append(f"connecting took {duration(facts.load.connect_p99)} at the 99th percentile")
    return words


def _of_places(facts: Facts) -> list[str]:
    if facts.places is None:
        return []
    what = "requests" if facts.places.by_request else "clients"
    number = facts.places.number
    return [f"it serves {number:,} {what} at a time ({facts.places.kind}{'' if number == 1 else 's'})"]
