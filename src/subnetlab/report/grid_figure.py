"""The figure of a grid of runs: a heatmap with controls, joined to the curves of the chosen cell.

The page's script fills the charts' data by name (component "grid", assets/grid.js).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

from .grid import curve_numbers, curve_rounds, final_numbers, status_letters
from .parts import Choice, Key, PageFigure, Part, Slider, Tick
from .style import (
    AGGREGATED,
    BOUND,
    HEAT,
    INK,
    LOCAL,
    PREDICTED,
    SAMPLING,
    chart_of,
    error_axis,
    heat_legend,
    log_scale,
    marks_by_name,
    round_axis,
)
from .words import MEASURES

if TYPE_CHECKING:
    from .cell_theory import GridTheory
    from .grid import Axis, CellGrid


_COLOURS = {"sampled": SAMPLING, "local": LOCAL, "full": AGGREGATED}
_ACROSS = ("selection_prob", "local_steps", "step_size", "width", "init_scale")  # preferred, in order
_UP = ("n_subnetworks", *_ACROSS)
_ROOM = "width / length(columns)"  # of a cell of the heatmap
_FONT = f"max(7, min(12, {_ROOM} / 3.1))"


def heatmap_chart(rows: int) -> alt.TopLevelMixin:
    """Return the chart of one number per cell.

    Parameters
    ----------
    rows : int
        The most rows that it will have, for its height; with 1 nothing is chosen upwards.

    Notes
    -----
    Data: "cells" (column, row, at, up, value, label, brief, shown), of which label or brief is written. Signals:
    columns, rows (what stands on the axes, in order), low, high (the scale). The script puts words in place of those
    in braces.
    """
    columns = alt.Scale(domain=alt.ExprRef("columns"), paddingInner=0.03, paddingOuter=0)
    upwards = alt.Scale(domain=alt.ExprRef("rows"), paddingInner=0.03, paddingOuter=0)
    flat = alt.Axis(labelAngle=0, domain=False, ticks=False, labelPadding=6)
    x = alt.X("column:O", title="{at title}", scale=columns, axis=flat, sort=None)
    y = alt.Y("row:O", title="{up title}", scale=upwards, axis=flat, sort=None)
    cells = chart_of("cells")
    squares = cells.mark_rect().encode(
        x,
        y,
        color=alt.Color(
            "value:Q",
            title="training error",
            scale=alt.Scale(type="log", scheme=HEAT, domain=[alt.ExprRef("low"), alt.ExprRef("high")], nice=False),
            legend=heat_legend(),
        ),
    )
    # a cell without a number has the colour of the page behind it and a sign in it
    empty = cells.transform_filter("!isValid(datum.value)").mark_rect(color="var(--raised)").encode(x, y)
    ink = alt.when("!isValid(datum.value)").then(alt.value("var(--quiet)"))
    ink = ink.when("log(datum.value / low) > 0.55 * log(high / low)").then(alt.value("#ffffff"))
    numbers = _written(cells).encode(x, y, text="text:N", color=ink.otherwise(alt.value("#111111")))
    names = [alt.param(name=name, value=[""]) for name in ("columns", "rows")]
    scale = [alt.param(name="low", value=1), alt.param(name="high", value=10)]
    layers = alt.layer(empty, squares, numbers, _choice(cells, upwards=rows > 1).encode(x, y))
    layers = layers.resolve_scale(color="independent")
    return layers.add_params(*names, *scale, alt.param(name="font", expr=_FONT)).properties(
        width="container", height=max(170, min(420, 36 * rows))
    )


def _written(cells: alt.Chart) -> alt.Chart:
    """Return the texts of cells, in a size that fits; numbers that would run into each other are left out."""
    chart = cells.transform_calculate(text=f"{_ROOM} < 34 ? datum.brief : datum.label")
    chart = chart.transform_calculate(letters="length(datum.text)").transform_joinaggregate(longest="max(letters)")
    fitting = chart.transform_filter(f"!isValid(datum.value) || datum.longest * 0.58 * font <= {_ROOM}")
    return fitting.mark_text(fontSize=alt.ExprRef("font"))


def _choice(cells: alt.Chart, *, upwards: bool) -> alt.Chart:
    """Return cells to click on, which show their numbers and outline the chosen one.

    The choice is a selection, bound to a control for each of its fields, "at" and "up": the position on the axis.
    """
    fields = ["at", "up"] if upwards else ["at"]
    bind: Any = {field: alt.BindDirect(element=f"{{{field} control}}") for field in fields}
    start: Any = [{field: f"{{{field} place}}" for field in fields}]
    choice = alt.selection_point("choice", fields=fields, bind=bind, value=start, on="rect:click", clear=False)
    marks = cells.mark_rect(fill="transparent", strokeWidth=3, strokeJoin="round").add_params(choice)
    return marks.encode(
        stroke=alt.condition(choice, alt.value(SAMPLING), alt.value("transparent")),
        tooltip=[
            alt.Tooltip("column:O", title="across"),
            alt.Tooltip("row:O", title="up"),
            alt.Tooltip("shown:N", title="error"),
        ],
    )


def curve_chart() -> alt.TopLevelMixin:
    """Return the chart of the chosen cell's errors against the round.

    Data: "lines" (round, error, measure), "band" (round, low, high), "predicted" and "bound" (round, error), "final"
    (round, error). Signal: measure, the one to stress.
    """
    x = alt.X("round:Q", title="round", scale=alt.Scale(nice=False, zero=False), axis=round_axis())
    y = alt.Y("error:Q", title="training error", scale=log_scale(), axis=error_axis())
    band = chart_of("band").mark_area(color="var(--band)", opacity=0.28)
    predicted = chart_of("predicted").mark_line(color=PREDICTED, strokeWidth=1.6, strokeDash=[5, 3])
    bound = chart_of("bound").mark_line(color=BOUND, strokeWidth=1.8, strokeDash=[2, 3])
    final = chart_of("final").mark_point(filled=False, stroke=INK, strokeWidth=2, size=70)
    stressed = "datum.measure === measure"
    layers = alt.layer(
        band.encode(x, y=alt.Y("low:Q", scale=log_scale()), y2="high:Q"),
        chart_of("lines")
        .mark_line()
        .encode(
            x,
            y,
            stroke=marks_by_name(alt.Stroke, "measure:N", _COLOURS),
            strokeWidth=alt.when(stressed).then(alt.value(2)).otherwise(alt.value(1)),
            opacity=alt.when(stressed).then(alt.value(1)).otherwise(alt.value(0.45)),
        ),
        predicted.encode(x, y),
        bound.encode(x, y),
        final.encode(x, y, tooltip=alt.Tooltip("error:Q", title="in the heatmap", format=".4g")),
    )
    measure = alt.param(name="measure", value="full")
    return layers.add_params(measure).properties(width="container", height=320)


def grid_figure(name: str, grid: CellGrid, theory: GridTheory, said: str, *, last_rounds: int | None) -> PageFigure:
    """Return the figure.

    Parameters
    ----------
    name : str
        Its id.
    grid : CellGrid
    theory : GridTheory
    said : str
        The first words of the caption.
    last_rounds : int, optional
        Over how many last rounds a cell's error is the mean; None takes the last round's.
    """
    up, across = _spanned(grid.axes)
    rounds = curve_rounds(grid)
    has_theory = bool(len(rounds)) and not theory.why_not
    data: dict[str, Any] = {
        "axes": [{"name": a.name, "short": a.short, "title": a.title, "values": a.labels} for a in grid.axes],
        "across": across,
        "up": up,
        "repetitions": list(grid.repetitions),
        "measures": [{"name": measure, "label": label} for measure, label in MEASURES.items()],
        "status": status_letters(grid),
        "values": final_numbers(grid, last_rounds),
        "rounds": rounds.tolist(),
        "curves": curve_numbers(grid, rounds) if len(rounds) else {},
        "predicted": theory.predicted(rounds) if has_theory else None,
        "bounds": None if theory.why_not else theory.bounds(),
    }
    charts: dict[str, Any] = {}
    if grid.axes:
        charts["heatmap"] = heatmap_chart(max(len(axis.values) for axis in grid.axes) if up is not None else 1)
    if len(rounds):
        charts["curve"] = curve_chart()
    return PageFigure(
        name,
        "grid",
        charts,
        data,
        " ".join(filter(None, [said, _signs_said(grid), _curves_said(grid, len(rounds)), theory_said(theory)])),
        _controls(grid, up, across, has_theory=has_theory),
        _keys(grid, curves=bool(len(rounds)), has_theory=has_theory),
    )


def _spanned(axes: tuple[Axis, ...]) -> tuple[int | None, int | None]:
    """Return which axes the heatmap has upwards and across: None where there are too few."""
    order = {axis.name: i for i, axis in enumerate(axes)}
    up = next((order[name] for name in _UP if name in order), None)
    rest = [i for i in range(len(axes)) if i != up]
    across = next((order[name] for name in _ACROSS if order.get(name) in rest), rest[0] if rest else None)
    if across is None:  # one axis, or none: it lies across
        return None, up if up is not None else (0 if axes else None)
    if up is None:
        up = next(i for i in range(len(axes)) if i != across) if len(axes) > 1 else None
    return up, across


def _controls(grid: CellGrid, up: int | None, across: int | None, *, has_theory: bool) -> list[Part]:
    controls: list[Part] = [Choice("measure", "Error", list(MEASURES.values()))]
    if len(grid.repetitions) > 1:
        controls.append(Choice("seed", "Seed", ["mean of all", *grid.repetitions]))
    if len(grid.axes) > 2 and up is not None and across is not None:
        titles = [axis.title for axis in grid.axes]
        controls += [Choice("across", "Across", titles, across), Choice("up", "Upwards", titles, up)]
    for axis, at in zip(grid.axes, grid.middle(), strict=True):
        label = axis.title
        if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in axis.values):
            controls.append(Slider(f"axis-{axis.name}", label, len(axis.values), at, axis.labels[at]))
        else:
            controls.append(Choice(f"axis-{axis.name}", label, axis.labels, at))
    if has_theory:
        controls.append(Tick("predicted", "Prediction", on=True))
        controls.append(Tick("bound", "Bound of the theorem", on=False))
    return controls


def _keys(grid: CellGrid, *, curves: bool, has_theory: bool) -> list[Key]:
    keys: list[Key] = []
    if curves:
        keys += [
            Key("line", SAMPLING, MEASURES["sampled"]),
            Key("line", LOCAL, MEASURES["local"]),
            Key("line", AGGREGATED, MEASURES["full"]),
        ]
    if curves and len(grid.repetitions) > 1:
        keys.append(Key("band", "var(--band)", "least to largest over seeds"))
    if has_theory:
        keys.append(Key("dashed", PREDICTED, "predicted mean over networks and masks", "predicted"))
        keys.append(Key("dotted", BOUND, "bound of the theorem", "bound"))
    if grid.axes:
        keys.append(Key("outline", SAMPLING, "chosen cell"))
    if grid.axes and curves:
        keys.append(Key("ring", INK, "its number in the heatmap"))
    return keys


def _signs_said(grid: CellGrid) -> str:
    signs = {"diverged": "× has diverged", "failed": "! has failed", "pending": "– was not run"}
    found = {entry.status for entry in grid.entries.values()}
    said = [sign for status, sign in signs.items() if status in found]
    return f"A square with {', with '.join(said)}." if said else ""


def _curves_said(grid: CellGrid, points: int) -> str:
    if points == 0:
        return "The page holds no curves of the cells: the study kept none, or there are too many cells."
    seeds = len(grid.repetitions)
    over = f" the mean of {seeds} seeds with their least and largest, not each seed's," if seeds > 1 else ""
    return f"Of each cell's curve the page holds{over} {points} rounds, evenly spread."


def theory_said(theory: GridTheory) -> str:
    """Return what prediction and bound are of, or why there are none."""
    if theory.why_not:
        return f"Prediction and bound are not drawn: {theory.why_not}."
    return (
        "Prediction and bound are of the mean over initial networks and masks; the prediction keeps activation "
        "patterns as they are at the start."
    )
