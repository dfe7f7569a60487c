"""What all charts of a report have in common: plotly figures in JSON; the page colours text and grid, light or dark.

A model has the same colour, dash and place in every chart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plotly import graph_objects

    from tools.inference.intervals import Interval

COLOURS = ("#3b82c4", "#d9822b", "#2a9d74", "#c2527c", "#8a6fd1", "#4fa3b5", "#9c8a2e", "#7a808a")
"""To be told apart with most kinds of colour blindness, on white and on near black; then used again."""

DASHES = ("solid", "dash", "dot", "dashdot")

DIGITS = (
    (10, (1, 2, 5)),
    (2, (1, 1.5, 2, 3, 4, 5, 7)),
    (0, (1, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8, 2, 2.2, 2.5, 2.8, 3.1, 3.5, 4, 4.5, 5, 5.5, 6, 7, 8, 9)),
)
"""What the marks of a logarithmic axis begin with, where its ends lie more than so many times apart."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart for the page: its figure as JSON, its height in pixels, and in words what it shows."""

    name: str
    title: str
    caption: str
    height: int
    figure: str


def colour(position: int) -> str:
    """The colour of the model at this place in the order of models."""
    return COLOURS[position % len(COLOURS)]


def line(position: int) -> dict[str, object]:
    """The line of the model at this place: of 32 models, no two have the same colour and the same dashes."""
    dash = DASHES[(position + position // len(COLOURS)) % len(DASHES)]
    return {"color": colour(position), "dash": dash, "width": 2.5}


def with_legend(height: int, entries: int) -> int:
    """The height of a chart in pixels, with room for a legend of so many entries."""
    return height + 8 * max(0, entries - 8)


def round_values(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, 20 and so on where the two are far apart, closer together where they are not."""
    digits = next(digits for reach, digits in DIGITS if high > reach * low)
    steps = [digit * 10.0**power for power in range(-6, 7) for digit in digits]
    return [step for step in steps if low / 2.5 < step < high * 2.5]


def above(figure: Interval | None) -> float | None:
    """How far the upper end of an interval lies from its estimate, as plotly wants it; None where there is none."""
    return figure.high - figure.estimate if figure and figure.high is not None else None


def below(figure: Interval | None) -> float | None:
    """The same of the lower end."""
    return figure.estimate - figure.low if figure and figure.low is not None else None


def layout(*, legend: bool = True) -> dict[str, object]:
    """The layout of every chart, without the colours that depend on light or dark."""
    return {
        "template": {},  # plotly's own is eight times as large as these figures, and brings a background
        "autosize": True,
        "margin": {"l": 8, "r": 16, "t": 8, "b": 12},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": legend,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "hovermode": "closest",
        "xaxis": {"automargin": True, "fixedrange": True},
        "yaxis": {"automargin": True, "fixedrange": True},
    }


def as_json(figure: graph_objects.Figure) -> str:
    """The figure as JSON that may stand inside a script element: no `<` can end it."""
    return str(figure.to_json()).replace("<", "\\u003c")
