"""The charts of a run held against the theory: error, prediction and bound; eigenvalues; measures of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

from .style import AGGREGATED, BOUND, LOCAL, PREDICTED, QUIET, REPAIRED, SAMPLING, error_axis, log_scale, round_axis

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CURVES = {
    "measured": (AGGREGATED, [1, 0]),
    "predicted": (PREDICTED, [5, 3]),
    "bound": (BOUND, [2, 3]),
    "repaired bound": (REPAIRED, [7, 3, 2, 3]),
}
"""Colour and dash of each curve of `bound_chart`."""


def bound_chart(rows: Sequence[Mapping[str, Any]], initial: float | None) -> alt.TopLevelMixin:
    """Return the chart of the error after each aggregation beside what theory says of it.

    Parameters
    ----------
    rows : sequence of mapping
        With round, error and curve, one of `CURVES`.
    initial : float, optional
        The initial error, a level of its own.
    """
    names = list(CURVES)
    colours, dashes = ([CURVES[name][i] for name in names] for i in range(2))
    chart = alt.Chart(alt.InlineData(values=list(rows)))
    lines = chart.mark_line(strokeWidth=1.7).encode(
        x=alt.X("round:Q", title="round", scale=alt.Scale(nice=False), axis=round_axis()),
        y=alt.Y("error:Q", title="|y−u|² of the whole network", scale=log_scale(), axis=error_axis()),
        stroke=alt.Stroke("curve:N", legend=None, scale=alt.Scale(domain=names, range=colours)),
        strokeDash=alt.StrokeDash("curve:N", legend=None, scale=alt.Scale(domain=names, range=dashes)),
        tooltip=[
            alt.Tooltip("curve:N"),
            alt.Tooltip("round:Q"),
            alt.Tooltip("error:Q", format=".4g"),
        ],
    )
    # an error with unknown neighbours is no line
    alone = (
        chart.transform_filter("datum.curve === 'measured' && isValid(datum.error)")
        .transform_joinaggregate(known="count()")
        .transform_filter("datum.known <= 2")
        .mark_point(shape="square", filled=True, color=AGGREGATED, size=40, opacity=1)
        .encode(x="round:Q", y="error:Q")
    )
    level = (
        alt.Chart(alt.InlineData(values=[] if initial is None else [{"error": initial}]))
        .mark_rule(color=QUIET, strokeWidth=1)
        .encode(y=alt.Y("error:Q", scale=log_scale()))
    )
    return alt.layer(level, lines, alone).properties(width="container", height=300)


def eigenvalue_chart(rows: Sequence[Mapping[str, Any]], levels: Mapping[str, float]) -> alt.TopLevelMixin:
    """Return the chart of the smallest eigenvalue of masked NTKs.

    Parameters
    ----------
    rows : sequence of mapping
        With masks (the round whose masks they are), weights ("first" or another name) and value.
    levels : mapping of str to float
        Values to mark, with their names.
    """
    stages = list(dict.fromkeys(row["weights"] for row in rows))
    colours = [SAMPLING, LOCAL, PREDICTED][: len(stages)]
    points = (
        alt.Chart(alt.InlineData(values=list(rows)))
        .mark_point(filled=True, size=22, opacity=0.75)
        .encode(
            x=alt.X("masks:O", title="round whose masks are used", axis=alt.Axis(labelAngle=0, grid=False)),
            xOffset=alt.XOffset("weights:N", sort=stages, scale=alt.Scale(paddingOuter=0.6)),
            y=alt.Y("value:Q", title="smallest eigenvalue", scale=alt.Scale(zero=True, nice=True)),
            fill=alt.Fill("weights:N", legend=None, scale=alt.Scale(domain=stages, range=colours)),
            shape=alt.Shape(
                "weights:N", legend=None, scale=alt.Scale(domain=stages, range=["triangle-up", "circle", "square"])
            ),
            tooltip=[
                alt.Tooltip("weights:N"),
                alt.Tooltip("masks:O", title="masks of round"),
                alt.Tooltip("value:Q", format=".4g"),
            ],
        )
    )
    marks = alt.Chart(alt.InlineData(values=[{"value": value, "name": name} for name, value in levels.items()]))
    rules = marks.mark_rule(color=QUIET, strokeDash=[4, 3]).encode(y="value:Q")
    names = marks.mark_text(align="left", baseline="bottom", dx=4, dy=-3, color=QUIET, fontSize=11).encode(
        x=alt.value(0), y="value:Q", text="name:N"
    )
    return alt.layer(rules, points, names).properties(width="container", height=300)


def measure_chart(rows: Sequence[Mapping[str, Any]], title: str, *, log: bool) -> alt.TopLevelMixin:
    """Return a line of one measure (round, value) over the rounds."""
    scale = log_scale() if log else alt.Scale(zero=True)
    return (
        alt.Chart(alt.InlineData(values=list(rows)))
        .mark_line(color=LOCAL, strokeWidth=1.6)
        .encode(
            x=alt.X("round:Q", title="round", scale=alt.Scale(nice=False), axis=round_axis()),
            y=alt.Y("value:Q", title=title, scale=scale, axis=error_axis()),
        )
        .properties(width="container", height=180)
    )
