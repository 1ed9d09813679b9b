"""The figures of one number per round: errors after rounds, and what else a run recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .figure import Figure
from .markup import Markup, joined, text
from .rounding import compact, spread
from .theory_charts import measure_chart

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from ..history import History

_MOST_POINTS = 1000

# by the name in `History`: the axis, whether it is logarithmic, what is seen
_MEASURES = {
    "validation_error": ("validation error", True, "The error of the whole network on rows that are not trained on."),
    "pattern_change": (
        "share of activation patterns",
        False,
        "The share of activation patterns that differ from the start of training. The lazy regime, in which prediction "
        "and theory live, needs it to be small.",
    ),
    "weight_movement": ("largest movement", False, "How far the neuron that moved most is from its initial weights."),
}


def after_rounds_figure(history: History) -> Figure:
    """Return the figure of the error after each aggregation, for runs that recorded no other."""
    chart = measure_chart(_points(history.full_error, log=True), "|y−u|² of the whole network", log=True)
    caption = text("The error of the whole network before round 0 and after each aggregation.")
    return Figure("after", "static", {"after": chart}, {}, caption)


def measure_figures(history: History) -> Markup:
    """Return the figures of what else was recorded, or nothing."""
    figures: list[Markup] = []
    for name, (title, log, caption) in _MEASURES.items():
        values = getattr(history, name)
        if values is not None and np.isfinite(values).any():
            chart = measure_chart(_points(values, log=log), title, log=log)
            figures.append(Figure(name.replace("_", "-"), "static", {"line": chart}, {}, text(caption)).markup())
    return joined(figures)


def _points(values: FloatArray, *, log: bool) -> list[dict[str, Any]]:
    kept = (int(k) for k in spread(len(values), _MOST_POINTS))
    return [
        {"round": k, "value": compact(values[k])}
        for k in kept
        if np.isfinite(values[k]) and not (log and values[k] <= 0)
    ]
