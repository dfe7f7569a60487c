"""What became of the guests, in words: what a reader sees without --json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.guests.hostile import HOLD

if TYPE_CHECKING:
    from collections.abc import Mapping

_LABEL_WIDTH = 9


def describe_guests(guests: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Tell what became of each kind in a line; see `tally.Tally.to_json` for what there is to tell."""
    labels = ["held" if name == HOLD else name for name in guests]
    width = max(_LABEL_WIDTH, *map(len, labels)) if labels else _LABEL_WIDTH
    told = (_describe(name, what) for name, what in guests.items())
    return [f"  {label:<{width}} {words}" for label, words in zip(labels, told, strict=True)]


def _describe(name: str, told: Mapping[str, object]) -> str:
    outcomes = [*_outcomes(name, told), *_entrances(told), *_failures(told)]
    example = f', said "{told["example"]}"' if told["example"] else ""
    who = _who(name, told)
    if name == HOLD:
        return ", ".join([who, *outcomes]) + example
    return f"{who}: {', '.join(outcomes) or 'nothing came of them'}{example}"


def _who(name: str, told: Mapping[str, object]) -> str:
    clients, connections = _count(told, "clients"), _count(told, "connections")
    if name == HOLD:
        asked = "" if connections == clients else f" of {clients:,}"
        greeted = "" if told["greeted"] is None else f" ({_count(told, 'greeted'):,} greeted)"
        return f"{connections:,}{asked} idle connections{greeted}"
    several = "" if connections == clients else f", {connections:,} connections"
    return f"{clients:,} client{'s' if clients != 1 else ''}{several}"


def _outcomes(name: str, told: Mapping[str, object]) -> list[str]:
    """How connections ended; of those that are held, that they were held to the end goes without saying."""
    closed, reset = _count(told, "closed"), _count(told, "reset")
    in_order, by_reset = (
        ("closed by the server", "reset by the server") if name == HOLD else ("closed in order", "reset")
    )
    words = {
        f"{in_order} {_span(told['closed_after'])}": closed,
        f"{by_reset} {_span(told['reset_after'])}": reset,
        "ended by the client": 0 if name == HOLD else _count(told, "left"),
        "open at the end": 0 if name == HOLD else _count(told, "open_at_end"),
    }
    return [f"{count:,} {outcome}" for outcome, count in words.items() if count]


def _entrances(told: Mapping[str, object]) -> list[str]:
    """What the way in was like, where that is worth a word."""
    refused = _count(told, "refused")
    words = [f"{refused:,} refused"] if refused else []
    connect = told["connect"]
    if isinstance(connect, dict) and connect["max"] >= 0.1:
        words.append(f"connected in {_milliseconds(connect['p50'])} (median) to {_milliseconds(connect['max'])}")
    return words


def _failures(told: Mapping[str, object]) -> list[str]:
    errors = told["errors"]
    assert isinstance(errors, dict)
    return [f"{count:,} x {kind}" for kind, count in errors.items()]


def _count(told: Mapping[str, object], name: str) -> int:
    count = told[name]
    assert isinstance(count, int)
    return count


def _span(span: object) -> str:
    if not isinstance(span, dict):
        return ""
    unit, factor = ("ms", 1000) if span["max"] < 0.1 else ("s", 1)
    shortest, longest = f"{span['min'] * factor:.1f}", f"{span['max'] * factor:.1f}"
    return f"after {shortest} {unit}" if shortest == longest else f"after {shortest} to {longest} {unit}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"
