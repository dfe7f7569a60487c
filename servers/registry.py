"""The models by name. Nothing of a model is imported until it is chosen: an entry is words alone.

To add a model: write `servers/NAME.py` with a head docstring and `serve(listener, service)`, and add its entry here.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Entry:
    """One model.

    Attributes:
        name: what the command line calls it; its module is `servers.NAME`.
        summary: its mechanism in one line.
        term: the field's own term for it.
        used_by: where it is found in production.
        teaches: what it is here to show.
        figure_row: its row in UNP's Figure 30.1, None where it has none.
        cannot: behaviours that it cannot have, each with the reason; tests then expect the opposite.
    """

    name: str
    summary: str
    term: str
    used_by: str
    teaches: str
    figure_row: int | None = None
    cannot: dict[str, str] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """The module that holds the whole model."""
        return f"servers.{self.name}"


CONCURRENCY = "serve clients at the same time"

MODELS = {
    entry.name: entry
    for entry in (
        Entry(
            name="iterative",
            summary="accept, serve to the end, accept the next",
            term="iterative (sequential)",
            used_by="TLPI's is_seqnum_sv, daytime services",
            teaches="the baseline to subtract; head-of-line blocking",
            figure_row=0,
            cannot={CONCURRENCY: "it has one thread, which serves one client to the end before it accepts another"},
        ),
        Entry(
            name="forking",
            summary="fork a process for each connection",
            term="process per connection (MP)",
            used_by="inetd, OpenSSH, PostgreSQL, ForkingMixIn",
            teaches="isolation, reaping, closing descriptors, and what a fork costs",
            figure_row=1,
        ),
        Entry(
            name="threaded",
            summary="start a thread for each connection",
            term="thread per connection (MT)",
            used_by="ThreadingMixIn, MySQL",
            teaches="shared memory, the GIL, stacks",
            figure_row=6,
        ),
        Entry(
            name="selector",
            summary="one loop asks which clients are ready, and never waits for one",
            term="single-process event-driven (SPED), Reactor",
            used_by="Redis, a worker of nginx",
            teaches="partial writes, interest sets, back-pressure",
        ),
    )
}
