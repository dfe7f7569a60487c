"""The formats in which the records of a run are saved."""

from __future__ import annotations

FORMATS = ("jsonl", "npy", "hgrm")


def read_formats(text: str) -> tuple[str, ...]:
    """Read `jsonl,npy,hgrm`; ValueError with one line for the user where one of them is not known."""
    formats = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in formats:
        if name not in FORMATS:
            raise ValueError(f"an export is one or more of {','.join(FORMATS)}, not {name!r}")
    return formats
