"""Figure 30.1 of UNIX Network Programming: its printed columns, and two that were measured later.

Process-control CPU: the seconds that a server uses for 5000 connections beyond those of the iterative server, each
connection asking for 4000 bytes, at most ten at once, with fifteen children or threads in a pool. Source: W. Richard
Stevens, UNIX Network Programming, volume 1, chapter 30 (second and third edition). The measured columns are the same
C code, and Python written straight down after it, on one machine of two cores.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

NOT_RUN = "-"


@dataclass(frozen=True, slots=True)
class Design:
    """One row of the figure: its number and its words for the design, then seconds as printed, `-` for not run.

    A design that is not Stevens' has neither number nor words.
    """

    row: int | None
    design: str
    solaris: str
    digital_unix: str
    bsd_os: str
    third_edition: str
    c_here: str
    python_here: str

    def to_json(self) -> dict[str, object]:
        """Return the fields as JSON values."""
        return asdict(self)


FIGURE_30_1 = {
    design.row: design
    for design in (
        Design(0, "iterative", "0", "0", "0", "0", "0", "0"),
        Design(1, "one fork per client", "504.2", "168.9", "29.6", "20.90", "1.33", "13 to 16"),
        Design(2, "prefork, each child calls accept", "-", "6.2", "1.8", "1.80", "0.06", "0.14 to 0.19"),
        Design(3, "prefork, file lock around accept", "25.2", "10.0", "2.7", "2.07", "0.07", "0.26"),
        Design(4, "prefork, thread mutex around accept", "21.5", "-", "-", "1.75", "0.02", "0.18"),
        Design(5, "prefork, parent passes the descriptor", "36.7", "10.9", "6.1", "2.58", "0.18", "0.33 to 0.54"),
        Design(6, "one thread per client", "18.7", "4.7", "-", "0.99", "0.31", "0.9 to 1.6"),
        Design(7, "prethread, mutex around accept", "8.6", "3.5", "-", "1.93", "0.04", "0.11 to 0.17"),
        Design(8, "prethread, main thread accepts", "14.5", "5.0", "-", "2.05", "0.05", "0.12 to 0.20"),
    )
}
"""Each row by its number."""

MEASURED_SINCE = {
    "selector": "0.05 to 0.15",
    "coroutines": "0.46 to 0.50",
    "callbacks": "0.25 to 0.39",
    "socketserver_threading": "1.3 to 1.7",
    "socketserver_forking": "16 to 18",
}
"""Seconds of straightforward Python, measured in the same way, for models that the figure does not have."""


def design_of(model: str, row: int | None) -> Design | None:
    """What is known of a model that has this row or none; None where neither the figure nor a measurement has it."""
    if row is not None:
        return FIGURE_30_1.get(row)
    if model in MEASURED_SINCE:
        return Design(None, "", *(NOT_RUN,) * 5, MEASURED_SINCE[model])
    return None
