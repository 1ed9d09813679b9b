"""Figures of lines over the rounds: measures of the network as it stands after each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from .parts import Key, PageFigure
from .rounding import compact, finite, spread
from .style import (
    AGGREGATED,
    BOUND,
    LOCAL,
    PREDICTED,
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

_MOST_NUMBERS = 20_000  # of a figure; about 800 kB
_MOST_POINTS = 1000  # of a line
_MOST_LINES = 60
_DOTTED = 30  # points that are few enough to be marked
_COLOURS = (LOCAL, SAMPLING, REPAIRED, BOUND, PREDICTED, AGGREGATED)  # of lines that the legend names


def lines_figure(
    name: str,
    lines: Mapping[str, FloatArray],
    title: str,
    caption: str,
    *,
    log: bool = False,
    zero: bool = True,
    x: str = "round",
) -> PageFigure:
    """Return the figure of one line or of several.

    Parameters
    ----------
    name : str
        Its id.
    lines : mapping from str to ndarray, shape (K,) or (K + 1,)
        The numbers after so many rounds; what is not finite is left out, and the line goes on.
    title : str
        Of the axis.
    caption : str
    log : bool, default False
        Whether the axis is logarithmic, where all numbers are above 0.
    zero : bool, default True
        Whether an axis that is not logarithmic begins at 0.
    x : str, default "round"
        What is counted.
    """
    drawn = [list(lines)[i] for i in spread(len(lines), _MOST_LINES)]
    if len(drawn) < len(lines):
        caption += f" Of {len(lines)} lines {len(drawn)} are drawn, evenly spread."
    lines = {line: lines[line] for line in drawn}
    log = log and all((finite(values) > 0).all() for values in lines.values())
    most = min(_MOST_POINTS, max(2, _MOST_NUMBERS // max(1, len(lines))))
    rows = [row for line, values in lines.items() for row in _points(line, values, most)]
    colours = dict(zip(lines, _COLOURS, strict=False)) if 1 < len(lines) <= len(_COLOURS) else {}
    chart = _chart(rows, title, x, log_scale() if log else alt.Scale(zero=zero), colours)
    keys = [Key("line", colour, line) for line, colour in colours.items()]
    return PageFigure(name, "static", {"lines": chart}, {}, caption, keys=keys)


def _points(line: str, values: FloatArray, most: int) -> list[dict[str, Any]]:
    known = np.flatnonzero(np.isfinite(values))
    return [{"line": line, "round": int(k), "value": compact(values[k])} for k in known[spread(len(known), most)]]


def _chart(
    rows: Sequence[Mapping[str, Any]], title: str, x: str, scale: alt.Scale, colours: Mapping[str, str]
) -> alt.TopLevelMixin:
    """Return lines of (line, round, value), of the colours given or all of one."""
    count = len({row["line"] for row in rows})
    tooltip = [alt.Tooltip("round:Q", title=x), alt.Tooltip("value:Q", format=".4g")]
    chart = alt.Chart(alt.InlineData(values=list(rows))).encode(
        x=alt.X("round:Q", title=x, scale=alt.Scale(nice=False), axis=round_axis()),
        y=alt.Y("value:Q", title=title, scale=scale, axis=error_axis(tickCount=5)),
        detail="line:N",
        stroke=marks_by_name(alt.Stroke, "line:N", colours) if colours else alt.value(LOCAL),
        tooltip=[alt.Tooltip("line:N", title="of"), *tooltip] if count > 1 else tooltip,
    )
    drawn = chart.mark_line(strokeWidth=1.6, opacity=1 if colours or count == 1 else 0.55)
    if len(rows) <= _DOTTED * count:
        drawn = drawn + chart.mark_point(size=28, opacity=1, strokeWidth=1.4)
    return drawn.properties(width="container", height=180)
