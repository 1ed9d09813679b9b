"""The explorer's two charts: the error inside the rounds, and after each round beside the prediction."""

from __future__ import annotations

from typing import Any

import altair as alt

from ...figures.style import BLUE, GREEN, GREY, SKY, VERMILLION
from ...figures.trajectory import AGGREGATION

IN_THE_DARK = {BLUE: SKY}
"""Colours that are too dark for a dark page, and what takes their place."""

EVENTS = {"sampling": VERMILLION, "local step": BLUE, "aggregation": GREEN}


def chart_specs() -> dict[str, dict[str, Any]]:
    """Return the Vega-Lite specification of each chart, by the id of its place on the page.

    Their data come later, by name: "points" and "kept" (position, error, event), "rounds" and "keptRounds" and
    "predicted" (round, error). The signal "last" is the end of the axis of rounds.
    """
    return {"inside": _inside().to_dict(), "after": _after().to_dict()}


def _inside() -> alt.TopLevelMixin:
    x = alt.X("position:Q", title="round").scale(nice=False, domainMin=AGGREGATION - 1, domainMax=alt.ExprRef("last"))
    y = alt.Y("error:Q", title="mean of |y − f|² over the subnetworks").scale(type="log", nice=False)
    kept = alt.Chart(alt.NamedData("kept")).mark_line(color=GREY, strokeWidth=1, opacity=0.7).encode(x, y)
    line = alt.Chart(alt.NamedData("points")).mark_line(color=BLUE, strokeWidth=1, opacity=0.55).encode(x, y)
    colour = (
        alt.Color("event:N", title=None)
        .scale(domain=list(EVENTS), range=list(EVENTS.values()))
        .legend(orient="top", symbolOpacity=1)
    )
    shape = alt.Shape("event:N", title=None).scale(domain=list(EVENTS), range=["triangle-up", "circle", "square"])
    dots = (
        alt.Chart(alt.NamedData("points"))
        .mark_point(filled=True, size=22, opacity=0.9)
        .encode(
            x,
            y,
            colour,
            shape,
            tooltip=[
                alt.Tooltip("round:Q"),
                alt.Tooltip("event:N"),
                alt.Tooltip("step:Q", title="local step"),
                alt.Tooltip("error:Q", format=".5g"),
            ],
        )
    )
    return _sized(alt.layer(kept, line, dots))


def _after() -> alt.TopLevelMixin:
    names = ["this run", "predicted mean", "kept run"]
    x = alt.X("round:Q", title="rounds done").scale(nice=False, domainMin=0, domainMax=alt.ExprRef("last"))
    y = alt.Y("error:Q", title="|y − u|² of the whole network").scale(type="log", nice=False)
    colour = alt.Color("curve:N", title=None).scale(domain=names, range=[BLUE, VERMILLION, GREY]).legend(orient="top")
    dash = alt.StrokeDash("curve:N", title=None).scale(domain=names, range=[[1, 0], [6, 3], [1, 0]])
    tooltip = [alt.Tooltip("curve:N"), alt.Tooltip("round:Q"), alt.Tooltip("error:Q", format=".5g")]
    lines = [
        alt.Chart(alt.NamedData(name)).mark_line(strokeWidth=1.6).encode(x, y, colour, dash, tooltip=tooltip)
        for name in ("keptRounds", "predicted", "rounds")
    ]
    return _sized(alt.layer(*lines))


def _sized(chart: Any) -> alt.TopLevelMixin:
    autosize = {"type": "fit", "contains": "padding", "resize": True}  # labels grow as data arrive
    zoom = alt.selection_interval(bind="scales", encodings=["x"], name="zoom")
    chart = chart.add_params(zoom, alt.param("last", value=1))
    return chart.properties(width="container", height=300, autosize=autosize)
