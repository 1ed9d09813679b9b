"""The charts of the error inside the rounds: some rounds in detail, and below them the whole run to choose from.

The page's script fills their data by name and moves the window (component "rounds" in assets/page.js).
"""

from __future__ import annotations

import altair as alt

from ..figures.trajectory import AGGREGATION, LOCAL_END
from .axes import error_axis, log_scale, round_axis
from .style import AGGREGATED, LOCAL, PHASES, PREDICTED, QUIET, SAMPLING

INSIDE = {"local_end": LOCAL_END, "aggregation": AGGREGATION}
"""Where local training ends and aggregation lies inside a round of length 1, as in Figure 2a."""

EVENTS = {"sampling": SAMPLING, "local step": LOCAL, "aggregation": AGGREGATED}
_SHAPES = ["triangle-up", "circle", "square"]


def detail_chart() -> alt.TopLevelMixin:
    """Return the chart of a window of rounds.

    Data: "phases" (start, end, phase), "band" (position, low, high, stretch), "line" and "predicted" (position,
    error, stretch), "points" (position, error, event, round, step). Signals: first, last, size, grid.
    """
    window = alt.Scale(domain=[alt.ExprRef("first"), alt.ExprRef("last")], nice=False)
    x = alt.X("position:Q", title="round", scale=window, axis=round_axis())
    y = alt.Y("error:Q", title="training error", scale=log_scale(), axis=error_axis())
    phases = (
        alt.Chart(alt.NamedData("phases"))
        .mark_rect(opacity=0.13, clip=True)
        .encode(
            x=alt.X("start:Q", scale=window),
            x2="end:Q",
            color=alt.Color("phase:N", legend=None, scale=alt.Scale(domain=list(PHASES), range=list(PHASES.values()))),
        )
    )
    band = (
        alt.Chart(alt.NamedData("band"))
        .mark_area(color="var(--band)", opacity=0.28, clip=True)
        .encode(x, y=alt.Y("low:Q", scale=log_scale()), y2="high:Q", detail="stretch:N")
    )
    line = (
        alt.Chart(alt.NamedData("line"))
        .mark_line(color=QUIET, strokeWidth=0.8, opacity=0.75, clip=True)
        .encode(x, y, detail="stretch:N", order="position:Q")
    )
    predicted = (
        alt.Chart(alt.NamedData("predicted"))
        .mark_line(color=PREDICTED, strokeWidth=1.4, strokeDash=[5, 3], clip=True)
        .encode(x, y, detail="stretch:N", order="position:Q")
    )
    points = (
        alt.Chart(alt.NamedData("points"))
        .mark_point(filled=True, opacity=1, size=alt.ExprRef("size"), clip=True)
        .encode(
            x,
            y,
            shape=alt.Shape("event:N", legend=None, scale=alt.Scale(domain=list(EVENTS), range=_SHAPES)),
            fill=alt.Fill("event:N", legend=None, scale=alt.Scale(domain=list(EVENTS), range=list(EVENTS.values()))),
            tooltip=[
                alt.Tooltip("round:Q", title="round"),
                alt.Tooltip("event:N", title="after"),
                alt.Tooltip("step:Q", title="local steps made"),
                alt.Tooltip("error:Q", title="error", format=".4g"),
            ],
        )
    )
    signals = [alt.param(name="first", value=-0.25), alt.param(name="last", value=1), alt.param(name="size", value=40)]
    layers = alt.layer(phases, band, line, predicted, points).resolve_scale(color="independent")
    return layers.add_params(*signals).properties(width="container", height=330)


def overview_chart() -> alt.TopLevelMixin:
    """Return the chart of the error after each aggregation in the whole run, with a window to draw or drag.

    Data: "overview" (round, error). Signal "brush_x" holds the window in pixels.
    """
    return (
        alt.Chart(alt.NamedData("overview"))
        .mark_line(color=AGGREGATED, strokeWidth=1)
        .encode(
            x=alt.X(
                "round:Q",
                title="all rounds: drag to choose those above",
                scale=alt.Scale(nice=False, zero=False),
                axis=round_axis(),
            ),
            y=alt.Y("error:Q", title=None, scale=log_scale(), axis=error_axis(tickCount=2, grid=False)),
        )
        .add_params(
            alt.selection_interval(
                name="brush",
                encodings=["x"],
                mark=alt.BrushConfig(fill="var(--accent)", fillOpacity=0.2, stroke="var(--accent)"),
            )
        )
        .properties(width="container", height=56)
    )
