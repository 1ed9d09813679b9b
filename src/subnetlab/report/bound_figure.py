"""The figure of a run's error beside what the theory says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .markup import Markup, text
from .page import Key, PageFigure
from .rounding import compact, shown, spread
from .style import AGGREGATED, BOUND, PREDICTED, QUIET, REPAIRED
from .theory_charts import bound_chart

if TYPE_CHECKING:
    from ..theory.record import Promise
    from ..theory.run_verdict import RunVerdict

_MOST_POINTS = 400


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
        "measured": Key("line", AGGREGATED, text("measured")),
        "predicted": Key("dashed", PREDICTED, text("predicted mean over masks")),
        "bound": Key("dotted", BOUND, text(f"bound of {paper.statement}")),
        "repaired bound": Key("dashed", REPAIRED, text("the same with its proof repaired")),
    }
    if np.isnan(measured).any():
        keys["measured"] = Key("square", AGGREGATED, text("measured before and after training; no more was recorded"))
    drawn = [key for name, key in keys.items() if curves[name] is not None]
    initial = float(measured[0])
    return PageFigure(
        "bound",
        "static",
        {"bound": bound_chart(rows, compact(initial) if initial > 0 else None)},
        {},
        _caption(verdict, paper),
        keys=[*drawn, Key("rule", QUIET, text("initial error"))],
    )


def _caption(verdict: RunVerdict, paper: Promise) -> Markup:
    start = "The error of the whole network after each aggregation, on a logarithmic axis."
    if paper.bound is None:
        return text(f"{start} {paper.statement} gives no bound: {paper.reason}.")
    if paper.vacuous:
        says = (
            f"The bound is vacuous: it never falls below {shown(float(paper.bound.min()))}, while the run starts at "
            f"{shown(float(verdict.measured[0]))}. It is drawn to show how far from the run it is"
        )
    else:
        says = f"The bound falls from {shown(float(paper.bound[0]))} to {shown(float(paper.bound[-1]))}"
    return text(f"{start} {says}. The prediction is no bound, and a single run scatters about it.")
