"""A run beside the theory: the measured error, what was predicted, and what was promised."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from .files import real_array
from .style import (
    BLACK,
    BLUE,
    COLUMN_WIDTH,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    freeze_layout,
    new_figure,
    publication_style,
    set_log_ticks,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..core.arrays import FloatArray
    from .style import Table

_BOUND_STYLES = (
    (VERMILLION, (0, (4, 1.5))),
    (ORANGE, (0, (1, 1))),
    (GREEN, (0, (3, 1, 1, 1))),
    (SKY, (0, (5, 1, 1, 1, 1, 1))),
)
MOST_OWN_BOUNDS = len(_BOUND_STYLES) - 2  # beside the paper's and the repaired one
_GAP = 30.0  # a factor between two groups of curves that is worth breaking the axis for
_MARGIN = 0.08  # of the height of each part, above and below


def draw_promise(
    measured: Any,
    *,
    predicted: Any | None = None,
    bounds: dict[str, Any] | None = None,
    floor: float | None = None,
    certified: Any | None = None,
    title: str = "",
) -> tuple[Figure, Table]:
    """Draw |y - u_k|^2 against the round on a logarithmic axis, with the prediction and the bounds of its mean.

    Bounds are often a thousand times the error. Where they are more than 30 times above everything else, the axis is
    broken, so that both can be read.

    Parameters
    ----------
    measured : array, shape (K + 1,)
        |y - u_k|^2 of one run; nan where nothing was recorded.
    predicted : array, shape (K + 1,), optional
        Its expectation over masks, predicted.
    bounds : dict of str to array, shape (K + 1,), optional
        At most four bounds, by what the legend calls them; the table leaves out what is in parentheses. Values that
        are not finite are not drawn.
    floor : float, optional
        The predicted error of ever more rounds; drawn as a line if it is finite and above 0.
    certified : array, shape (K + 1,), optional
        The bound that this run has earned.
    title : str, optional

    Returns
    -------
    figure : matplotlib.figure.Figure
    table : dict
        One row per round: round, measured, predicted, certificate, and each bound; what was not given has no column.

    Raises
    ------
    TypeError, ValueError
        If an array has a wrong shape or holds a negative value, or measured has no positive finite value.

    Examples
    --------
    >>> figure, table = draw_promise([2.0, 1.0, 0.5], predicted=[2.0, 1.1, 0.6], bounds={"Theorem 3": [900.0] * 3})
    >>> table["round"], table["predicted"], list(table)
    ([0, 1, 2], [2.0, 1.1, 0.6], ['round', 'measured', 'predicted', 'theorem_3'])
    """
    curves = {"measured": _checked("measured", measured)}
    K = len(curves["measured"]) - 1
    if not np.any(_drawn(curves["measured"]) > 0):
        raise ValueError("draw_promise: measured must have a positive finite value")
    if predicted is not None:
        curves["predicted"] = _checked("predicted", predicted, K)
    if certified is not None:
        curves["certificate"] = _checked("certified", certified, K)
    bounds = {label: _checked(label, bound, K) for label, bound in (bounds or {}).items()}
    if len(bounds) > len(_BOUND_STYLES):
        raise ValueError(f"draw_promise: bounds must be at most {len(_BOUND_STYLES)}, got {len(bounds)}")
    with publication_style():
        figure = _draw(curves, bounds, floor, title)
    columns = curves | {_column_name(label): bound for label, bound in bounds.items()}
    table: Table = {"round": list(range(K + 1)), **{name: values.tolist() for name, values in columns.items()}}
    return figure, table


def _checked(name: str, values: Any, K: int | None = None) -> FloatArray:
    array = real_array("draw_promise", name, values, ("K + 1",))
    if K is not None and len(array) != K + 1:
        raise ValueError(f"draw_promise: {name} must have shape ({K + 1},) like measured, got {array.shape}")
    if np.any(array < 0):
        raise ValueError(f"draw_promise: {name} must not be negative, got {array[array < 0][0]}")
    return array


def _column_name(label: str) -> str:
    """Return the words of a label outside parentheses, joined by underscores."""
    return "_".join(re.findall(r"\w+", re.sub(r"\(.*?\)", "", label).lower()))


def _drawn(values: FloatArray) -> FloatArray:
    """Return the values that a logarithmic axis can show, nan elsewhere."""
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)


def _draw(curves: dict[str, FloatArray], bounds: dict[str, FloatArray], floor: float | None, title: str) -> Figure:
    figure = new_figure(COLUMN_WIDTH, 2.9)
    near = _extent([*curves.values(), np.array([np.nan if floor is None else floor])])
    far = _extent(list(bounds.values()))
    broken = far is not None and near is not None and far[0] > _GAP * near[1]
    if broken:
        top, low = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2))
        axes, extents = (top, low), (far, near)
        _break(top, low)
    else:
        low = figure.subplots()
        everything = _extent([*curves.values(), *bounds.values()])
        axes, extents = (low,), (everything,)
    for ax, extent in zip(axes, extents, strict=True):
        _draw_curves(ax, curves, bounds, floor)
        if extent is not None:
            _set_extent(ax, *extent, most=4 if broken and ax is axes[0] else 7)
    low.set_xlabel("round $k$")
    low.set_ylabel(r"error $\|y-u_k\|^2$")
    low.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    figure.legend(*low.get_legend_handles_labels(), loc="outside upper center", ncols=1, title=title or None)
    freeze_layout(figure)
    return figure


def _draw_curves(ax: Axes, curves: dict[str, FloatArray], bounds: dict[str, FloatArray], floor: float | None) -> None:
    rounds = np.arange(len(curves["measured"]))
    ax.set_yscale("log")
    known = _drawn(curves["measured"])
    sparse = np.isnan(known[1:-1]).all() if len(known) > 2 else False
    ax.plot(rounds, known, color=BLACK, marker="o" if sparse else "", markersize=3, label="measured, this run")
    if "predicted" in curves:
        label = "predicted, mean over masks"
        ax.plot(rounds, _drawn(curves["predicted"]), color=BLUE, linestyle=(0, (5, 1)), label=label)
    if "certificate" in curves:
        values, label = _drawn(curves["certificate"]), "bound: this run's certificate"
        ax.plot(rounds, values, color=PURPLE, linestyle=(0, (2, 1)), linewidth=1.0, label=label)
    if floor is not None and _is_drawn(floor):
        ax.axhline(floor, color=GREY, linewidth=0.6, linestyle=(0, (1, 2)), label="predicted floor")
    for (label, bound), (colour, dashes) in zip(bounds.items(), _BOUND_STYLES, strict=False):
        ax.plot(rounds, _drawn(bound), color=colour, linestyle=dashes, linewidth=1.0, label=f"bound: {label}")


def _is_drawn(floor: float) -> bool:
    return bool(np.isfinite(floor)) and floor > 0


def _extent(curves: list[FloatArray]) -> tuple[float, float] | None:
    drawn = np.concatenate([_drawn(curve) for curve in curves]) if curves else np.array([np.nan])
    return None if np.isnan(drawn).all() else (float(np.nanmin(drawn)), float(np.nanmax(drawn)))


def _set_extent(ax: Axes, low: float, high: float, *, most: int) -> None:
    room = max((high / low) ** _MARGIN, 1.15)
    ax.set_ylim(low / room, high * room)
    set_log_ticks(ax.yaxis, *ax.get_ylim(), most=most)


def _break(top: Axes, low: Axes) -> None:
    """Mark that the vertical axis leaves something out between the two parts."""
    top.spines["bottom"].set_visible(False)
    low.spines["top"].set_visible(False)
    top.tick_params(axis="x", which="both", bottom=False)
    marks = {"marker": [(-1, -0.6), (1, 0.6)], "markersize": 5, "linestyle": "none", "color": BLACK, "mew": 0.6}
    top.plot([0, 1], [0, 0], transform=top.transAxes, clip_on=False, **marks)
    low.plot([0, 1], [1, 1], transform=low.transAxes, clip_on=False, **marks)
