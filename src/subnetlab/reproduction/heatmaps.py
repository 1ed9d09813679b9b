"""Figures 2b and 2c: the error over the number of subnetworks and one more setting, as heatmaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .claims import bernoulli_verdicts, categorical_verdicts
from .figure import PaperFigure
from .results import MEASURES, error_grid

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from .claims import ClaimVerdict
    from .figure import Material
    from .results import ErrorGrid, Measure

_ROWS = "number of subnetworks $p$"


def write_heatmaps(material: Material, grid: ErrorGrid, *, stem: str, column_label: str, title: str) -> None:
    """Write one heatmap of the error that is to be shown, and three of the same grid read in every way.

    Parameters
    ----------
    material : Material
        Says which error is to be shown, over how many last rounds its mean is taken, and in which folder.
    grid : ErrorGrid
        Of p by something else.
    stem : str
        Of the files' names.
    column_label, title : str
    """
    from ..figures.files import save_figure  # with matplotlib, which the table of figures need not load
    from ..figures.heatmap import draw_heatmap, draw_heatmaps

    shown, rounds = material.view.shown, material.settings.final_rounds
    one, table = draw_heatmap(
        _mean(grid, shown, rounds),
        grid.row_values,
        grid.column_values,
        row_label=_ROWS,
        col_label=column_label,
        value_label=f"training error {MEASURES[shown]}",
        title=title,
    )
    save_figure(one, material.folder, stem, table)
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
    save_figure(three, material.folder, f"{stem}_measures", tables)


def _mean(grid: ErrorGrid, measure: Measure, rounds: int) -> FloatArray:
    """Return the mean over seeds; a cell with a diverged seed has none and is NaN."""
    mean = grid.final(measure, rounds=rounds).mean(axis=0)
    return np.where(np.isfinite(mean), mean, np.nan)


def draw_2b(material: Material) -> list[ClaimVerdict]:
    """Draw the heatmap over p and xi, Bernoulli masks, and judge the claims made of it."""
    s = material.settings
    grid = error_grid(material.cells, material.results, s.bernoulli_subnetworks, s.bernoulli_selection_probs)
    title = rf"Bernoulli masks, $\tau = {s.bernoulli_local_steps}$"
    write_heatmaps(material, grid, stem="figure_2b", column_label=r"selection probability $\xi$", title=title)
    return bernoulli_verdicts(grid, rounds=s.final_rounds)


def draw_2c(material: Material) -> list[ClaimVerdict]:
    """Draw the heatmap over p and tau, categorical masks, and judge the claims made of it."""
    s = material.settings
    grid = error_grid(material.cells, material.results, s.categorical_subnetworks, s.categorical_local_steps)
    label = r"number of local steps $\tau$"
    write_heatmaps(material, grid, stem="figure_2c", column_label=label, title="Categorical masks")
    return categorical_verdicts(grid, rounds=s.final_rounds)


FIGURE_2B = PaperFigure(axes=("seed", "n_subnetworks", "selection_prob"), draw=draw_2b)
FIGURE_2C = PaperFigure(axes=("seed", "n_subnetworks", "local_steps"), draw=draw_2c)
