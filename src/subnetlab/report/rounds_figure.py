"""The figure of the error inside the rounds, of one run or of the mean of several: some in detail, below them all.

The page's script fills the charts' data by name and moves the window (component "rounds", assets/rounds.js).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from ..figures.trajectory import AGGREGATION, LOCAL_END, find_changes
from .parts import Key, PageFigure, Part, Slider, Tick
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
_AGGREGATED, _AFTER_EACH, _PREDICTED = "after aggregation", "after each round", "predicted mean over masks"
_EVENT_KEYS = (Key("triangle", SAMPLING, "after sampling"), Key("circle", LOCAL, "after a local step"))
_PHASE_NAMES = {"local": "local training", "aggregation": "aggregation", "sampling": "re-sampling"}
_PHASE_KEYS = tuple(Key("band", PHASES[phase], name) for phase, name in _PHASE_NAMES.items())
_MOST_NUMBERS = 20_000  # per curve; about 150 kB
_STRETCH = 8  # rounds that stay together where some are left out
_SHOWN = 6  # rounds at first


def detail_chart(measure: str = "error") -> alt.TopLevelMixin:
    """Return the chart of a window of rounds; ``measure`` is the word for what is drawn.

    Data: "phases" (start, end, phase), "band" (position, low, high, stretch), "line" and "predicted" (position,
    error, stretch), "points" (position, error, event, round, step), "kept" like "line". Signals: first, last, size.
    """
    window = alt.Scale(domain=[alt.ExprRef("first"), alt.ExprRef("last")], nice=False)
    x = alt.X("position:Q", title="round", scale=window, axis=round_axis())
    y = alt.Y("error:Q", title=f"training {measure}", scale=log_scale(), axis=error_axis())
    phases = chart_of("phases").mark_rect(opacity=0.13, clip=True)
    band = chart_of("band").mark_area(color="var(--band)", opacity=0.28, clip=True)
    line = chart_of("line").mark_line(color=QUIET, strokeWidth=0.8, opacity=0.75, clip=True)
    predicted = chart_of("predicted").mark_line(color=PREDICTED, strokeWidth=1.4, strokeDash=[5, 3], clip=True)
    kept = chart_of("kept").mark_line(color="var(--band)", strokeWidth=1.2, clip=True)
    points = chart_of("points").mark_point(filled=True, opacity=1, size=alt.ExprRef("size"), clip=True)
    along = {"detail": "stretch:N", "order": "position:Q"}
    layers = alt.layer(
        phases.encode(x=alt.X("start:Q", scale=window), x2="end:Q", color=marks_by_name(alt.Color, "phase:N", PHASES)),
        band.encode(x, y=alt.Y("low:Q", scale=log_scale()), y2="high:Q", detail="stretch:N"),
        kept.encode(x, y, **along),
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


def overview_chart(title: str) -> alt.TopLevelMixin:
    """Return the chart of one error per round in the whole run, with a window to draw or drag.

    Data: "overview", "expected" and "kept" (round, error). Signals: last, the end of the axis; "brush_x" holds the
    window in pixels.
    """
    rounds = alt.Scale(domain=[0, alt.ExprRef("last")], nice=False)
    x = alt.X("round:Q", title="all rounds: drag to choose those below", scale=rounds, axis=round_axis())
    y = alt.Y("error:Q", title=title, scale=log_scale(), axis=error_axis(tickCount=3))
    window = alt.BrushConfig(fill="var(--accent)", fillOpacity=0.2, stroke="var(--accent)")
    brush = alt.selection_interval(name="brush", encodings=["x"], mark=window)
    kept = chart_of("kept").mark_line(color="var(--band)", strokeWidth=1.4, clip=True)
    expected = chart_of("expected").mark_line(color=PREDICTED, strokeWidth=1.4, strokeDash=[5, 3])
    line = chart_of("overview").mark_line(color=AGGREGATED, strokeWidth=1.4).add_params(brush)
    layers = alt.layer(*(chart.encode(x, y) for chart in (kept, expected, line)))
    return layers.add_params(alt.param(name="last", value=1)).properties(width="container", height=130)


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


def rounds_figure(name: str, curve: InsideRounds, prediction: Prediction | None, said: str) -> PageFigure:
    """Return the figure.

    Parameters
    ----------
    name : str
        Its id.
    curve : InsideRounds
    prediction : Prediction, optional
    said : str
        The first words of the caption.
    """
    K, columns = curve.errors.shape
    kept = stretches(K, max(2 * _STRETCH, _MOST_NUMBERS // columns), _STRETCH)
    data: dict[str, Any] = {
        "inside": INSIDE,
        "total": K,
        "overview": curve.overview,
        "rounds": kept.tolist(),
        "initial": compact(curve.initial),
        "errors": compact(curve.errors[kept]),
        "low": None if curve.low is None else compact(curve.low[kept]),
        "high": None if curve.high is None else compact(curve.high[kept]),
        "predicted": None if prediction is None else _predicted(prediction, kept),
    }
    controls = window_controls(K)
    if prediction is not None:
        controls.append(Tick("predicted", "Prediction", on=True))
    return PageFigure(
        name,
        "rounds",
        rounds_charts(curve.measure, _AFTER_EACH if curve.overview == -1 else "after sampling"),
        data,
        " ".join(filter(None, [said, _changes(curve), _left_out(K, len(kept))])),
        controls,
        keys=_keys(curve, prediction),
    )


def live_rounds(name: str, measure: str, said: str, *, predicted: bool) -> PageFigure:
    """Return the figure of a run that is still to come: the script gives it its data.

    Parameters
    ----------
    name, measure, said : str
        Its id, the word for what is measured, and the caption.
    predicted : bool
        Whether there is a prediction.
    """
    data = {"inside": INSIDE, "total": _SHOWN, "overview": -1, "rounds": [], "initial": None, "errors": []}
    keys = [*_EVENT_KEYS, Key("square", AGGREGATED, _AGGREGATED)]
    if predicted:
        keys.append(Key("dashed", PREDICTED, _PREDICTED))
    keys += [Key("line", "var(--band)", "the run that was kept"), *_PHASE_KEYS]
    charts = rounds_charts(measure, _AFTER_EACH)
    return PageFigure(name, "rounds", charts, data, said, window_controls(_SHOWN), keys)


def rounds_charts(measure: str, title: str) -> dict[str, alt.TopLevelMixin]:
    """Return the charts by their names: all rounds, and a window of them."""
    return {"overview": overview_chart(title), "detail": detail_chart(measure)}


def window_controls(rounds: int) -> list[Part]:
    """Return the controls of the window of rounds that is shown in detail."""
    shown = min(_SHOWN, rounds)
    return [
        Slider("first", "First round", rounds - shown + 1, 0, 0),
        Slider("shown", "Rounds shown", rounds, shown - 1, shown),
    ]


def _predicted(prediction: Prediction, kept: np.ndarray) -> dict[str, Any]:
    full = prediction.full_error
    inside = np.column_stack([prediction.sampled_error, prediction.local_error, full[1:]])
    return {"initial": compact(full[0]), "errors": compact(inside[kept])}


def _keys(curve: InsideRounds, prediction: Prediction | None) -> list[Key]:
    keys = list(_EVENT_KEYS)
    if np.isfinite(curve.errors[:, -1]).any():
        keys.append(Key("square", AGGREGATED, _AGGREGATED))
    if curve.low is not None:
        keys.append(Key("band", "var(--band)", f"least to largest over {curve.over}"))
    if prediction is not None:
        keys.append(Key("dashed", PREDICTED, _PREDICTED, "predicted"))
    return [*keys, *_PHASE_KEYS]


def _changes(curve: InsideRounds) -> str:
    """Say how often each kind of change happened, as Figure 2a counts them; nothing where some errors are unknown."""
    if not np.isfinite(curve.errors).all():
        return ""
    K = len(curve.errors)
    full = np.append(curve.initial, curve.errors[:, -1])
    changes = find_changes(curve.errors[:, 0], curve.errors[:, 1:-1], full)
    return (
        f"Of {K} rounds, every local step lowered the error in {int(changes.local_decrease.sum())}; aggregation "
        f"lowered it suddenly in {int(changes.aggregation_drop.sum())}; re-sampling raised it suddenly in "
        f"{int(changes.resampling_rise.sum())} of {max(0, K - 1)}. Suddenly means: by a larger factor than the last "
        f"local step changed it."
    )


def _left_out(K: int, kept: int) -> str:
    if kept == K:
        return ""
    return f"Of {K} rounds the page holds {kept}, in evenly spread stretches of {_STRETCH}; the others are left out."
