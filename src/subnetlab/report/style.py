"""The look of the page: the colours of figures/ as CSS variables, and the charts' configuration in terms of them.

Charts are SVG, whose colours are CSS: one drawing is right in light, in dark and on paper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

from ..figures.style import BLUE, GREEN, GREY, ORANGE, SKY, VERMILLION
from .templates import asset

if TYPE_CHECKING:
    from collections.abc import Mapping

PURPLE = "#CC79A7"  # of Okabe and Ito's colours the one that figures/ leave: what is predicted
HEAT = "yellowgreenblue"  # matplotlib's YlGnBu, as in figures/

SAMPLING, LOCAL, AGGREGATED = "var(--sampling)", "var(--local)", "var(--ink)"
PREDICTED, BOUND, REPAIRED = "var(--predicted)", "var(--bound)", "var(--repaired)"
QUIET, INK = "var(--quiet)", "var(--ink)"
PHASES = {"local": "var(--phase-local)", "aggregation": "var(--phase-aggregation)", "sampling": "var(--phase-sampling)"}

_LIGHT = {
    "sampling": VERMILLION,
    "local": BLUE,
    "predicted": "#A8477F",  # PURPLE, dark enough for a thin line on white
    "bound": "#B87A00",  # ORANGE, likewise
    "repaired": "#007A59",  # GREEN, likewise
    "phase-local": SKY,
    "phase-aggregation": GREEN,
    "phase-sampling": ORANGE,
    "band": GREY,
}
_DARK = {"sampling": "#F08A4B", "local": SKY, "predicted": PURPLE, "bound": ORANGE, "repaired": "#35C79D"}

CHART_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_PLAIN = "datum.value == 0 || (1e-3 <= datum.value && datum.value < 1e4)"
# Vega's words for a number that is short, however large or small
SHORT = f"{_PLAIN} ? format(datum.value, '~g') : replace(format(datum.value, '~e'), '+', '')"
_WHOLE = "datum.value % 1 ? '' : format(datum.value, 'd')"


def style_sheet() -> str:
    """Return the style of every page: the colours of marks, for light and dark, and the layout."""
    return (
        f":root {{ {_declarations(_LIGHT)} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {_declarations(_DARK)} }} }}\n{asset('page.css')}"
    )


def chart_config() -> dict[str, Any]:
    """Return the configuration of all charts of a page (Vega-Lite's ``config``)."""
    return {
        "font": CHART_FONT,
        "background": "transparent",
        "aria": False,  # each chart is one image with a caption, and its numbers stand in a table
        "view": {"stroke": None},
        "axis": {
            "labelColor": QUIET,
            "titleColor": INK,
            "gridColor": "var(--grid)",
            "domainColor": "var(--line)",
            "tickColor": "var(--line)",
            "labelFontSize": 11,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "titlePadding": 8,
            "labelOverlap": True,
        },
        "legend": {
            "labelColor": QUIET,
            "titleColor": INK,
            "labelFontSize": 11,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
        },
    }


def _declarations(colours: dict[str, str]) -> str:
    return " ".join(f"--{name}: {value};" for name, value in colours.items())


def chart_of(name: str) -> alt.Chart:
    """Return a chart of data that the page's script gives it by this name."""
    return alt.Chart(alt.NamedData(name))


def marks_by_name(channel: Any, field: str, marks: Mapping[str, Any]) -> Any:
    """Return a channel in which each name in a field has its own mark (colour, shape, dash); legends are the page's."""
    return channel(field, legend=None, scale=alt.Scale(domain=list(marks), range=list(marks.values())))


def round_axis() -> alt.Axis:
    """Return an axis of rounds with as many whole numbers as there is room for."""
    return alt.Axis(labelExpr=_WHOLE, grid=False, tickCount=alt.ExprRef("ceil(width / 70)"))


def error_axis(**more: Any) -> alt.Axis:
    """Return an axis whose numbers are short, however large or small."""
    return alt.Axis(labelExpr=SHORT, **more)


def heat_legend() -> alt.Legend:
    """Return the legend of a picture whose colours are numbers."""
    short = {"labelExpr": SHORT, "tickCount": 4, "labelOverlap": "greedy", "labelSeparation": 8}
    return alt.Legend(orient="top", gradientLength=180, gradientThickness=9, **short)


def log_scale() -> alt.Scale:
    """Return the scale of errors."""
    return alt.Scale(type="log", nice=False, padding=6)
