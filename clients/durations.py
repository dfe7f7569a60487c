"""Times as they are written on a command line: 5, 5s, 500ms, 2m."""

from __future__ import annotations

import re

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
FORMS = "5, 5s, 500ms or 2m"
_FORM = re.compile(rf"(.*?)\s*({'|'.join(UNITS)})?", re.DOTALL)


def read_duration(text: str) -> float:
    """Read a number with a unit, or without one as seconds; ValueError with one line for the user where it is none.

    Which times make sense is for the caller to say: they may be negative, or not finite.
    """
    found = _FORM.fullmatch(text.strip().lower())
    assert found  # the form takes any text
    try:
        return float(found[1]) * UNITS[found[2] or "s"]
    except ValueError:
        raise ValueError(f"a time is in seconds or has a unit, as {FORMS}, not {text!r}") from None
