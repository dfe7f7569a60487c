"""What tests ask of an interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.inference.intervals import Interval


def excludes(found: Interval, value: float) -> bool:
    """Whether the value lies outside; never where there are no ends."""
    return found.low is not None and found.high is not None and not found.low <= value <= found.high
