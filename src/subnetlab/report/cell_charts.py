"""The charts of a grid of runs: a heatmap, and the error curves of the cell that is chosen in it.

The page's script fills their data by name (component "explorer" in assets/page.js).
"""

from __future__ import annotations

import altair as alt

from .axes import SHORT, error_axis, log_scale, round_axis
from .style import AGGREGATED, BOUND, HEAT, INK, LOCAL, PREDICTED, SAMPLING

ACROSS, UP = "{across}", "{up}"
MEASURES = {"sampled": SAMPLING, "local": LOCAL, "full": AGGREGATED}


def heatmap_chart(rows: int) -> alt.TopLevelMixin:
    """Return the chart of one number per cell.

    Parameters
    ----------
    rows : int
        The most rows that it will have, for its height.

    Notes
    -----
    Data: "cells" (column, row, value, label, pale, shown) and "chosen" (column, row). Signals: columns, rows (what
    stands on the axes, in order), low, high (the scale), font. The script puts titles in place of `ACROSS` and `UP`.
    """
    columns = alt.Scale(domain=alt.ExprRef("columns"), paddingInner=0.03, paddingOuter=0)
    upwards = alt.Scale(domain=alt.ExprRef("rows"), paddingInner=0.03, paddingOuter=0)
    flat = alt.Axis(labelAngle=0, domain=False, ticks=False, labelPadding=6)
    x = alt.X("column:O", title=ACROSS, scale=columns, axis=flat, sort=None)
    y = alt.Y("row:O", title=UP, scale=upwards, axis=flat, sort=None)
    cells = alt.Chart(alt.NamedData("cells"))
    squares = cells.mark_rect().encode(
        x,
        y,
        color=alt.Color(
            "value:Q",
            title="training error",
            scale=alt.Scale(type="log", scheme=HEAT, domain=[alt.ExprRef("low"), alt.ExprRef("high")], nice=False),
            legend=alt.Legend(orient="top", gradientLength=180, gradientThickness=9, labelExpr=SHORT, tickCount=4),
        ),
        tooltip=[
            alt.Tooltip("column:O", title="across"),
            alt.Tooltip("row:O", title="up"),
            alt.Tooltip("shown:N", title="error"),
        ],
    )
    # a cell without a number has the colour of the page behind it and a sign in it
    empty = cells.transform_filter("!isValid(datum.value)").mark_rect(color="var(--raised)").encode(x, y)
    numbers = cells.mark_text(fontSize=alt.ExprRef("font")).encode(
        x,
        y,
        text="label:N",
        color=alt.Color(
            "pale:N",
            legend=None,
            scale=alt.Scale(domain=["yes", "no", "none"], range=["#ffffff", "#111111", "var(--quiet)"]),
        ),
    )
    chosen = (
        alt.Chart(alt.NamedData("chosen"))
        .mark_rect(fill=None, stroke=SAMPLING, strokeWidth=3, strokeJoin="round")
        .encode(x, y)
    )
    names = [alt.param(name=name, value=[""]) for name in ("columns", "rows")]
    scale = [alt.param(name="low", value=1), alt.param(name="high", value=10)]
    layers = alt.layer(empty, squares, numbers, chosen).resolve_scale(color="independent")
    return layers.add_params(*names, *scale, alt.param(name="font", value=11)).properties(
        width="container", height=max(170, min(420, 36 * rows))
    )


def curve_chart() -> alt.TopLevelMixin:
    """Return the chart of the chosen cell's errors against the round.

    Data: "lines" (round, error, measure, width), "band" (round, low, high), "predicted" and "bound" (round, error),
    "final" (round, error).
    """
    x = alt.X("round:Q", title="round", scale=alt.Scale(nice=False, zero=False), axis=round_axis())
    y = alt.Y("error:Q", title="training error", scale=log_scale(), axis=error_axis())
    band = (
        alt.Chart(alt.NamedData("band"))
        .mark_area(color="var(--band)", opacity=0.28)
        .encode(x, y=alt.Y("low:Q", scale=log_scale()), y2="high:Q")
    )
    lines = (
        alt.Chart(alt.NamedData("lines"))
        .mark_line()
        .encode(
            x,
            y,
            stroke=alt.Stroke(
                "measure:N", legend=None, scale=alt.Scale(domain=list(MEASURES), range=list(MEASURES.values()))
            ),
            strokeWidth=alt.StrokeWidth("width:Q", legend=None, scale=None),
            opacity=alt.Opacity("opacity:Q", legend=None, scale=None),
        )
    )
    predicted = (
        alt.Chart(alt.NamedData("predicted"))
        .mark_line(color=PREDICTED, strokeWidth=1.6, strokeDash=[5, 3])
        .encode(x, y)
    )
    bound = alt.Chart(alt.NamedData("bound")).mark_line(color=BOUND, strokeWidth=1.8, strokeDash=[2, 3]).encode(x, y)
    final = (
        alt.Chart(alt.NamedData("final"))
        .mark_point(filled=False, stroke=INK, strokeWidth=2, size=70)
        .encode(x, y, tooltip=alt.Tooltip("error:Q", title="in the heatmap", format=".4g"))
    )
    return alt.layer(band, lines, predicted, bound, final).properties(width="container", height=320)
