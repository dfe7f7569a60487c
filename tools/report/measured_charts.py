"""The charts of what was measured beside workloads: memory over connections, throughput over them, and the machine."""

from __future__ import annotations

import statistics
from html import escape
from typing import TYPE_CHECKING

from plotly import graph_objects

from tools.analysis.holdings import holdings
from tools.analysis.scaled import scaled
from tools.report.drawing import Chart, as_json, colour, layout, line, round_values, with_legend
from tools.words import MEBIBYTE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tools.analysis.scaled import Scaled
    from tools.saved.results import Results

CURVE_POINTS = 60
SERVER, CLIENT, DISTURBED = 0, 1, 3  # the places of colours that no model of this chart has


def memory_chart(results: Results) -> Chart | None:
    """Memory over connections held, a point for each look and the fitted line; None where nothing was held."""
    figure = graph_objects.Figure(layout=layout())
    places = _places(results)
    for each in holdings(results):
        probes = [probe for probe in results.memory if probe.model == each.model and not probe.error]
        looks = [(n, size) for probe in probes for n, size in zip(probe.held, probe.pss_bytes, strict=True) if size]
        if not looks:
            continue
        figure.add_trace(_points(each.model, places[each.model], looks, 1 / MEBIBYTE, "%{x:,} held: %{y:,.4~g} MiB"))
        if each.per_connection and each.base:
            base, slope = each.base.estimate, each.per_connection.estimate
            ends = [0, max(n for n, _ in looks)]
            figure.add_trace(
                _fitted(each.model, places[each.model], ends, [(base + slope * n) / MEBIBYTE for n in ends])
            )
    if not figure.data:
        return None
    figure.update_xaxes(title="connections held, idle", tickformat=",~g")
    figure.update_yaxes(title="memory (PSS), MiB", rangemode="tozero", tickformat=",~g")
    return Chart(
        name="memory-held",
        title="Memory over connections held",
        caption="A point for each look at a fresh server. The line is fitted to rounds in which all connections were "
        "answered, and its slope is the memory of a connection; a model without such a round has none.",
        height=with_legend(380, len(figure.data)),
        figure=as_json(figure),
    )


def scaling_charts(results: Results) -> tuple[Chart, ...]:
    """For each workload that was measured at several numbers of connections: throughput over them."""
    found = scaled(results)
    places = _places(results)
    return tuple(
        _scaling_chart(workload, [each for each in found if each.workload == workload], places)
        for workload in dict.fromkeys(each.workload for each in found)
    )


def _scaling_chart(workload: str, found: Sequence[Scaled], places: dict[str, int]) -> Chart:
    figure = graph_objects.Figure(layout=layout())
    for each in found:
        rates = [(size, rate) for size, rounds in sorted(each.points.items()) for rate in rounds.values()]
        hover = "%{x:,} connections: %{y:,.4~g} requests/s"
        figure.add_trace(_points(each.model, places[each.model], rates, 1.0, hover))
        sizes = _between(min(each.points), each.most)
        curve = [rate for size in sizes if (rate := each.law.throughput(size)) is not None]
        if len(curve) == len(sizes):
            figure.add_trace(_fitted(each.model, places[each.model], sizes, curve))
    sizes_of_all = sorted({size for each in found for size in each.points})
    figure.update_xaxes(type="log", title="connections", tickvals=sizes_of_all, ticktext=list(map(str, sizes_of_all)))
    values = [value for trace in figure.data for value in trace.y if value > 0]
    ticks = round_values(min(values), max(values)) if values else []
    figure.update_yaxes(type="log", title="requests/s", tickvals=ticks, ticktext=[f"{tick:,g}" for tick in ticks])
    return Chart(
        name=f"scaling-{workload}",
        title=f"Throughput over connections: {workload}",
        caption="A point for each round. The line is the Universal Scalability Law as fitted; where it bends down, "
        "more connections cost more than they bring.",
        height=with_legend(400, len(figure.data)),
        figure=as_json(figure),
    )


def speed_chart(results: Results) -> Chart | None:
    """How fast the CPUs computed in each window, in the order of running; None where no canary told it."""
    known = [cell for cell in results.attempts if cell.host and (cell.host.server_speed or cell.host.client_speed)]
    if len(known) < 2:
        return None
    figure = graph_objects.Figure(layout=layout())
    server = _shares({cell.position: cell.host.server_speed for cell in known if cell.host})
    client = _shares({cell.position: cell.host.client_speed for cell in known if cell.host})
    heights = {**client, **server}
    disturbed = {cell.position: heights[cell.position] for cell in known if cell.disturbed}
    for name, place, shares, symbol in (
        ("the server's CPUs", SERVER, server, "circle"),
        ("the clients' CPUs", CLIENT, client, "circle"),
        ("disturbed", DISTURBED, disturbed, "circle-open"),
    ):
        if shares:
            figure.add_trace(_dots(name, place, shares, symbol))
    figure.update_xaxes(title="measurements, in the order of their running", tickformat=",d")
    figure.update_yaxes(title="speed, by the median", tickformat=".0%")
    return Chart(
        name="belief-speed",
        title="How fast the machine was",
        caption="What a canary computed beside each window, on the CPUs of the server and of the clients. Level is "
        "good; a slope harms all models alike, because the order of models turns round from round to round. A ring is "
        "around a measurement that something disturbed.",
        height=320,
        figure=as_json(figure),
    )


def _places(results: Results) -> dict[str, int]:
    return {model.name: position for position, model in enumerate(results.header.models)}


def _points(
    model: str, place: int, points: Sequence[tuple[int, float]], factor: float, hover: str
) -> graph_objects.Scatter:
    """What was measured; named in the legend, and drawn as its model's line is."""
    return graph_objects.Scatter(
        x=[x for x, _ in points],
        y=[y * factor for _, y in points],
        name=escape(model),
        legendgroup=escape(model),
        mode="markers",
        marker={"color": colour(place), "size": 7, "opacity": 0.75},
        line=line(place),
        hovertemplate=hover,
    )


def _fitted(model: str, place: int, x: Sequence[float], y: Sequence[float]) -> graph_objects.Scatter:
    """What was fitted to these points; it comes and goes with them."""
    return graph_objects.Scatter(
        x=x,
        y=y,
        name=escape(model),
        legendgroup=escape(model),
        showlegend=False,
        mode="lines",
        line=line(place),
        hoverinfo="skip",
    )


def _shares(speeds: Mapping[int, float | None]) -> dict[int, float]:
    """Those that are known, as shares of their median."""
    told = {position: speed for position, speed in speeds.items() if speed}
    middle = statistics.median(told.values()) if told else 1.0
    return {position: speed / middle for position, speed in told.items()}


def _dots(name: str, place: int, shares: Mapping[int, float], symbol: str) -> graph_objects.Scatter:
    """Shares by the position in the order of running; a ring is larger than the dot that it is around."""
    return graph_objects.Scatter(
        x=list(shares),
        y=list(shares.values()),
        name=name,
        mode="markers",
        marker={"color": colour(place), "size": 5 if symbol == "circle" else 9, "symbol": symbol},
        hovertemplate="measurement %{x}: %{y:.1%}",
    )


def _between(low: int, high: int) -> list[float]:
    """Numbers from the one to the other, each by the same factor larger than the last."""
    if low == high:
        return [float(low)]
    return [low * (high / low) ** (step / (CURVE_POINTS - 1)) for step in range(CURVE_POINTS)]
