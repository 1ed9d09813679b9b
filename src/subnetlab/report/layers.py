"""Pictures of layers along training: one number per group of units and round, the layers from top to bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from .parts import PageFigure
from .rounding import compact, spread
from .style import HEAT, LOCAL, chart_of, error_axis, heat_legend, round_axis

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.arrays import FloatArray

_MOST_LAYERS = 40
_MOST_COLUMNS = 120
NAMES_AXIS = alt.Axis(labelLimit=140, domain=False, ticks=False)
TITLES = {"movement": "largest movement of a unit", "held": "share of units held"}
"""What each measure is, beside the colours of its picture."""


def layers_figure(name: str, measure: str, values: Mapping[str, FloatArray], caption: str) -> PageFigure:
    """Return the picture of numbers that are known.

    Parameters
    ----------
    name : str
        Its id.
    measure : str
        A name in `TITLES`.
    values : mapping from str to ndarray, shape (K,)
        By group: what was measured in round k or after it; NaN where nothing was, and the number before it is drawn on.
    caption : str
    """
    groups = list(values)
    kept = [groups[i] for i in spread(len(groups), _MOST_LAYERS)]
    if len(kept) < len(groups):
        caption += f" Of {len(groups)} groups {len(kept)} are drawn, evenly spread."
    cells: list[dict[str, Any]] = []
    for group in kept:
        known = np.flatnonzero(np.isfinite(values[group]))
        ends = known[spread(len(known), _MOST_COLUMNS)] + 1
        starts = [0, *ends[:-1]]
        for start, end in zip(starts, ends, strict=True):
            cells.append(
                {"group": group, "start": int(start), "end": int(end), "value": compact(values[group][end - 1])}
            )
    chart = layers_chart(alt.Chart(alt.InlineData(values=cells)), measure, alt.Scale(nice=False), len(kept))
    return PageFigure(name, "static", {"layers": chart}, {}, caption)


def live_layers(measure: str, caption: str, groups: int) -> PageFigure:
    """Return the picture of numbers that are still to come: the script gives it its data."""
    rounds = alt.Scale(domain=[0, alt.ExprRef("last")], nice=False)
    chart = layers_chart(chart_of("layers"), measure, rounds, groups).add_params(alt.param(name="last", value=1))
    return PageFigure(measure, "static", {"layers": chart}, {}, caption)


def layers_chart(chart: alt.Chart, measure: str, rounds: alt.Scale, groups: int) -> alt.Chart:
    """Return the chart of data (group, start, end, value): a number between two rounds."""
    title = TITLES[measure]
    colours = alt.Scale(scheme=HEAT, domain=[0, 1]) if measure == "held" else alt.Scale(scheme=HEAT, domainMin=0)
    return (
        chart.mark_rect()
        .encode(
            x=alt.X("start:Q", title="round", scale=rounds, axis=round_axis()),
            x2="end:Q",
            y=alt.Y("group:N", title=None, sort=None, axis=NAMES_AXIS),
            color=alt.Color(
                "value:Q",
                title=title,
                scale=colours,
                legend=heat_legend(),
            ),
            tooltip=[
                alt.Tooltip("group:N", title="units of"),
                alt.Tooltip("end:Q", title="rounds made"),
                alt.Tooltip("value:Q", title=title, format=".4g"),
            ],
        )
        .properties(width="container", height=24 * groups)
    )


def bars_figure(name: str, values: Mapping[str, float], title: str, caption: str) -> PageFigure:
    """Return the picture of one share for each of many names, in their order."""
    names = list(values)
    kept = [names[i] for i in spread(len(names), _MOST_LAYERS)]
    if len(kept) < len(names):
        caption += f" Of {len(names)} {len(kept)} are drawn, evenly spread."
    rows = [{"name": name, "share": compact(values[name])} for name in kept]
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(fill=LOCAL, height={"band": 0.7})
        .encode(
            x=alt.X("share:Q", title=title, scale=alt.Scale(domain=[0, 1]), axis=error_axis(tickCount=5)),
            y=alt.Y("name:N", title=None, sort=None, axis=NAMES_AXIS),
            tooltip=[alt.Tooltip("name:N", title="of"), alt.Tooltip("share:Q", format=".4g")],
        )
    )
    return PageFigure(name, "static", {"bars": chart.properties(width="container", height=20 * len(kept))}, {}, caption)
