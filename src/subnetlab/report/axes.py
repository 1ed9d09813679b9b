"""Axes that the charts share: rounds, and errors on a logarithmic scale."""

from __future__ import annotations

import altair as alt

_PLAIN = "datum.value == 0 || (1e-3 <= datum.value && datum.value < 1e4)"
_SHORT = f"{_PLAIN} ? format(datum.value, '~g') : replace(format(datum.value, '~e'), '+', '')"


def round_axis() -> alt.Axis:
    """Return an axis of rounds with as many whole numbers as there is room for."""
    return alt.Axis(tickMinStep=1, format="d", grid=False, tickCount=alt.ExprRef("ceil(width / 70)"))


def error_axis() -> alt.Axis:
    """Return an axis whose numbers are short, however large or small."""
    return alt.Axis(labelExpr=_SHORT)


def log_scale() -> alt.Scale:
    """Return the scale of errors."""
    return alt.Scale(type="log", nice=False, padding=6)
