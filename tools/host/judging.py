"""Whether something else had the machine while a cell ran, so that the cell is to be run again.

The thresholds stand beside what was seen; each is far above what a quiet machine shows, and below what a process that
wants a whole CPU takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.saved.cells import Host

MUCH_BY_OTHERS = 0.1  # of their CPUs: what was seen is right to 1 % in a second, and to 3 % in 0.3 s
MUCH_STEAL = 0.02  # where CPUs are shared, half a percent is ordinary
LITTLE_SPIN = 0.9  # of a CPU, which a loop gets all of but 1 % or 2 % for a canary; a hog takes more than half
SLOW = 0.55  # of the fastest: beside another guest on the same core 0.6 is ordinary; less was seen in 2 % of windows


def disturbed(host: Host, *, server_fastest: float | None = None, client_fastest: float | None = None) -> str:
    """Return why a cell is to be run again, in a short sentence; nothing where the machine was the cell's own.

    The fastest are the speeds that these CPUs have when nothing slows them. What is not known disturbs nobody.
    """
    return (
        _taken("the server's", host.server_others)
        or _taken("the clients'", host.client_others)
        or _stolen(host.steal)
        or _lost("before", host.spin_before)
        or _lost("after", host.spin_after)
        or _slow("the server's", host.server_speed, server_fastest)
        or _slow("the clients'", host.client_speed, client_fastest)
    )


def _taken(whose: str, others: float | None) -> str:
    if others is None or others <= MUCH_BY_OTHERS:
        return ""
    return f"other processes used {others:.0%} of {whose} CPUs"


def _stolen(steal: float | None) -> str:
    if steal is None or steal <= MUCH_STEAL:
        return ""
    return f"the hypervisor gave {steal:.1%} of the CPUs to others"


def _lost(when: str, share: float | None) -> str:
    if share is None or share >= LITTLE_SPIN:
        return ""
    return f"just {when} it, a loop got only {share:.0%} of a CPU"


def _slow(whose: str, speed: float | None, fastest: float | None) -> str:
    if not speed or not fastest or speed >= SLOW * fastest:
        return ""
    return f"{whose} CPUs computed at {speed / fastest:.0%} of the speed that they can have"
