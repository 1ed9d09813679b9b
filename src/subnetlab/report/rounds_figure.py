"""The figure of the error inside the rounds, of one run or of the mean of several: some in detail, below them all.

The page's script fills the charts' data by name and moves the window (component "rounds" in assets/page.js).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from ..figures.trajectory import AGGREGATION, LOCAL_END, find_changes
from .markup import Markup, joined, slider, text, tick
from .page import Key, PageFigure
from .rounding import compact, stretches
from .style import (
    AGGREGATED,
    LOCAL,
    PHASES,
    PREDICTED,
    QUIET,
    SAMPLING,
    chart_of,
    error_axis,
    log_scale,
    marks_by_name,
    round_axis,
)

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from ..theory.prediction import Prediction

INSIDE = {"local_end": LOCAL_END, "aggregation": AGGREGATION}
"""Where local training ends and aggregation lies inside a round of length 1, as in Figure 2a."""

EVENTS = {"sampling": SAMPLING, "local step": LOCAL, "aggregation": AGGREGATED}
_SHAPES = {"sampling": "triangle-up", "local step": "circle", "aggregation": "square"}
_MOST_NUMBERS = 20_000  # per curve; about 150 kB
_STRETCH = 8  # rounds that stay together where some are left out
_SHOWN = 6  # rounds at first


def detail_chart(measure: str = "error") -> alt.TopLevelMixin:
    """Return the chart of a window of rounds; ``measure`` is the word for what is drawn.

    Data: "phases" (start, end, phase), "band" (position, low, high, stretch), "line" and "predicted" (position,
    error, stretch), "points" (position, error, event, round, step). Signals: first, last, size, grid.
    """
    window = alt.Scale(domain=[alt.ExprRef("first"), alt.ExprRef("last")], nice=False)
    x = alt.X("position:Q", title="round", scale=window, axis=round_axis())
    y = alt.Y("error:Q", title=f"training {measure}", scale=log_scale(), axis=error_axis())
    phases = chart_of("phases").mark_rect(opacity=0.13, clip=True)
    band = chart_of("band").mark_area(color="var(--band)", opacity=0.28, clip=True)
    line = chart_of("line").mark_line(color=QUIET, strokeWidth=0.8, opacity=0.75, clip=True)
    predicted = chart_of("predicted").mark_line(color=PREDICTED, strokeWidth=1.4, strokeDash=[5, 3], clip=True)
    points = chart_of("points").mark_point(filled=True, opacity=1, size=alt.ExprRef("size"), clip=True)
    along = {"detail": "stretch:N", "order": "position:Q"}
    layers = alt.layer(
        phases.encode(x=alt.X("start:Q", scale=window), x2="end:Q", color=marks_by_name(alt.Color, "phase:N", PHASES)),
        band.encode(x, y=alt.Y("low:Q", scale=log_scale()), y2="high:Q", detail="stretch:N"),
        line.encode(x, y, **along),
        predicted.encode(x, y, **along),
        points.encode(
            x,
            y,
            shape=marks_by_name(alt.Shape, "event:N", _SHAPES),
            fill=marks_by_name(alt.Fill, "event:N", EVENTS),
            tooltip=[
                alt.Tooltip("round:Q", title="round"),
                alt.Tooltip("event:N", title="after"),
                alt.Tooltip("step:Q", title="local steps made"),
                alt.Tooltip("error:Q", title=measure, format=".4g"),
            ],
        ),
    )
    signals = [alt.param(name="first", value=-0.25), alt.param(name="last", value=1), alt.param(name="size", value=40)]
    return layers.resolve_scale(color="independent").add_params(*signals).properties(width="container", height=330)


def overview_chart() -> alt.TopLevelMixin:
    """Return the chart of the error after each aggregation in the whole run, with a window to draw or drag.

    Data: "overview" (round, error). Signal "brush_x" holds the window in pixels.
    """
    title = "all rounds: drag to choose those above"
    x = alt.X("round:Q", title=title, scale=alt.Scale(nice=False, zero=False), axis=round_axis())
    y = alt.Y("error:Q", title=None, scale=log_scale(), axis=error_axis(tickCount=2, grid=False))
    window = alt.BrushConfig(fill="var(--accent)", fillOpacity=0.2, stroke="var(--accent)")
    line = chart_of("overview").mark_line(color=AGGREGATED, strokeWidth=1).encode(x=x, y=y)
    line = line.add_params(alt.selection_interval(name="brush", encodings=["x"], mark=window))
    return line.properties(width="container", height=56)


@dataclass(frozen=True, eq=False)
class InsideRounds:
    """The errors inside K rounds.

    Parameters
    ----------
    initial : float
        |y - u_0|^2.
    errors : ndarray, shape (K, tau + 2)
        After sampling, after each local step, after aggregation.
    low, high : ndarray, shape (K, tau + 2), optional
        The least and the largest over what ``errors`` is the mean of.
    over : str
        What that is, "10 seeds" for example.
    measure : str, default "error"
        The word for what was measured.
    overview : int, default -1
        The column of ``errors`` that is drawn over the whole run.
    """

    initial: float
    errors: FloatArray
    low: FloatArray | None = None
    high: FloatArray | None = None
    over: str = ""
    measure: str = "error"
    overview: int = -1


def rounds_figure(name: str, curve: InsideRounds, prediction: Prediction | None, said: Markup) -> PageFigure:
    """Return the figure.

    Parameters
    ----------
    name : str
        Its id.
    curve : InsideRounds
    prediction : Prediction, optional
    said : Markup
        The first words of the caption.
    """
    K, columns = curve.errors.shape
    kept = stretches(K, max(2 * _STRETCH, _MOST_NUMBERS // columns), _STRETCH)
    data: dict[str, Any] = {
        "inside": INSIDE,
        "total": K,
        "overview": curve.overview % columns,
        "rounds": kept.tolist(),
        "initial": compact(curve.initial),
        "errors": compact(curve.errors[kept]),
        "low": None if curve.low is None else compact(curve.low[kept]),
        "high": None if curve.high is None else compact(curve.high[kept]),
        "predicted": None if prediction is None else _predicted(prediction, kept),
    }
    first = min(_SHOWN, K)
    controls = [
        slider("first", text("First round"), K - first + 1, 0, 0),
        slider("shown", text("Rounds shown"), K, first - 1, first),
    ]
    if prediction is not None:
        controls.append(tick("predicted", text("Prediction"), on=True))
    return PageFigure(
        name,
        "rounds",
        {"detail": detail_chart(curve.measure), "overview": overview_chart()},
        data,
        joined([said, _changes(curve), _left_out(K, len(kept))], " "),
        joined(controls),
        keys=_keys(curve, prediction),
    )


def _predicted(prediction: Prediction, kept: np.ndarray) -> dict[str, Any]:
    full = prediction.full_error
    inside = np.column_stack([prediction.sampled_error, prediction.local_error, full[1:]])
    return {"initial": compact(full[0]), "errors": compact(inside[kept])}


def _keys(curve: InsideRounds, prediction: Prediction | None) -> list[Key]:
    keys = [
        Key("triangle", SAMPLING, text("after sampling")),
        Key("circle", LOCAL, text("after a local step")),
    ]
    if np.isfinite(curve.errors[:, -1]).any():
        keys.append(Key("square", AGGREGATED, text("after aggregation")))
    if curve.low is not None:
        keys.append(Key("band", "var(--band)", text(f"least to largest over {curve.over}")))
    if prediction is not None:
        keys.append(Key("dashed", PREDICTED, text("predicted mean over masks"), "predicted"))
    names = {"local": "local training", "aggregation": "aggregation", "sampling": "re-sampling"}
    return keys + [Key("band", PHASES[phase], text(name)) for phase, name in names.items()]


def _changes(curve: InsideRounds) -> Markup:
    """Say how often each kind of change happened, as Figure 2a counts them; nothing where some errors are unknown."""
    if not np.isfinite(curve.errors).all():
        return Markup("")
    K = len(curve.errors)
    full = np.append(curve.initial, curve.errors[:, -1])
    changes = find_changes(curve.errors[:, 0], curve.errors[:, 1:-1], full)
    return text(
        f"Of {K} rounds, every local step lowered the error in {int(changes.local_decrease.sum())}; aggregation "
        f"lowered it suddenly in {int(changes.aggregation_drop.sum())}; re-sampling raised it suddenly in "
        f"{int(changes.resampling_rise.sum())} of {max(0, K - 1)}. Suddenly means: by a larger factor than the last "
        f"local step changed it."
    )


def _left_out(K: int, kept: int) -> Markup:
    if kept == K:
        return Markup("")
    return text(
        f"Of {K} rounds the page holds {kept}, in evenly spread stretches of {_STRETCH}; the others are left out."
    )
