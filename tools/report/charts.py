"""The charts of a workload, and of the workers of pools.

Where a model has no figure, a bar chart says why in words, because a bar that is not there looks like a bar of nothing.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from plotly import graph_objects

from tools.analysis.process_control import STEVENS_CONNECTIONS
from tools.analysis.statistics import percentile_curve
from tools.report.drawing import COLOURS, Chart, above, as_json, below, colour, layout, line, round_values, with_legend

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tools.analysis.summary import Row, Summary
    from tools.analysis.workers import Pool
    from tools.inference.intervals import Interval
    from tools.saved.header import Variant

ASIDE = 0.04  # of a percentile's place on the axis, between two models

PERCENTILES = {2: "50 %", 10: "90 %", 100: "99 %", 1000: "99.9 %", 10_000: "99.99 %", 100_000: "99.999 %"}
"""Where the latency axis is marked: one in so many answers is slower."""


def latency_chart(summary: Summary) -> Chart | None:
    """Latency over the share of answers within it; None where no model has samples enough for a median."""
    figure = graph_objects.Figure(layout=layout())
    for position, row in enumerate(summary.rows):
        shares, values = percentile_curve(row.latencies_ns)
        if shares:
            figure.add_trace(_curve(row.model, position, shares, values))
            between = {0.5: row.p50_over_rounds, 0.99: row.p99_over_rounds}
            if known := {share: it for share, it in between.items() if it and it.low is not None}:
                figure.add_trace(_marks(row.model, position, known))
    if not figure.data:
        return None
    figure.update_xaxes(type="log", title="share of answers that came within")
    figure.update_xaxes(tickvals=list(PERCENTILES), ticktext=list(PERCENTILES.values()))
    values = [value for trace in figure.data for value in trace.y]
    ticks = round_values(min(values), max(values))
    figure.update_yaxes(type="log", title="latency, ms", tickvals=ticks)
    figure.update_yaxes(ticktext=[f"{tick:,g}" for tick in ticks])
    return Chart(
        name=f"{summary.workload.name}-latency",
        title="How long an answer took",
        caption="Lower is better. At 99 %, 99 of 100 answers took no longer than the curve says; "
        "a curve ends where too few answers are left to tell. Marks: the median of the rounds with its 95 % interval.",
        height=with_legend(380, len(summary.rows)),
        figure=as_json(figure),
    )


def throughput_chart(summary: Summary) -> Chart:
    """Requests a second, a bar for each model, with its interval over rounds."""
    return _bars(
        summary,
        name="throughput",
        title="Throughput",
        unit="requests/s",
        caption="Longer is better. The thin line is the 95 % interval over rounds.",
        figure_of=lambda row: row.throughput,
        words_for=_why_no_throughput,
    )


def cpu_chart(summary: Summary) -> Chart:
    """CPU microseconds for a request, a bar for each model, with its interval over rounds."""
    return _bars(
        summary,
        name="cpu",
        title="CPU per request",
        unit="µs",
        caption="Shorter is better: what is left of the processor is free for other work.",
        figure_of=lambda row: row.spent.cpu.scaled(1e6) if row.spent.cpu else None,
        words_for=lambda row: "CPU not seen whole" if row.spent.blind else _why_no_throughput(row),
    )


def workers_chart(shared: Sequence[Pool], models: Sequence[Variant]) -> Chart:
    """How many connections each worker of a pool served, from the busiest to the idlest, a line for each pool."""
    places = {model.name: position for position, model in enumerate(models)}
    figure = graph_objects.Figure(layout=layout())
    for pool in shared:
        ranks = list(range(1, len(pool.ranked) + 1))
        figure.add_trace(
            graph_objects.Scatter(
                x=ranks,
                y=pool.ranked,
                name=escape(pool.model),
                mode="lines+markers",
                line=line(places[pool.model]),
                hovertemplate=f"worker %{{x}} of {len(ranks)}: %{{y:,.0f}}",
            )
        )
    figure.update_xaxes(title="workers, the busiest first", tickformat="d")
    figure.update_yaxes(title=f"of {STEVENS_CONNECTIONS:,} connections", rangemode="tozero", tickformat=",~g")
    return Chart(
        name="workers",
        title="Who does the work in a pool",
        caption="A level line is a pool whose workers serve equally many clients; in a steep one, some hardly serve.",
        height=with_legend(360, len(shared)),
        figure=as_json(figure),
    )


def _curve(model: str, position: int, shares: Sequence[float], values: Sequence[int]) -> graph_objects.Scatter:
    return graph_objects.Scatter(
        x=[1 / (1 - share) for share in shares],
        y=[value / 1e6 for value in values],
        customdata=[share * 100 for share in shares],
        name=escape(model),
        legendgroup=escape(model),
        mode="lines",
        line=line(position),
        hovertemplate="%{customdata:.4~g} % within %{y:.3~g} ms",
    )


def _marks(model: str, position: int, between: Mapping[float, Interval]) -> graph_objects.Scatter:
    """Percentiles with their intervals, beside each other where models have the same ones."""
    aside = 1 + ASIDE * (position % len(COLOURS) - (len(COLOURS) - 1) / 2)
    marks = list(between.values())
    return graph_objects.Scatter(
        x=[aside / (1 - share) for share in between],
        y=[1e3 * it.estimate for it in marks],
        customdata=[100 * share for share in between],
        name=escape(model),
        legendgroup=escape(model),
        showlegend=False,
        mode="markers",
        marker={"color": colour(position), "size": 6},
        line=line(position),
        error_y={
            "type": "data",
            "array": [1e3 * (above(it) or 0) for it in marks],
            "arrayminus": [1e3 * (below(it) or 0) for it in marks],
            "color": colour(position),
            "thickness": 1.5,
            "width": 3,
        },
        hovertemplate="%{customdata:.4~g} % within %{y:.3~g} ms, in the median of rounds",
    )


def _bars(
    summary: Summary,
    *,
    name: str,
    title: str,
    unit: str,
    caption: str,
    figure_of: Callable[[Row], Interval | None],
    words_for: Callable[[Row], str],
) -> Chart:
    intervals = [figure_of(row) for row in summary.rows]
    names = [escape(row.model) for row in summary.rows]
    figure = graph_objects.Figure(layout=layout(legend=False))
    figure.add_trace(
        graph_objects.Bar(
            y=names,
            x=[it.estimate if it else None for it in intervals],
            orientation="h",
            marker={"color": [colour(position) for position in range(len(names))]},
            error_x={
                "type": "data",
                "array": [above(it) for it in intervals],
                "arrayminus": [below(it) for it in intervals],
                "thickness": 1.5,
            },
            hovertemplate=f"%{{y}}: %{{x:,.4~g}} {unit}<extra></extra>",
        )
    )
    for row, it, label in zip(summary.rows, intervals, names, strict=True):
        if it is None:
            words = escape(words_for(row))
            figure.add_annotation(x=0, y=label, text=words, showarrow=False, xanchor="left", xshift=6)
    figure.update_yaxes(categoryorder="array", categoryarray=names, range=[len(names) - 0.5, -0.5])
    figure.update_yaxes(showgrid=False, ticksuffix="  ")
    figure.update_xaxes(title=unit, rangemode="tozero", tickformat=",~g", nticks=6)
    height = 110 + 34 * len(names)
    return Chart(f"{summary.workload.name}-{name}", title, caption, height, as_json(figure))


def _why_no_throughput(row: Row) -> str:
    if row.partial:
        return f"{row.served_part} served"
    return "failed" if row.failures else "not measured"
