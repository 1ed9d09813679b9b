"""The figure of a run beside the theory: its error, the prediction, its certificate and the bounds of theorems."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import altair as alt
import numpy as np

from .parts import Key, PageFigure
from .rounding import compact, shown, spread
from .style import (
    AGGREGATED,
    BOUND,
    LOCAL,
    PREDICTED,
    QUIET,
    REPAIRED,
    SAMPLING,
    error_axis,
    log_scale,
    marks_by_name,
    round_axis,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..core.arrays import FloatArray
    from ..theory.record import Promise
    from ..theory.run_verdict import RunVerdict

_MOST_POINTS = 400
_FAR = 30.0  # times the largest measured error: a bound that never falls below has a chart of its own
# lines of own statements, one after the other; the legend tells them from those of the paper
_OWN: tuple[tuple[str, list[int], Literal["dashed", "dotted"]], ...] = (
    (SAMPLING, [9, 3], "dashed"),
    (PREDICTED, [1, 2], "dotted"),
    (BOUND, [6, 2, 1, 2], "dashed"),
    (REPAIRED, [1, 3], "dotted"),
)


class Curve(NamedTuple):
    """An error or a bound after each round, shape (K + 1,) or longer, and how it is drawn."""

    name: str
    values: FloatArray
    colour: str
    dash: list[int]
    mark: Literal["line", "dashed", "dotted"] = "dashed"


def bound_curves(verdict: RunVerdict) -> list[Curve]:
    """Return what was measured and predicted, every bound of the theory, and the bounds of a user's own statements."""
    paper, repaired = verdict.promises[verdict.theorem]
    prediction, certificate = verdict.prediction, verdict.certificate
    curves = [Curve("measured", verdict.measured, AGGREGATED, [1, 0], "line")]
    if certificate is not None:
        curves.append(Curve("certificate of this run", certificate.bound, LOCAL, [10, 2, 2, 2]))
    if prediction is not None:
        curves.append(Curve("predicted mean over masks", prediction.full_error, PREDICTED, [5, 3]))
    if paper.bound is not None:
        curves.append(Curve(f"bound of {paper.statement}", paper.bound, BOUND, [2, 3], "dotted"))
    if repaired.bound is not None:
        curves.append(Curve("the same with its proof repaired", repaired.bound, REPAIRED, [7, 3, 2, 3]))
    looks = cycle(_OWN)
    for name, (promise, _) in verdict.own_promises.items():
        if promise.bound is not None:
            named = f"bound of {promise.statement}"
            twice = named in (curve.name for curve in curves)
            colour, dash, mark = next(looks)
            curves.append(Curve(f"{named} ({name})" if twice else named, promise.bound, colour, dash, mark))
    return curves


def bound_figure(verdict: RunVerdict, uncertified: str = "") -> PageFigure:
    """Return the figure.

    Parameters
    ----------
    verdict : RunVerdict
    uncertified : str
        Why the verdict has no certificate, if it has none.
    """
    paper, _ = verdict.promises[verdict.theorem]
    measured, curves = verdict.measured, bound_curves(verdict)
    level = _FAR * float(np.nanmax(measured))
    far = [curve for curve in curves[1:] if (curve.values[: len(measured)] > level).all()]
    near = [curve for curve in curves if curve not in far]
    charts = {"far": bound_chart(_rows(far, len(measured)), far, None, "bounds far above", 110)} if far else {}
    initial = compact(measured[0]) if measured[0] > 0 else None
    charts["bound"] = bound_chart(_rows(near, len(measured)), near, initial, "|y−u|² of the whole network", 300)
    keys = [Key(curve.mark, curve.colour, curve.name) for curve in curves]
    if np.isnan(measured).any():
        keys[0] = Key("square", AGGREGATED, "measured before and after training; no more was recorded")
    keys.append(Key("rule", QUIET, "initial error"))
    return PageFigure("bound", "static", charts, {}, _caption(verdict, paper, far, uncertified), keys=keys)


def _rows(curves: Sequence[Curve], count: int) -> list[dict[str, Any]]:
    return [
        {"round": int(k), "error": compact(curve.values[k]), "curve": curve.name}
        for curve in curves
        for k in spread(count, _MOST_POINTS)
        if not (np.isfinite(curve.values[k]) and curve.values[k] <= 0)  # an unknown error stays, and breaks the line
    ]


def _caption(verdict: RunVerdict, paper: Promise, far: Sequence[Curve], uncertified: str) -> str:
    said = ["The error of the whole network after each aggregation, on a logarithmic axis."]
    if far:
        said.append("Bounds that stay far above the error have an axis of their own, above it.")
    certificate, last = verdict.certificate, len(verdict.measured) - 1
    if certificate is not None:
        said.append(
            f"The certificate is a bound that this run has earned, proven afterwards from its own masks, kernels and "
            f"changes of activation patterns: after {last} rounds the error is at most "
            f"{shown(float(certificate.bound[-1]))}, {shown(certificate.ratio, 3)} times the measured one."
        )
    elif uncertified:
        said.append(f"There is no certificate of this run here: {uncertified}.")
    if paper.bound is None:
        said.append(f"{paper.statement} gives no bound: {paper.reason}.")
    else:
        said.append(_course(paper, f"The bound of {paper.statement}", last))
    own = [promise for promise, _ in verdict.own_promises.values() if promise.bound is not None]
    said += [_course(promise, f"The bound of {promise.statement}, which is not the paper's,", last) for promise in own]
    if verdict.prediction is not None:
        said.append("The prediction is no bound, and a single run scatters about it.")
    return " ".join(said)


def _course(promise: Promise, bound: str, last: int) -> str:
    """Return how a bound goes, in a sentence; it is there."""
    assert promise.bound is not None
    if promise.vacuous:
        return (
            f"{bound} is vacuous: it never falls below {shown(float(promise.bound.min()))}, while the run starts "
            f"at {shown(promise.initial_error or 0.0)}."
        )
    return f"{bound} goes from {shown(float(promise.bound[0]))} to {shown(float(promise.bound[last]))}."


def bound_chart(
    rows: Sequence[Mapping[str, Any]], curves: Sequence[Curve], initial: float | None, title: str, height: int
) -> alt.TopLevelMixin:
    """Return the chart of errors and bounds after each aggregation.

    Parameters
    ----------
    rows : sequence of mapping
        With round, error and curve, the name of one of ``curves``.
    curves : sequence of Curve
    initial : float, optional
        The initial error, a level of its own.
    title : str
        Of the axis of errors.
    height : int
    """
    chart = alt.Chart(alt.InlineData(values=list(rows)))
    lines = chart.mark_line(strokeWidth=1.7).encode(
        x=alt.X("round:Q", title="round", scale=alt.Scale(nice=False), axis=round_axis()),
        y=alt.Y("error:Q", title=title, scale=log_scale(), axis=error_axis(tickCount=height // 40, minExtent=40)),
        stroke=marks_by_name(alt.Stroke, "curve:N", {curve.name: curve.colour for curve in curves}),
        strokeDash=marks_by_name(alt.StrokeDash, "curve:N", {curve.name: curve.dash for curve in curves}),
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
    return alt.layer(level, lines, alone).properties(width="container", height=height)
