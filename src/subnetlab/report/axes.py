"""Axes that the charts share: rounds, and errors on a logarithmic scale."""

from __future__ import annotations

from typing import Any

import altair as alt

_PLAIN = "datum.value == 0 || (1e-3 <= datum.value && datum.value < 1e4)"
# Vega's words for a number that is short, however large or small
SHORT = f"{_PLAIN} ? format(datum.value, '~g') : replace(format(datum.value, '~e'), '+', '')"

_WHOLE = "datum.value % 1 ? '' : format(datum.value, 'd')"


def round_axis() -> alt.Axis:
    """Return an axis of rounds with as many whole numbers as there is room for."""
    return alt.Axis(labelExpr=_WHOLE, grid=False, tickCount=alt.ExprRef("ceil(width / 70)"))


def error_axis(**more: Any) -> alt.Axis:
    """Return an axis whose numbers are short, however large or small."""
    return alt.Axis(labelExpr=SHORT, **more)


def log_scale() -> alt.Scale:
    """Return the scale of errors."""
    return alt.Scale(type="log", nice=False, padding=6)
