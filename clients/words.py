"""Numbers as a reader wants them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= 0.9995 * scale:  # three digits of less would round up to a thousand of the smaller unit
            return f"{seconds / scale:.3g} {unit}" if seconds < 999.5 else f"{seconds:,.0f} s"
    return f"{seconds * 1e6:.3g} us"
