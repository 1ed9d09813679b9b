"""The figures of a run held against the theory: error, prediction and bound; eigenvalues of masked kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from .parts import Key, PageFigure
from .rounding import compact, shown, spread
from .style import AGGREGATED, BOUND, LOCAL, PREDICTED, QUIET, REPAIRED, SAMPLING, error_axis, log_scale, round_axis

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..theory.record import Promise
    from ..theory.run_verdict import RunVerdict

_MOST_POINTS = 400
CURVES = {
    "measured": (AGGREGATED, [1, 0]),
    "predicted": (PREDICTED, [5, 3]),
    "bound": (BOUND, [2, 3]),
    "repaired bound": (REPAIRED, [7, 3, 2, 3]),
}
"""Colour and dash of each curve of `bound_chart`."""


def bound_figure(verdict: RunVerdict) -> PageFigure:
    """Return the figure."""
    paper, repaired = verdict.promises[verdict.theorem]
    measured, prediction = verdict.measured, verdict.prediction
    curves = {
        "measured": measured,
        "predicted": None if prediction is None else prediction.full_error,
        "bound": paper.bound,
        "repaired bound": repaired.bound,
    }
    rows = [
        {"round": int(k), "error": compact(values[k]), "curve": name}
        for name, values in curves.items()
        if values is not None
        for k in spread(len(measured), _MOST_POINTS)
        if not (np.isfinite(values[k]) and values[k] <= 0)  # an unknown error stays, and breaks the line
    ]
    keys = {
        "measured": Key("line", AGGREGATED, "measured"),
        "predicted": Key("dashed", PREDICTED, "predicted mean over masks"),
        "bound": Key("dotted", BOUND, f"bound of {paper.statement}"),
        "repaired bound": Key("dashed", REPAIRED, "the same with its proof repaired"),
    }
    if np.isnan(measured).any():
        keys["measured"] = Key("square", AGGREGATED, "measured before and after training; no more was recorded")
    drawn = [key for name, key in keys.items() if curves[name] is not None]
    initial = float(measured[0])
    return PageFigure(
        "bound",
        "static",
        {"bound": bound_chart(rows, compact(initial) if initial > 0 else None)},
        {},
        _caption(verdict, paper),
        keys=[*drawn, Key("rule", QUIET, "initial error")],
    )


def _caption(verdict: RunVerdict, paper: Promise) -> str:
    start = "The error of the whole network after each aggregation, on a logarithmic axis."
    if paper.bound is None:
        return f"{start} {paper.statement} gives no bound: {paper.reason}."
    if paper.vacuous:
        says = (
            f"The bound is vacuous: it never falls below {shown(float(paper.bound.min()))}, while the run starts at "
            f"{shown(float(verdict.measured[0]))}. It is drawn to show how far from the run it is"
        )
    else:
        says = f"The bound falls from {shown(float(paper.bound[0]))} to {shown(float(paper.bound[-1]))}"
    return f"{start} {says}. The prediction is no bound, and a single run scatters about it."


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
        tooltip=[alt.Tooltip("curve:N"), alt.Tooltip("round:Q"), alt.Tooltip("error:Q", format=".4g")],
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


def eigenvalue_figure(verdict: RunVerdict) -> PageFigure:
    """Return the figure."""
    found, lambda_0 = verdict.eigenvalues, verdict.setting.smallest_eigenvalue
    names = [f"weights after round {k}" if k else "initial weights" for k in map(int, found.weight_rounds)]
    rows = [
        {"masks": int(k), "weights": name, "value": compact(value)}
        for name, at_stage in zip(names, found.values, strict=True)
        for k, values in zip(found.mask_rounds, at_stage, strict=True)
        for value in values
    ]
    share = 100 * verdict.kernel_share
    caption = (
        f"The smallest eigenvalue of the kernel of each sampled subnetwork, for the masks of {len(found.mask_rounds)} "
        f"rounds. Training contracts the error at a rate that these set, so they must stay away from 0: Theorem 2 "
        f"promises at least λ₀/2 = {shown(lambda_0 / 2)}, and {share:.3g}% of these {found.values.size} have it. "
        f"λ₀ = {shown(lambda_0)} is the eigenvalue of the infinitely wide network, with the factor ξ."
    )
    keys = [Key("triangle", SAMPLING, names[0]), *(Key("circle", LOCAL, name) for name in names[1:])]
    levels = {"λ₀": compact(lambda_0), "λ₀/2": compact(lambda_0 / 2)}
    return PageFigure("eigenvalue", "static", {"eigenvalue": eigenvalue_chart(rows, levels)}, {}, caption, keys=keys)


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
