"""Figures 2b and 2c of the paper: the error over two settings, lighter where it is smaller."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.colors import LogNorm

from .cells import Cells, colour_scale, diverged_patch, draw_cells, write_numbers
from .files import real_array
from .style import COLUMN_WIDTH, TEXT_WIDTH, freeze_layout, new_figure, publication_style, set_log_ticks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    from ..core.arrays import FloatArray
    from .style import Table


@dataclass(frozen=True)
class _Grid:
    """Checked values over the same two settings: rows upwards, columns to the right."""

    panels: dict[str, FloatArray]  # by title, each (R, C)
    row_values: list[Any]
    col_values: list[Any]
    row_label: str
    col_label: str
    value_label: str

    def table(self, owner: str, names: Iterable[str]) -> Table:
        """Return one row per cell, the columns of the panels under ``names``."""
        labels = (self.row_label, self.col_label, *names)
        columns: list[list[Any]] = [
            [value for value in self.row_values for _ in self.col_values],
            self.col_values * len(self.row_values),
            *(values.ravel().tolist() for values in self.panels.values()),
        ]
        table: Table = {_column_name(label): column for label, column in zip(labels, columns, strict=True)}
        if len(table) < len(labels):
            raise ValueError(f"{owner}: labels and panels must differ in their words, got {labels}")
        return table


def draw_heatmap(
    values: Any,
    row_values: Sequence[Any],
    col_values: Sequence[Any],
    *,
    row_label: str,
    col_label: str,
    value_label: str,
    title: str = "",
    log_colour: bool = True,
    numbers: bool = True,
) -> tuple[Figure, Table]:
    """Draw one heatmap at the width of a column: rows upwards, columns to the right, lighter is smaller.

    Parameters
    ----------
    values : array, shape (R, C)
        nan where a run diverged: such cells are hatched and named in the legend.
    row_values, col_values : sequences of length R and C
        The settings, in the order in which they are drawn.
    row_label, col_label, value_label : str
        May hold mathtext (``"number of subnetworks $p$"``); without it they name the columns of the table.
    title : str, optional
    log_colour : bool, default True
        Colours follow the logarithm of the value.
    numbers : bool, default True
        Write the values into the cells, with as many digits (3 or 2) as fit.

    Returns
    -------
    figure : matplotlib.figure.Figure
    table : dict
        One row per cell: row value, column value, value.

    Raises
    ------
    TypeError, ValueError
        If the shapes do not fit each other, a value is infinite, or one is not positive with ``log_colour``.

    Examples
    --------
    >>> figure, table = draw_heatmap(
    ...     [[3.0, 2.0], [float("nan"), 1.0]], [1, 2], [0.5, 1.0],
    ...     row_label="number of subnetworks $p$", col_label="selection probability", value_label="error",
    ... )
    >>> table["number_of_subnetworks"], table["error"]
    ([1, 1, 2, 2], [3.0, 2.0, nan, 1.0])
    """
    array = _checked("draw_heatmap", "values", values, len(row_values), len(col_values), log_colour)
    grid = _Grid({title: array}, list(row_values), list(col_values), row_label, col_label, value_label)
    table = grid.table("draw_heatmap", [value_label])
    with publication_style():
        figure = new_figure(COLUMN_WIDTH, 2.6)
        _draw(figure, grid, [colour_scale(array, log=log_colour)], numbers=numbers, bars="right")
    return figure, table


def draw_heatmaps(
    panels: Mapping[str, Any],
    row_values: Sequence[Any],
    col_values: Sequence[Any],
    *,
    row_label: str,
    col_label: str,
    value_label: str,
    title: str = "",
    log_colour: bool = True,
    share_colour: bool = False,
    numbers: bool = True,
) -> tuple[Figure, Table]:
    """Draw heatmaps of one grid side by side, as for the error after sampling, local training and aggregation.

    Parameters
    ----------
    panels : mapping of str to array, each of shape (R, C)
        From the title of each panel, which also names its column in the table, to its values.
    share_colour : bool, default False
        One colour scale for all panels. Otherwise each has its own, which shows what changes inside a panel.
    row_values, col_values, row_label, col_label, value_label, title, log_colour, numbers
        As in `draw_heatmap`.

    Returns
    -------
    figure : matplotlib.figure.Figure
    table : dict
        One row per cell: row value, column value, and the value in each panel.

    Raises
    ------
    TypeError, ValueError
        As in `draw_heatmap`; also if there are no panels.

    Examples
    --------
    >>> figure, table = draw_heatmaps(
    ...     {"after sampling": [[3.0, 2.0]], "after aggregation": [[1.0, 0.5]]}, [4], [1, 5],
    ...     row_label="p", col_label="local steps", value_label="error",
    ... )
    >>> list(table)
    ['p', 'local_steps', 'after_sampling', 'after_aggregation']
    """
    if not panels:
        raise ValueError("draw_heatmaps: panels must hold at least one array, got none")
    arrays = {
        name: _checked("draw_heatmaps", f"panels[{name!r}]", values, len(row_values), len(col_values), log_colour)
        for name, values in panels.items()
    }
    grid = _Grid(arrays, list(row_values), list(col_values), row_label, col_label, value_label)
    table = grid.table("draw_heatmaps", arrays)
    if share_colour:
        scales = [colour_scale(np.stack(list(arrays.values())), log=log_colour)] * len(arrays)
    else:
        scales = [colour_scale(values, log=log_colour) for values in arrays.values()]
    with publication_style():
        figure = new_figure(TEXT_WIDTH, 2.7)
        _draw(figure, grid, scales, numbers=numbers, bars="bottom", title=title)
    return figure, table


def _checked(owner: str, name: str, values: Any, rows: int, columns: int, log_colour: bool) -> FloatArray:
    array = real_array(owner, name, values, ("R", "C"))
    if array.shape != (rows, columns):
        raise ValueError(
            f"{owner}: {name} must have shape ({rows}, {columns}), one row per row value and one column per column "
            f"value, got {array.shape}"
        )
    bad = np.argwhere(np.isinf(array) | (log_colour & (array <= 0)))
    if len(bad):
        place = tuple(int(i) for i in bad[0])
        rule = "above 0 and finite for log_colour=True" if log_colour else "finite"
        raise ValueError(f"{owner}: {name} must be {rule} (or nan for diverged), got {array[place]} at {place}")
    return array


def _column_name(label: str) -> str:
    """Return the words of a label in lower case: "number of subnetworks $p$" gives number_of_subnetworks."""
    words = re.findall(r"\w+", re.sub(r"\$[^$]*\$", "", label).lower())
    return "_".join(words) or label


def _draw(
    figure: Figure,
    grid: _Grid,
    scales: Sequence[Normalize],
    *,
    numbers: bool,
    bars: Literal["right", "bottom"],
    title: str = "",
) -> None:
    axes = figure.subplots(1, len(grid.panels), sharey=True, squeeze=False)[0]
    panels: list[Cells] = []
    for ax, scale, (name, values) in zip(axes, scales, grid.panels.items(), strict=True):
        panels.append(draw_cells(ax, values, scale))
        ax.set_title(name)
        ax.set_xlabel(grid.col_label)
        ax.set_xticks(range(len(grid.col_values)), map(_tick, grid.col_values))
        ax.tick_params(length=0)
    axes[0].set_ylabel(grid.row_label)
    axes[0].set_yticks(range(len(grid.row_values)), map(_tick, grid.row_values))
    for scale in dict.fromkeys(scales):  # one bar for each scale, beside the panels that use it
        _add_bar(figure, [cells for cells in panels if cells.mesh.norm is scale], grid.value_label, bars)
    if any(np.isnan(cells.values).any() for cells in panels):
        figure.legend(handles=[diverged_patch()], loc="outside lower right")
    if title:
        figure.suptitle(title)
    freeze_layout(figure)
    if numbers:
        write_numbers(panels)


def _add_bar(figure: Figure, panels: list[Cells], label: str, side: Literal["right", "bottom"]) -> None:
    """Add the colour bar of panels that share a scale, unless no cell has a colour."""
    if not any(cells.known.size for cells in panels):
        return
    mesh, axes = panels[0].mesh, [cells.ax for cells in panels]
    bar = figure.colorbar(mesh, ax=axes, location=side, label=label, aspect=18 * len(axes), pad=0.03)
    bar.outline.set_linewidth(0)
    assert bar.solids is not None
    bar.solids.set_edgecolor("face")  # no hairlines between the colours in PDF viewers
    if isinstance(mesh.norm, LogNorm):
        set_log_ticks(bar.ax.yaxis if side == "right" else bar.ax.xaxis, *mesh.get_clim(), most=6)


def _tick(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"
