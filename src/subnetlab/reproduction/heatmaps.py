"""Heatmaps of training errors over the number of subnetworks and one more setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .grids import MEASURES, Measure

if TYPE_CHECKING:
    from pathlib import Path

    from ..core.arrays import FloatArray
    from .grids import ErrorGrid

_ROWS = "number of subnetworks $p$"


def write_heatmaps(
    folder: Path, stem: str, grid: ErrorGrid, *, shown: Measure, rounds: int, column_label: str, title: str
) -> list[Path]:
    """Write one heatmap of the error that is to be shown, and three of the same grid read in every way.

    Parameters
    ----------
    folder : Path
    stem : str
        Of the files' names.
    grid : ErrorGrid
        Of p by something else.
    shown : {"sampled", "local", "full"}
    rounds : int
        Rounds at the end whose mean is shown.
    column_label, title : str
    """
    from ..figures.files import save_figure  # with matplotlib, which the table of figures need not load
    from ..figures.heatmap import draw_heatmap, draw_heatmaps

    one, table = draw_heatmap(
        _mean(grid, shown, rounds),
        grid.row_values,
        grid.column_values,
        row_label=_ROWS,
        col_label=column_label,
        value_label=f"training error {MEASURES[shown]}",
        title=title,
    )
    files = save_figure(one, folder, stem, table)
    every = {MEASURES[measure]: _mean(grid, measure, rounds) for measure in MEASURES}
    three, tables = draw_heatmaps(
        every,
        grid.row_values,
        grid.column_values,
        row_label=_ROWS,
        col_label=column_label,
        value_label="training error",
        title=title,
    )
    return [*files, *save_figure(three, folder, f"{stem}_measures", tables)]


def _mean(grid: ErrorGrid, measure: Measure, rounds: int) -> FloatArray:
    """Return the mean over seeds; a cell with a diverged seed has none and is NaN."""
    mean = grid.final(measure, rounds=rounds).mean(axis=0)
    return np.where(np.isfinite(mean), mean, np.nan)
