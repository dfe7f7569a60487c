"""The workloads that a comparison puts to every model: plain values, each with its reason.

A workload says what the clients do and nothing about how a server copes. The four here are chosen so that
each separates models that the others let look alike: one is all connections, one all requests, one all
waiting, one all computing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class UnknownWorkloadError(ValueError):
    """A workload's name that nobody knows; the message names the known ones."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What the clients of one cell do.

    `protocol` is the server's (`echo`, `upper` or `work`). `connections` clients are connected at a time;
    with `churn` each makes one request on its connection and connects anew, without it each keeps its
    connection and sends its next request when it has the last answer. A request is a line of `size_bytes`
    bytes with its newline, or for the protocol `work` the line `work`. `asks` and `shows` are one sentence
    each for a newcomer: what it asks of a server, and what its figures tell.
    """

    name: str
    protocol: str
    connections: int
    churn: bool
    size_bytes: int
    work: str
    asks: str
    shows: str


WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        Workload(
            name="churn",
            protocol="work",
            connections=10,  # Stevens' `client HOST PORT 5 500 4000` was run from two hosts: ten at a time
            churn=True,
            size_bytes=0,
            work="4000",
            asks="Ten clients at a time connect, ask for 4000 bytes, read them and hang up, again and again.",
            shows="Every request pays for a new connection, so this shows what starting to serve a client "
            "costs: a fork, a thread, or an entry in a table.",
        ),
        Workload(
            name="keepalive",
            protocol="echo",
            connections=50,
            churn=False,
            size_bytes=64,
            work="",
            asks="Fifty clients connect once, and each sends a line of 64 bytes as soon as it has the last one back.",
            shows="Connecting is paid once and forgotten, so this shows what a single short request costs "
            "while many clients are connected.",
        ),
        Workload(
            name="waiting",
            protocol="work",
            connections=50,
            churn=False,
            size_bytes=0,
            work="64 sleep=0.01",
            asks="Fifty clients stay connected, and every answer takes 10 ms of waiting, as for a database.",
            shows="A server that waits for all its clients at once can reach 5,000 requests a second; "
            "one that waits for them in turn stops at 100.",
        ),
        Workload(
            name="computing",
            protocol="work",
            connections=8,
            churn=False,
            size_bytes=0,
            work="64 cpu=0.002",
            asks="Eight clients stay connected, and every answer takes 2 ms of the processor's time.",
            shows="One processor gives 500 such answers a second, whatever the model: more needs "
            "several processors at once, which processes can use and threads under Python's lock cannot.",
        ),
    )
}


def chosen_workloads(names: Iterable[str]) -> tuple[Workload, ...]:
    """The workloads of these names in their own fixed order, each once; all of them where no name is given.

    Raises:
        UnknownWorkloadError: A name is not known.
    """
    wanted = set(names)
    unknown = sorted(wanted - WORKLOADS.keys())
    if unknown:
        raise UnknownWorkloadError(f"unknown workload {unknown[0]!r}: choose from {', '.join(WORKLOADS)}")
    return tuple(workload for workload in WORKLOADS.values() if not wanted or workload.name in wanted)
